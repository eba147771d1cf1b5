/// Commands about objects, types and properties. None of them stops a vCPU.

#include <fmt/format.h>

#include "hw/base/device.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

/// Every object has it, though no class declares it.
constexpr std::string_view kTypeProperty = "type";

qom::Object& object_at(MonitorSession& session, const std::string& path) {
  bool ambiguous = false;
  qom::Object* found = path == "/" ? &session.root() : qom::resolve_path(session.root(), path, &ambiguous);
  if (ambiguous) generic_error(fmt::format("Path '{}' is ambiguous", path));
  if (!found) device_not_found(path);
  return *found;
}

[[noreturn]] void no_property(const qom::Object& object, const std::string& property) {
  const std::string near = did_you_mean(property, object.object_class().property_names());
  generic_error(
      fmt::format("Property '{}.{}' not found{}", object.type_name(), property, near.empty() ? "" : " (" + near + ")"));
}

Value qom_list(MonitorSession& session, const QmpArguments& arguments) {
  qom::Object& object = object_at(session, arguments.string("path"));
  ValueList list;
  list.emplace_back(ValueMap{{"name", std::string(kTypeProperty)}, {"type", "string"}});
  for (const qom::Property& p : object.object_class().properties())
    list.emplace_back(ValueMap{{"name", p.name}, {"type", p.type}});
  for (const auto& child : object.children())
    list.emplace_back(ValueMap{{"name", child->name()}, {"type", "child<" + child->type_name() + ">"}});
  return list;
}

Value qom_get(MonitorSession& session, const QmpArguments& arguments) {
  qom::Object& object = object_at(session, arguments.string("path"));
  const std::string& property = arguments.string("property");
  if (const qom::Property* p = object.object_class().find_property(property)) return p->get ? p->get(object) : Value();
  if (property == kTypeProperty) return object.type_name();
  if (const qom::Object* child = object.child(property)) return child->path();
  no_property(object, property);
}

Value qom_set(MonitorSession& session, const QmpArguments& arguments) {
  qom::Object& object = object_at(session, arguments.string("path"));
  const std::string& property = arguments.string("property");
  if (!object.object_class().find_property(property)) {
    if (property == kTypeProperty || object.child(property))
      generic_error(fmt::format("Property '{}.{}' cannot be set", object.type_name(), property));
    no_property(object, property);
  }
  object.set(property, arguments.value("value"));
  return {};
}

Value qom_list_types(MonitorSession&, const QmpArguments& arguments) {
  qom::TypeRegistry& registry = qom::TypeRegistry::global();
  const std::string implements = arguments.string_or("implements", "");
  ValueList list;
  if (!implements.empty() && !registry.find(implements)) return list;
  for (const std::string& name : registry.names(implements, arguments.boolean_or("abstract", false))) {
    const qom::TypeInfo& info = *registry.find(name);
    ValueMap entry{{"name", name}};
    if (info.abstract) entry.emplace_back("abstract", true);
    if (!info.parent.empty()) entry.emplace_back("parent", info.parent);
    list.emplace_back(std::move(entry));
  }
  return list;
}

ValueList properties_of(const qom::ObjectClass& c) {
  ValueList list;
  for (const qom::Property& p : c.properties()) {
    ValueMap entry{{"name", p.name}, {"type", p.type}};
    if (!p.description.empty()) entry.emplace_back("description", p.description);
    if (!p.default_value.empty()) entry.emplace_back("default-value", p.default_value);
    list.emplace_back(std::move(entry));
  }
  return list;
}

Value qom_list_properties(MonitorSession&, const QmpArguments& arguments) {
  const std::string& name = arguments.string("typename");
  const qom::TypeInfo* info = qom::TypeRegistry::global().find(name);
  if (!info) throw QmpError{QmpErrorClass::DeviceNotFound, fmt::format("Class '{}' not found", name)};
  if (info->interface) return ValueList{};
  return properties_of(qom::TypeRegistry::global().class_of(name));
}

