#include "machines/board/board_composer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "hw/base/bus.h"
#include "hw/base/device.h"
#include "machines/board/board_conflicts.h"
#include "machines/board/setting_value.h"

namespace machina {

using qom::Object;
using qom::Property;
using qom::PropertyKind;
using qom::Ref;
using qom::TypeRegistry;

const std::vector<std::string>& conventional_backends() {
  static const std::vector<std::string> names{"serial0",   "serial1",   "serial2",   "serial3", "debugcon0", "nic0",
                                              "parallel0", "parallel1", "parallel2", "floppy0", "floppy1"};
  return names;
}

namespace {

/// The class of a device's model. Throws Error at the place of the type.
const DeviceClass& device_class_of(const std::string& type, const Origin& at) {
  TypeRegistry& registry = TypeRegistry::global();
  const qom::TypeInfo* info = registry.find(type);
  if (!info || info->interface) {
    const std::string near = did_you_mean(type, registry.names(Device::kType));
    throw Error(fmt::format("no such type: '{}'", type))
        .at(at)
        .hint(near.empty() ? "machine-run -device help lists all types"
                           : near + " (machine-run -device help lists all types)");
  }
  const qom::ObjectClass& c = registry.class_of(type);
  if (!c.is_a(Device::kType)) throw Error(fmt::format("'{}' is not a device", type)).at(at);
  if (c.abstract()) {
    std::string example;
    for (const std::string& name : registry.names(type))
      if (example.empty() && registry.class_of(name).user_creatable) example = name;
    throw Error(fmt::format("'{}' is abstract", type))
        .at(at)
        .hint(example.empty() ? "name a type that implements it" : fmt::format("for example '{}'", example));
  }
  return static_cast<const DeviceClass&>(c);
}

class Composer {
 public:
  Composer(const Board& board, const BoardRequest& request, Object& machine, const ComposeOptions& options,
           Faults& faults)
      : board_(board), request_(request), machine_(machine), options_(options), faults_(faults) {}

  std::vector<Device*> compose() {
    const std::size_t before = faults_.size();
    load_plugins();
    check_globals();
    set_machine_properties();
    for (const BoardDevice& d : board_.devices) make(d);
    find_buses();
    check_cpus();
    for (ComposedDevice& d : devices_) plug(d);
    for (ComposedDevice& d : devices_) set_properties(d);
    for (const ComposedDevice& d : devices_) check_pins(d);
    find_conflicts(devices_, faults_);
    std::vector<Device*> order = faults_.size() == before ? realize_order() : std::vector<Device*>();
    if (faults_.size() != before) {
      while (!devices_.empty()) {
        Device& d = *devices_.back().device;
        d.parent()->remove_child(d);
        devices_.pop_back();
      }
      order.clear();
    }
    return order;
  }

 private:
  // --- types ---

  void load_plugins() {
    for (const Setting& plugin : board_.plugins) {
      faults_.guard(plugin.at, [&] {
        if (!options_.load_plugin) throw Error("plugins cannot be loaded here");
        options_.load_plugin(plugin.text);
      });
    }
  }

  /// -global names types of this program, whether the board has one of them or not.
  void check_globals() {
    TypeRegistry& registry = TypeRegistry::global();
    for (const GlobalOption& g : request_.globals) {
      const bool good = faults_.guard(g.driver_origin, [&] {
        const qom::TypeInfo* info = registry.find(g.driver);
        if (!info || info->interface)
          throw Error(fmt::format("no such type: '{}'", g.driver)).hint(did_you_mean(g.driver, registry.names()));
        const qom::ObjectClass& c = registry.class_of(g.driver);
        value_of(writable_property(c, g.property, g.value.key_origin), g.value.text, g.value.origin);
      });
      if (!good) bad_globals_.insert(&g);
    }
  }

