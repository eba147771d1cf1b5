/// VNC: who looks at the screen, and who may.

#include <fmt/format.h>

#include <charconv>
#include <chrono>

#include "core/display/vnc_display.h"
#include "core/units.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"
#include "qom/find.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

VncDisplay& vnc_of(MonitorSession& session) {
  VncDisplay* found = qom::first_of<VncDisplay>(session.root());
  if (!found) throw QmpError{QmpErrorClass::DeviceNotActive, "No VNC display is present"};
  return *found;
}

ValueList clients_of(const VncDisplay& vnc) {
  ValueList list;
  for (const VncDisplay::ClientInfo& client : vnc.clients()) list.emplace_back(VncDisplay::describe(client.address));
  return list;
}

Value query_vnc(MonitorSession& session, const QmpArguments&) {
  const VncDisplay* vnc = qom::first_of<VncDisplay>(session.root());
  if (!vnc) return ValueMap{{"enabled", false}};
  const VncDisplay::Address& a = vnc->address();
  return ValueMap{{"enabled", true},
                  {"host", a.host},
                  {"family", a.family},
                  {"service", a.service},
                  {"auth", std::string(vnc->asks_password() ? "vnc" : "none")},
                  {"clients", clients_of(*vnc)}};
}

Value query_vnc_servers(MonitorSession& session, const QmpArguments&) {
  ValueList list;
  qom::for_each<VncDisplay>(session.root(), [&](VncDisplay& vnc) {
    list.emplace_back(ValueMap{{"id", vnc.name()},
                               {"server", ValueList{vnc.describe()}},
                               {"clients", clients_of(vnc)},
                               {"auth", std::string(vnc.asks_password() ? "vnc" : "none")}});
  });
  return list;
}

/// The one that is named, or the first; `what` was to be done with it, in QEMU's words.
VncDisplay& named(MonitorSession& session, const QmpArguments& arguments, const char* what) {
  if (!arguments.has("display")) return vnc_of(session);
  const std::string& id = arguments.string("display");
  VncDisplay* found = nullptr;
  qom::for_each<VncDisplay>(session.root(), [&](VncDisplay& vnc) {
    if (vnc.name() == id) found = &vnc;
  });
  if (!found) generic_error(fmt::format("Could not set {}: there is no VNC server '{}'", what, id));
  return *found;
}

Value change_password(MonitorSession& session, const QmpArguments& arguments) {
  vnc_of(session).set_password(arguments.string("password"));
  return {};
}

Value set_password(MonitorSession& session, const QmpArguments& arguments) {
  if (arguments.string_or("connected", "keep") != "keep")
    generic_error("Invalid parameter 'connected'");  // of VNC only keep is possible, as in QEMU
  named(session, arguments, "password").set_password(arguments.string("password"));
  return {};
}

/// "now", "never", "+SECONDS" from now, or SECONDS since the epoch.
std::int64_t expiry_of(const std::string& text) {
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (text == "never") return 0;
  if (text == "now") return now * kNsPerSecond;
  const bool from_now = text.starts_with("+");
  std::int64_t seconds = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data() + (from_now ? 1 : 0), end, seconds);
  constexpr std::int64_t kMostSeconds = std::int64_t{1} << 32;
  if (error != std::errc() || stopped != end || seconds < 0 || seconds > kMostSeconds)
    generic_error(fmt::format("Parameter 'time' expects 'now', 'never', '+SECONDS' or SECONDS, not '{}'", text));
  return std::max<std::int64_t>((from_now ? now + seconds : seconds) * kNsPerSecond, 1);
}

Value expire_password(MonitorSession& session, const QmpArguments& arguments) {
  const std::int64_t when = expiry_of(arguments.string("time"));
  named(session, arguments, "password expire time").set_password_expiry(when);
  return {};
}

void info_vnc(HumanContext& c, const QmpArguments&) {
  const Value list = c.query("query-vnc-servers");
  if (std::get<ValueList>(list.get()).empty()) return c.write("None\n");
  const auto address = [](const Value& v) {
    const std::string host = member(v, "host")->to_string(), service = member(v, "service")->to_string();
    return fmt::format("{}{}{} ({})", host, host.empty() ? "" : ":", service, member(v, "family")->to_string());
  };
  for (const Value& server : std::get<ValueList>(list.get())) {
    c.print("{}:\n", member(server, "id")->to_string());
    for (const Value& at : std::get<ValueList>(member(server, "server")->get())) c.print("  Server: {}\n", address(at));
    for (const Value& client : std::get<ValueList>(member(server, "clients")->get()))
      c.print("  Client: {}\n", address(client));
    c.print("  Auth: {}\n", member(server, "auth")->to_string());
  }
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    enum NetworkAddressFamily { ipv4, ipv6, unix, vsock, unknown }
    struct VncBasicInfo { host: str, service: str, family: NetworkAddressFamily, websocket: bool }
    struct VncServerInfo { host: str, service: str, family: NetworkAddressFamily, websocket: bool, *auth: str }
    struct VncClientInfo { host: str, service: str, family: NetworkAddressFamily, websocket: bool }
    struct VncInfo { enabled: bool, *host: str, *family: NetworkAddressFamily, *service: str, *auth: str,
      *clients: [VncClientInfo] }
    enum VncPrimaryAuth { none, vnc }
    struct VncServerInfo2 { host: str, service: str, family: NetworkAddressFamily, websocket: bool,
      auth: VncPrimaryAuth }
    struct VncInfo2 { id: str, server: [VncServerInfo2], clients: [VncClientInfo], auth: VncPrimaryAuth }
    enum DisplayProtocol { vnc }
    enum SetPasswordAction { keep, fail, disconnect }
    struct SetPasswordOptionsVnc { *display: str }
    union SetPasswordOptions { protocol: DisplayProtocol, password: str, *connected: SetPasswordAction } by protocol {
      vnc: SetPasswordOptionsVnc }
    struct ExpirePasswordOptionsVnc { *display: str }
    union ExpirePasswordOptions { protocol: DisplayProtocol, time: str } by protocol { vnc: ExpirePasswordOptionsVnc }
  )");
  t.command(
      {.name = "query-vnc", .returns = "VncInfo", .doc = "the first VNC server and its clients", .run = query_vnc});
  t.command({.name = "query-vnc-servers",
             .returns = "[VncInfo2]",
             .doc = "all VNC servers and their clients",
             .run = query_vnc_servers});
  t.command({.name = "change-vnc-password",
             .arguments = "password: str",
             .doc = "the password that VNC clients need (`password=on`); an empty one lets nobody in",
             .run = change_password});
  t.command({.name = "set_password",
             .arguments = "SetPasswordOptions",
             .doc = "the same, of a server by its id",
             .run = set_password,
             .human = "set_password"});
  t.command({.name = "expire_password",
             .arguments = "ExpirePasswordOptions",
             .doc = "until when it lets in: `now`, `never`, `+SECONDS`, or seconds since the epoch",
             .run = expire_password,
             .human = "expire_password"});
  const char* const data = "server: VncServerInfo, client: VncBasicInfo";
  t.event({.name = "VNC_CONNECTED", .data = data, .doc = "a VNC client has connected"});
  t.event({.name = "VNC_INITIALIZED", .data = data, .doc = "it was let in, and sees the screen"});
  t.event({.name = "VNC_DISCONNECTED", .data = data, .doc = "it is gone"});
  t.human({.name = "info vnc", .doc = "VNC servers and their clients", .run = info_vnc});
}

const MonitorFamily kFamily{"VNC", add};

}  // namespace
}  // namespace machina
