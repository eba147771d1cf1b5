#pragma once
/// What a device may ask of the machine as a whole. Implemented by Machine; asked under the machine lock, from any
/// thread, and answered later by the main thread.

#include <cstdint>
#include <string_view>

namespace machina {

/// The state of the whole machine; QEMU's names (RunState in its monitor schema).
enum class RunState {
  Prelaunch,  ///< built, not started: -S
  Running,
  Paused,  ///< by a user
  Debug,
  Suspended,      ///< ACPI S3
  Shutdown,       ///< the guest powered off and -no-shutdown keeps the machine
  InternalError,  ///< the accelerator cannot go on
  IoError,        ///< a disk asked to stop
  GuestPanicked,
  Watchdog,
};
const char* run_state_name(RunState state);  ///< "running", "internal-error", …

/// Why; QEMU's ShutdownCause names.
enum class ShutdownCause {
  HostError,
  HostQmpQuit,
  HostQmpSystemReset,
  HostSignal,
  HostUi,
  GuestShutdown,
  GuestReset,
  GuestPanic,
};
const char* shutdown_cause_name(ShutdownCause cause);  ///< "host-qmp-quit", …
bool caused_by_guest(ShutdownCause cause);

class RunControl {
 public:
  virtual ~RunControl() = default;
  virtual RunState run_state() const = 0;
  virtual void request_reset(ShutdownCause cause) = 0;
  /// `exit_code` is the process's when the request ends it (isa-debug-exit).
  virtual void request_shutdown(ShutdownCause cause, int exit_code = 0) = 0;
  /// Stop every vCPU and stay so, e.g. after an internal error.
  virtual void request_stop(RunState why) = 0;
  /// ACPI S3: vCPUs stop until request_wakeup(), which resets all but RAM.
  virtual void request_suspend() = 0;
  virtual void request_wakeup(std::string_view reason) = 0;  ///< unless it sleeps or is about to, nothing happens
};

}  // namespace machina
