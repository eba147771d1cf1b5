#include "core/run_control.h"

namespace machina {

const char* run_state_name(RunState state) {
  switch (state) {
    case RunState::Prelaunch:
      return "prelaunch";
    case RunState::Running:
      return "running";
    case RunState::Paused:
      return "paused";
    case RunState::Debug:
      return "debug";
    case RunState::Suspended:
      return "suspended";
    case RunState::Shutdown:
      return "shutdown";
    case RunState::InternalError:
      return "internal-error";
    case RunState::IoError:
      return "io-error";
    case RunState::GuestPanicked:
      return "guest-panicked";
    case RunState::Watchdog:
      return "watchdog";
  }
  return "?";
}

const char* shutdown_cause_name(ShutdownCause cause) {
  switch (cause) {
    case ShutdownCause::HostError:
      return "host-error";
    case ShutdownCause::HostQmpQuit:
      return "host-qmp-quit";
    case ShutdownCause::HostQmpSystemReset:
      return "host-qmp-system-reset";
    case ShutdownCause::HostSignal:
      return "host-signal";
    case ShutdownCause::HostUi:
      return "host-ui";
    case ShutdownCause::GuestShutdown:
      return "guest-shutdown";
    case ShutdownCause::GuestReset:
      return "guest-reset";
    case ShutdownCause::GuestPanic:
      return "guest-panic";
  }
  return "?";
}

bool caused_by_guest(ShutdownCause cause) {
  return cause == ShutdownCause::GuestShutdown || cause == ShutdownCause::GuestReset ||
         cause == ShutdownCause::GuestPanic;
}

}  // namespace machina
