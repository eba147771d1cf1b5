/// gdbserver: the gdb stub of a machine that runs already.

#include "core/chardev/char_spec.h"
#include "core/error.h"
#include "machines/gdb/gdb_device.h"
#include "machines/gdb/gdb_server.h"
#include "machines/monitor/human_command.h"

namespace machina {
namespace {

constexpr const char* kName = "gdb";  ///< of the stub, and of the backend that was made for it

qom::Object& container(qom::Object& root, const char* name) {
  qom::Object* const found = root.child(name);
  return found ? *found : root.add_new_child<qom::Container>(name);
}

void remove(qom::Object& root, const char* parent, const char* name) {
  qom::Object* const from = root.child(parent);
  qom::Object* const object = from ? from->child(name) : nullptr;
  if (object) from->remove_child(*object);
}

CharBackend& backend_of(HumanContext& c, const CharSpec& spec) {
  qom::Object& chardevs = container(c.root(), "chardevs");
  if (spec.kind == CharSpec::Kind::Existing) {
    auto* const found = chardevs.child(spec.id) ? qom::cast<CharBackend>(chardevs.child(spec.id)) : nullptr;
    if (!found) throw Error("Chardev '" + spec.id + "' not found");
    return *found;
  }
  auto made = qom::TypeRegistry::global().create_as<CharBackend>(spec.type);
  made->set_event_loop(c.machine().system().loop);
  for (const auto& [key, value] : spec.properties) made->set_text(key, value);
  chardevs.add_child(kName, made);
  try {
    qom::realize_tree(*made);
  } catch (...) {
    chardevs.remove_child(*made);
    throw;
  }
  return *made;
}

void gdbserver(HumanContext& c, const QmpArguments& arguments) {
  if (dynamic_cast<GdbServer*>(&c.session()))
    throw Error("gdb cannot end its own connection").hint("detach, then use another monitor");
  const std::string device = arguments.string_or("device", kDefaultGdbDevice);
  const CharSpec spec = parse_char_spec(gdb_device(device));
  if (spec.kind == CharSpec::Kind::Create && spec.properties.size() > 0) {
    for (const auto& [key, value] : spec.properties)
      if (key == "wait" && value == "on") throw Error("a machine that runs does not wait for clients");
  }
  remove(c.root(), "objects", kName);
  remove(c.root(), "chardevs", kName);
  if (spec.kind == CharSpec::Kind::None) {
    c.write("Disabled gdbserver\n");
    return;
  }
  CharBackend& backend = backend_of(c, spec);
  try {
    auto& server = container(c.root(), "objects").add_new_child<GdbServer>(kName);
    server.set_link("chardev", &backend);
    qom::realize_tree(server);
  } catch (...) {
    remove(c.root(), "objects", kName);
    remove(c.root(), "chardevs", kName);
    throw;
  }
  c.print("Waiting for gdb connection on device '{}'\n", device);
}

void add(MonitorTable& t) {
  t.human({.name = "gdbserver",
           .arguments = "*device: str",
           .doc = "lets gdb connect there (default: tcp:127.0.0.1:1234), in place of where it could before; none: "
                  "nowhere",
           .run = gdbserver});
}

const MonitorFamily kFamily{"Debugger", add};

}  // namespace
}  // namespace machina
