#include "hw/isa/isa_bus.h"

#include <fmt/format.h>

namespace machina {

void IsaBus::class_init(qom::ObjectClass& c) { c.description = "ISA bus"; }

void IsaDevice::class_init(DeviceClass& c) {
  c.description = "ISA device";
  c.bus_type = IsaBus::kType;
}

void IsaDevice::map_ports(std::uint16_t base, IoRegion& ports) {
  ContainerRegion& io = system().io_root;
  const std::uint64_t last = base + ports.size() - 1;
  if (last > 0xffff) {
    throw Error(fmt::format("ports {:#x} to {:#x} lie beyond the 64 KiB of I/O space", base, last))
        .hint("choose a lower iobase");
  }
  for (const MemoryRegion* other : io.children()) {
    const std::uint64_t other_last = other->offset() + other->size() - 1;
    if (other->priority() == 0 && other->offset() <= last && other_last >= base) {
      throw Error(fmt::format("ports {:#x} to {:#x} are taken", base, last))
          .why(fmt::format("'{}' has {:#x} to {:#x}", other->name(), other->offset(), other_last))
          .hint("choose another iobase");
    }
  }
  map(io, base, ports);
}

MACHINA_TYPE(IsaBus, Bus);
MACHINA_ABSTRACT_TYPE(IsaDevice, Device);

}  // namespace machina
