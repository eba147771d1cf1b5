#include "machines/board/setting_value.h"

#include <fmt/format.h>

namespace machina {

const qom::Property& writable_property(const qom::ObjectClass& c, std::string_view name, const Origin& at) {
  std::vector<std::string> names;
  for (const qom::Property& p : c.properties()) {
    const bool writable = !p.read_only && (p.set || p.set_link);
    if (p.name == name) {
      if (!writable) throw Error(fmt::format("property '{}' of '{}' is read-only", name, c.name())).at(at);
      return p;
    }
    if (writable) names.push_back(p.name);
  }
  const std::string near = did_you_mean(name, names);
  throw Error(fmt::format("type '{}' has no property '{}'", c.name(), name))
      .at(at)
      .hint(near.empty() ? fmt::format("machine-run -device {},help lists what it has", c.name()) : near);
}

qom::Value value_of(const qom::Property& p, std::string_view text, const Origin& at) {
  try {
    return p.parse(text);
  } catch (Error& e) {
    // Parsing a number says only that the text is none; the property knows what it wants.
    Error said(e);
    if (e.message().find('\'' + p.name + '\'') == std::string::npos) {
      said = Error(fmt::format("property '{}' does not take '{}'", p.name, text));
      said.why(e.message());
      said.hint(e.advice());
    }
    throw said.at(at).hint("expected " + p.expected());
  }
}

bool is_pin(const qom::Property& p) { return p.type == "irq"; }

qom::Value value_of(const qom::Property& p, const Setting& setting) {
  if (!setting.is_list) return value_of(p, setting.text, setting.at);
  if (p.kind == qom::PropertyKind::List) {
    try {
      return p.convert(qom::ValueList(setting.items.begin(), setting.items.end()));
    } catch (Error& e) {
      throw e.at(setting.at);
    }
  }
  if (is_pin(p)) return value_of(p, setting.text, setting.at);
  throw Error(fmt::format("property '{}' takes one value, not a list", p.name))
      .at(setting.at)
      .hint("expected " + p.expected());
}

}  // namespace machina
