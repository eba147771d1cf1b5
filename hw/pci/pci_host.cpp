#include "hw/pci/pci_host.h"

#include "hw/pci/pci_device.h"

namespace machina {

namespace {

// 3.2.2.3.2, figure 3-2: CONFIG_ADDRESS.
constexpr std::uint32_t kEnable = 1U << 31;
constexpr std::uint32_t kAddressBits = 0x80fffffc;  // the rest is reserved and reads 0

struct ConfigTarget {
  PciDevice* function = nullptr;
  unsigned reg = 0;
};

ConfigTarget decode(const PciBus& bus, std::uint32_t address, Offset offset) {
  return {bus.target(address >> 16 & 0xff, address >> 11 & 0x1f, address >> 8 & 7),
          (address & 0xfc) + static_cast<unsigned>(offset)};
}

}  // namespace

void PciHost::class_init(DeviceClass& c) {
  c.description = "PCI host bridge";
  c.category = Category::Bridge;
  c.user_creatable = false;  // the root of a machine's PCI
}

PciHost::PciHost() {
  bus_ = &add_new_child<PciBus>("pci.0");
  bus_->attach_memory(pci_memory_);
}

void PciHost::realize() {
  bus_->attach_io(system().io_root);
  map(system().io_root, kConfigAddress, address_port_);
  map(system().io_root, kConfigData, data_port_);
}

void PciHost::reset_enter() { state_ = State(); }

// Narrower accesses at CF8h-CFBh are no configuration cycles: they go on to the bus, where the ISA bridge has CF9h.
IoResult PciHost::read_address(Offset offset, Width width) {
  if (offset == 0 && width == 4) return state_.config_address;
  if (offset == 1 && width == 1 && bus_->reset_control()) return bus_->reset_control()->read(0, 1);
  return IoStatus::NoResponse;
}

IoResult PciHost::write_address(Offset offset, Width width, std::uint64_t value) {
  if (offset == 0 && width == 4) {
    state_.config_address = static_cast<std::uint32_t>(value) & kAddressBits;
    return io_ok();
  }
  if (offset == 1 && width == 1 && bus_->reset_control()) return bus_->reset_control()->write(0, 1, value);
  return IoStatus::NoResponse;
}

IoResult PciHost::read_data(Offset offset, Width width) {
  if (!(state_.config_address & kEnable)) return IoStatus::NoResponse;
  const ConfigTarget t = decode(*bus_, state_.config_address, offset);
  // Nobody claims the cycle: a master abort, which the bridge answers with all ones.
  if (!t.function) return IoStatus::NoResponse;
  return t.function->config_read(t.reg, width);
}

IoResult PciHost::write_data(Offset offset, Width width, std::uint64_t value) {
  if (!(state_.config_address & kEnable)) return IoStatus::NoResponse;
  const ConfigTarget t = decode(*bus_, state_.config_address, offset);
  if (!t.function) return IoStatus::NoResponse;
  t.function->config_write(t.reg, width, static_cast<std::uint32_t>(value));
  return io_ok();
}

MACHINA_ABSTRACT_TYPE(PciHost, Device, AcpiContributor);

}  // namespace machina
