/// The human monitor's view of the machine's trees: devices on buses, objects, memory regions.

#include <fmt/format.h>

#include <set>

#include "hw/base/bus.h"
#include "hw/pci/pci_device.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Object;
using qom::Value;

// --- info qtree -----------------------------------------------------------------------------------------------------

/// "16 (0x10)", "true", "\"text\""
std::string property_text(const Object& object, const qom::Property& p) {
  const Value v = p.get(object);
  if (const auto* u = v.get_if<std::uint64_t>()) {
    if (p.kind == qom::PropertyKind::Size) return fmt::format("{} ({})", *u, qom::format_size(*u));
    return fmt::format("{} (0x{:x})", *u, *u);
  }
  if (const auto* i = v.get_if<std::int64_t>()) return fmt::format("{} (0x{:x})", *i, static_cast<std::uint64_t>(*i));
  if (const auto* b = v.get_if<bool>()) return *b ? "true" : "false";
  if (const auto* s = v.get_if<std::string>()) return "\"" + *s + "\"";
  return to_json(v);
}

class DeviceTree {
 public:
  explicit DeviceTree(HumanContext& c) : c_(c) {
    qom::for_each<Bus>(c.machine(), [&](Bus& bus) { buses_.push_back(&bus); });
  }

  void print() {
    c_.write("bus: main-system-bus\n  type System\n");
    qom::for_each<Device>(c_.machine(), [&](Device& d) {
      if (!d.parent_bus()) device(d, 2);
    });
  }

 private:
  void device(Device& d, unsigned indent) {
    line(indent, fmt::format("dev: {}, id \"{}\"", d.type_name(), d.name()));
    indent += 2;
    for (const DeviceClass::Input& input : d.device_class().inputs())
      line(indent, fmt::format("gpio-in \"{}\" {}", input.name, input.bank(d).size()));
    for (const DeviceClass::Output& output : d.device_class().outputs())
      line(indent, fmt::format("gpio-out \"{}\" {}", output.name, output.pins(d).size()));
    for (const qom::Property& p : d.object_class().properties())
      if (p.get) line(indent, fmt::format("{} = {}", p.name, property_text(d, p)));
    if (const auto* pci = qom::cast<PciDevice>(&d); pci && d.realized()) {
      line(indent, fmt::format("class {:04x}, addr 00:{}, pci id {:04x}:{:04x} (sub {:04x}:{:04x})",
                               pci->config_read(pci::kClassCode, 2), pci->address().to_string(),
                               pci->config_read(pci::kVendorId, 2), pci->config_read(pci::kDeviceId, 2),
                               pci->config_read(pci::kSubsystemVendorId, 2), pci->config_read(pci::kSubsystemId, 2)));
    }
    for (Bus* bus : buses_) {
      if (!owns(d, *bus)) continue;
      line(indent, "bus: " + bus->name());
      line(indent, "  type " + bus->type_name());
      for (Device* behind : bus->devices()) device(*behind, indent + 2);
    }
  }

  /// The bus is a part of the device, and of no device within it.
  static bool owns(const Device& d, const Bus& bus) {
    const Object* o = bus.parent();
    while (o && !qom::cast<const Device>(o)) o = o->parent();
    return o == &d;
  }

  void line(unsigned indent, const std::string& text) { c_.print("{:{}}{}\n", "", indent, text); }

  HumanContext& c_;
  std::vector<Bus*> buses_;
};

void info_qtree(HumanContext& c, const QmpArguments&) { DeviceTree(c).print(); }

// --- info qom-tree --------------------------------------------------------------------------------------------------

void print_objects(HumanContext& c, const Object& object, unsigned indent) {
  c.print("{:{}}/{} ({})\n", "", indent, object.name(), object.type_name());
  std::vector<const Object*> children;
  for (const auto& child : object.children()) children.push_back(child.get());
  std::sort(children.begin(), children.end(), [](const Object* a, const Object* b) { return a->name() < b->name(); });
  for (const Object* child : children) print_objects(c, *child, indent + 2);
}

void info_qom_tree(HumanContext& c, const QmpArguments& arguments) {
  const std::string path = arguments.string_or("path", "/machine");
  const Object* from = path == "/" ? &c.root() : qom::resolve_path(c.root(), path);
  if (!from) return c.print("Path '{}' could not be resolved.\n", path);
  print_objects(c, *from, 0);
}

// --- info mtree -----------------------------------------------------------------------------------------------------

