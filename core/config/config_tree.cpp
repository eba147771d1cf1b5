#include "core/config/config_tree.h"

#include "core/config/property_tree.h"

namespace machina {

const char* describe(ConfigKind kind) {
  switch (kind) {
    case ConfigKind::Null:
      return "nothing";
    case ConfigKind::Scalar:
      return "a value";
    case ConfigKind::Map:
      return "a map";
    case ConfigKind::List:
      return "a list";
  }
  return "";
}

ConfigValue config_scalar(std::string text, Origin origin, Origin key_origin) {
  return {ConfigKind::Scalar, std::move(text), std::move(origin), std::move(key_origin)};
}

const ConfigValue& ConfigNode::value() const { return node_->data(); }

std::vector<std::pair<std::string, ConfigNode>> ConfigNode::children() const {
  std::vector<std::pair<std::string, ConfigNode>> all;
  if (node_)
    for (const auto& [key, child] : *node_) all.emplace_back(key, ConfigNode(child));
  return all;
}

std::vector<ConfigNode> ConfigNode::items() const {
  std::vector<ConfigNode> all;
  if (node_)
    for (const auto& [key, child] : *node_) all.emplace_back(child);
  return all;
}

std::vector<std::string> ConfigNode::keys() const {
  std::vector<std::string> all;
  if (node_)
    for (const auto& [key, child] : *node_) all.push_back(key);
  return all;
}

std::size_t ConfigNode::size() const { return node_ ? node_->size() : 0; }

ConfigNode ConfigNode::operator[](std::string_view key) const {
  if (!node_) return {};
  const auto it = node_->find(std::string(key));
  return it == node_->not_found() ? ConfigNode() : ConfigNode(it->second);
}

ConfigTree::ConfigTree() : tree_(std::make_unique<PropertyTree>()) {}
ConfigTree::ConfigTree(ConfigNode copy_of) : tree_(std::make_unique<PropertyTree>(copy_of.tree())) {}
ConfigTree::ConfigTree(PropertyTree&& tree) : tree_(std::make_unique<PropertyTree>()) { tree_->swap(tree); }
ConfigTree::ConfigTree(const ConfigTree& other) : tree_(std::make_unique<PropertyTree>(*other.tree_)) {}
ConfigTree::ConfigTree(ConfigTree&& other) noexcept = default;
ConfigTree& ConfigTree::operator=(ConfigTree other) noexcept {
  tree_.swap(other.tree_);
  return *this;
}
ConfigTree::~ConfigTree() = default;

ConfigNode ConfigTree::find(const ConfigPath& path) const {
  ConfigNode node = root();
  for (const std::string& key : path) node = node[key];
  return node;
}

PropertyTree& ConfigTree::make(const ConfigPath& path) {
  PropertyTree* node = tree_.get();
  for (const std::string& key : path) {
    const auto it = node->find(key);
    node = it == node->not_found() ? &node->push_back({key, PropertyTree()})->second : &it->second;
  }
  return *node;
}

void ConfigTree::put(const ConfigPath& path, ConfigValue value) { make(path) = PropertyTree(value); }

void ConfigTree::put(const ConfigPath& path, ConfigNode subtree) {
  PropertyTree copy = subtree.tree();  // it may come from this very tree
  make(path).swap(copy);
}

void ConfigTree::relabel(const ConfigPath& path, ConfigValue value) { make(path).data() = std::move(value); }

void ConfigTree::append(const ConfigPath& path, ConfigNode subtree) {
  PropertyTree copy = subtree.tree();
  PropertyTree& list = make(path);
  list.data().kind = ConfigKind::List;
  list.push_back({std::string(), std::move(copy)});
}

bool ConfigTree::remove(const ConfigPath& path) {
  if (path.empty() || !find(path)) return false;
  return make({path.begin(), path.end() - 1}).erase(path.back()) > 0;
}

namespace {

void merge_node(PropertyTree& base, const PropertyTree& overlay) {
  if (base.data().kind != ConfigKind::Map || overlay.data().kind != ConfigKind::Map) {
    base = overlay;
    return;
  }
  for (const auto& [key, child] : overlay) {
    const auto it = base.find(key);
    if (it == base.not_found()) {
      base.push_back({key, child});
    } else {
      merge_node(it->second, child);
    }
  }
}

void visit_scalars(PropertyTree& node, const std::function<void(ConfigValue&)>& edit) {
  if (node.data().kind == ConfigKind::Scalar) edit(node.data());
  for (auto& [key, child] : node) visit_scalars(child, edit);
}

}  // namespace

void ConfigTree::merge(ConfigNode overlay, const ConfigPath& path) {
  if (!find(path)) return put(path, overlay);
  // It may come from this very tree.
  const PropertyTree copy = overlay.tree();  // NOLINT(performance-unnecessary-copy-initialization): see above
  merge_node(make(path), copy);
}

void ConfigTree::for_each_scalar(const std::function<void(ConfigValue&)>& edit) { visit_scalars(*tree_, edit); }

}  // namespace machina