  /// What -M sets and the board does not know as an option belongs to the machine itself.
  void set_machine_properties() {
    for (const Setting& s : board_.machine) {
      faults_.guard(s.at, [&] {
        const Property* p = machine_.object_class().find_property(s.name);
        if (p && !p->read_only) return machine_.set(s.name, value_of(*p, s));
        std::vector<std::string> names = machine_.object_class().property_names();
        for (const BoardOption& o : board_.options) names.push_back(o.name);
        std::string hint = did_you_mean(s.name, names);
        if (hint.empty()) hint = fmt::format("machine-run -M {},help lists its options", board_.name);
        throw Error(fmt::format("board '{}' has no option '{}'", board_.name, s.name)).at(s.name_at).hint(hint);
      });
    }
  }

  void check_cpus() {
    if (board_.cpus.default_count == 0 && board_.cpus.settings.empty()) return;
    faults_.guard(board_.cpus.type_at, [&] {
      const DeviceClass& c = device_class_of(board_.cpus.type, board_.cpus.type_at);
      for (const Setting& s : board_.cpus.settings) {
        faults_.guard(s.at, [&] {
          const Property& p = writable_property(c, s.name, s.name_at);
          const qom::Value value = value_of(p, s);
          if (p.kind == PropertyKind::Link) link_target(p, s);
        });
      }
    });
  }

  void make(const BoardDevice& d) {
    const bool made_it = faults_.guard(d.type_at, [&] {
      const DeviceClass& model = device_class_of(d.type, d.type_at);
      if (d.place != BoardDevice::Place::Board && !model.user_creatable) {
        throw Error(fmt::format("'{}' cannot be added with -device", d.type))
            .why("it is part of a board")
            .hint("machine-run -device help lists the types that can");
      }
      const std::string type = options_.implementation_of ? options_.implementation_of(d.type) : d.type;
      ComposedDevice made;
      made.description = &d;
      Ref<Device> object = TypeRegistry::global().create_as<Device>(type);
      made.device = object.get();
      container_for(d.place).add_child(d.id, object);
      by_id_[d.id] = devices_.size();
      devices_.push_back(made);
    });
    if (!made_it) missing_.push_back(d.id);
  }

  /// "id", "id.3" or "id.bank.3" of a device that could not be made: what depends on it is no fault of its own.
  bool refers_to_missing(std::string_view target) const {
    return std::any_of(missing_.begin(), missing_.end(), [&](const std::string& id) {
      return target == id ||
             (target.size() > id.size() && target.substr(0, id.size()) == id && target[id.size()] == '.');
    });
  }

  Object& container_for(BoardDevice::Place place) {
    if (place == BoardDevice::Place::Board) return machine_;
    const char* name = place == BoardDevice::Place::Peripheral ? "peripheral" : "peripheral-anon";
    Object* container = machine_.child(name);
    return container ? *container : machine_.add_new_child<qom::Container>(name);
  }

  // --- buses ---

  void find_buses() {
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      std::vector<Bus*> brought;
      qom::for_each<Bus>(*devices_[i].device, [&](Bus& bus) { brought.push_back(&bus); });
      for (Bus* bus : brought) {
        number(*bus);
        buses_.push_back({bus, i});
      }
    }
  }

  /// A bridge calls its bus by the first number (ide.0); of a second bridge it gets the next one that is free.
  void number(Bus& bus) const {
    if (!bus_named(bus.name())) return;
    const std::string stem = bus.name().substr(0, bus.name().rfind('.'));
    unsigned n = 0;
    while (bus_named(fmt::format("{}.{}", stem, n))) ++n;
    Object& owner = *bus.parent();
    const Ref<Object> keep(&bus);
    owner.remove_child(bus);
    owner.add_child(fmt::format("{}.{}", stem, n), keep);
  }

  struct BusEntry {
    Bus* bus;
    std::size_t owner;  // index of the device
  };
  const BusEntry* bus_named(std::string_view name) const {
    for (const BusEntry& b : buses_)
      if (b.bus->name() == name) return &b;
    return nullptr;
  }