const char* kind_of(const MemoryRegion& region) {
  switch (region.kind()) {
    case MemoryRegion::Kind::Ram:
      return region.readonly() ? "rom" : "ram";
    case MemoryRegion::Kind::Container:
    case MemoryRegion::Kind::Io:
    case MemoryRegion::Kind::Alias:
      break;
  }
  return "i/o";
}

/// Inclusive; a region that covers everything has a size that stands for 2^64.
std::uint64_t last_of(std::uint64_t base, const MemoryRegion& region) {
  return region.size() == MemoryRegion::kWholeSpace ? region.size() : base + region.size() - 1;
}

constexpr unsigned kMaxDepth = 64;

class RegionTree {
 public:
  explicit RegionTree(HumanContext& c) : c_(c) {}

  void space(const AddressSpace& s) {
    c_.print("address-space: {}\n", s.name());
    region(s.root(), 0, 2);
    c_.write("\n");
  }
  /// Regions that only aliases show.
  void aliased() {
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (seen_.contains(targets_[i])) continue;
      c_.print("memory-region: {}\n", targets_[i]->name());
      region(*targets_[i], 0, 2);
      c_.write("\n");
    }
  }

 private:
  void region(const MemoryRegion& r, std::uint64_t base, unsigned indent) {
    seen_.insert(&r);
    const char* const off = r.enabled() ? "" : " [disabled]";
    if (r.kind() == MemoryRegion::Kind::Alias) {
      const auto& alias = static_cast<const AliasRegion&>(r);
      if (!alias.has_target()) return;
      const MemoryRegion& target = alias.target();
      targets_.push_back(&target);
      const std::uint64_t from = alias.target_offset();
      c_.print("{:{}}{:016x}-{:016x} (prio {}, {}): alias {} @{} {:016x}-{:016x}{}\n", "", indent, base,
               last_of(base, r), r.priority(), kind_of(target), r.name(), target.name(), from, from + r.size() - 1,
               off);
      return;
    }
    c_.print("{:{}}{:016x}-{:016x} (prio {}, {}): {}{}\n", "", indent, base, last_of(base, r), r.priority(), kind_of(r),
             r.name(), off);
    if (r.kind() != MemoryRegion::Kind::Container || indent > 2 * kMaxDepth) return;
    std::vector<MemoryRegion*> children = static_cast<const ContainerRegion&>(r).children();
    std::stable_sort(children.begin(), children.end(),
                     [](const MemoryRegion* a, const MemoryRegion* b) { return a->offset() < b->offset(); });
    for (const MemoryRegion* child : children) region(*child, base + child->offset(), indent + 2);
  }

  HumanContext& c_;
  std::set<const MemoryRegion*> seen_;
  std::vector<const MemoryRegion*> targets_;
};

void flat_view(HumanContext& c, unsigned number, const AddressSpace& space) {
  c.print("FlatView #{}\n AS \"{}\", root: {}\n", number, space.name(), space.root().name());
  const auto view = space.view();
  c.print(" Root memory region: {}\n", view->ranges().empty() ? "(none)" : space.root().name());
  if (view->ranges().empty()) c.write("  No rendered FlatView\n");
  for (const FlatRange& r : view->ranges()) {
    c.print("  {:016x}-{:016x} (prio {}, {}): {}", r.first, r.last, r.region->priority(),
            r.is_ram() ? (r.readonly ? "rom" : "ram") : "i/o", r.region->name());
    if (r.offset != 0) c.print(" @{:016x}", r.offset);
    c.write("\n");
  }
  c.write("\n");
}

void info_mtree(HumanContext& c, const QmpArguments& arguments) {
  System& system = c.machine().system();
  if (arguments.boolean_or("f", false)) {
    flat_view(c, 0, system.memory);
    flat_view(c, 1, system.io);
    return;
  }
  RegionTree tree(c);
  tree.space(system.memory);
  tree.space(system.io);
  tree.aliased();
}

std::vector<std::string> complete_path(MonitorSession& session, std::string_view) {
  std::vector<std::string> paths;
  qom::for_each<Object>(session.root(), [&](Object& o) { paths.push_back(o.path()); });
  return paths;
}

void add(MonitorTable& t) {
  t.human({.name = "info qtree", .doc = "devices, by the buses that they are on", .run = info_qtree});
  t.human({.name = "info qom-tree",
           .arguments = "*path: str",
           .doc = "objects and their types, from a path on",
           .run = info_qom_tree,
           .complete = complete_path});
  t.human({.name = "info mtree",
           .arguments = "-f",
           .doc = "memory regions; -f: as address spaces show them in the end",
           .run = info_mtree});
}

const MonitorFamily kFamily{"Trees", add};

}  // namespace
}  // namespace machina
