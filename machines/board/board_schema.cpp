#include "machines/board/board_schema.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "hw/base/device.h"
#include "machines/board/board_file.h"
#include "machines/board/setting_value.h"
#include "qom/object.h"

namespace machina {

namespace {

using Json = nlohmann::ordered_json;
using Shape = BoardKey::Shape;

/// A value into which an option may be put: ${name}.
Json substitution() { return {{"type", "string"}, {"pattern", "\\$\\{"}}; }

Json any_of(std::vector<Json> choices) {
  Json made;
  made["anyOf"] = Json::array();
  for (Json& choice : choices) made["anyOf"].push_back(std::move(choice));
  return made;
}

Json size_type() { return {{"type", "string"}, {"pattern", "^[0-9][0-9a-fA-Fx.]*[bBkKmMgGtTpPeE]?$"}}; }

Json words_type() { return any_of({{{"type", "string"}}, {{"type", "array"}, {"items", {{"type", "string"}}}}}); }

Json shape_type(Shape shape) {
  switch (shape) {
    case Shape::Text:
      return {{"type", "string"}};
    case Shape::Size:
      return any_of({{{"type", "integer"}, {"minimum", 0}}, size_type(), substitution()});
    case Shape::Count:
      return any_of({{{"type", "integer"}, {"minimum", 0}}, substitution()});
    case Shape::Switch:
      return any_of({{{"type", "boolean"}}, {{"enum", {"on", "off", "yes", "no"}}}, substitution()});
    case Shape::Words:
      return words_type();
    case Shape::Map:
      return {{"type", {"object", "null"}}};
    case Shape::Value:
      return {{"type", {"string", "number", "boolean"}}};
  }
  return {};
}

Json key_schema(const BoardKey& key) {
  Json made = shape_type(key.shape);
  made["description"] = key.doc;
  return made;
}

Json object_schema(const std::vector<BoardKey>& keys, bool open = false) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const BoardKey& key : keys) {
    properties[key.name] = key_schema(key);
    if (key.required) required.push_back(key.name);
  }
  Json made{{"type", "object"}, {"properties", properties}, {"additionalProperties", open}};
  if (!required.empty()) made["required"] = required;
  return made;
}

Json property_type(const qom::Property& p) {
  switch (p.kind) {
    case qom::PropertyKind::Bool:
      return any_of({{{"type", "boolean"}}, {{"enum", {"on", "off", "yes", "no"}}}, substitution()});
    case qom::PropertyKind::Int:
      return any_of(
          {{{"type", "integer"}, {"minimum", p.min}, {"maximum", static_cast<std::int64_t>(p.umax)}}, substitution()});
    case qom::PropertyKind::UInt:
      return any_of({{{"type", "integer"}, {"minimum", p.umin}, {"maximum", p.umax}}, substitution()});
    case qom::PropertyKind::Size:
      return any_of({{{"type", "integer"}, {"minimum", 0}}, size_type(), substitution()});
    case qom::PropertyKind::Enum:
      return any_of({{{"enum", p.enum_values}}, substitution()});
    case qom::PropertyKind::List:
      return words_type();
    case qom::PropertyKind::String:
    case qom::PropertyKind::Link:
    case qom::PropertyKind::Child:
      break;
  }
  // A pin may be a bare number, a line of the bus.
  Json scalar{{"type", {"string", "number", "boolean"}}};
  return is_pin(p) ? any_of({scalar, {{"type", "array"}, {"items", scalar}}}) : scalar;
}

Json property_schema(const qom::Property& p) {
  Json made = property_type(p);
  std::string doc = p.description;
  if (p.kind == qom::PropertyKind::Link) doc += fmt::format("{}id of a '{}'", doc.empty() ? "" : "; ", p.link_type);
  const std::string by_default = p.default_value.to_string();
  if (!p.default_value.empty() && !by_default.empty()) doc += fmt::format(" (default {})", by_default);
  if (!doc.empty()) made["description"] = doc;
  return made;
}

Json device_keys_schema() {
  Json properties = Json::object();
  for (const BoardKey& key : device_keys())
    if (std::string_view(key.name) != "type") properties[key.name] = key_schema(key);
  return properties;
}

/// {type: NAME, …}: the keys of any device, and the properties of this one.
Json device_schema(const qom::ObjectClass& c) {
  Json properties{{"type", {{"const", c.name()}, {"description", c.description}}}};
  properties.update(device_keys_schema());
  Json required = Json::array({"type"});
  for (const qom::Property& p : c.properties()) {
    if (p.read_only || (!p.set && !p.set_link)) continue;
    // null takes back a value that is inherited.
    properties[p.name] = any_of({property_schema(p), {{"type", "null"}}});
    if (!p.description.empty()) properties[p.name]["description"] = p.description;
  }
  return {{"type", "object"},
          {"title", c.name()},
          {"properties", properties},
          {"required", required},
          {"additionalProperties", false}};
}

}  // namespace

std::string board_schema() {
  qom::TypeRegistry& registry = qom::TypeRegistry::global();
  Json definitions = Json::object();
  // A change to an inherited device names no type, so any property may stand in it.
  Json device = any_of({{{"type", "null"}},
                        {{"type", "object"}, {"properties", device_keys_schema()}, {"not", {{"required", {"type"}}}}}});
  for (const std::string& type : registry.names(Device::kType)) {
    const qom::ObjectClass& c = registry.class_of(type);
    if (static_cast<const DeviceClass&>(c).category == Category::Cpu) continue;
    definitions[type] = device_schema(c);
    device["anyOf"].push_back({{"$ref", "#/$defs/" + type}});
  }
  definitions["device"] = device;
  definitions["option"] = any_of({{{"type", "null"}}, object_schema(option_keys())});
  definitions["option"]["anyOf"][1]["properties"]["type"] = {{"enum", option_types()}};
  definitions["option"]["anyOf"][1].erase("required");  // an extension may change the default alone

  Json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "Machina board"}};
  schema.update(object_schema(board_keys()));
  schema["properties"]["schema"] = {{"const", 1}, {"description", "version of this format"}};
  schema["properties"]["cpus"] = object_schema(cpus_keys(), true);
  schema["properties"]["ram"] = object_schema(ram_keys());
  schema["properties"]["options"] = {{"type", {"object", "null"}},
                                     {"additionalProperties", {{"$ref", "#/$defs/option"}}}};
  schema["properties"]["devices"] = {{"type", {"object", "null"}},
                                     {"additionalProperties", {{"$ref", "#/$defs/device"}}}};
  schema["$defs"] = definitions;
  return schema.dump(2);
}

}  // namespace machina
