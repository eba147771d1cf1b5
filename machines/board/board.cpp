#include "machines/board/board.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "core/config/option_groups.h"
#include "qom/property.h"

namespace machina {

Setting::Setting(std::string setting_name, ConfigNode node, bool from_user)
    : name(std::move(setting_name)),
      text(node.text()),
      is_list(node.is(ConfigKind::List)),
      by_user(from_user),
      name_at(node.key_origin()),
      at(node.origin()) {
  for (const ConfigNode& item : node.items()) items.push_back(item.text());
  if (is_list) text = fmt::format("{}", fmt::join(items, ":"));
}

namespace {

constexpr const char* kDefaultBoard = "pc";
constexpr std::size_t kSerials = 4;    // that a board can ask for by has-serialN: COM1 to COM4
constexpr std::size_t kParallels = 3;  // as those: LPT1 to LPT3

class Resolver {
 public:
  Resolver(const BoardFile& file, const BoardRequest& request, Faults& faults)
      : request_(request), faults_(faults), tree_(file.tree) {
    board_.files = file.files;
  }

  Board resolve() {
    if (const ConfigNode name = tree_["board"]) board_.name = name.text();
    if (const ConfigNode summary = tree_["summary"]) board_.summary = summary.text();
    read_options();
    read_machine_options();
    read_firmware();
    substitute();
    read_plugins();
    read_cpus();
    read_ram();
    read_devices();
    return std::move(board_);
  }

 private:
  // --- options ---

  static qom::Property property_of(const BoardOption& option) {
    qom::Property p;
    p.name = option.name;
    p.kind = option.type == "bool"   ? qom::PropertyKind::Bool
             : option.type == "int"  ? qom::PropertyKind::Int
             : option.type == "size" ? qom::PropertyKind::Size
             : option.type == "enum" ? qom::PropertyKind::Enum
                                     : qom::PropertyKind::String;
    if (option.type == "int") p.umax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    p.enum_values = option.values;
    return p;
  }

  void set_option(BoardOption& option, std::string& field, ConfigNode node) {
    faults_.guard(node.origin(), [&] {
      const qom::Value value = property_of(option).parse(node.text());
      const bool* on = value.get_if<bool>();
      field = on ? (*on ? "on" : "off") : node.text();
    });
  }

  void read_options() {
    for (const auto& [name, node] : tree_["options"].children()) {
      BoardOption option;
      option.name = name;
      if (!node["type"] || !node["default"]) {
        faults_.add(Error(fmt::format("option '{}' has no {}", name, node["type"] ? "default" : "type"))
                        .at(node.key_origin())
                        .hint("no board that this one extends declares it"));
        continue;
      }
      option.type = node["type"].text();
      if (node["doc"]) option.doc = node["doc"].text();
      for (const ConfigNode& value : node["values"].items()) option.values.push_back(value.text());
      set_option(option, option.default_value, node["default"]);
      option.value = option.default_value;
      board_.options.push_back(std::move(option));
    }
  }

  void read_machine_options() {
    for (const ConfigNode& entry : request_.groups["machine"].items()) {
      for (const auto& [key, node] : entry.children()) {
        if (key == "type" || key == "id") continue;
        if (key == "firmware") {  // the same as -bios, which wins
          if (!request_.firmware) from_user_.put({"firmware"}, node.value());
          continue;
        }
        const auto option = std::find_if(board_.options.begin(), board_.options.end(),
                                         [&, &k = key](const BoardOption& o) { return o.name == k; });
        if (option != board_.options.end()) {
          set_option(*option, option->value, node);
          continue;
        }
        std::erase_if(board_.machine, [&, &k = key](const Setting& s) { return s.name == k; });
        board_.machine.emplace_back(key, node, true);
      }
    }
  }

  // --- ${option} ---

  /// Whether there is to be a serial line of that number.
  bool has_serial(std::size_t number) const {
    if (request_.serials.empty()) return number == 0 && !request_.no_defaults;
    return number < request_.serials.size() && request_.serials[number];
  }

  bool has_parallel(std::size_t number) const {
    return number < request_.parallels.size() && request_.parallels[number];
  }
  bool has_floppy(std::size_t number) const {
    return request_.floppies[number] || (number == 0 && request_.default_floppy && !request_.no_defaults);
  }

