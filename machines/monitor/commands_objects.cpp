/// Commands about objects, types and properties. None of them stops a vCPU.

#include <fmt/format.h>

#include "hw/base/device.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

/// Every object has it, though no class declares it.
constexpr std::string_view kTypeProperty = "type";

qom::Object& object_at(QmpSession& session, const std::string& path) {
  bool ambiguous = false;
  qom::Object* found = path == "/" ? &session.root() : qom::resolve_path(session.root(), path, &ambiguous);
  if (ambiguous) throw QmpError{QmpErrorClass::GenericError, fmt::format("Path '{}' is ambiguous", path)};
  if (!found) throw QmpError{QmpErrorClass::DeviceNotFound, fmt::format("Device '{}' not found", path)};
  return *found;
}

QmpError no_property(const qom::Object& object, const std::string& property) {
  const std::string near = did_you_mean(property, object.object_class().property_names());
  return {QmpErrorClass::GenericError, fmt::format("Property '{}.{}' not found{}", object.type_name(), property,
                                                   near.empty() ? "" : " (" + near + ")")};
}

Value qom_list(QmpSession& session, const QmpArguments& arguments) {
  qom::Object& object = object_at(session, arguments.string("path"));
  ValueList list;
  list.emplace_back(ValueMap{{"name", std::string(kTypeProperty)}, {"type", "string"}});
  for (const qom::Property& p : object.object_class().properties())
    list.emplace_back(ValueMap{{"name", p.name}, {"type", p.type}});
  for (const auto& child : object.children())
    list.emplace_back(ValueMap{{"name", child->name()}, {"type", "child<" + child->type_name() + ">"}});
  return list;
}

Value qom_get(QmpSession& session, const QmpArguments& arguments) {
  qom::Object& object = object_at(session, arguments.string("path"));
  const std::string& property = arguments.string("property");
  if (object.object_class().find_property(property)) return object.get(property);
  if (property == kTypeProperty) return object.type_name();
  if (const qom::Object* child = object.child(property)) return child->path();
  throw no_property(object, property);
}

Value qom_set(QmpSession& session, const QmpArguments& arguments) {
  qom::Object& object = object_at(session, arguments.string("path"));
  const std::string& property = arguments.string("property");
  if (!object.object_class().find_property(property)) {
    if (property == kTypeProperty || object.child(property))
      throw QmpError{QmpErrorClass::GenericError,
                     fmt::format("Property '{}.{}' cannot be set", object.type_name(), property)};
    throw no_property(object, property);
  }
  object.set(property, arguments.value("value"));
  return ValueMap{};
}

Value qom_list_types(QmpSession&, const QmpArguments& arguments) {
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

Value qom_list_properties(QmpSession&, const QmpArguments& arguments) {
  const std::string& name = arguments.string("typename");
  const qom::TypeInfo* info = qom::TypeRegistry::global().find(name);
  if (!info) throw QmpError{QmpErrorClass::DeviceNotFound, fmt::format("Class '{}' not found", name)};
  if (info->interface) return ValueList{};
  return properties_of(qom::TypeRegistry::global().class_of(name));
}

Value device_list_properties(QmpSession&, const QmpArguments& arguments) {
  const std::string& name = arguments.string("typename");
  const qom::TypeInfo* info = qom::TypeRegistry::global().find(name);
  if (!info) throw QmpError{QmpErrorClass::DeviceNotFound, fmt::format("Device '{}' not found", name)};
  if (info->abstract || !qom::TypeRegistry::global().class_of(name).is_a(Device::kType))
    throw QmpError{QmpErrorClass::GenericError, "Parameter 'typename' expects a non-abstract device type"};
  return properties_of(qom::TypeRegistry::global().class_of(name));
}

}  // namespace

void add_object_commands(std::vector<QmpCommand>& table) {
  using T = QmpArgument::Type;
  table.push_back({"qom-list",
                   {{"path", T::String}},
                   "[ObjectPropertyInfo]",
                   "properties and children of an object",
                   false,
                   qom_list});
  table.push_back({"qom-get",
                   {{"path", T::String}, {"property", T::String}},
                   "any",
                   "the value of a property; of a child or a link, its path",
                   false,
                   qom_get});
  table.push_back({"qom-set",
                   {{"path", T::String}, {"property", T::String}, {"value", T::Any}},
                   "nothing",
                   "changes a property, if it may change while the machine exists",
                   false,
                   qom_set});
  table.push_back({"qom-list-types",
                   {{"implements", T::String, true}, {"abstract", T::Boolean, true}},
                   "[ObjectTypeInfo]",
                   "types of a kind; abstract ones only when asked for",
                   false,
                   qom_list_types});
  table.push_back({"qom-list-properties",
                   {{"typename", T::String}},
                   "[ObjectPropertyInfo]",
                   "properties that objects of a type will have",
                   false,
                   qom_list_properties});
  table.push_back({"device-list-properties",
                   {{"typename", T::String}},
                   "[ObjectPropertyInfo]",
                   "the same, of a type that `-device` could make",
                   false,
                   device_list_properties});
}

}  // namespace machina
