/// What the machine does about resets, shutdowns, panics and watchdogs of its guest.

#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;

template <class E>
E value_of(const std::string& name) {
  return qom::PropertyTraits<E>::from_value(Value(name));
}

Value set_action(MonitorSession& session, const QmpArguments& arguments) {
  Machine& machine = session.machine();
  if (arguments.has("reboot")) machine.no_reboot = arguments.string("reboot") == "shutdown";
  if (arguments.has("shutdown")) machine.no_shutdown = arguments.string("shutdown") == "pause";
  if (arguments.has("panic")) machine.actions.panic = value_of<PanicAction>(arguments.string("panic"));
  if (arguments.has("watchdog")) machine.actions.watchdog = value_of<WatchdogAction>(arguments.string("watchdog"));
  return {};
}

Value watchdog_set_action(MonitorSession& session, const QmpArguments& arguments) {
  session.machine().actions.watchdog = value_of<WatchdogAction>(arguments.string("action"));
  return {};
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    enum RebootAction { reset, shutdown }
    enum ShutdownAction { poweroff, pause }
    enum PanicAction { pause, shutdown, exit-failure, none }
  )");
  t.command({.name = "set-action",
             .arguments = "*reboot: RebootAction, *shutdown: ShutdownAction, *panic: PanicAction, "
                          "*watchdog: WatchdogAction",
             .doc = "what the machine does when the guest resets, powers off or panics, or a watchdog expires",
             .run = set_action});
  t.command({.name = "watchdog-set-action",
             .arguments = "action: WatchdogAction",
             .doc = "what it does when a watchdog expires",
             .run = watchdog_set_action,
             .human = "watchdog_action"});
  t.event({.name = "GUEST_CRASHLOADED",
           .data = "action: GuestPanicAction",
           .doc = "the guest says that it crashed, and that another kernel deals with it"});
}

const MonitorFamily kFamily{"Run control: actions", add};

}  // namespace
}  // namespace machina
