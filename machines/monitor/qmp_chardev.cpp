/// Character backends.

#include <fmt/format.h>

#include <algorithm>

#include "core/base64.h"
#include "core/chardev/char_mux.h"
#include "core/chardev/char_ringbuf.h"
#include "core/config/option_string.h"
#include "core/log.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

constexpr std::string_view kPrefix = "chardev-";

CharBackend* find_backend(MonitorSession& session, const std::string& label) {
  CharBackend* found = nullptr;
  qom::for_each<CharBackend>(session.root(), [&](CharBackend& c) {
    if (c.name() == label) found = &c;
  });
  return found;
}

CharBackend& backend(MonitorSession& session, const std::string& label, std::string_view what = "Chardev") {
  CharBackend* const found = find_backend(session, label);
  if (!found) generic_error(fmt::format("{} '{}' not found", what, label));
  return *found;
}

Value query_chardev(MonitorSession& session, const QmpArguments&) {
  ValueList list;
  qom::for_each<CharBackend>(session.root(), [&](CharBackend& c) {
    list.emplace_back(
        ValueMap{{"frontend-open", c.frontend() != nullptr}, {"filename", c.description()}, {"label", c.name()}});
  });
  return list;
}

Value query_chardev_backends(MonitorSession&, const QmpArguments&) {
  ValueList list;
  for (const std::string& name : qom::TypeRegistry::global().names(CharBackend::kType)) {
    if (!name.starts_with(kPrefix) || name == CharMuxPort::kType) continue;
    if (!qom::TypeRegistry::global().class_of(name).user_creatable) continue;
    list.emplace_back(ValueMap{{"name", name.substr(kPrefix.size())}});
  }
  return list;
}

// --- making and removing ---

qom::Object& chardevs(MonitorSession& session) {
  qom::Object* container = session.root().child("chardevs");
  return container ? *container : session.root().add_new_child<qom::Container>("chardevs");
}

/// A new one, realized: nothing of it stays when that fails.
CharBackend& make_backend(MonitorSession& session, const std::string& id, const std::string& type,
                          const std::function<void(CharBackend&)>& configure) {
  qom::Object& container = chardevs(session);
  require_identifier(id);
  if (container.child(id)) generic_error(fmt::format("Chardev with id '{}' already exists", id));
  auto made = qom::TypeRegistry::global().create_as<CharBackend>(type);
  made->set_event_loop(session.machine().system().loop);
  configure(*made);
  container.add_child(id, made);
  try {
    qom::realize_tree(*made);
  } catch (...) {
    container.remove_child(*made);
    throw;
  }
  return *made;
}

void configure_socket(MonitorSession& session, CharBackend& c, const Value& data, std::string& used_fd) {
  const Value& address = *member(data, "addr");
  const std::string kind = member(address, "type")->to_string();
  const Value& where = *member(address, "data");
  if (kind == "unix") {
    c.set("path", *member(where, "path"));
  } else if (kind == "inet") {
    c.set("host", *member(where, "host"));
    c.set("port", *member(where, "port"));
  } else {
    used_fd = member(where, "str")->to_string();
    c.set("fd", session.descriptor(used_fd));
  }
  const Value* server = member(data, "server");
  c.set("server", server ? *server : Value(true));
  const Value* wait = member(data, "wait");
  if (wait && *wait == Value(true))
    generic_error("a machine that runs does not wait for clients: leave 'wait' out, or set it to false");
  c.set("wait", false);
  for (const char* same : {"nodelay", "reconnect"})
    if (const Value* v = member(data, same)) c.set(same, *v);
}

Value chardev_add(MonitorSession& session, const QmpArguments& arguments) {
  const Value& wanted = arguments.value("backend");
  const std::string kind = member(wanted, "type")->to_string();
  const Value& data = *member(wanted, "data");
  std::string used_fd;
  const std::string type = std::string(kPrefix) + (kind == "memory" ? "ringbuf" : kind);
  CharBackend& made = make_backend(session, arguments.string("id"), type, [&](CharBackend& c) {
    const auto copy = [&](const char* from, const char* to) {
      if (const Value* v = member(data, from)) c.set(to, *v);
    };
    copy("logfile", "logfile"), copy("logappend", "logappend");
    if (kind == "file") copy("out", "path"), copy("in", "input-path"), copy("append", "append");
    if (kind == "pipe") copy("device", "path");
    if (kind == "ringbuf" || kind == "memory") copy("size", "size");
    if (kind == "stdio") copy("signal", "signal");
    if (kind == "socket") configure_socket(session, c, data, used_fd);
  });
  session.named_fds().erase(used_fd);  // the backend has one of its own
  ValueMap answer;
  if (kind == "pty") answer.emplace_back("pty", made.get("path"));
  return answer;
}

/// An object that has it as a property, whether it is attached now or not; empty when there is none.
std::string user_of(MonitorSession& session, const CharBackend& c) {
  std::string user;
  qom::for_each<qom::Object>(session.root(), [&](qom::Object& o) {
    for (const qom::Property& p : o.object_class().properties())
      if (user.empty() && p.kind == qom::PropertyKind::Link && o.get(p.name) == Value(c.path())) user = o.path();
  });
  return user;
}

