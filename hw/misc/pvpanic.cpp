#include "hw/misc/pvpanic.h"

#include "core/trace/trace_event.h"

namespace machina {
namespace {

const TraceEvent<unsigned> pvpanic_write{"pvpanic_write", "events={:#x}"};

}  // namespace

void pvpanic::tell(RunControl& control, std::uint8_t events) {
  pvpanic_write(events);
  GuestAlarms* machine = guest_alarms(control);
  if (!machine) return;
  if (events & kPanicked) {
    machine->guest_panicked();
  } else if (events & kCrashLoaded) {
    machine->guest_crash_loaded();
  }
}

void PvPanic::class_init(DeviceClass& c) {
  c.description = "Panic notifier of a guest";
  c.category = Category::Misc;
  c.property("ioport", &PvPanic::port_number_, pvpanic::kPort).doc("its port");
  c.property("events", &PvPanic::events_, pvpanic::kAll)
      .doc("events that are offered: 1, the guest has panicked; 2, another kernel takes over; 3, both");
}

IoResult PvPanic::write(Offset, Width, std::uint64_t value) {
  pvpanic::tell(system().control, static_cast<std::uint8_t>(value & events_));
  return io_ok();
}

namespace {

// Red Hat's numbers for functions of virtual machines; a base peripheral of a kind without a number.
constexpr std::uint16_t kVendorRedHat = 0x1b36, kDevicePvPanic = 0x0011, kClassSystemOther = 0x0880;

/// As guests know it: _CRS has the port, RDPT and WRPT read and write it.
aml::Code panic_device(std::uint16_t port) {
  using namespace aml;
  constexpr unsigned kPresent = 0x0f;
  return device("PEVT", {name("_HID", string("QEMU0001")), name("_CRS", Resources().io(port, 1).code()),
                         operation_region("PEOR", Space::SystemIo, port, 1),
                         field("PEOR", Access::Byte, Update::Preserve, {{"PEPT", 8}}), name("_STA", integer(kPresent)),
                         method("RDPT", 0, Serialize::No, {store(path("PEPT"), local(0)), return_value(local(0))}),
                         method("WRPT", 1, Serialize::No, {store(arg(0), path("PEPT"))})});
}

}  // namespace

aml::Terms PvPanic::acpi_objects(AcpiBoard&) { return {panic_device(port_number_)}; }

void PvPanicPci::class_init(PciDeviceClass& c) {
  c.description = "Panic notifier of a guest";
  c.category = Category::Misc;
  c.vendor_id = kVendorRedHat;
  c.device_id = kDevicePvPanic;
  c.revision = 1;
  c.class_code = kClassSystemOther;
  c.property("events", &PvPanicPci::events_, pvpanic::kAll)
      .doc("events that are offered: 1, the guest has panicked; 2, another kernel takes over; 3, both");
}

IoResult PvPanicPci::read(Offset offset, Width) { return offset == 0 ? std::uint64_t{events_} : 0; }

IoResult PvPanicPci::write(Offset offset, Width, std::uint64_t value) {
  if (offset == 0) pvpanic::tell(system().control, static_cast<std::uint8_t>(value & events_));
  return io_ok();
}

MACHINA_TYPE(PvPanic, IsaDevice, AcpiContributor);
MACHINA_TYPE(PvPanicPci, PciDevice);

}  // namespace machina
