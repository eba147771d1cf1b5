#include "core/config/option_string.h"

#include <fmt/format.h>

#include <algorithm>

namespace machina {

Origin option_origin(std::string_view option, std::string_view text, std::size_t offset, std::size_t length) {
  Origin origin;
  origin.place = fmt::format("{} {}", option, text);
  origin.column = static_cast<int>(option.size() + 1 + offset) + 1;
  origin.length = static_cast<int>(std::max<std::size_t>(1, length));
  return origin;
}

Origin option_origin(std::string_view option, std::string_view text) {
  return option_origin(option, text, 0, text.size());
}

namespace {

struct Part {
  std::string text;  // doubled commas made single
  std::size_t offset = 0, length = 0;
};

/// From `offset` to the next single comma; moves `offset` behind it.
Part next_part(std::string_view text, std::size_t& offset) {
  Part part;
  part.offset = offset;
  while (offset < text.size()) {
    if (text[offset] == ',') {
      if (offset + 1 >= text.size() || text[offset + 1] != ',') break;
      ++offset;
    }
    part.text += text[offset++];
  }
  part.length = offset - part.offset;
  if (offset < text.size()) ++offset;
  return part;
}

}  // namespace

ConfigTree parse_option(std::string_view option, std::string_view text, std::string_view implied_key,
                        std::initializer_list<std::string_view> repeated) {
  ConfigTree tree;
  tree.put({}, ConfigValue{ConfigKind::Map, {}, option_origin(option, text), {}});
  const auto put = [&](std::string key, std::string value, const Origin& at, const Origin& key_at) {
    tree.put({std::move(key)}, config_scalar(std::move(value), at, key_at));
  };
  std::size_t offset = 0;
  for (bool first = true; offset < text.size(); first = false) {
    // A key ends at '=', and its value, in which commas are doubled, at a comma.
    const std::size_t start = offset;
    const std::size_t stop = text.find_first_of("=,", offset);
    if (stop == std::string_view::npos || text[stop] == ',') {
      const Part part = next_part(text, offset);
      const Origin at = option_origin(option, text, part.offset, part.length);
      if (part.text.empty()) {
        // "a,b," is accepted; ",b" leaves the implied value empty, which is a mistake whatever it means.
        if (first) throw Error("nothing stands before the first comma").at(at);
      } else if (part.text == "help" || part.text == "?") {
        put("help", "on", at, at);
      } else if (first && !implied_key.empty()) {
        put(std::string(implied_key), part.text, at, at);
      } else if (part.text.size() > 2 && part.text.compare(0, 2, "no") == 0) {
        put(part.text.substr(2), "off", at, at);
      } else {
        put(part.text, "on", at, at);
      }
      continue;
    }
    std::string key(text.substr(start, stop - start));
    const Origin key_at = option_origin(option, text, start, stop - start);
    if (key.empty()) throw Error("a name is missing before '='").at(key_at);
    offset = stop + 1;
    const Part value = next_part(text, offset);
    const Origin at = value.length ? option_origin(option, text, value.offset, value.length) : key_at;
    std::string whole = value.text;
    const ConfigNode earlier = tree[key];
    if (earlier && std::find(repeated.begin(), repeated.end(), key) != repeated.end())
      whole = earlier.text() + ";" + whole;
    put(std::move(key), std::move(whole), at, key_at);
  }
  return tree;
}

SetOption parse_set_option(std::string_view text) {
  const auto refuse = [&] {
    return Error("not a setting").at(option_origin("-set", text)).hint("write -set GROUP.ID.PROPERTY=VALUE");
  };
  const std::size_t equals = text.find('=');
  const std::size_t first = text.find('.');
  if (equals == std::string_view::npos || first == std::string_view::npos || first > equals) throw refuse();
  // As in QEMU the id has no dot, but the key may (file.filename).
  const std::size_t second = text.find('.', first + 1);
  if (second == std::string_view::npos || second > equals) throw refuse();
  SetOption set;
  set.group = text.substr(0, first);
  set.id = text.substr(first + 1, second - first - 1);
  set.key = text.substr(second + 1, equals - second - 1);
  if (set.group.empty() || set.id.empty() || set.key.empty()) throw refuse();
  const std::size_t value = equals + 1;
  const Origin key_at = option_origin("-set", text, second + 1, set.key.size());
  set.value =
      config_scalar(std::string(text.substr(value)),
                    value < text.size() ? option_origin("-set", text, value, text.size() - value) : key_at, key_at);
  set.group_origin = option_origin("-set", text, 0, set.group.size());
  set.id_origin = option_origin("-set", text, first + 1, set.id.size());
  return set;
}

GlobalOption parse_global_option(std::string_view text) {
  GlobalOption global;
  const std::size_t dot = text.find('.');
  const std::size_t equals = text.find('=');
  if (dot != std::string_view::npos && equals != std::string_view::npos && dot < equals) {
    global.driver = text.substr(0, dot);
    global.property = text.substr(dot + 1, equals - dot - 1);
    const std::size_t value = equals + 1;
    const Origin key_at = option_origin("-global", text, dot + 1, global.property.size());
    global.value = config_scalar(
        std::string(text.substr(value)),
        value < text.size() ? option_origin("-global", text, value, text.size() - value) : key_at, key_at);
    global.driver_origin = option_origin("-global", text, 0, dot);
  } else {
    const ConfigTree tree = parse_option("-global", text);
    for (const auto& [key, value] : tree.root().children()) {
      if (key == "driver") global.driver = value.text(), global.driver_origin = value.origin();
      if (key == "property") global.property = value.text();
      if (key == "value") global.value = value.value();
      const bool long_form = tree["driver"] || tree["property"] || tree["value"];
      if (long_form && key != "driver" && key != "property" && key != "value")
        throw Error(fmt::format("no such parameter: '{}'", key))
            .at(value.key_origin())
            .hint("write -global TYPE.PROPERTY=VALUE, or driver=TYPE,property=PROPERTY,value=VALUE");
    }
    if (const ConfigNode property = tree["property"]) global.value.key_origin = property.origin();
    if (!tree["value"]) global.driver.clear();
  }
  if (global.driver.empty() || global.property.empty())
    throw Error("not a global property").at(option_origin("-global", text)).hint("write -global TYPE.PROPERTY=VALUE");
  return global;
}

}  // namespace machina
