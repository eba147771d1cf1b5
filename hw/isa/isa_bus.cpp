#include "hw/isa/isa_bus.h"

#include <fmt/format.h>

#include "hw/isa/isa_dma.h"

namespace machina {

void IsaBus::class_init(qom::ObjectClass& c) { c.description = "ISA bus"; }

void IsaBus::set_dma_controller(IsaDmaController* controller) {
  if (controller && dma_ && dma_ != controller) {
    throw Error(fmt::format("bus '{}' has a DMA controller already", name()))
        .hint("a PC has one i8237, which is a pair");
  }
  dma_ = controller;
}

IsaDmaChannel& IsaBus::dma_channel(unsigned n) {
  if (!dma_) {
    throw Error(fmt::format("bus '{}' has no DMA controller", name()))
        .hint("put an i8237 on the board, before the devices that use it");
  }
  if (n > 7 || n == 4) {
    throw Error(fmt::format("there is no DMA channel {}", n)).hint("channels are 0 to 3 (bytes) and 5 to 7 (words)");
  }
  return dma_->dma_channel(n);
}

void IsaDevice::class_init(DeviceClass& c) {
  c.description = "ISA device";
  c.bus_type = IsaBus::kType;
}

std::optional<unsigned> IsaDevice::isa_line(const IrqOut& output) const {
  for (const IrqIn* sink : output.sinks())
    for (unsigned n = 0; n < IsaBus::kLines; ++n)
      if (isa_bus().irq_line(n) == sink) return n;
  return std::nullopt;
}

const MemoryRegion* IsaDevice::port_user(std::uint16_t base, std::uint64_t size) const {
  const std::uint64_t last = base + size - 1;
  for (const MemoryRegion* other : system().io_root.children()) {
    const std::uint64_t other_last = other->offset() + other->size() - 1;
    if (other->priority() == 0 && other->offset() <= last && other_last >= base) return other;
  }
  return nullptr;
}

void IsaDevice::map_ports(std::uint16_t base, IoRegion& ports) {
  const std::uint64_t last = base + ports.size() - 1;
  if (last > 0xffff) {
    throw Error(fmt::format("ports {:#x} to {:#x} lie beyond the 64 KiB of I/O space", base, last))
        .hint("choose a lower iobase");
  }
  if (const MemoryRegion* other = port_user(base, ports.size())) {
    throw Error(fmt::format("ports {:#x} to {:#x} are taken", base, last))
        .why(
            fmt::format("'{}' has {:#x} to {:#x}", other->name(), other->offset(), other->offset() + other->size() - 1))
        .hint("choose another iobase");
  }
  map(system().io_root, base, ports);
}

MACHINA_TYPE(IsaBus, Bus);
MACHINA_ABSTRACT_TYPE(IsaDevice, Device);

}  // namespace machina
