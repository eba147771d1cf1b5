#include "core/config/option_groups.h"

#include <fmt/format.h>

namespace machina {

ConfigNode find_option(const ConfigTree& groups, std::string_view group, std::string_view id) {
  for (const ConfigNode& option : groups[group].items()) {
    const ConfigNode name = option["id"];
    if (name && name.text() == id) return option;
  }
  return {};
}

void add_option(ConfigTree& groups, const std::string& group, ConfigNode option) {
  if (const ConfigNode id = option["id"]) {
    if (const ConfigNode first = find_option(groups, group, id.text())) {
      throw Error(fmt::format("two of group '{}' have the id '{}'", group, id.text()))
          .at(id.origin())
          .hint("the first is " + first["id"].origin().brief());
    }
  }
  groups.append({group}, option);
}

void add_options(ConfigTree& groups, const ConfigTree& more) {
  for (const auto& [group, list] : more.root().children())
    for (const ConfigNode& option : list.items()) add_option(groups, group, option);
}

bool apply_set(ConfigTree& groups, const SetOption& set) {
  if (!find_option(groups, set.group, set.id)) return false;
  // Items of a list have no name of their own, so the list is written anew with one of its items changed.
  ConfigTree list;
  list.put({}, ConfigNode(groups[set.group]).value());
  for (const ConfigNode& item : groups[set.group].items()) {
    ConfigTree option(item);
    const ConfigNode id = item["id"];
    if (id && id.text() == set.id) option.put({set.key}, set.value);
    list.append({}, option.root());
  }
  groups.put({set.group}, list.root());
  return true;
}

}  // namespace machina
