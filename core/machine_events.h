#pragma once
/// What devices tell whoever controls the machine: "GUEST_PANICKED", "DEVICE_TRAY_MOVED". Names and data are those of
/// the events of QEMU's monitor.

#include <string_view>

#include "core/run_control.h"
#include "qom/value.h"

namespace machina {

/// Implemented by the machine, beside RunControl.
class MachineEvents {
 public:
  virtual ~MachineEvents() = default;
  /// Any thread, machine lock held. The name is a string literal.
  virtual void report_event(std::string_view name, qom::ValueMap data) = 0;
};

/// Tells the machine behind `control`, if it listens.
inline void report_event(RunControl& control, std::string_view name, qom::ValueMap data = {}) {
  if (auto* events = dynamic_cast<MachineEvents*>(&control)) events->report_event(name, std::move(data));
}

}  // namespace machina
