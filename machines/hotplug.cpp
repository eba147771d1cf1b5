#include "machines/hotplug.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/machine_events.h"
#include "hw/acpi/cpu_hotplug.h"
#include "hw/acpi/pci_hotplug.h"
#include "hw/base/bus.h"
#include "hw/base/reset.h"
#include "hw/pci/pci_device.h"
#include "qom/find.h"

namespace machina {
namespace {

using qom::Object;
using qom::Property;
using qom::PropertyKind;
using qom::Value;

Object& container(Machine& machine, const char* name) {
  Object* found = machine.child(name);
  return found ? *found : machine.add_new_child<qom::Container>(name);
}

std::string free_name(const Object& parent) {
  for (unsigned n = 0;; ++n)
    if (std::string name = fmt::format("device[{}]", n); !parent.child(name)) return name;
}

Bus& find_bus(Machine& machine, const DeviceClass& c, const Value* name) {
  Bus* found = nullptr;
  std::vector<std::string> names;
  qom::for_each<Bus>(machine, [&](Bus& bus) {
    names.push_back(bus.name());
    const bool fits = name ? bus.name() == name->to_string() || bus.path() == name->to_string() : bus.is_a(c.bus_type);
    if (fits && !found) found = &bus;
  });
  if (found) return *found;
  if (name)
    throw Error(fmt::format("Bus '{}' not found", name->to_string())).hint(did_you_mean(name->to_string(), names));
  throw Error(fmt::format("No '{}' bus found for device '{}'", c.bus_type, c.name()));
}

/// Back ends and devices are linked to by id or by path.
Object* link_target(Machine& machine, const Property& p, const std::string& text) {
  if (text.empty()) return nullptr;
  Object* found = nullptr;
  qom::for_each<Object>(machine.root(), [&](Object& o) {
    if (!found && o.name() == text && o.is_a(p.link_type)) found = &o;
  });
  if (!found) found = qom::resolve_path(machine.root(), text);
  if (!found)
    throw Error(fmt::format("Property '{}' can't find value '{}'", p.name, text)).hint("expected " + p.expected());
  return found;
}

const DeviceClass& class_of(const std::string& type) {
  qom::TypeRegistry& registry = qom::TypeRegistry::global();
  const qom::TypeInfo* info = registry.find(type);
  if (!info || info->interface || !registry.class_of(type).is_a(Device::kType)) {
    throw Error(fmt::format("'{}' is not a valid device model name", type))
        .hint(did_you_mean(type, registry.names(Device::kType)));
  }
  const qom::ObjectClass& c = registry.class_of(type);
  if (c.abstract()) throw Error("Parameter 'driver' expects a non-abstract device type");
  return static_cast<const DeviceClass&>(c);
}

PciHotplug& pci_hotplug_of(Machine& machine, const Bus& bus) {
  PciHotplug* found = nullptr;
  qom::for_each<PciHotplug>(machine, [&](PciHotplug& h) {
    if (h.get("pci") == Value(bus.path())) found = &h;
  });
  if (!found) throw Error(fmt::format("Bus '{}' does not support hotplugging", bus.name()));
  return *found;
}

// --- CPUs ---

/// The number of the CPU at the place that the properties name.
unsigned cpu_index_of(const CpuTopology& t, const qom::ValueMap& properties) {
  std::uint64_t at[3] = {};
  const char* const names[3] = {"socket-id", "core-id", "thread-id"};
  const unsigned limits[3] = {t.sockets, t.cores, t.threads};
  for (unsigned i = 0; i < 3; ++i) {
    const auto given =
        std::find_if(properties.begin(), properties.end(), [&](const auto& p) { return p.first == names[i]; });
    if (given == properties.end()) throw Error(fmt::format("CPU {} is not set", names[i]));
    at[i] = qom::parse_uint(given->second.to_string());
    if (at[i] >= limits[i])
      throw Error(fmt::format("Invalid CPU {}: {} must be in range 0:{}", names[i], at[i], limits[i] - 1));
  }
  return static_cast<unsigned>((at[0] * t.cores + at[1]) * t.threads + at[2]);
}

Device& plug_cpu(Machine& machine, const std::string& id, const qom::ValueMap& properties) {
  CpuHotplug* controller = qom::first_of<CpuHotplug>(machine);
  if (!controller) throw Error("this machine has no CPU hot-plug controller");
  for (const auto& [name, value] : properties) {
    if (name != "socket-id" && name != "core-id" && name != "thread-id")
      throw Error(fmt::format("Property '{}.{}' not found", X86Cpu::kType, name));
  }
  const unsigned index = cpu_index_of(machine.cpu_config().topology, properties);
  if (index >= controller->slots() || controller->present(index))
    throw Error(fmt::format("CPU[{}] exists already", index));
  X86Cpu& cpu = machine.plug_cpu(index, id);
  controller->plug(index);
  return cpu;
}

}  // namespace

void set_property(Machine& machine, Object& object, const std::string& name, const Value& value) {
  const Property* const found = object.object_class().find_property(name);
  if (!found) {
    std::vector<std::string> names;
    for (const Property& p : object.object_class().properties()) names.push_back(p.name);
    throw Error(fmt::format("Property '{}.{}' not found", object.object_class().name(), name))
        .hint(did_you_mean(name, names));
  }
  const Property& p = *found;
  if (p.kind == PropertyKind::Link) {
    object.set_link(name, link_target(machine, p, value.to_string()));
  } else if (const auto* text = value.get_if<std::string>()) {
    object.set_text(name, *text);  // as on the command line: "on", "0x10"
  } else {
    object.set(name, value);
  }
}

Device& hotplug_device(Machine& machine, const std::string& type, const std::string& id,
                       const qom::ValueMap& properties) {
  const DeviceClass& c = class_of(type);
  if (!id.empty() && container(machine, "peripheral").child(id))
    throw Error(fmt::format("Duplicate device ID '{}'", id));
  if (c.is_a(X86Cpu::kType)) return plug_cpu(machine, id, properties);
  if (!c.user_creatable) throw Error("Parameter 'driver' expects a pluggable device type");
  const auto bus_name =
      std::find_if(properties.begin(), properties.end(), [](const auto& p) { return p.first == "bus"; });
  if (c.bus_type.empty()) throw Error(fmt::format("Device '{}' can not be hotplugged on this machine", type));
  Bus& bus = find_bus(machine, c, bus_name == properties.end() ? nullptr : &bus_name->second);
  PciHotplug& controller = pci_hotplug_of(machine, bus);

  const std::string implementation = machine.accelerator().implementation_of(type);
  auto device = qom::TypeRegistry::global().create_as<Device>(implementation);
  Object& parent = container(machine, id.empty() ? "peripheral-anon" : "peripheral");
  parent.add_child(id.empty() ? free_name(parent) : id, device);
  try {
    device->set_parent_bus(bus);
    for (const auto& [name, value] : properties)
      if (name != "bus") set_property(machine, *device, name, value);
    const MemoryTransaction transaction;
    qom::realize_tree(*device);
    reset_tree(*device);
    controller.plug(static_cast<PciDevice&>(*device).address().slot);
  } catch (...) {
    parent.remove_child(*device);
    throw;
  }
  return *device;
}

void request_unplug(Machine& machine, Device& device) {
  if (auto* cpu = qom::cast<X86Cpu>(&device)) {
    CpuHotplug* controller = qom::first_of<CpuHotplug>(machine);
    if (!controller) throw Error("this machine has no CPU hot-plug controller");
    controller->request_unplug(cpu->index());
    return;
  }
  auto* function = qom::cast<PciDevice>(&device);
  Bus* bus = device.parent_bus();
  if (!function || !bus) throw Error(fmt::format("Device '{}' does not support hotplugging", device.name()));
  pci_hotplug_of(machine, *bus).request_unplug(function->address().slot);
}

}  // namespace machina
