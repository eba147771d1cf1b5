#include "machines/cli/backends.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "core/block/block_backend.h"
#include "core/chardev/char_mux.h"
#include "core/chardev/char_spec.h"
#include "core/chardev/char_stdio.h"
#include "core/config/option_groups.h"
#include "machines/cli/option_reader.h"

namespace machina {

namespace {

constexpr std::string_view kChardevPrefix = "chardev-";
/// How long the end of a machine waits for those who read what its character backends hold.
constexpr std::chrono::seconds kDrainTime{1};

std::vector<std::string> chardev_names() {
  std::vector<std::string> names = qom::TypeRegistry::global().names(CharBackend::kType);
  std::erase_if(names, [](const std::string& n) { return !n.starts_with(kChardevPrefix) || n == CharMuxPort::kType; });
  for (std::string& name : names) name.erase(0, kChardevPrefix.size());
  return names;
}

void add_named(qom::Object& parent, const std::string& id, qom::Ref<qom::Object> child, const Origin& at) {
  at_origin(at, [&] { parent.add_child(id, std::move(child)); });
}

}  // namespace

std::string chardevs_help() {
  std::string text = "Character backends (-chardev NAME,id=ID,…):\n";
  for (const std::string& name : chardev_names()) {
    const qom::ObjectClass& c = qom::TypeRegistry::global().class_of(std::string(kChardevPrefix) + name);
    text += fmt::format("  {:<10}{}\n", name, c.description);
    for (const qom::Property& p : c.properties())
      text += fmt::format("      {}=<{}>  {}\n", p.name, p.type, p.description);
  }
  return text;
}

Backends::Backends(qom::Object& root, EventLoop& loop, Clock& clock)
    : root_(root),
      loop_(loop),
      clock_(clock),
      chardevs_(root.add_new_child<qom::Container>("chardevs")),
      blockdevs_(root.add_new_child<qom::Container>("blockdevs")),
      netdevs_(root.add_new_child<qom::Container>("netdevs")) {}

void Backends::remember(qom::Object& object, const Origin& origin) {
  if (dynamic_cast<CharStdio*>(&object)) {
    for (const auto& [other, at] : origins_) {
      if (!dynamic_cast<CharStdio*>(other.get())) continue;
      throw Error("standard input and output are in use already")
          .at(origin)
          .hint(fmt::format("by {}; a pty or a socket can be used as well", at.brief()));
    }
  }
  origins_.emplace_back(qom::Ref<qom::Object>(&object), origin);
}

Origin Backends::origin_of(const std::string& path) const {
  for (const auto& [object, origin] : origins_)
    if (object->path() == path) return origin;
  return {};
}

bool Backends::has_stdio() const {
  return std::any_of(origins_.begin(), origins_.end(),
                     [](const auto& o) { return dynamic_cast<CharStdio*>(o.first.get()) != nullptr; });
}

void Backends::add_chardevs(const CommandLine& cl) {
  const ConfigNode list = cl.groups["chardev"];
  if (!list) return;
  for (const ConfigNode& option : list.items()) {
    const ConfigNode backend = option["backend"], id = option["id"];
    if (!backend) throw Error("-chardev needs a backend").at(option.origin()).hint("-chardev help lists them");
    if (!id) throw Error("-chardev needs an id").at(option.origin()).hint("add id=NAME, which devices refer to");
    const std::vector<std::string> known = chardev_names();
    if (std::find(known.begin(), known.end(), backend.text()) == known.end()) {
      const std::string near = did_you_mean(backend.text(), known);
      throw Error(fmt::format("no such character backend: '{}'", backend.text()))
          .at(backend.origin())
          .hint(near.empty() ? fmt::format("there are: {}", fmt::join(known, ", ")) : near);
    }
    auto made = qom::TypeRegistry::global().create_as<CharBackend>(std::string(kChardevPrefix) + backend.text());
    made->set_event_loop(loop_);
    for (const auto& [key, node] : option.children())
      if (key != "backend" && key != "id" && key != "mux") set_from_option(*made, key, node);
    bool mux = false;
    if (const ConfigNode wish = option["mux"]) at_origin(wish.origin(), [&] { mux = qom::parse_bool(wish.text()); });
    if (mux) {
      share(id.text(), made, id.origin(), option.origin());
      continue;
    }
    remember(*made, option.origin());
    add_named(chardevs_, id.text(), made, id.origin());
  }
}

CharBackend* Backends::find_character(const std::string& id) const {
  return qom::cast<CharBackend>(chardevs_.child(id));
}

void Backends::share(const std::string& id, qom::Ref<CharBackend> base, const Origin& id_at, const Origin& origin) {
  if (base->object_class().find_property("escape")) base->set("escape", false);  // the multiplexer has these keys
  remember(*base, origin);
  add_named(chardevs_, id + "-base", base, id_at);
  const auto mux = qom::create<CharMux>();
  add_named(chardevs_, id + "-mux", mux, id_at);
  mux->set_link("chardev", base.get());
  remember(*mux, origin);
  shared_[id] = mux.get();
  add_port(id, id, false, origin);
}

CharBackend& Backends::add_port(const std::string& id, const std::string& shared, bool monitor, const Origin& origin) {
  const auto port = qom::create<CharMuxPort>();
  port->set_event_loop(loop_);
  port->set("on-focus", monitor);
  add_named(chardevs_, id, port, origin);
  port->set_link("mux", shared_.at(shared));
  remember(*port, origin);
  return *port;
}

CharBackend* Backends::add_character(const ConfigValue& spec, const std::string& id, bool monitor) {
  try {
    const CharSpec parsed = parse_char_spec(spec.text);
    if (parsed.kind == CharSpec::Kind::None) return nullptr;
    CharBackend* result = nullptr;
    std::string shared;  // id of the multiplexer, when there is one
    if (parsed.kind == CharSpec::Kind::Existing) {
      CharBackend* found = find_character(parsed.id);
      if (!found) {
        std::vector<std::string> ids;
        for (const auto& c : chardevs_.children()) ids.push_back(c->name());
        throw Error(fmt::format("no such character backend: '{}'", parsed.id)).hint(did_you_mean(parsed.id, ids));
      }
      if (!shared_.contains(parsed.id)) {
        if (parsed.with_monitor)
          throw Error(fmt::format("character backend '{}' is not shared", parsed.id))
              .hint("add mux=on to its -chardev");
        aliases_[id] = parsed.id;
        return found;
      }
      shared = parsed.id;
      result = &add_port(id, shared, monitor, spec.origin);
    } else {
      auto made = qom::TypeRegistry::global().create_as<CharBackend>(parsed.type);
      made->set_event_loop(loop_);
      for (const auto& [key, value] : parsed.properties) made->set_text(key, value);
      if (parsed.with_monitor) {
        shared = id;
        share(id, made, spec.origin, spec.origin);
        result = find_character(id);
      } else {
        remember(*made, spec.origin);
        add_named(chardevs_, id, made, spec.origin);
        result = made.get();
      }
    }
    if (parsed.with_monitor)
      monitor_ports_.emplace_back(&add_port(id + "-monitor", shared, true, spec.origin), spec.origin);
    return result;
  } catch (Error& e) {
    throw e.at(spec.origin);
  }
}

void Backends::add_disk(const ConfigNode& option, const std::string& id, bool cdrom, bool snapshot) {
  auto disk = qom::TypeRegistry::global().create_as<BlockBackend>("block-raw");
  disk->set_event_loop(loop_);
  if (cdrom) disk->set("readonly", true);
  for (const auto& [key, node] : option.children()) {
    static const std::vector<std::string> ours = {"if", "index", "id", "media"};
    if (std::find(ours.begin(), ours.end(), key) != ours.end()) continue;
    set_from_option(*disk, key == "file" ? "filename" : key, node);
  }
  if (cdrom && !disk->read_only())
    throw Error("a CD-ROM cannot be written to").at(option["readonly"].origin()).hint("leave out readonly=off");
  if (snapshot && !cdrom) disk->set("snapshot", true);
  remember(*disk, option["file"].origin());
  add_named(blockdevs_, id, disk, option.origin());
}

void Backends::add_floppy(const ConfigNode& option, bool snapshot) {
  std::size_t unit = floppies_[0] ? 1 : 0;
  if (const ConfigNode index = option["index"]) {
    at_origin(index.origin(), [&] { unit = qom::parse_uint(index.text()); });
    if (unit >= floppies_.size()) {
      throw Error(fmt::format("there is no floppy drive {}", unit))
          .at(index.origin())
          .hint("index is 0 for drive A or 1 for drive B");
    }
  }
  if (floppies_[unit]) {
    throw Error(fmt::format("floppy drive {} is asked for twice", unit == 0 ? "A" : "B"))
        .at(option.origin())
        .hint(fmt::format("by {} as well", floppies_[unit]->brief()));
  }
  floppies_[unit] = option.origin();
  const std::string drive = fmt::format("floppy{}", unit);
  if (!option["file"]) return refuse_unknown_keys(option, {"if", "index"});  // an empty drive
  const std::string id = option["id"] ? option["id"].text() : drive;
  if (const ConfigNode media = option["media"]; media && media.text() != "disk")
    throw Error(fmt::format("no such medium: '{}'", media.text())).at(media.origin()).hint("expected disk");
  add_disk(option, id, false, snapshot);
  if (id != drive) aliases_[drive] = id;
}

void Backends::add_drives(const CommandLine& cl, ConfigTree& groups) {
  constexpr unsigned kIdeDrives = 4, kCdIndex = 2;
  std::vector<bool> taken(kIdeDrives, false);
  const auto options_of = [](const ConfigNode& group) { return group ? group.items() : std::vector<ConfigNode>(); };
  std::vector<ConfigNode> options;
  for (const ConfigNode& option : options_of(cl.groups["drive"])) {
    if (option["if"] && option["if"].text() == "floppy") {
      add_floppy(option, cl.snapshot);
    } else {
      options.push_back(option);
    }
  }
  // Who asks for drives by hand knows which there are.
  default_cdrom_ = true;
  for (const ConfigNode& device : options_of(cl.groups["device"])) {
    const ConfigNode driver = device["driver"];
    if (driver && (driver.text() == "ide-cd" || driver.text() == "ide-hd")) default_cdrom_ = false;
  }
  for (const ConfigNode& option : options) {
    const ConfigNode index = option["index"];
    if (!index) continue;
    try {
      const std::uint64_t n = qom::parse_uint(index.text());
      if (n >= kIdeDrives) throw Error(fmt::format("there is no IDE drive {}", n)).hint("index is 0 to 3");
      if (taken[n]) throw Error(fmt::format("two drives have index {}", n)).hint("give one of them another index");
      taken[n] = true;
    } catch (Error& e) {
      throw e.at(index.origin());
    }
  }
  unsigned serial = 0;
  for (const ConfigNode& option : options) {
    const std::string interface = option["if"] ? option["if"].text() : "ide";
    if (interface != "ide" && interface != "none") {
      throw Error(fmt::format("no such drive interface: '{}'", interface))
          .at(option["if"].origin())
          .hint("expected ide, floppy or none");
    }
    const ConfigNode media = option["media"];
    if (media && media.text() != "disk" && media.text() != "cdrom")
      throw Error(fmt::format("no such medium: '{}'", media.text())).at(media.origin()).hint("expected disk or cdrom");
    const bool cdrom = media && media.text() == "cdrom";
    const ConfigNode file = option["file"];
    if (!file && !(cdrom && interface == "ide"))
      throw Error("-drive needs a file").at(option.origin()).hint("add file=IMAGE,format=raw");
    unsigned index = kIdeDrives;
    if (interface == "ide") {
      if (const ConfigNode n = option["index"]) {
        index = static_cast<unsigned>(qom::parse_uint(n.text()));
      } else {
        index = static_cast<unsigned>(std::find(taken.begin(), taken.end(), false) - taken.begin());
        if (index == kIdeDrives) throw Error("all four IDE drives are taken").at(option.origin());
        taken[index] = true;
      }
    }
    const std::string id = option["id"]         ? option["id"].text()
                           : index < kIdeDrives ? fmt::format("ide{}-{}{}", index / 2, cdrom ? "cd" : "hd", index % 2)
                                                : fmt::format("drive{}", serial++);
    if (file) add_disk(option, id, cdrom, cl.snapshot);
    if (index == kIdeDrives) continue;
    ConfigTree device;
    const Origin& at = option.origin();
    const auto put = [&](const char* key, const std::string& value) {
      device.put({key}, config_scalar(value, at, at));
    };
    put("driver", cdrom ? "ide-cd" : "ide-hd");
    put("bus", fmt::format("ide.{}", index / 2));
    put("unit", std::to_string(index % 2));
    if (file) put("drive", id);
    add_option(groups, "device", device.root());
  }
  if (taken[kCdIndex]) default_cdrom_ = false;
}

void Backends::open() {
  std::vector<qom::Object*> done;
  for (const auto& [object, origin] : origins_) {
    try {
      qom::realize_tree(*object);
      done.push_back(object.get());
    } catch (Error& e) {
      for (auto it = done.rbegin(); it != done.rend(); ++it) qom::unrealize_tree(**it);
      throw e.at(origin);
    }
  }
}

void Backends::close() {
  // What the guest has written is not lost because somebody reads slowly; nobody waits for one who does not read.
  const auto limit = std::chrono::steady_clock::now() + kDrainTime;
  qom::for_each<CharBackend>(chardevs_, [&](CharBackend& c) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now());
    c.drain(static_cast<int>(std::max(left.count(), std::chrono::milliseconds::rep{0})));
  });
  for (auto it = origins_.rbegin(); it != origins_.rend(); ++it) qom::unrealize_tree(*it->first);
  // What a monitor has made since.
  qom::unrealize_tree(chardevs_);
  qom::unrealize_tree(blockdevs_);
  qom::unrealize_tree(netdevs_);
}

}  // namespace machina
