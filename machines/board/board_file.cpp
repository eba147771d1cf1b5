#include "machines/board/board_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "core/config/yaml.h"
#include "qom/property.h"

namespace machina {

using Shape = BoardKey::Shape;

const std::vector<BoardKey>& board_keys() {
  static const std::vector<BoardKey> keys{
      {"schema", Shape::Count, "version of this format: 1", true},
      {"board", Shape::Text, "name of the board, for -M", true},
      {"alias", Shape::Words, "further names"},
      {"summary", Shape::Text, "one line for -M help"},
      {"extends", Shape::Text, "name or file of a board that this one changes"},
      {"plugins", Shape::Words, "shared objects that bring types"},
      {"options", Shape::Map, "what -M BOARD,OPTION=VALUE may set"},
      {"cpus", Shape::Map, "the processors"},
      {"ram", Shape::Map, "the main memory"},
      {"firmware", Shape::Text, "file that the machine starts from, or none"},
      {"devices", Shape::Map, "the devices by id"},
  };
  return keys;
}

const std::vector<BoardKey>& cpus_keys() {
  static const std::vector<BoardKey> keys{
      {"type", Shape::Text, "type of the CPU objects"},
      {"model", Shape::Text, "CPU model when -cpu does not name one"},
      {"max", Shape::Count, "how many there may be"},
      {"default-count", Shape::Count, "how many there are without -smp"},
  };
  return keys;
}

const std::vector<BoardKey>& ram_keys() {
  static const std::vector<BoardKey> keys{
      {"default", Shape::Size, "size without -m"},
      {"min", Shape::Size, "smallest size"},
      {"max", Shape::Size, "largest size"},
      {"below-4g", Shape::Size, "how much of it lies below 4 GiB; the rest starts at 4 GiB"},
  };
  return keys;
}

const std::vector<BoardKey>& option_keys() {
  static const std::vector<BoardKey> keys{
      {"type", Shape::Text, "bool, int, size, str or enum", true},
      {"default", Shape::Value, "value when -M does not set it", true},
      {"values", Shape::Words, "legal values of an enum"},
      {"doc", Shape::Text, "one line for help"},
  };
  return keys;
}

const std::vector<BoardKey>& device_keys() {
  static const std::vector<BoardKey> keys{
      {"type", Shape::Text, "type of the device"},
      {"bus", Shape::Text, "bus that it plugs into; without it the first of the right type"},
      {"default", Shape::Switch, "-nodefaults leaves the device out"},
      {"when", Shape::Switch, "whether the device is there at all; usually an option"},
  };
  return keys;
}

const std::vector<std::string>& option_types() {
  static const std::vector<std::string> types{"bool", "int", "size", "str", "enum"};
  return types;
}

bool valid_id(std::string_view id) {
  if (id.empty() || !std::isalpha(static_cast<unsigned char>(id[0]))) return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
}

namespace {

constexpr int kSchemaVersion = 1;

std::vector<std::string> names_of(const std::vector<BoardKey>& keys) {
  std::vector<std::string> names;
  for (const BoardKey& key : keys) names.push_back(key.name);
  return names;
}

bool substituted(const std::string& text) { return text.find("${") != std::string::npos; }

/// Throws Error unless the node has the shape of the key. Values that options are put into are checked afterwards.
void check_shape(const BoardKey& key, ConfigNode node) {
  const auto wrong = [&](const char* expected) {
    return Error(fmt::format("'{}' is {}", key.name, describe(node.kind()))).hint(fmt::format("expected {}", expected));
  };
  if (key.shape == Shape::Map) {
    if (!node.is(ConfigKind::Map) && !node.is(ConfigKind::Null)) throw wrong("a map of names and values");
    return;
  }
  if (key.shape == Shape::Words) {
    if (node.is(ConfigKind::Map) || node.is(ConfigKind::Null)) throw wrong("a list of words");
    for (const ConfigNode& item : node.items())
      if (!item.is(ConfigKind::Scalar)) throw wrong("a list of words").at(item.origin());
    return;
  }
  if (!node.is(ConfigKind::Scalar)) {
    throw wrong(key.shape == Shape::Size     ? "a size such as 64M"
                : key.shape == Shape::Count  ? "a number"
                : key.shape == Shape::Switch ? "true or false"
                                             : "a word");
  }
  if (substituted(node.text())) return;
  if (key.shape == Shape::Size) qom::parse_size(node.text());
  if (key.shape == Shape::Count) qom::parse_uint(node.text());
  if (key.shape == Shape::Switch) qom::parse_bool(node.text());
}

class ShapeChecker {
 public:
  ShapeChecker(ConfigTree& tree, Faults& faults) : tree_(tree), faults_(faults) {}