Value chardev_remove(MonitorSession& session, const QmpArguments& arguments) {
  const std::string& id = arguments.string("id");
  CharBackend& c = backend(session, id);
  if (c.frontend()) generic_error(fmt::format("Chardev '{}' is busy", id));
  const std::string user = user_of(session, c);
  if (!user.empty()) generic_error(fmt::format("Chardev '{}' is busy: {} uses it", id, user));
  c.parent()->remove_child(c);
  return {};
}

/// Nobody's backend can be another one at once. None of the front ends here can be moved to another backend.
Value chardev_change(MonitorSession& session, const QmpArguments& arguments) {
  const std::string& id = arguments.string("id");
  CharBackend* const found = find_backend(session, id);
  if (!found) generic_error(fmt::format("Chardev '{}' does not exist", id));
  const qom::Ref<CharBackend> old(found);
  if (old->frontend() || !user_of(session, *old).empty())
    generic_error("Chardev user does not support chardev hotswap");
  qom::Object& container = *old->parent();
  container.remove_child(*old);
  try {
    return chardev_add(session, arguments);
  } catch (...) {
    container.add_child(id, old);
    try {
      qom::realize_tree(*old);
    } catch (const Error& e) {  // its file is gone, say: then there is none of that name
      container.remove_child(*old);
      log::warning("chardev-change: the backend '{}' is lost: {}", id, one_line(e));
    }
    throw;
  }
}

Value chardev_send_break(MonitorSession& session, const QmpArguments& arguments) {
  CharBackend& c = backend(session, arguments.string("id"));
  if (c.frontend()) c.frontend()->event(CharFrontend::Event::Break);
  return {};
}

// --- ring buffers ---

CharRingbuf& ring(MonitorSession& session, const std::string& label) {
  auto* ringbuf = qom::cast<CharRingbuf>(&backend(session, label, "Device"));
  if (!ringbuf) generic_error(fmt::format("{} is not a ringbuf device", label));
  return *ringbuf;
}

Value ringbuf_write(MonitorSession& session, const QmpArguments& arguments) {
  CharRingbuf& to = ring(session, arguments.string("device"));
  const std::string& data = arguments.string("data");
  if (arguments.string_or("format", "utf8") == "base64") {
    const auto bytes = base64_decode(data);
    if (!bytes) generic_error("Parameter 'data' is not base64");
    (void)to.write(std::as_bytes(std::span(*bytes)));
  } else {
    (void)to.write(std::as_bytes(std::span(data)));
  }
  return {};
}

