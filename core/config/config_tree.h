#pragma once
/// The configuration of a machine as one tree: board files, -readconfig files and options of the command line are all
/// read into it and merged, later wins. Each value remembers where it was written, so that a fault that is found much
/// later (an unknown property, two devices in one slot) is still shown at its place.
///
/// A tree on Boost.PropertyTree; its header stays in the sources. Not thread-safe: main thread, before the machine
/// runs.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"

namespace boost::property_tree {
template <class Key, class Data, class Compare>
class basic_ptree;
}

namespace machina {

enum class ConfigKind { Null, Scalar, Map, List };

/// "nothing", "a value", "a map", "a list": for messages.
const char* describe(ConfigKind kind);

/// What one node of the tree holds beside its children.
struct ConfigValue {
  ConfigKind kind = ConfigKind::Map;
  std::string text;   ///< as written, without quotes; scalars only. Typing it is the reader's business
  Origin origin;      ///< where the value stands
  Origin key_origin;  ///< where the key that names it stands; unknown for items of a list
};

ConfigValue config_scalar(std::string text, Origin origin, Origin key_origin = {});

using PropertyTree = boost::property_tree::basic_ptree<std::string, ConfigValue, std::less<std::string>>;

/// One node, to be read. Cheap to copy; valid while the tree lives and the node has not been removed from it.
class ConfigNode {
 public:
  ConfigNode() = default;
  explicit ConfigNode(const PropertyTree& node) : node_(&node) {}

  /// False for the node that a look-up did not find.
  explicit operator bool() const { return node_ != nullptr; }
  const PropertyTree& tree() const { return *node_; }

  const ConfigValue& value() const;
  ConfigKind kind() const { return value().kind; }
  bool is(ConfigKind k) const { return kind() == k; }
  const std::string& text() const { return value().text; }
  const Origin& origin() const { return value().origin; }
  /// Where to point when the presence of the node is the fault: its key, or itself when it has none.
  const Origin& key_origin() const { return value().key_origin.known() ? value().key_origin : value().origin; }

  /// Children in the order of writing; the keys of a list are empty.
  std::vector<std::pair<std::string, ConfigNode>> children() const;
  std::vector<ConfigNode> items() const;
  std::vector<std::string> keys() const;
  std::size_t size() const;
  /// The child of that name; false when there is none. Keys are literal: a dot has no meaning.
  ConfigNode operator[](std::string_view key) const;

 private:
  const PropertyTree* node_ = nullptr;
};

/// Keys from the root down.
using ConfigPath = std::vector<std::string>;

class ConfigTree {
 public:
  ConfigTree();  ///< an empty map
  explicit ConfigTree(ConfigNode copy_of);
  explicit ConfigTree(PropertyTree&& tree);
  ConfigTree(const ConfigTree& other);
  ConfigTree(ConfigTree&& other) noexcept;
  ConfigTree& operator=(ConfigTree other) noexcept;
  ~ConfigTree();

  ConfigNode root() const { return ConfigNode(*tree_); }
  ConfigNode operator[](std::string_view key) const { return root()[key]; }
  /// The node at `path`; false when there is none.
  ConfigNode find(const ConfigPath& path) const;

  /// Puts a value at `path`, replacing what is there (in its place in the order) and making maps on the way.
  void put(const ConfigPath& path, ConfigValue value);
  void put(const ConfigPath& path, ConfigNode subtree);
  /// Replaces what a node holds and keeps its children.
  void relabel(const ConfigPath& path, ConfigValue value);
  /// Appends to the list at `path`, which is made when it is missing.
  void append(const ConfigPath& path, ConfigNode subtree);
  /// Returns whether there was anything.
  bool remove(const ConfigPath& path);

  /// Lays `overlay` over the node at `path`: maps are merged key by key, anything else replaces. What stays keeps its
  /// origin, what comes keeps its own.
  void merge(ConfigNode overlay, const ConfigPath& path = {});
  /// Calls `edit` for every scalar of the tree.
  void for_each_scalar(const std::function<void(ConfigValue&)>& edit);

 private:
  PropertyTree& make(const ConfigPath& path);

  std::unique_ptr<PropertyTree> tree_;
};

}  // namespace machina
