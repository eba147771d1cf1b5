#include "machines/cli/option_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace machina {

ConfigNode only_option(const CommandLine& cl, const char* group) {
  const ConfigNode list = cl.groups[group];
  return list && list.size() > 0 ? list.items().front() : ConfigNode();
}

void refuse_unknown_keys(ConfigNode option, const std::vector<std::string>& known) {
  for (const auto& [key, node] : option.children()) {
    if (key == "id" || std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = did_you_mean(key, known);
    throw Error(fmt::format("no such parameter: '{}'", key))
        .at(node.key_origin())
        .hint(near.empty() ? fmt::format("known: {}", fmt::join(known, ", ")) : near);
  }
}

void set_from_option(qom::Object& object, const std::string& key, ConfigNode node) {
  const qom::ObjectClass& c = object.object_class();
  try {
    object.set_text(key, node.text());
  } catch (Error& e) {
    if (c.find_property(key)) throw e.at(node.origin());
    throw e.at(node.key_origin()).hint(fmt::format("known: {}", fmt::join(c.property_names(), ", ")));
  }
}

void at_origin(const Origin& origin, const std::function<void()>& read) {
  try {
    read();
  } catch (Error& e) {
    throw e.at(origin);
  }
}

}  // namespace machina
