#pragma once
/// What the machine does when its guest is in trouble: -action, and the monitor's set-action. Names are QEMU's. (What
/// it does when the guest resets or powers off is Machine::no_reboot and no_shutdown.)

#include "qom/property.h"

namespace machina {

/// The guest's kernel has panicked.
enum class PanicAction {
  Pause,
  Shutdown,     ///< the machine ends, or with no_shutdown stands still
  ExitFailure,  ///< as Shutdown, and the exit status of the process is 1
  None,
};

/// A watchdog has expired.
enum class WatchdogAction { Reset, Shutdown, Poweroff, Pause, Debug, None, InjectNmi };

struct GuestActions {
  PanicAction panic = PanicAction::Shutdown;
  WatchdogAction watchdog = WatchdogAction::Reset;
};

namespace qom {
template <>
struct EnumNames<PanicAction> {
  static constexpr const char* name = "PanicAction";
  static constexpr std::pair<PanicAction, const char*> values[] = {{PanicAction::Pause, "pause"},
                                                                   {PanicAction::Shutdown, "shutdown"},
                                                                   {PanicAction::ExitFailure, "exit-failure"},
                                                                   {PanicAction::None, "none"}};
};
template <>
struct EnumNames<WatchdogAction> {
  static constexpr const char* name = "WatchdogAction";
  static constexpr std::pair<WatchdogAction, const char*> values[] = {
      {WatchdogAction::Reset, "reset"},         {WatchdogAction::Shutdown, "shutdown"},
      {WatchdogAction::Poweroff, "poweroff"},   {WatchdogAction::Pause, "pause"},
      {WatchdogAction::Debug, "debug"},         {WatchdogAction::None, "none"},
      {WatchdogAction::InjectNmi, "inject-nmi"}};
};
}  // namespace qom

}  // namespace machina
