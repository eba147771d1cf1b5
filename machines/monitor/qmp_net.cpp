/// Networks: backends that come and go, cables, and what cards let in.

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "core/config/option_string.h"
#include "core/net/net_backend.h"
#include "hw/net/nic.h"
#include "machines/hotplug.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"
#include "qom/find.h"
#include "qom/user_creatable.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

constexpr std::string_view kPrefix = "netdev-";

qom::Object& netdevs(MonitorSession& session) {
  qom::Object* container = session.root().child("netdevs");
  return container ? *container : session.root().add_new_child<qom::Container>("netdevs");
}

NetBackend* find_backend(MonitorSession& session, const std::string& id) {
  return qom::cast<NetBackend>(netdevs(session).child(id));
}

bool refers_to(const qom::Object& object, const char* property, const qom::Object& target) {
  return object.object_class().find_property(property) && object.get(property) == Value(target.path());
}

// --- making and removing ---

/// A new one, realized: nothing of it stays when that fails.
void make_backend(MonitorSession& session, const std::string& type, const std::string& id,
                  const std::function<void(NetBackend&)>& configure) {
  qom::Object& container = netdevs(session);
  require_identifier(id);
  if (container.child(id)) generic_error(fmt::format("Duplicate ID '{}'", id));
  const std::string name = std::string(kPrefix) + type;
  if (!qom::TypeRegistry::global().find(name))
    generic_error(fmt::format("Parameter 'type' does not accept value '{}'", type));
  auto made = qom::TypeRegistry::global().create_as<NetBackend>(name);
  made->set_host(session.machine().system().loop, session.machine().system().clock);
  configure(*made);
  container.add_child(id, made);
  try {
    qom::realize_tree(*made);
  } catch (...) {
    container.remove_child(*made);
    throw;
  }
}

/// The backend's properties are text lists where QMP has lists of {"str": TEXT}.
std::string joined(const ValueList& strings) {
  std::string text;
  for (const Value& s : strings) text += (text.empty() ? "" : ";") + member(s, "str")->to_string();
  return text;
}

/// "fd", and "fds" for cards of several queues, are a descriptor that getfd has named, or the number of one. The name
/// is added to `used`: the backend has a descriptor of its own.
void set_descriptor(MonitorSession& session, NetBackend& made, const std::string& text,
                    std::vector<std::string>& used) {
  if (text.find(':') != std::string::npos) generic_error("a card here has one queue: give one descriptor");
  made.set("fd", session.descriptor(text));
  used.push_back(text);
}

bool is_descriptor(std::string_view name) { return name == "fd" || name == "fds"; }

Value netdev_add(MonitorSession& session, const QmpArguments& arguments) {
  std::vector<std::string> used;
  make_backend(session, arguments.string("type"), arguments.string("id"), [&](NetBackend& made) {
    for (const auto& [name, value] : std::get<ValueMap>(arguments.all().get())) {
      if (name == "type" || name == "id") continue;
      if (is_descriptor(name)) {
        set_descriptor(session, made, value.to_string(), used);
      } else if (const auto* list = value.get_if<ValueList>()) {
        made.set(name, joined(*list));
      } else {
        made.set(name, value);
      }
    }
  });
  for (const std::string& name : used) session.named_fds().erase(name);
  return {};
}

/// A card keeps what it is connected to, without a cable; filters go with their backend.
Value netdev_del(MonitorSession& session, const QmpArguments& arguments) {
  const std::string& id = arguments.string("id");
  const qom::Ref<NetBackend> gone(find_backend(session, id));
  if (!gone) device_not_found(id);
  gone->set_link(false);
  std::vector<qom::Object*> filters;
  qom::for_each<qom::Object>(session.root(), [&](qom::Object& o) {
    if (o.is_a(qom::UserCreatable::kType) && refers_to(o, "netdev", *gone)) filters.push_back(&o);
  });
  for (qom::Object* filter : filters) filter->parent()->remove_child(*filter);
  gone->parent()->remove_child(*gone);
  return {};
}

// --- cables and filters ---

struct Card {
  Device* device = nullptr;
  NetworkCard* card = nullptr;
  NetBackend* backend = nullptr;
};