  void check_board() {
    if (!tree_.root().is(ConfigKind::Map)) {
      faults_.add(Error("a board file is a map").at(tree_.root().origin()).hint("see docs/boards.md"));
      tree_ = ConfigTree();
      return;
    }
    check_map({}, board_keys(), "a board file");
    check_version();
    for (const char* part : {"cpus", "ram"})
      if (tree_[part])
        check_map({part}, *part == 'c' ? cpus_keys() : ram_keys(), fmt::format("'{}'", part), *part == 'c');
    for (const std::string& name : tree_["options"].keys()) check_option(name);
    for (const std::string& id : tree_["devices"].keys()) check_device(id);
  }

 private:
  /// Checks the keys of a map against a list, and each value against the shape of its key. What is wrong is removed.
  /// Where `open`, other keys are properties of a type, which a later pass knows.
  void check_map(const ConfigPath& path, const std::vector<BoardKey>& keys, const std::string& what, bool open = false,
                 bool partial = false) {
    for (const auto& [name, node] : tree_.find(path).children()) {
      const auto key =
          std::find_if(keys.begin(), keys.end(), [&, &n = name](const BoardKey& k) { return k.name == n; });
      bool good = false;
      if (key == keys.end() && open) {
        good = faults_.guard(node.origin(), [&, &n = name, &v = node] { check_property(n, v); });
      } else if (key == keys.end()) {
        const std::string near = did_you_mean(name, names_of(keys));
        faults_.add(Error(fmt::format("{} has no key '{}'", what, name))
                        .at(node.key_origin())
                        .hint(near.empty() ? fmt::format("keys are {}", fmt::join(names_of(keys), ", ")) : near));
      } else {
        good = faults_.guard(node.origin(), [&, &n = node] { check_shape(*key, n); });
      }
      if (!good) remove(path, name);
    }
    for (const BoardKey& key : keys) {
      if (partial || !key.required || tree_.find(path)[key.name] || removed_.count(joined(path, key.name))) continue;
      faults_.add(
          Error(fmt::format("{} needs the key '{}'", what, key.name)).at(tree_.find(path).key_origin()).hint(key.doc));
    }
  }

  void check_version() {
    const ConfigNode version = tree_["schema"];
    if (!version || version.text() == std::to_string(kSchemaVersion)) return;
    faults_.add(Error(fmt::format("schema {} is not known", version.text()))
                    .at(version.origin())
                    .hint(fmt::format("this program reads schema {}", kSchemaVersion)));
  }

  void check_option(const std::string& name) {
    const ConfigNode node = tree_["options"][name];
    if (node.is(ConfigKind::Null)) return;  // removes one that is inherited
    const bool right_name = check_name("an option", name, node);
    if (!node.is(ConfigKind::Map)) {
      faults_.add(Error(fmt::format("option '{}' is {}", name, describe(node.kind())))
                      .at(node.origin())
                      .hint("write {type: int, default: 4, doc: what it is}"));
      return remove({"options"}, name);
    }
    // An extension may change the default of an option and leave the rest as it is.
    const bool partial = static_cast<bool>(tree_["extends"]);
    check_map({"options", name}, option_keys(), fmt::format("option '{}'", name), false, partial);
    const ConfigNode type = tree_["options"][name]["type"];
    bool known = partial || (type && tree_["options"][name]["default"]);
    if (type) {
      const auto& types = option_types();
      if (std::find(types.begin(), types.end(), type.text()) == types.end()) {
        const std::string near = did_you_mean(type.text(), types);
        faults_.add(Error(fmt::format("no such type of option: '{}'", type.text()))
                        .at(type.origin())
                        .hint(near.empty() ? fmt::format("types are {}", fmt::join(types, ", ")) : near));
        known = false;
      } else if (type.text() == "enum" && !tree_["options"][name]["values"]) {
        faults_.add(Error(fmt::format("option '{}' does not say its values", name))
                        .at(type.origin())
                        .hint("add values: [first, second]"));
        known = false;
      }
    }
    if (!known || !right_name) remove({"options"}, name);
  }

  void check_device(const std::string& id) {
    const ConfigNode node = tree_["devices"][id];
    if (node.is(ConfigKind::Null)) return;  // removes one that is inherited
    const bool right_name = check_name("a device", id, node);
    if (!node.is(ConfigKind::Map)) {
      faults_.add(Error(fmt::format("device '{}' is {}", id, describe(node.kind())))
                      .at(node.origin())
                      .hint("write {type: TYPE, property: value}"));
      return remove({"devices"}, id);
    }
    for (const auto& [name, value] : node.children()) {
      const auto& keys = device_keys();
      const auto key =
          std::find_if(keys.begin(), keys.end(), [&, &n = name](const BoardKey& k) { return k.name == n; });
      const bool good = faults_.guard(value.origin(), [&, &n = name, &v = value] {
        if (v.is(ConfigKind::Null)) return;  // takes an inherited value back
        if (key != keys.end()) return check_shape(*key, v);
        check_property(n, v);
      });
      if (!good) remove({"devices", id}, name);
    }
    if (!right_name) remove({"devices"}, id);
  }