  /// Null when a device that may have brought the bus could not be made. Throws Error.
  const BusEntry* bus_for(const ComposedDevice& d, const std::string& wanted) const {
    const BoardDevice& text = *d.description;
    if (!text.bus) {
      for (const BusEntry& b : buses_)
        if (b.bus->is_a(wanted)) return &b;
      if (!missing_.empty()) return nullptr;
      throw Error(fmt::format("'{}' needs a bus of type '{}'", text.type, wanted))
          .at(text.type_at)
          .hint("no device of this board brings one");
    }
    std::string name = text.bus->text;
    if (name.find('/') != std::string::npos) name = name.substr(name.rfind('/') + 1);
    if (const BusEntry* b = bus_named(name)) return b;
    // The id of a bridge stands for its bus.
    for (const BusEntry& b : buses_)
      if (devices_[b.owner].description->id == name && b.bus->is_a(wanted)) return &b;
    std::vector<std::string> names;
    for (const BusEntry& b : buses_) names.push_back(b.bus->name());
    const std::string near = did_you_mean(name, names);
    if (near.empty() && !missing_.empty()) return nullptr;
    std::string all;
    for (const std::string& n : names) all += (all.empty() ? "" : ", ") + n;
    Error none(fmt::format("no such bus: '{}'", text.bus->text));
    none.at(text.bus->at);
    if (std::none_of(buses_.begin(), buses_.end(), [&](const BusEntry& b) { return b.bus->is_a(wanted); }))
      throw none.why(fmt::format("no device of this board brings a bus of type '{}'", wanted));
    throw none.hint(!near.empty() ? near : all.empty() ? "this board has no buses" : "buses are " + all);
  }

  void plug(ComposedDevice& d) {
    const std::string& wanted = d.device->device_class().bus_type;
    if (wanted.empty()) {
      if (d.description->bus)
        faults_.add(Error(fmt::format("'{}' plugs into no bus", d.description->type)).at(d.description->bus->name_at));
      return;
    }
    const Origin& at = d.description->bus ? d.description->bus->at : d.description->type_at;
    faults_.guard(at, [&] {
      const BusEntry* entry = bus_for(d, wanted);
      if (!entry) return;
      d.device->set_parent_bus(*entry->bus);
      d.bus_owner = static_cast<int>(entry->owner);
    });
  }

  // --- properties ---

  void set_properties(ComposedDevice& d) {
    // Parts of a device are objects too: -global reaches them.
    qom::for_each<Object>(*d.device, [&](Object& part) {
      if (&part != d.device) apply_globals(part, part.type_name(), nullptr);
    });
    // Later wins: board file, -global, then what the user said of this very device.
    for (const Setting& s : d.description->settings)
      if (!s.by_user) set_property(d, s);
    apply_globals(*d.device, d.description->type, &d);
    for (const Setting& s : d.description->settings)
      if (s.by_user) set_property(d, s);
    for (const Property& p : d.device->object_class().properties()) {
      const bool has_default = !p.default_value.empty() && !(p.default_value == qom::Value(std::string()));
      if (!p.required || has_default || d.given.count(p.name)) continue;
      if (p.kind == PropertyKind::Link && !options_.backends_known && !names_a_device(p.link_type)) continue;
      faults_.add(Error(fmt::format("'{}' needs the property '{}'", d.description->type, p.name))
                      .at(d.description->type_at)
                      .hint("expected " + p.expected()));
    }
  }

  /// `model` is what the board calls the type, which an accelerator may have replaced by a relative of it.
  void apply_globals(Object& object, const std::string& model, ComposedDevice* d) {
    for (const GlobalOption& g : request_.globals) {
      const Property* p = object.object_class().find_property(g.property);
      if (bad_globals_.count(&g)) continue;  // reported
      if (!p || (g.driver != model && !object.is_a(g.driver))) continue;
      const bool set = faults_.guard(g.value.origin, [&] { object.set_text(p->name, g.value.text); });
      if (set && d) d->given[p->name] = {g.value.text, g.value.origin};
    }
  }

