/// Run control: stop, cont, reset, power, and the events that tell of them.

#include <fmt/format.h>

#include "machines/monitor/human_command.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueMap;

const MonitorCondition kWhileSuspended{"while the machine is suspended",
                                       [](MonitorSession& s) { return s.machine().run_state() == RunState::Suspended; },
                                       "Unable to wake up: guest is not in suspended state"};

Value query_status(MonitorSession& session, const QmpArguments&) {
  const RunState state = session.machine().run_state();
  return ValueMap{
      {"running", state == RunState::Running}, {"singlestep", false}, {"status", std::string(run_state_name(state))}};
}

Value stop(MonitorSession& session, const QmpArguments&) {
  // One that can neither run nor wake up by itself stays as it is: waiting for a reset.
  const RunState state = session.machine().run_state();
  if (state == RunState::Running || state == RunState::Suspended) session.machine().stop();
  return {};
}

Value cont(MonitorSession& session, const QmpArguments&) {
  session.machine().start();
  return {};
}

Value system_reset(MonitorSession& session, const QmpArguments&) {
  session.machine().request_reset(ShutdownCause::HostQmpSystemReset);
  return {};
}

Value system_powerdown(MonitorSession& session, const QmpArguments&) {
  session.machine().power_down();
  return {};
}

Value system_wakeup(MonitorSession& session, const QmpArguments&) {
  session.machine().request_wakeup("other");
  return {};
}

Value quit(MonitorSession& session, const QmpArguments&) {
  session.machine().request_shutdown(ShutdownCause::HostQmpQuit);
  return {};
}

void info_status(HumanContext& c, const QmpArguments&) {
  const RunState state = c.machine().run_state();
  c.print("VM status: {}", state == RunState::Running ? "running" : "paused");
  if (state != RunState::Running && state != RunState::Paused) c.print(" ({})", run_state_name(state));
  c.write("\n");
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    enum RunState { debug, inmigrate, internal-error, io-error, paused, postmigrate, prelaunch, finish-migrate,
                    restore-vm, running, save-vm, shutdown, suspended, watchdog, guest-panicked, colo }
    struct StatusInfo { running: bool, singlestep: bool, status: RunState }
    enum ShutdownCause { none, host-error, host-qmp-quit, host-qmp-system-reset, host-signal, host-ui, guest-shutdown,
                         guest-reset, guest-panic, subsystem-reset, snapshot-load }
    enum GuestPanicAction { pause, poweroff, run }
    enum WatchdogAction { reset, shutdown, poweroff, pause, debug, none, inject-nmi }
  )");
  t.command({.name = "query-status",
             .returns = "StatusInfo",
             .doc = "run state: `prelaunch`, `running`, `paused`, …",
             .run = query_status});
  t.command({.name = "stop",
             .doc = "no vCPU runs and no disk request is in flight when it answers",
             .run = stop,
             .human = "stop|s"});
  t.command({.name = "cont",
             .doc = "runs the machine; an error in a state that only a reset ends; wakes one that is suspended",
             .run = cont,
             .when = &kWithoutDump,
             .human = "cont|c"});
  t.command({.name = "system_reset",
             .doc = "resets the machine; the event RESET says when",
             .run = system_reset,
             .human = "system_reset"});
  t.command({.name = "system_powerdown",
             .doc = "presses the power button: what it means is the guest's",
             .run = system_powerdown,
             .human = "system_powerdown"});
  t.command({.name = "system_wakeup",
             .doc = "ends the guest's sleep (ACPI S3)",
             .run = system_wakeup,
             .when = &kWhileSuspended,
             .human = "system_wakeup"});
  t.command({.name = "quit", .doc = "ends the program", .run = quit, .human = "quit|q"});
  t.human({.name = "info status", .doc = "run state of the machine", .run = info_status});

  t.event({.name = "RESUME", .doc = "the machine begins to run"});
  t.event({.name = "STOP", .doc = "it has stopped and may be continued"});
  t.event({.name = "RESET", .data = "guest: bool, reason: ShutdownCause", .doc = "it has been reset"});
  t.event({.name = "SHUTDOWN",
           .data = "guest: bool, reason: ShutdownCause",
           .doc = "it ends, or with `-no-shutdown` stands still"});
  t.event({.name = "POWERDOWN", .doc = "`system_powerdown` was asked for"});
  t.event({.name = "SUSPEND", .doc = "the guest went to sleep (ACPI S3)"});
  t.event({.name = "SUSPEND_DISK", .doc = "it has saved itself (ACPI S4) and switches the machine off"});
  t.event({.name = "WAKEUP", .doc = "it came back"});
  t.event({.name = "GUEST_PANICKED", .data = "action: GuestPanicAction", .doc = "the guest says that it crashed"});
  t.event({.name = "WATCHDOG", .data = "action: WatchdogAction", .doc = "a watchdog of the machine has expired"});
  t.event({.name = "RTC_CHANGE",
           .data = "offset: int, qom-path: str",
           .doc = "the guest has set its clock to so many seconds from the host's"});
}

const MonitorFamily kFamily{"Run control", add};

}  // namespace
}  // namespace machina