  /// The value of a name within ${}; throws Error.
  std::string variable(const std::string& name) const {
    const auto on_off = [](bool on) { return on ? "on" : "off"; };
    if (name == "firmware") return board_.firmware;
    if (name == "has-firmware") return on_off(!board_.firmware.empty());
    if (name == "has-default-nic") return on_off(request_.default_nic && !request_.no_defaults);
    if (name == "has-default-cdrom") return on_off(request_.default_cdrom && !request_.no_defaults);
    std::vector<std::string> names{"firmware", "has-firmware", "has-default-nic", "has-default-cdrom"};
    for (std::size_t n = 0; n < kSerials; ++n) {
      names.push_back(fmt::format("has-serial{}", n));
      if (name == names.back()) return on_off(has_serial(n));
    }
    for (std::size_t n = 0; n < kParallels; ++n) {
      names.push_back(fmt::format("has-parallel{}", n));
      if (name == names.back()) return on_off(has_parallel(n));
    }
    for (std::size_t n = 0; n < request_.floppies.size(); ++n) {
      names.push_back(fmt::format("has-floppy{}", n));
      if (name == names.back()) return on_off(has_floppy(n));
    }
    for (const BoardOption& o : board_.options) {
      if (o.name == name) return o.value;
      names.push_back(o.name);
    }
    const std::string near = did_you_mean(name, names);
    throw Error(fmt::format("no such option: '{}'", name))
        .hint(near.empty() ? fmt::format("this board has {}", fmt::join(names, ", ")) : near);
  }

  /// `text` with each ${name} replaced, and $$ made $. Throws Error.
  std::string expand(const std::string& text) const {
    std::string made;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '$' || i + 1 >= text.size() || (text[i + 1] != '{' && text[i + 1] != '$')) {
        made += text[i];
      } else if (text[i + 1] == '$') {
        made += text[i++];
      } else {
        const std::size_t close = text.find('}', i);
        if (close == std::string::npos) throw Error(fmt::format("'}}' is missing after '{}'", text.substr(i)));
        made += variable(text.substr(i + 2, close - i - 2));
        i = close;
      }
    }
    return made;
  }

  void substitute() {
    for (const char* part : {"plugins", "cpus", "ram", "devices"}) {
      if (!tree_[part]) continue;
      ConfigTree expanded(tree_[part]);
      expanded.for_each_scalar([&](ConfigValue& value) {
        // What cannot be expanded is left out: one fault, not one for each use that is made of the value.
        if (!faults_.guard(value.origin, [&] { value.text = expand(value.text); })) value.kind = ConfigKind::Null;
      });
      tree_.put({part}, expanded.root());
    }
  }

  // --- the parts ---

  void read_firmware() {
    ConfigNode node = tree_["firmware"];
    if (request_.firmware) from_user_.put({"firmware"}, *request_.firmware);
    const ConfigNode by_user = from_user_["firmware"];
    if (by_user) node = by_user;
    if (!node) return;
    board_.firmware_at = node.origin();
    faults_.guard(node.origin(), [&] { board_.firmware = by_user ? node.text() : expand(node.text()); });
    if (board_.firmware == "none") board_.firmware.clear();
  }

  void read_plugins() {
    const ConfigNode node = tree_["plugins"];
    if (!node) return;
    std::vector<ConfigNode> all = node.is(ConfigKind::List) ? node.items() : std::vector<ConfigNode>{node};
    for (const ConfigNode& item : all) {
      if (item.is(ConfigKind::Null)) continue;
      Setting plugin("plugins", item, false);
      const std::filesystem::path path(plugin.text);
      const std::filesystem::path file(item.origin().place);
      if (path.is_relative() && path.has_parent_path())
        plugin.text = (file.parent_path() / path).lexically_normal().string();
      board_.plugins.push_back(std::move(plugin));
    }
  }

  template <class T, class Parse>
  void read_number(ConfigNode map, const char* key, T& field, Parse parse) {
    const ConfigNode node = map[key];
    if (!node || node.is(ConfigKind::Null)) return;
    faults_.guard(node.origin(), [&] {
      const std::uint64_t value = parse(node.text());
      if (value > std::numeric_limits<T>::max()) throw Error(fmt::format("number out of range: '{}'", node.text()));
      field = static_cast<T>(value);
    });
  }

