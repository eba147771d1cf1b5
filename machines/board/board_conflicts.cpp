#include "machines/board/board_conflicts.h"

#include <fmt/format.h>

#include <sstream>

#include "hw/base/bus.h"
#include "hw/ide/ide_device.h"
#include "hw/isa/isa_bus.h"
#include "hw/pci/pci_device.h"
#include "machines/board/setting_value.h"

namespace machina {

namespace {

/// Where a property of a device got its value: its own line, or where the device is declared when it has its default.
const Origin& origin_of(const ComposedDevice& d, const std::string& property) {
  const auto it = d.given.find(property);
  return it == d.given.end() ? d.description->type_at : it->second.at;
}

Error taken(const std::string& what, const ComposedDevice& first, const std::string& property) {
  return Error(what + " is taken")
      .hint(fmt::format("by '{}' of {}", first.description->id, origin_of(first, property).brief()));
}

/// PCI functions. A bridge that brings functions of its own (the host bridge's 00.0) has them taken before others.
void find_slot_conflicts(const std::vector<ComposedDevice>& devices, Faults& faults) {
  std::map<std::pair<const Bus*, unsigned>, const ComposedDevice*> functions;
  const auto claim = [&](const ComposedDevice& d, PciDevice& function) {
    if (!function.parent_bus() || !function.wanted_address()) return;
    const PciAddress address = *function.wanted_address();
    const auto [it, free] = functions.try_emplace({function.parent_bus(), address.devfn()}, &d);
    if (free) return;
    faults.add(
        taken(fmt::format("slot {} of {}", address.to_string(), function.parent_bus()->name()), *it->second, "addr")
            .at(origin_of(d, "addr")));
  };
  for (const ComposedDevice& d : devices)
    qom::for_each<PciDevice>(*d.device, [&](PciDevice& f) {
      if (static_cast<Device*>(&f) != d.device) claim(d, f);
    });
  for (const ComposedDevice& d : devices)
    if (auto* function = qom::cast<PciDevice>(d.device)) claim(d, *function);
}

/// Base ports, by the convention that ISA devices call theirs "iobase". 0 means that the device chooses.
void find_port_conflicts(const std::vector<ComposedDevice>& devices, Faults& faults) {
  std::map<std::uint64_t, const ComposedDevice*> ports;
  for (const ComposedDevice& d : devices) {
    if (!d.device->is_a(IsaDevice::kType) || !d.device->device_class().find_property("iobase")) continue;
    const qom::Value value = d.device->get("iobase");
    const auto* base = value.get_if<std::uint64_t>();
    if (!base || *base == 0) continue;
    const auto [it, free] = ports.try_emplace(*base, &d);
    if (!free) faults.add(taken(fmt::format("port {:#x}", *base), *it->second, "iobase").at(origin_of(d, "iobase")));
  }
}

/// Lines of an ISA bus are edge-triggered and cannot be shared, but two ports of one kind (COM1 and COM3) do it by
/// convention, since their driver asks both.
void find_line_conflicts(const std::vector<ComposedDevice>& devices, Faults& faults) {
  std::map<std::pair<const Bus*, std::string>, std::pair<const ComposedDevice*, std::string>> lines;
  for (const ComposedDevice& d : devices) {
    if (!d.device->is_a(IsaDevice::kType) || !d.device->parent_bus()) continue;
    for (const qom::Property& p : d.device->device_class().properties()) {
      if (!is_pin(p)) continue;
      std::istringstream targets(d.device->get(p.name).to_string());
      for (std::string line; std::getline(targets, line, ':');) {
        if (line.empty() || line.find_first_not_of("0123456789") != std::string::npos) continue;
        const auto [it, free] = lines.try_emplace({d.device->parent_bus(), line}, &d, p.name);
        const auto& [first, first_pin] = it->second;
        if (free || first->description->type == d.description->type) continue;
        faults.add(taken("interrupt line " + line, *first, first_pin).at(origin_of(d, p.name)));
      }
    }
  }
}

/// Drives of an IDE channel; a unit of -1 is the one that is free.
void find_unit_conflicts(const std::vector<ComposedDevice>& devices, Faults& faults) {
  std::map<std::pair<const Bus*, std::int64_t>, const ComposedDevice*> units;
  for (const ComposedDevice& d : devices) {
    if (!d.device->is_a(IdeDevice::kType) || !d.device->parent_bus()) continue;
    const qom::Value value = d.device->get("unit");
    const auto* unit = value.get_if<std::int64_t>();
    if (!unit || *unit < 0) continue;
    const auto [it, free] = units.try_emplace({d.device->parent_bus(), *unit}, &d);
    if (free) continue;
    faults.add(taken(fmt::format("unit {} of {}", *unit, d.device->parent_bus()->name()), *it->second, "unit")
                   .at(origin_of(d, "unit")));
  }
}

}  // namespace

void check_bus_line(const Bus& bus, unsigned line) {
  if (!bus.is_a(IsaBus::kType)) {
    throw Error(fmt::format("no such interrupt line: {}", line))
        .why(fmt::format("'{}' has no numbered lines", bus.name()))
        .hint("write ID.INDEX of an interrupt controller on the board");
  }
  if (line >= IsaBus::kLines) {
    throw Error(fmt::format("no such interrupt line: {}", line))
        .hint(fmt::format("'{}' has lines 0 to {}", bus.name(), IsaBus::kLines - 1));
  }
}

void find_conflicts(const std::vector<ComposedDevice>& devices, Faults& faults) {
  find_slot_conflicts(devices, faults);
  find_port_conflicts(devices, faults);
  find_line_conflicts(devices, faults);
  find_unit_conflicts(devices, faults);
}

}  // namespace machina
