#include "tests/support/interrupt_board.h"

#include <utility>

#include "hw/base/bus.h"

namespace machina {
using test::InterruptPort;
MACHINA_TYPE(InterruptPort, Device);
}  // namespace machina

namespace machina::test {

void InterruptPort::class_init(DeviceClass& c) {
  c.description = "Raises lines and sends messages for test guests";
  c.outputs("lines", &InterruptPort::lines_);
  c.output("nmi", &InterruptPort::nmi_);
}

void InterruptPort::realize() { map(system().io_root, 0x510, ports_); }

void InterruptPort::reset_hold() {
  for (unsigned n = 0; n < lines_.size(); ++n) lines_[n].lower();
}

IoResult InterruptPort::read(Offset offset, Width) {
  if (offset == 12) return std::uint64_t{sequence};
  if (offset == 8) return static_cast<std::uint64_t>(clock().now_ns() / 1000) & 0xffffffff;
  std::uint64_t up = 0;
  for (unsigned n = 0; n < lines_.size(); ++n) up += lines_[n].level() ? 1 : 0;
  return up;
}

IoResult InterruptPort::write(Offset offset, Width, std::uint64_t value) {
  switch (offset) {
    case 0:
      if (const unsigned n = value & 0x1f; n < lines_.size()) lines_[n].set(value & 0x80);
      break;
    case 1:
      ++ticks;
      break;
    case 2:
      nmi_.pulse();
      break;
    case 3:
      for (unsigned n = 0; n < lines_.size(); ++n) lines_[n].lower();
      break;
    case 4:
      ++messages;
      dma().store(0xfee00000, 4, value);
      break;
    case 12:
      if (value != sequence + 1) ++out_of_order;
      sequence = static_cast<std::uint32_t>(value);
      break;
    default:
      return IoStatus::BadRegister;
  }
  return io_ok();
}

std::vector<Device*> add_interrupt_board(Machine& machine, const InterruptBoardOptions& options) {
  std::vector<Device*> devices;
  std::vector<Bus*> buses;
  using Properties = std::vector<std::pair<const char*, std::string>>;
  const auto add = [&](const char* model, const char* id, const Properties& properties) -> Device& {
    auto device = qom::TypeRegistry::global().create_as<Device>(machine.accelerator().implementation_of(model));
    machine.add_child(id, device);
    for (Bus* bus : buses)
      if (bus->is_a(device->device_class().bus_type)) device->set_parent_bus(*bus);
    for (const auto& [name, value] : properties) device->set_text(name, value);
    devices.push_back(device.get());
    return *device;
  };
  if (options.pm || options.pci) buses.push_back(qom::cast<Bus>(add("i440FX-pcihost", "pcihost", {}).child("pci.0")));
  Device& bridge = options.pci ? add("PIIX3", "piix3", {{"addr", "1.0"}, {"isa-irqs", "gsi"}})
                               : add("isabus-bridge", "isa", {{"isa-irqs", "gsi"}});
  buses.push_back(qom::cast<Bus>(bridge.child("isa.0")));
  Device& pic = add("i8259", "pic", {{"out", "cpu[0].intr"}});
  if (options.ioapic) add("ioapic", "ioapic", {});
  if (options.apic) {
    Device& bus = add("apic-bus", "apics", {});
    bus.set_link("pic", &pic);
    for (X86Cpu* cpu : machine.cpus().cpus()) cpu->set_link("apic-bus", &bus);
  }
  add("gsi", "gsi", {{"pic", "pic.ir"}, {"ioapic", options.ioapic ? "ioapic.in" : ""}});
  Device& pit = add("i8254", "pit", {{"irq", "0"}});
  if (!options.lost_tick_policy.empty()) pit.set_text("lost-tick-policy", options.lost_tick_policy);
  add("mc146818rtc", "rtc", {{"irq", options.pm ? "8:pm.rtc-alarm" : "8"}});
  if (options.hpet) add("hpet", "hpet", {{"irqs", "gsi.hpet"}, {"legacy", "gsi.legacy"}, {"msi", "on"}});
  if (options.keyboard) {
    add("i8042", "i8042", {{"wake", options.pm ? "pm.gpe.4" : ""}});
    add("port92", "port92", {});
  }
  add("test-interrupt-port", "lines", {{"lines", "gsi"}, {"nmi", "cpu[0].nmi"}});
  if (options.pm) add("PIIX4_PM", "pm", {{"addr", "1.3"}, {"sci", "gsi.9"}});
  if (options.pci) {
    add("test-intx-function", "a", {{"addr", "2.0"}, {"iobase", "0x5a0"}});
    add("test-intx-function", "b", {{"addr", "6.0"}, {"iobase", "0x5b0"}});
  }
  machine.cpus().cpus().front()->set_link("pic", &pic);
  return devices;
}

}  // namespace machina::test