  static void check_property(const std::string& name, ConfigNode node) {
    if (node.is(ConfigKind::Map))
      throw Error(fmt::format("'{}' is a map", name)).hint("a property has a value or a list of values");
    for (const ConfigNode& item : node.items()) {
      if (!item.is(ConfigKind::Scalar))
        throw Error(fmt::format("'{}' holds {}", name, describe(item.kind()))).at(item.origin());
    }
  }

  bool check_name(const char* what, const std::string& name, ConfigNode node) {
    if (valid_id(name)) return true;
    faults_.add(Error(fmt::format("{} cannot be called '{}'", what, name))
                    .at(node.key_origin())
                    .hint("names start with a letter; letters, digits, '-', '_' and '.' follow"));
    return false;
  }

  static std::string joined(const ConfigPath& path, const std::string& name) {
    return fmt::format("{}/{}", fmt::join(path, "/"), name);
  }
  void remove(ConfigPath path, const std::string& name) {
    removed_.insert(joined(path, name));
    path.push_back(name);
    tree_.remove(path);
  }

  ConfigTree& tree_;
  Faults& faults_;
  std::set<std::string> removed_;
};

/// Lays the entries of `child[part]` over those of `base[part]`: null removes, maps are merged value by value.
void merge_entries(ConfigTree& base, const ConfigTree& child, const std::string& part, const char* what,
                   Faults& faults) {
  for (const auto& [id, entry] : child[part].children()) {
    if (!entry.is(ConfigKind::Null)) {
      base.merge(entry, {part, id});
      for (const auto& [name, value] : entry.children())
        if (value.is(ConfigKind::Null)) base.remove({part, id, name});
      continue;
    }
    if (base.remove({part, id})) continue;
    faults.add(Error(fmt::format("there is no {} '{}' to remove", what, id))
                   .at(entry.key_origin())
                   .hint(did_you_mean(id, base[part].keys())));
  }
}

class BoardReader {
 public:
  BoardReader(const BoardCatalog& catalog, Faults& faults) : catalog_(catalog), faults_(faults) {}

  std::optional<BoardFile> read(const std::string& path) {
    std::optional<ConfigTree> tree;
    faults_.guard({}, [&] { tree = parse_yaml(read_text_file(path, "board file"), path); });
    if (!tree) return std::nullopt;
    return finish(path, std::move(*tree));
  }

  std::optional<BoardFile> finish(const std::string& path, ConfigTree tree) {
    BoardFile file;
    file.path = path;
    file.files.push_back(path);
    being_read_.push_back(path);
    ShapeChecker(tree, faults_).check_board();
    if (tree["extends"]) {
      const std::optional<BoardFile> base = read_base(path, tree["extends"]);
      if (!base) return std::nullopt;  // everything that the board takes from it would be reported as missing
      file.files.insert(file.files.end(), base->files.begin(), base->files.end());
      tree = merged(base->tree, tree);
    } else {
      // Nothing to remove from: the same check that tells so for an extension.
      tree = merged(ConfigTree(), tree);
    }
    being_read_.pop_back();
    file.tree = std::move(tree);
    return file;
  }

 private:
  std::optional<BoardFile> read_base(const std::string& path, ConfigNode name) {
    std::string base;
    const bool found = faults_.guard(name.origin(), [&] {
      // A path is relative to the file that names it.
      const std::filesystem::path beside = std::filesystem::path(path).parent_path() / name.text();
      const bool is_path = beside.extension() == ".yaml";
      base = catalog_.find(is_path ? beside.string() : name.text(), name.origin());
      for (const std::string& open : being_read_) {
        std::error_code error;
        if (open == base || std::filesystem::equivalent(open, base, error))
          throw Error(fmt::format("'{}' extends itself", name.text()));
      }
    });
    if (!found) return std::nullopt;
    return read(base);
  }

  ConfigTree merged(const ConfigTree& base, const ConfigTree& child) {
    ConfigTree all = base;
    // The names of a board are its own.
    for (const char* own : {"board", "alias", "summary", "extends"}) all.remove({own});
    all.relabel({}, child.root().value());
    for (const auto& [key, node] : child.root().children()) {
      if (key == "devices") {
        merge_entries(all, child, key, "device", faults_);
      } else if (key == "options") {
        merge_entries(all, child, key, "option", faults_);
      } else {
        all.merge(node, {key});
      }
    }
    return all;
  }

  const BoardCatalog& catalog_;
  Faults& faults_;
  std::vector<std::string> being_read_;
};

}  // namespace

std::optional<BoardFile> read_board(const std::string& path, const BoardCatalog& catalog, Faults& faults) {
  return BoardReader(catalog, faults).read(path);
}

std::optional<BoardFile> read_board_text(std::string_view text, const std::string& name, const BoardCatalog& catalog,
                                         Faults& faults) {
  std::optional<ConfigTree> tree;
  faults.guard({}, [&] { tree = parse_yaml(text, name); });
  if (!tree) return std::nullopt;
  return BoardReader(catalog, faults).finish(name, std::move(*tree));
}

}  // namespace machina
