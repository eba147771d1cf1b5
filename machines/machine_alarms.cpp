/// What the machine does about a guest that has panicked, and about a watchdog that nobody fed.

#include "core/log.h"
#include "core/units.h"
#include "machines/machine.h"

namespace machina {

namespace {

/// Ten lines a second at most: how often it expires is the guest's to say. The limit is the process's, as its standard
/// error is.
void tell_of_watchdog(std::int64_t now_ns) {
  static log::RateLimit limit(10, kNsPerSecond);
  const log::RateLimit::Verdict verdict = limit.admit(now_ns);
  if (!verdict.pass) return;
  if (verdict.left_out > 0) log::warning("{} more expiries of a watchdog were not told of", verdict.left_out);
  log::warning("a watchdog of the machine has expired");
}

}  // namespace

void Machine::guest_panicked() {
  const bool keep = actions.panic == PanicAction::Pause || (actions.panic == PanicAction::Shutdown && no_shutdown);
  if (keep) {
    report_event("GUEST_PANICKED", {{"action", "pause"}});
    request_stop(RunState::GuestPanicked);
  } else if (actions.panic == PanicAction::None) {
    report_event("GUEST_PANICKED", {{"action", "run"}});
  } else {
    report_event("GUEST_PANICKED", {{"action", "poweroff"}});
    request_shutdown(ShutdownCause::GuestPanic, actions.panic == PanicAction::ExitFailure ? 1 : 0);
  }
}

void Machine::guest_crash_loaded() { report_event("GUEST_CRASHLOADED", {{"action", "run"}}); }

void Machine::watchdog_expired() {
  const qom::Value action = qom::PropertyTraits<WatchdogAction>::to_value(actions.watchdog);
  report_event("WATCHDOG", {{"action", action}});
  switch (actions.watchdog) {
    case WatchdogAction::Reset:
      request_reset(ShutdownCause::GuestReset);
      break;
    case WatchdogAction::Shutdown:  // as a user who presses the button: the guest may save what it can
      power_down();
      break;
    case WatchdogAction::Poweroff:
      request_shutdown(ShutdownCause::GuestShutdown);
      break;
    case WatchdogAction::Pause:
      request_stop(RunState::Watchdog);
      break;
    case WatchdogAction::Debug:
      tell_of_watchdog(system_.realtime.now_ns());
      break;
    case WatchdogAction::None:
      break;
    case WatchdogAction::InjectNmi:
      for (X86Cpu* cpu : cpus_.cpus()) cpu->raise_nmi();
      break;
  }
}

}  // namespace machina
