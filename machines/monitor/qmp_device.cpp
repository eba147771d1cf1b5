/// Devices and other objects that come and go.

#include <fmt/format.h>

#include <algorithm>

#include "core/config/option_string.h"
#include "hw/base/device.h"
#include "machines/help.h"
#include "machines/hotplug.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"
#include "qom/user_creatable.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

Value device_add(MonitorSession& session, const QmpArguments& arguments) {
  ValueMap properties;
  for (const auto& [name, value] : std::get<ValueMap>(arguments.all().get()))
    if (name != "driver" && name != "id") properties.emplace_back(name, value);
  if (arguments.has("id")) require_identifier(arguments.string("id"));
  hotplug_device(session.machine(), arguments.string("driver"), arguments.string_or("id", ""), properties);
  return {};
}

Value device_del(MonitorSession& session, const QmpArguments& arguments) {
  const std::string& id = arguments.string("id");
  qom::Object* object = nullptr;
  if (id.starts_with('/')) {
    object = qom::resolve_path(session.root(), id);
  } else if (qom::Object* peripherals = session.machine().child("peripheral")) {
    object = peripherals->child(id);
  }
  if (!object) device_not_found(id);
  auto* device = qom::cast<Device>(object);
  if (!device) generic_error(fmt::format("{} is not a hotpluggable device", id));
  request_unplug(session.machine(), *device);
  return {};
}

// --- objects that are no devices ---

qom::Object& objects(MonitorSession& session) {
  qom::Object* container = session.root().child("objects");
  return container ? *container : session.root().add_new_child<qom::Container>("objects");
}

std::vector<std::string> object_types() { return qom::TypeRegistry::global().names(qom::UserCreatable::kType); }

void make_object(MonitorSession& session, const std::string& type, const std::string& id,
                 const std::function<void(qom::Object&)>& configure) {
  const std::vector<std::string> known = object_types();
  if (std::find(known.begin(), known.end(), type) == known.end())
    generic_error(fmt::format("Parameter 'qom-type' does not accept value '{}'", type));
  require_identifier(id);
  qom::Object& container = objects(session);
  if (container.child(id))
    generic_error(fmt::format("attempt to add duplicate property '{}' to object (type 'container')", id));
  const auto made = qom::TypeRegistry::global().create(type);
  container.add_child(id, made);
  try {
    configure(*made);
    qom::realize_tree(*made);
  } catch (...) {
    container.remove_child(*made);
    throw;
  }
}

Value object_add(MonitorSession& session, const QmpArguments& arguments) {
  make_object(session, arguments.string("qom-type"), arguments.string("id"), [&](qom::Object& object) {
    for (const auto& [name, value] : std::get<ValueMap>(arguments.all().get()))
      if (name != "qom-type" && name != "id") set_property(session.machine(), object, name, value);
  });
  return {};
}

Value object_del(MonitorSession& session, const QmpArguments& arguments) {
  const std::string& id = arguments.string("id");
  qom::Object* object = objects(session).child(id);
  // Monitors are objects too, but what speaks through one cannot take it away.
  if (!object || !object->is_a(qom::UserCreatable::kType)) generic_error(fmt::format("object '{}' not found", id));
  std::string user;
  qom::for_each<qom::Object>(session.root(), [&](qom::Object& o) {
    for (const qom::Property& p : o.object_class().properties())
      if (user.empty() && p.kind == qom::PropertyKind::Link && o.get(p.name) == Value(object->path())) user = o.path();
  });
  if (!user.empty()) generic_error(fmt::format("object '{}' is in use, can not be deleted", id));
  object->parent()->remove_child(*object);
  return {};
}

// --- for people ---

/// "e1000,id=net1,netdev=n0": as -device has it.
void human_device_add(HumanContext& c, const QmpArguments& arguments) {
  const std::string& text = arguments.string("device");
  const ConfigTree option = parse_option("device_add", text, "driver");
  const ConfigNode driver = option["driver"];
  if (driver && (driver.text() == "help" || driver.text() == "?")) return c.write(device_list_help());
  if (driver && option["help"]) return c.write(type_help(driver.text()));
  ValueMap request;
  for (const auto& [key, node] : option.root().children()) request.emplace_back(key, node.text());
  c.query("device_add", request);
}

void human_object_add(HumanContext& c, const QmpArguments& arguments) {
  const ConfigTree option = parse_option("object_add", arguments.string("object"), "qom-type");
  const ConfigNode type = option["qom-type"], id = option["id"];
  if (!type) throw Error("Parameter 'qom-type' is missing");
  if (!id) throw Error("Parameter 'id' is missing");
  make_object(c.session(), type.text(), id.text(), [&](qom::Object& object) {
    for (const auto& [key, node] : option.root().children())
      if (key != "qom-type" && key != "id") set_property(c.machine(), object, key, node.text());
  });
}

std::vector<std::string> complete_device(MonitorSession& session, std::string_view argument) {
  if (argument == "id") return children_of(session.root(), "/machine/peripheral");
  std::vector<std::string> names;
  for (const std::string& name : qom::TypeRegistry::global().names(Device::kType))
    if (qom::TypeRegistry::global().class_of(name).user_creatable) names.push_back(name);
  return names;
}

std::vector<std::string> complete_object(MonitorSession& session, std::string_view argument) {
  return argument == "id" ? children_of(session.root(), "/objects") : object_types();
}

void add(MonitorTable& t) {
  t.command({.name = "device_add",
             .arguments = "driver: str, *bus: str, *id: str, ...",
             .doc = "plugs a PCI function, or a CPU (`query-hotpluggable-cpus`), into the machine",
             .run = device_add});
  t.command({.name = "device_del",
             .arguments = "id: str",
             .doc = "asks the guest to let a device go; DEVICE_DELETED tells when it has",
             .run = device_del,
             .human = "device_del",
             .complete = complete_device});
  t.command({.name = "object-add",
             .arguments = "qom-type: str, id: str, ...",
             .doc = "makes an object below `/objects`",
             .run = object_add});
  t.command({.name = "object-del",
             .arguments = "id: str",
             .doc = "removes one that nobody uses",
             .run = object_del,
             .human = "object_del",
             .complete = complete_object});
  t.event({.name = "DEVICE_DELETED",
           .data = "*device: str, path: str",
           .doc = "a device has left the machine; `device` is its id, if it had one"});
  t.human({.name = "device_add",
           .arguments = "device: rest",
           .doc = "plugs a device in: TYPE[,property=value…]; 'help' lists types",
           .run = human_device_add,
           .complete = complete_device});
  t.human({.name = "object_add",
           .arguments = "object: rest",
           .doc = "makes an object: TYPE,id=ID[,property=value…]",
           .run = human_object_add,
           .complete = complete_object});
}

const MonitorFamily kFamily{"Hot-plug", add};

}  // namespace
}  // namespace machina