  void read_cpus() {
    const ConfigNode cpus = tree_["cpus"];
    Board::Cpus& c = board_.cpus;
    if (!cpus) return;
    c.at = c.type_at = cpus.key_origin();
    const auto count = [](const std::string& text) { return qom::parse_uint(text); };
    read_number(cpus, "max", c.max, count);
    read_number(cpus, "default-count", c.default_count, count);
    const auto given = [&](const char* key) { return cpus[key] && cpus[key].is(ConfigKind::Scalar); };
    if (const ConfigNode type = cpus["type"]; given("type")) c.type = type.text(), c.type_at = type.origin();
    if (given("model")) c.model = cpus["model"].text();
    for (const auto& [name, node] : cpus.children()) {
      const auto& keys = cpus_keys();
      const bool own = std::any_of(keys.begin(), keys.end(), [&, &n = name](const BoardKey& k) { return k.name == n; });
      if (!own && !node.is(ConfigKind::Null)) c.settings.emplace_back(name, node, false);
    }
    if (c.max == 0) c.max = 1;
    if (c.default_count > c.max) {
      const ConfigNode at = cpus["default-count"] ? cpus["default-count"] : cpus["max"];
      faults_.add(Error(fmt::format("{} CPUs by default, but {} at most", c.default_count, c.max)).at(at.origin()));
    }
  }

  void read_ram() {
    const ConfigNode ram = tree_["ram"];
    Board::Ram& r = board_.ram;
    if (!ram) return;
    r.at = ram.key_origin();
    const auto size = [](const std::string& text) {
      const std::uint64_t bytes = qom::parse_size(text);
      constexpr std::uint64_t kPage = 4096;
      if (bytes % kPage == 0) return bytes;
      throw Error(fmt::format("{} of RAM is not a whole number of pages", text)).hint("a page has 4096 bytes");
    };
    read_number(ram, "default", r.default_size, size);
    read_number(ram, "min", r.min, size);
    read_number(ram, "max", r.max, size);
    read_number(ram, "below-4g", r.below_4g, size);
    const auto at = [&](const char* key) { return ram[key] ? ram[key].origin() : r.at; };
    if (r.default_size < r.min || r.default_size > r.max) {
      faults_.add(Error(fmt::format("the default size of RAM is {}, outside of {} to {}",
                                    qom::format_size(r.default_size), qom::format_size(r.min), qom::format_size(r.max)))
                      .at(at("default")));
    }
    if (r.below_4g == 0 || r.below_4g > (std::uint64_t{4} << 30)) {
      faults_.add(Error(fmt::format("{} of RAM cannot lie below 4 GiB", qom::format_size(r.below_4g)))
                      .at(at("below-4g"))
                      .hint("expected a size from 4K to 4G"));
    }
  }

  bool is_on(ConfigNode device, const char* key, bool otherwise) {
    const ConfigNode node = device[key];
    if (!node || node.is(ConfigKind::Null)) return otherwise;
    bool on = otherwise;
    faults_.guard(node.origin(), [&] { on = qom::parse_bool(node.text()); });
    return on;
  }

  void read_devices() {
    ConfigTree user;  // those of -device, by group
    if (request_.groups["device"]) user.put({"device"}, request_.groups["device"]);
    std::vector<std::string> set_by_user;  // "id.key" of board devices
    for (const SetOption& set : request_.sets) {
      if (set.group != "device" || apply_set(user, set)) continue;
      if (tree_["devices"][set.id]) {
        tree_.put({"devices", set.id, set.key}, set.value);
        set_by_user.push_back(set.id + "." + set.key);
        continue;
      }
      std::vector<std::string> ids = tree_["devices"].keys();
      for (const ConfigNode& d : user["device"].items())
        if (d["id"]) ids.push_back(d["id"].text());
      faults_.add(Error(fmt::format("no such device: '{}'", set.id)).at(set.id_origin).hint(did_you_mean(set.id, ids)));
    }
    for (const auto& [id, node] : tree_["devices"].children()) {
      const bool is_default = is_on(node, "default", false);
      if (!is_on(node, "when", true) || (is_default && request_.no_defaults)) continue;
      BoardDevice device;
      device.id = id;
      device.id_at = node.key_origin();
      const ConfigNode type = node["type"];
      if (type && type.is(ConfigKind::Null)) continue;  // reported
      if (!type) {
        faults_.add(Error(fmt::format("device '{}' has no type", id)).at(device.id_at).hint("add type: TYPE"));
        continue;
      }
      device.type = type.text(), device.type_at = type.origin();
      for (const auto& [name, value] : node.children()) {
        if (value.is(ConfigKind::Null) || name == "type" || name == "default" || name == "when") continue;
        const bool by_user = std::find(set_by_user.begin(), set_by_user.end(), id + "." + name) != set_by_user.end();
        add_setting(device, name, value, by_user);
      }
      board_.devices.push_back(std::move(device));
    }
    int anonymous = 0;
    for (const ConfigNode& node : user["device"].items()) read_user_device(node, anonymous);
  }

