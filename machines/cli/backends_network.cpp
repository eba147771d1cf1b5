// -netdev, -nic, -net and -object.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/config/option_groups.h"
#include "core/log.h"
#include "core/net/net_backend.h"
#include "hw/net/nic.h"
#include "machines/cli/backends.h"
#include "machines/cli/option_reader.h"
#include "qom/user_creatable.h"

namespace machina {

namespace {

constexpr std::string_view kNetdevPrefix = "netdev-";
constexpr const char* kDefaultModel = "e1000";

std::vector<std::string> netdev_names() {
  std::vector<std::string> names = qom::TypeRegistry::global().names(NetBackend::kType);
  std::erase_if(names, [](const std::string& n) { return !n.starts_with(kNetdevPrefix); });
  for (std::string& name : names) name.erase(0, kNetdevPrefix.size());
  return names;
}

std::vector<std::string> nic_models() {
  std::vector<std::string> names = qom::TypeRegistry::global().names(NetworkCard::kType);
  std::erase_if(names, [](const std::string& n) { return !qom::TypeRegistry::global().class_of(n).user_creatable; });
  return names;
}

std::vector<std::string> object_types() { return qom::TypeRegistry::global().names(qom::UserCreatable::kType); }

/// Throws Error, with the nearest of `known`, when `name` is none of them.
void require_known(const char* what, const ConfigNode& name, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), name.text()) != known.end()) return;
  const std::string near = did_you_mean(name.text(), known);
  throw Error(fmt::format("no such {}: '{}'", what, name.text()))
      .at(name.origin())
      .hint(near.empty() ? fmt::format("there are: {}", fmt::join(known, ", ")) : near);
}

bool is_link(const qom::Object& object, const std::string& key) {
  const qom::Property* p = object.object_class().find_property(key);
  return p && p->kind == qom::PropertyKind::Link;
}

}  // namespace

std::string netdevs_help() {
  std::string text = "Network backends (-netdev NAME,id=ID,…):\n";
  for (const std::string& name : netdev_names()) {
    const qom::ObjectClass& c = qom::TypeRegistry::global().class_of(std::string(kNetdevPrefix) + name);
    text += fmt::format("  {:<10}{}\n", name, c.description);
    for (const qom::Property& p : c.properties())
      if (!p.read_only) text += fmt::format("      {}=<{}>  {}\n", p.name, p.type, p.description);
  }
  return text;
}

std::string nic_models_help() {
  std::string text = "Network cards (-nic …,model=TYPE, or -device TYPE,netdev=ID):\n";
  for (const std::string& name : nic_models())
    text += fmt::format("  {:<10}{}\n", name, qom::TypeRegistry::global().class_of(name).description);
  return text;
}

std::string objects_help() {
  std::string text = "Objects that are no devices (-object TYPE,id=ID,…):\n";
  for (const std::string& name : object_types())
    text += fmt::format("  {:<14}{}\n", name, qom::TypeRegistry::global().class_of(name).description);
  return text;
}

void Backends::add_network(const ConfigNode& option, const std::string& id,
                           const std::vector<std::string>& not_its_own) {
  const ConfigNode type = option["type"];
  require_known("network backend", type, netdev_names());
  auto made = qom::TypeRegistry::global().create_as<NetBackend>(std::string(kNetdevPrefix) + type.text());
  made->set_host(loop_, clock_);
  for (const auto& [key, node] : option.children())
    if (std::find(not_its_own.begin(), not_its_own.end(), key) == not_its_own.end()) set_from_option(*made, key, node);
  remember(*made, option.origin());
  at_origin(option["id"] ? option["id"].origin() : option.origin(), [&] { netdevs_.add_child(id, made); });
}

