#include "machines/cli/action_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "machines/cli/option_reader.h"

namespace machina {

namespace {

enum class RebootAction { Reset, Shutdown };
enum class ShutdownAction { Poweroff, Pause };

}  // namespace

template <>
struct qom::EnumNames<RebootAction> {
  static constexpr const char* name = "RebootAction";
  static constexpr std::pair<RebootAction, const char*> values[] = {{RebootAction::Reset, "reset"},
                                                                    {RebootAction::Shutdown, "shutdown"}};
};
template <>
struct qom::EnumNames<ShutdownAction> {
  static constexpr const char* name = "ShutdownAction";
  static constexpr std::pair<ShutdownAction, const char*> values[] = {{ShutdownAction::Poweroff, "poweroff"},
                                                                      {ShutdownAction::Pause, "pause"}};
};

namespace {

/// The value of `key`.
template <class E>
std::optional<E> choice(const ConfigNode& option, const char* key) {
  const ConfigNode node = option[key];
  if (!node) return std::nullopt;
  std::vector<std::string> names;
  for (const auto& [value, name] : qom::EnumNames<E>::values) {
    if (node.text() == name) return value;
    names.emplace_back(name);
  }
  throw Error(fmt::format("no such action: '{}'", node.text()))
      .at(node.origin())
      .hint(fmt::format("expected one of {}", fmt::join(names, ", ")));
}

}  // namespace

void apply_actions(const CommandLine& cl, Machine& machine) {
  machine.no_reboot = cl.no_reboot;
  machine.no_shutdown = cl.no_shutdown;
  const ConfigNode option = only_option(cl, "action");
  if (!option) return;
  refuse_unknown_keys(option, {"reboot", "shutdown", "panic", "watchdog"});
  if (const auto reboot = choice<RebootAction>(option, "reboot")) machine.no_reboot = reboot == RebootAction::Shutdown;
  if (const auto shutdown = choice<ShutdownAction>(option, "shutdown"))
    machine.no_shutdown = shutdown == ShutdownAction::Pause;
  if (const auto panic = choice<PanicAction>(option, "panic")) machine.actions.panic = *panic;
  if (const auto watchdog = choice<WatchdogAction>(option, "watchdog")) machine.actions.watchdog = *watchdog;
}

ConfigTree watchdog_device(const std::string& option, const std::string& model) {
  static const std::vector<std::string> models{"i6300esb", "ib700"};
  const Origin origin = option_origin(option, model);
  if (std::find(models.begin(), models.end(), model) == models.end()) {
    const std::string near = did_you_mean(model, models);
    throw Error(fmt::format("no such watchdog: '{}'", model))
        .at(origin)
        .hint(near.empty() ? "there are i6300esb and ib700" : near);
  }
  ConfigTree device;
  device.relabel({}, {ConfigKind::Map, {}, origin, {}});
  device.put({"driver"}, config_scalar(model, origin, origin));
  return device;
}

}  // namespace machina