std::vector<Card> cards(MonitorSession& session) {
  std::vector<Card> list;
  qom::for_each<Device>(session.machine(), [&](Device& device) {
    auto* card = qom::cast<NetworkCard>(&device);
    if (!card) return;
    Card c{&device, card, nullptr};
    qom::for_each<NetBackend>(netdevs(session), [&](NetBackend& b) {
      if (refers_to(device, "netdev", b)) c.backend = &b;
    });
    list.push_back(c);
  });
  return list;
}

std::optional<Card> find_card(MonitorSession& session, const std::string& name) {
  for (const Card& c : cards(session))
    if (c.device->name() == name || c.device->path() == name) return c;
  return std::nullopt;
}

Value set_link(MonitorSession& session, const QmpArguments& arguments) {
  const std::string& name = arguments.string("name");
  const bool up = std::get<bool>(arguments.value("up").get());
  if (NetBackend* backend = find_backend(session, name)) return backend->set_link(up), Value();
  const std::optional<Card> card = find_card(session, name);
  if (!card) device_not_found(name);
  if (!card->backend) generic_error(fmt::format("'{}' is connected to no network", name));
  card->backend->set_link(up);
  return {};
}

/// "all", "normal" or "none" of a kind of address.
std::string_view receive_state(bool all, bool some) { return all ? "all" : some ? "normal" : "none"; }

Value describe_filter(const Card& c) {
  const ReceiveFilter f = c.card->receive_filter();
  ValueList unicast, vlans;
  for (const MacAddress& a : f.unicast) unicast.emplace_back(a.to_string());
  for (const std::uint16_t v : f.vlans) vlans.emplace_back(std::int64_t{v});
  return ValueMap{{"name", c.device->name()},
                  {"promiscuous", f.promiscuous},
                  {"multicast", std::string(receive_state(f.all_multicast, f.multicast_hash != 0))},
                  {"unicast", std::string(receive_state(f.promiscuous, !f.main.zero() || !f.unicast.empty()))},
                  {"vlan", std::string(receive_state(!f.vlan_filter, !f.vlans.empty()))},
                  {"broadcast-allowed", f.broadcast},
                  // A hash tells no addresses: there are some that the table below lacks.
                  {"multicast-overflow", f.multicast_hash != 0},
                  {"unicast-overflow", false},
                  {"main-mac", f.main.to_string()},
                  {"vlan-table", std::move(vlans)},
                  {"unicast-table", std::move(unicast)},
                  {"multicast-table", ValueList()}};
}

Value query_rx_filter(MonitorSession& session, const QmpArguments& arguments) {
  ValueList list;
  if (!arguments.has("name")) {
    for (const Card& c : cards(session)) list.push_back(describe_filter(c));
    return list;
  }
  const std::string& name = arguments.string("name");
  const std::optional<Card> card = find_card(session, name);
  if (!card && find_backend(session, name)) generic_error(fmt::format("net client({}) isn't a NIC", name));
  if (!card) generic_error(fmt::format("invalid net client name: {}", name));
  list.push_back(describe_filter(*card));
  return list;
}

// --- for people ---

void print_backend(HumanContext& c, std::string_view indent, const NetBackend& b) {
  const NetBackend::Statistics& s = b.statistics();
  c.print("{}{}: index=0,type={}{}\n", indent, b.name(), b.description(), b.link_up() ? "" : ",link=off");
  c.print("    frames: {} sent, {} delivered, {} lost\n", s.sent, s.delivered, s.lost);
  qom::for_each<qom::Object>(c.root(), [&](qom::Object& o) {
    if (!o.is_a(qom::UserCreatable::kType) || !refers_to(o, "netdev", b)) return;
    c.print("    filter {}: type={}", o.name(), o.object_class().name());
    for (const qom::Property& p : o.object_class().properties())
      if (p.kind != qom::PropertyKind::Link && !p.read_only) c.print(",{}={}", p.name, o.get(p.name).to_string());
    c.write("\n");
  });
}

void info_network(HumanContext& c, const QmpArguments&) {
  std::vector<const NetBackend*> connected;
  for (const Card& card : cards(c.session())) {
    c.print("{}: index=0,type=nic,model={},macaddr={}\n", card.device->name(), card.device->object_class().name(),
            card.card->mac().to_string());
    if (!card.backend) continue;
    print_backend(c, " \\ ", *card.backend);
    connected.push_back(card.backend);
  }
  qom::for_each<NetBackend>(netdevs(c.session()), [&](NetBackend& b) {
    if (std::find(connected.begin(), connected.end(), &b) == connected.end()) print_backend(c, "", b);
  });
}