  void set_property(ComposedDevice& d, const Setting& s) {
    faults_.guard(s.at, [&] {
      const Property& p = writable_property(d.device->object_class(), s.name, s.name_at);
      d.given[p.name] = {s.text, s.at};
      const qom::Value value = value_of(p, s);
      if (p.kind == PropertyKind::Link) {
        if (Object* target = link_target(p, s)) {
          d.device->set_link(p.name, target);
          d.links[p.name] = target;
        }
      } else {
        d.device->set(p.name, value);
      }
    });
  }

  /// What a link names: an id, a bus, a part of a device, a back end. Null when it may be missing. Throws Error.
  Object* link_target(const Property& p, const Setting& s) const {
    if (s.text.empty() || refers_to_missing(s.text)) return nullptr;
    Object* misfit = nullptr;  // of that id, but not what the link wants
    if (const auto it = by_id_.find(s.text); it != by_id_.end()) {
      Device* device = devices_[it->second].device;
      if (device->is_a(p.link_type)) return device;
      misfit = device;
    }
    if (const BusEntry* bus = bus_named(s.text)) return bus->bus;
    // Back ends keep to themselves (/chardevs, /drives): an id there may equal a device's.
    std::vector<std::string> candidates;
    Object* found = nullptr;
    qom::for_each<Object>(machine_.root(), [&](Object& o) {
      if (!o.is_a(p.link_type)) return;
      candidates.push_back(o.name());
      if (!found && o.name() == s.text) found = &o;
    });
    if (found || misfit) return found ? found : misfit;  // set_link() says what is wrong with a misfit
    bool ambiguous = false;
    if (Object* o = qom::resolve_path(machine_.root(), s.text, &ambiguous)) return o;
    const auto& conventional = conventional_backends();
    if (std::find(conventional.begin(), conventional.end(), s.text) != conventional.end()) return nullptr;
    if (!options_.backends_known && !names_a_device(p.link_type)) return nullptr;
    const std::string near = did_you_mean(s.text, candidates);
    throw Error(fmt::format("{}: '{}'", ambiguous ? "several objects have that name" : "no such object", s.text))
        .at(s.at)
        .hint(near.empty() ? "expected " + p.expected() : near);
  }

  /// Whether a link of that type points to something on a board, rather than to a back end.
  static bool names_a_device(const std::string& type) {
    TypeRegistry& registry = TypeRegistry::global();
    for (const char* base : {Device::kType, Bus::kType})
      for (const std::string& name : registry.names(base, true))
        if (registry.class_of(name).is_a(type)) return true;
    return false;
  }

  // --- pins ---

  void check_pins(const ComposedDevice& d) {
    for (const auto& [name, value] : d.given) {
      if (!is_pin(*d.device->device_class().find_property(name))) continue;
      std::string_view targets = value.text;
      while (!targets.empty()) {
        const std::size_t colon = targets.find(':');
        faults_.guard(value.at, [&] { check_target(*d.device, targets.substr(0, colon)); });
        targets = colon == std::string_view::npos ? std::string_view() : targets.substr(colon + 1);
      }
    }
  }

  void check_target(Device& device, std::string_view target) const {
    if (refers_to_missing(target)) return;
    unsigned line = 0;
    const auto [end, error] = std::from_chars(target.data(), target.data() + target.size(), line);
    if (error == std::errc() && end == target.data() + target.size()) {
      // Where the lines of a bus end is known when its bridge is realized; how many there are is known now.
      if (!device.parent_bus() && device.device_class().bus_type.empty()) {
        throw Error(fmt::format("no such interrupt line: {}", line))
            .why("the device is on no bus")
            .hint("write ID.INDEX of an interrupt controller on the board");
      }
      if (device.parent_bus()) check_bus_line(*device.parent_bus(), line);
      return;
    }
    if (target.substr(0, target.find('.')) == "cpu") {
      // CPUs are made after the board; there is always one called cpu[0].
      const std::string_view bank = target.size() > 4 ? target.substr(4) : std::string_view();
      const std::string name(bank.substr(0, bank.find('.')));
      std::vector<std::string> names;
      if (!TypeRegistry::global().find(board_.cpus.type)) return;  // reported
      const auto& c = dynamic_cast<const DeviceClass&>(TypeRegistry::global().class_of(board_.cpus.type));
      for (const DeviceClass::Input& input : c.inputs()) names.push_back(input.name);
      if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return;
      std::string all;
      for (const std::string& n : names) all += (all.empty() ? "" : ", ") + n;
      throw Error(fmt::format("no such interrupt input: '{}'", target)).hint("inputs of a CPU: " + all);
    }
    resolve_input(device, target);
  }

