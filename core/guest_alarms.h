#pragma once
/// What a guest, or a device that watches it, tells of the guest's own state. What follows is the user's choice
/// (-action): devices only tell.

#include "core/run_control.h"

namespace machina {

/// Implemented by the machine, beside RunControl. Any thread, machine lock held.
class GuestAlarms {
 public:
  virtual ~GuestAlarms() = default;
  /// The guest's kernel says that it cannot go on.
  virtual void guest_panicked() = 0;
  /// It says that it has crashed and that another kernel is loaded, which deals with that.
  virtual void guest_crash_loaded() = 0;
  /// Nobody has fed a watchdog in time.
  virtual void watchdog_expired() = 0;
};

/// The machine behind `control`, if it listens; else null.
inline GuestAlarms* guest_alarms(RunControl& control) { return dynamic_cast<GuestAlarms*>(&control); }

}  // namespace machina