void Backends::add_networks(const CommandLine& cl, ConfigTree& groups) {
  for (const ConfigNode& option : cl.groups["netdev"].items()) {
    const ConfigNode id = option["id"];
    if (!option["type"]) throw Error("-netdev needs a type").at(option.origin()).hint("-netdev help lists them");
    if (!id) throw Error("-netdev needs an id").at(option.origin()).hint("add id=NAME, which network cards refer to");
    add_network(option, id.text(), {"type", "id"});
  }
  for (const ConfigNode& option : cl.groups["net"].items()) {
    const ConfigNode type = option["type"];
    if (type && type.text() == "none" && option.size() == 1) continue;
    throw Error("-net has gone, but for -net none")
        .at(option.origin())
        .hint("write -nic user,model=e1000, or -netdev user,id=net0 -device e1000,netdev=net0");
  }
  unsigned serial = 0;
  // Copied, since cards are added to the same tree.
  const ConfigTree given(cl.groups.root());
  for (const ConfigNode& option : given["nic"].items()) {
    const ConfigNode type = option["type"];
    if (!type) throw Error("-nic needs a type").at(option.origin()).hint("write -nic user, tap, socket or none");
    if (type.text() == "none") {
      refuse_unknown_keys(option, {"type"});
      continue;
    }
    const std::string id = option["id"] ? option["id"].text() : fmt::format("nic{}", serial++);
    const ConfigNode model = option["model"];
    if (model) require_known("network card", model, nic_models());
    add_network(option, id, {"type", "id", "model", "mac", "addr", "bus", "romfile"});
    ConfigTree device;
    const Origin& at = option.origin();
    device.put({}, ConfigValue{ConfigKind::Map, {}, at, {}});
    device.put({"driver"}, model ? config_scalar(model.text(), model.origin(), model.key_origin())
                                 : config_scalar(kDefaultModel, at, at));
    device.put({"netdev"}, config_scalar(id, at, at));
    for (const char* key : {"mac", "addr", "bus", "romfile"})
      if (const ConfigNode node = option[key]) device.put({key}, node.value());
    add_option(groups, "device", device.root());
  }
}

void Backends::add_default_network() {
  auto made = qom::TypeRegistry::global().create_as<NetBackend>("netdev-user");
  made->set_host(loop_, clock_);
  remember(*made, {});
  netdevs_.add_child(kDefaultNetwork, made);
}

void Backends::add_objects(const CommandLine& cl) {
  for (const ConfigNode& option : cl.groups["object"].items()) {
    const ConfigNode type = option["qom-type"], id = option["id"];
    if (!type) throw Error("-object needs a type").at(option.origin()).hint("-object help lists them");
    if (!id) throw Error("-object needs an id").at(option.origin()).hint("add id=NAME");
    require_known("object type", type, object_types());
    qom::Object* objects = root_.child("objects");
    if (!objects) objects = &root_.add_new_child<qom::Container>("objects");
    qom::Ref<qom::Object> made = qom::TypeRegistry::global().create(type.text());
    at_origin(id.origin(), [&] { objects->add_child(id.text(), made); });
    for (const auto& [key, node] : option.children()) {
      if (key == "qom-type" || key == "id") continue;
      if (!is_link(*made, key)) {
        set_from_option(*made, key, node);
        continue;
      }
      // Back ends keep to themselves: an id of theirs may equal a device's.
      const std::string& link_type = made->property(key).link_type;
      std::vector<std::string> candidates;
      qom::Object* target = nullptr;
      const std::string wanted = node.text();
      qom::for_each<qom::Object>(root_, [&](qom::Object& o) {
        if (!o.is_a(link_type)) return;
        candidates.push_back(o.name());
        if (o.name() == wanted) target = &o;
      });
      if (!target) {
        const std::string near = did_you_mean(node.text(), candidates);
        throw Error(fmt::format("no such {}: '{}'", key, node.text()))
            .at(node.origin())
            .hint(!near.empty()        ? near
                  : candidates.empty() ? fmt::format("the machine has none; -{} makes one", key)
                                       : fmt::format("there are: {}", fmt::join(candidates, ", ")));
      }
      made->set_link(key, target);
    }
    remember(*made, option.origin());
  }
}

void Backends::warn_of_loose_ends() const {
  qom::for_each<NetBackend>(netdevs_, [](NetBackend& net) {
    if (!net.client())
      log::warning("netdev {} is connected to no network card: -device e1000,netdev={} adds one", net.name(),
                   net.name());
  });
}

}  // namespace machina