  static void add_setting(BoardDevice& device, const std::string& name, ConfigNode value, bool by_user) {
    if (name == "bus") {
      device.bus = Setting(name, value, by_user);
    } else {
      device.settings.emplace_back(name, value, by_user);
    }
  }

  void read_user_device(ConfigNode node, int& anonymous) {
    BoardDevice device;
    const ConfigNode driver = node["driver"];
    if (!driver) {
      faults_.add(Error("the device has no type").at(node.origin()).hint("write -device TYPE,property=value"));
      return;
    }
    device.type = driver.text(), device.type_at = driver.origin();
    if (const ConfigNode id = node["id"]) {
      device.place = BoardDevice::Place::Peripheral;
      device.id = id.text(), device.id_at = id.origin();
      if (!valid_id(device.id)) {
        faults_.add(Error(fmt::format("a device cannot be called '{}'", device.id))
                        .at(device.id_at)
                        .hint("names start with a letter; letters, digits, '-', '_' and '.' follow"));
        return;
      }
      for (const BoardDevice& other : board_.devices) {
        if (other.id != device.id) continue;
        faults_.add(Error(fmt::format("the id '{}' is taken", device.id))
                        .at(device.id_at)
                        .hint("by the device of " + other.id_at.brief()));
        return;
      }
    } else {
      device.place = BoardDevice::Place::Anonymous;
      device.id = fmt::format("device[{}]", anonymous++), device.id_at = driver.origin();
    }
    for (const auto& [name, value] : node.children())
      if (name != "driver" && name != "id") add_setting(device, name, value, true);
    board_.devices.push_back(std::move(device));
  }

  const BoardRequest& request_;
  Faults& faults_;
  ConfigTree from_user_;  // the firmware that the command line names
  ConfigTree tree_;
  Board board_;
};

}  // namespace

Origin device_origin(const Board& board, std::string_view path) {
  for (const BoardDevice& d : board.devices) {
    const char* where = d.place == BoardDevice::Place::Board        ? "/machine/"
                        : d.place == BoardDevice::Place::Peripheral ? "/machine/peripheral/"
                                                                    : "/machine/peripheral-anon/";
    const std::string own = where + d.id;
    if (path == own || path.substr(0, own.size() + 1) == own + "/") return d.type_at;
  }
  return {};
}

Board resolve_board(const BoardFile& file, const BoardRequest& request, Faults& faults) {
  return Resolver(file, request, faults).resolve();
}

std::optional<Board> load_board(const BoardRequest& request, const BoardCatalog& catalog, Faults& faults) {
  std::string name = kDefaultBoard;
  Origin asked_at;
  for (const ConfigNode& entry : request.groups["machine"].items()) {
    if (const ConfigNode type = entry["type"]) name = type.text(), asked_at = type.origin();
  }
  std::string path;
  if (!faults.guard(asked_at, [&] { path = catalog.find(name, asked_at); })) return std::nullopt;
  Faults of_file;
  const std::optional<BoardFile> file = read_board(path, catalog, of_file);
  for (Error fault : of_file.list()) faults.add(fault.at(asked_at));  // a file that cannot be read has no place in it
  if (!file) return std::nullopt;
  return resolve_board(*file, request, faults);
}

}  // namespace machina