Value device_list_properties(MonitorSession&, const QmpArguments& arguments) {
  const std::string& name = arguments.string("typename");
  const qom::TypeInfo* info = qom::TypeRegistry::global().find(name);
  if (!info) device_not_found(name);
  if (info->abstract || !qom::TypeRegistry::global().class_of(name).is_a(Device::kType))
    generic_error("Parameter 'typename' expects a non-abstract device type");
  return properties_of(qom::TypeRegistry::global().class_of(name));
}

// --- for people ---

void human_qom_list(HumanContext& c, const QmpArguments& arguments) {
  const Value answer = c.query("qom-list", ValueMap{{"path", arguments.string_or("path", "/")}});
  for (const Value& p : std::get<ValueList>(answer.get()))
    c.print("{} ({})\n", member(p, "name")->to_string(), member(p, "type")->to_string());
}

void human_qom_get(HumanContext& c, const QmpArguments& arguments) {
  c.print("{}\n", to_json(c.query("qom-get", arguments.all())));
}

void human_qom_set(HumanContext& c, const QmpArguments& arguments) {
  qom::Object& object = object_at(c.session(), arguments.string("path"));
  const std::string& property = arguments.string("property");
  if (!object.object_class().find_property(property)) no_property(object, property);
  if (arguments.boolean_or("j", false)) {
    object.set(property, parse_json(arguments.string("value")));
  } else {
    object.set_text(property, arguments.string("value"));
  }
}

/// "/machine/p" may become the path of any child of /machine that begins so.
std::vector<std::string> complete_path(MonitorSession& session, std::string_view argument) {
  std::vector<std::string> paths;
  if (argument != "path") return paths;
  qom::for_each<qom::Object>(session.root(), [&](qom::Object& o) { paths.push_back(o.path()); });
  return paths;
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    struct ObjectPropertyInfo { name: str, type: str, *description: str, *default-value: any }
    struct ObjectTypeInfo { name: str, *abstract: bool, *parent: str }
  )");
  t.command({.name = "qom-list",
             .arguments = "path: str",
             .returns = "[ObjectPropertyInfo]",
             .doc = "properties and children of an object",
             .run = qom_list});
  t.command({.name = "qom-get",
             .arguments = "path: str, property: str",
             .returns = "any",
             .doc = "the value of a property; of a child or a link, its path",
             .run = qom_get});
  t.command({.name = "qom-set",
             .arguments = "path: str, property: str, value: any",
             .doc = "changes a property, if it may change while the machine exists",
             .run = qom_set});
  t.command({.name = "qom-list-types",
             .arguments = "*implements: str, *abstract: bool",
             .returns = "[ObjectTypeInfo]",
             .doc = "types of a kind; abstract ones only when asked for",
             .run = qom_list_types});
  t.command({.name = "qom-list-properties",
             .arguments = "typename: str",
             .returns = "[ObjectPropertyInfo]",
             .doc = "properties that objects of a type will have",
             .run = qom_list_properties});
  t.command({.name = "device-list-properties",
             .arguments = "typename: str",
             .returns = "[ObjectPropertyInfo]",
             .doc = "the same, of a type that `-device` could make",
             .run = device_list_properties});
  t.human({.name = "qom-list",
           .arguments = "*path: str",
           .doc = "properties and children of an object",
           .run = human_qom_list,
           .complete = complete_path});
  t.human({.name = "qom-get",
           .arguments = "path: str, property: str",
           .doc = "the value of a property",
           .run = human_qom_get,
           .complete = complete_path});
  t.human({.name = "qom-set",
           .arguments = "-j, path: str, property: str, value: rest",
           .doc = "changes a property; -j: the value is JSON",
           .run = human_qom_set,
           .complete = complete_path});
}

const MonitorFamily kFamily{"Objects", add};

}  // namespace
}  // namespace machina