void info_usernet(HumanContext& c, const QmpArguments&) {
  qom::for_each<NetBackend>(netdevs(c.session()), [&](NetBackend& b) {
    const std::string text = b.connections();
    if (!text.empty()) c.print("{}:\n{}", b.name(), text);
  });
}

/// "user,id=n1,hostfwd=tcp::0-:22": as -netdev has it.
void human_netdev_add(HumanContext& c, const QmpArguments& arguments) {
  const ConfigTree option = parse_option("netdev_add", arguments.string("netdev"), "type");
  const ConfigNode type = option["type"], id = option["id"];
  if (!type) throw Error("Parameter 'type' is missing");
  if (!id) throw Error("Parameter 'id' is missing");
  std::vector<std::string> used;
  make_backend(c.session(), type.text(), id.text(), [&](NetBackend& made) {
    for (const auto& [key, node] : option.root().children()) {
      if (key == "type" || key == "id") continue;
      if (is_descriptor(key) && made.object_class().find_property("fd")) {
        set_descriptor(c.session(), made, node.text(), used);
      } else {
        set_property(c.machine(), made, key, node.text());
      }
    }
  });
  for (const std::string& name : used) c.session().named_fds().erase(name);
}

std::vector<std::string> complete_net(MonitorSession& session, std::string_view argument) {
  std::vector<std::string> names;
  if (argument == "netdev") {
    for (const std::string& n : qom::TypeRegistry::global().names(NetBackend::kType))
      if (n.starts_with(kPrefix)) names.push_back(n.substr(kPrefix.size()));
    return names;
  }
  names = children_of(session.root(), "/netdevs");
  if (argument == "name")
    for (const Card& c : cards(session)) names.push_back(c.device->name());
  return names;
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    enum NetClientDriver { user, tap, socket }
    struct NetdevUserOptions { *hostname: str, *restrict: bool, *ipv4: bool, *ipv6: bool, *net: str, *host: str,
                               *tftp: str, *bootfile: str, *dhcpstart: str, *dns: str, *dnssearch: [String],
                               *domainname: str, *hostfwd: [String], *tftp-server-name: str }
    struct NetdevTapOptions { *ifname: str, *fd: str, *fds: str, *script: str, *downscript: str, *vhost: bool }
    struct NetdevSocketOptions { *fd: str, *listen: str, *connect: str, *mcast: str, *localaddr: str, *udp: str }
    union Netdev { id: str, type: NetClientDriver } by type {
      user: NetdevUserOptions, tap: NetdevTapOptions, socket: NetdevSocketOptions }
    enum RxState { normal, none, all }
    struct RxFilterInfo { name: str, promiscuous: bool, multicast: RxState, unicast: RxState, vlan: RxState,
                          broadcast-allowed: bool, multicast-overflow: bool, unicast-overflow: bool, main-mac: str,
                          vlan-table: [int], unicast-table: [str], multicast-table: [str] }
  )");
  t.command({.name = "netdev_add",
             .arguments = "Netdev",
             .doc = "makes a network backend; further arguments are those of its type",
             .run = netdev_add});
  t.command({.name = "netdev_del",
             .arguments = "id: str",
             .doc = "removes one, and filters on it; a card that it belongs to is left without a cable",
             .run = netdev_del,
             .human = "netdev_del",
             .complete = complete_net});
  t.command({.name = "set_link",
             .arguments = "name: str, up: bool",
             .doc = "plugs the cable of a network card or backend in or out",
             .run = set_link,
             .human = "set_link",
             .complete = complete_net});
  t.command({.name = "query-rx-filter",
             .arguments = "*name: str",
             .returns = "[RxFilterInfo]",
             .doc = "what network cards let in; of multicast addresses they know a hash alone, which is "
                    "`multicast-overflow`",
             .run = query_rx_filter});
  t.human({.name = "info network", .doc = "network cards, backends and filters", .run = info_network});
  t.human({.name = "info usernet", .doc = "connections of user networks", .run = info_usernet});
  t.human({.name = "netdev_add",
           .arguments = "netdev: rest",
           .doc = "makes a network backend: TYPE,id=ID[,property=value…]",
           .run = human_netdev_add,
           .complete = complete_net});
}

const MonitorFamily kFamily{"Networks", add};

}  // namespace
}  // namespace machina