  // --- order ---

  /// The device that an object is, or is a part of.
  std::size_t owner_of(const Object& object) const {
    for (const Object* o = &object; o; o = o->parent())
      for (std::size_t i = 0; i < devices_.size(); ++i)
        if (devices_[i].device == o) return i;
    return devices_.size();
  }

  /// The order of the board, except that who owns a bus comes before what is on it, and what a link points to before
  /// who links. Two that link to each other keep the order of the board; buses cannot wait for each other.
  std::vector<Device*> realize_order() {
    std::vector<bool> done(devices_.size(), false);
    std::vector<Device*> order;
    const auto ready = [&](const ComposedDevice& d, bool with_links) {
      if (d.bus_owner >= 0 && !done[static_cast<std::size_t>(d.bus_owner)]) return false;
      if (!with_links) return true;
      return std::all_of(d.links.begin(), d.links.end(), [&](const auto& link) {
        const std::size_t target = owner_of(*link.second);
        return target == devices_.size() || devices_[target].device == d.device || done[target];
      });
    };
    const auto take_next = [&](bool with_links) {
      for (std::size_t i = 0; i < devices_.size(); ++i) {
        if (done[i] || !ready(devices_[i], with_links)) continue;
        done[i] = true;
        order.push_back(devices_[i].device);
        return true;
      }
      return false;
    };
    while (take_next(true) || take_next(false)) {
    }
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      if (done[i]) continue;
      const BoardDevice& text = *devices_[i].description;
      faults_.add(
          Error(fmt::format("'{}' plugs into a bus behind itself", text.id)).at(text.bus ? text.bus->at : text.id_at));
    }
    return order;
  }

  const Board& board_;
  const BoardRequest& request_;
  Object& machine_;
  const ComposeOptions& options_;
  Faults& faults_;
  std::set<const GlobalOption*> bad_globals_;  // reported, and not to be reported again by each device
  std::vector<ComposedDevice> devices_;
  std::map<std::string, std::size_t> by_id_;
  std::vector<BusEntry> buses_;
  std::vector<std::string> missing_;
};

}  // namespace

void configure_cpus(const Board& board, const BoardRequest& request, qom::Object& machine) {
  Faults faults;
  const auto children = machine.children();
  for (const Ref<Object>& child : children) {
    if (child->type_name() != board.cpus.type) continue;
    for (const Setting& s : board.cpus.settings) {
      faults.guard(s.at, [&] {
        const Property& p = child->property(s.name);
        Object* by_id = p.kind == PropertyKind::Link ? machine.child(s.text) : nullptr;
        if (by_id) return child->set_link(p.name, by_id);
        child->set(p.name, value_of(p, s));
      });
    }
    for (const GlobalOption& g : request.globals) {
      if (!child->is_a(g.driver)) continue;
      faults.guard(g.value.origin, [&] { child->set_text(g.property, g.value.text); });
    }
  }
  faults.throw_if_any();
}

std::vector<Device*> compose_board(const Board& board, const BoardRequest& request, Object& machine,
                                   const ComposeOptions& options, Faults& faults) {
  return Composer(board, request, machine, options, faults).compose();
}

}  // namespace machina