Value ringbuf_read(MonitorSession& session, const QmpArguments& arguments) {
  CharRingbuf& from = ring(session, arguments.string("device"));
  const std::int64_t size = arguments.integer("size");
  if (size <= 0) generic_error("size must be greater than zero");
  const std::vector<std::byte> bytes = from.read(std::min(static_cast<std::size_t>(size), from.count()));
  if (arguments.string_or("format", "utf8") == "base64")
    return base64_encode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// --- for people ---

void info_chardev(HumanContext& c, const QmpArguments&) {
  const Value answer = c.query("query-chardev");
  for (const Value& one : std::get<ValueList>(answer.get()))
    c.print("{}: filename={}\n", member(one, "label")->to_string(), member(one, "filename")->to_string());
}

/// "socket,id=x,path=/tmp/s,server=on": as -chardev has it.
void human_chardev_add(HumanContext& c, const QmpArguments& arguments) {
  const ConfigTree option = parse_option("chardev-add", arguments.string("args"), "backend");
  const ConfigNode kind = option["backend"], id = option["id"];
  if (!kind) throw Error("backend type missing").hint("write e.g. null,id=x");
  if (!id) throw Error("Parameter 'id' is missing");
  const std::string type = std::string(kPrefix) + kind.text();
  if (!qom::TypeRegistry::global().find(type))
    throw Error(fmt::format("'{}' is not a valid char driver name", kind.text()));
  std::string used_fd;
  make_backend(c.session(), id.text(), type, [&](CharBackend& made) {
    if (made.object_class().find_property("wait")) made.set("wait", false);
    for (const auto& [key, node] : option.root().children()) {
      if (key == "backend" || key == "id") continue;
      if (key == "fd" && made.object_class().find_property(key)) {
        used_fd = node.text();
        made.set(key, c.session().descriptor(used_fd));
      } else {
        made.set_text(key, node.text());
      }
    }
  });
  c.session().named_fds().erase(used_fd);  // the backend has one of its own
}

void human_ringbuf_read(HumanContext& c, const QmpArguments& arguments) {
  const std::string text = c.query("ringbuf-read", arguments.all()).to_string();
  for (const char b : text) {
    const auto code = static_cast<unsigned char>(b);
    if (b == '\\') {
      c.write("\\\\");
    } else if ((code < 0x20 && b != '\n' && b != '\t') || code == 0x7f) {
      c.print("\\u{:04X}", code);
    } else {
      c.write({&b, 1});
    }
  }
  c.write("\n");
}

std::vector<std::string> complete_chardev(MonitorSession& session, std::string_view argument) {
  if (argument != "id" && argument != "device") return {};
  return children_of(session.root(), "/chardevs");
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    struct ChardevInfo { label: str, filename: str, frontend-open: bool }
    struct ChardevBackendInfo { name: str }
    struct ChardevReturn { *pty: str }
    enum DataFormat { utf8, base64 }
    struct ChardevCommon { *logfile: str, *logappend: bool }
    struct ChardevCommonWrapper { data: ChardevCommon }
    struct ChardevFile { *logfile: str, *logappend: bool, *in: str, out: str, *append: bool }
    struct ChardevFileWrapper { data: ChardevFile }
    struct ChardevHostdev { *logfile: str, *logappend: bool, device: str }
    struct ChardevHostdevWrapper { data: ChardevHostdev }
    struct ChardevStdio { *logfile: str, *logappend: bool, *signal: bool }
    struct ChardevStdioWrapper { data: ChardevStdio }
    struct ChardevRingbuf { *logfile: str, *logappend: bool, *size: int }
    struct ChardevRingbufWrapper { data: ChardevRingbuf }
    struct InetSocketAddress { host: str, port: str }
    struct InetSocketAddressWrapper { data: InetSocketAddress }
    struct UnixSocketAddress { path: str }
    struct UnixSocketAddressWrapper { data: UnixSocketAddress }
    struct String { str: str }
    struct StringWrapper { data: String }
    enum SocketAddressType { inet, unix, fd }
    union SocketAddressLegacy { type: SocketAddressType } by type {
      inet: InetSocketAddressWrapper, unix: UnixSocketAddressWrapper, fd: StringWrapper }
    struct ChardevSocket { *logfile: str, *logappend: bool, addr: SocketAddressLegacy, *server: bool, *wait: bool,
                           *nodelay: bool, *reconnect: int }
    struct ChardevSocketWrapper { data: ChardevSocket }
    enum ChardevBackendKind { file, pipe, socket, pty, null, stdio, ringbuf, memory }
    union ChardevBackend { type: ChardevBackendKind } by type {
      file: ChardevFileWrapper, pipe: ChardevHostdevWrapper, socket: ChardevSocketWrapper, pty: ChardevCommonWrapper,
      null: ChardevCommonWrapper, stdio: ChardevStdioWrapper, ringbuf: ChardevRingbufWrapper,
      memory: ChardevRingbufWrapper }
  )");
  t.command({.name = "query-chardev",
             .returns = "[ChardevInfo]",
             .doc = "character backends, and whether somebody uses them",
             .run = query_chardev});
  t.command({.name = "query-chardev-backends",
             .returns = "[ChardevBackendInfo]",
             .doc = "kinds that there are",
             .run = query_chardev_backends});
  t.command({.name = "chardev-add",
             .arguments = "id: str, backend: ChardevBackend",
             .returns = "ChardevReturn",
             .doc = "makes one; of a pty the name of the terminal is returned",
             .run = chardev_add});
  t.command({.name = "chardev-remove",
             .arguments = "id: str",
             .doc = "removes one that nobody uses",
             .run = chardev_remove,
             .human = "chardev-remove",
             .complete = complete_chardev});
  t.command({.name = "chardev-change",
             .arguments = "id: str, backend: ChardevBackend",
             .returns = "ChardevReturn",
             .doc = "puts another backend in the place of one that nobody uses",
             .run = chardev_change});
  t.command({.name = "chardev-send-break",
             .arguments = "id: str",
             .doc = "a break, as if it came from the other end of the line",
             .run = chardev_send_break,
             .human = "chardev-send-break",
             .complete = complete_chardev});
  t.command({.name = "ringbuf-write",
             .arguments = "device: str, data: str, *format: DataFormat",
             .doc = "puts data (`utf8` or `base64`) into a ring buffer",
             .run = ringbuf_write});
  t.command({.name = "ringbuf-read",
             .arguments = "device: str, size: int, *format: DataFormat",
             .returns = "str",
             .doc = "takes the oldest bytes out of a ring buffer",
             .run = ringbuf_read});
  t.human({.name = "info chardev", .doc = "the character backends", .run = info_chardev});
  t.human({.name = "chardev-add",
           .arguments = "args: rest",
           .doc = "makes a character backend: KIND,id=ID,…",
           .run = human_chardev_add});
  t.human({.name = "ringbuf_read",
           .arguments = "device: str, size: int",
           .doc = "takes the oldest bytes out of a ring buffer",
           .run = human_ringbuf_read,
           .complete = complete_chardev});
  t.human({.name = "ringbuf_write",
           .arguments = "device: str, data: str",
           .doc = "puts text into a ring buffer",
           .run = [](HumanContext& c, const QmpArguments& a) { c.query("ringbuf-write", a.all()); },
           .complete = complete_chardev});
}

const MonitorFamily kFamily{"Character backends", add};

}  // namespace
}  // namespace machina
