#pragma once
/// What the machine tells its firmware: fw_cfg items and CMOS bytes, derived from the machine that was realized and
/// from -boot, -uuid and -nographic. A board without fw_cfg or RTC does without.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/uuid.h"
#include "machines/machine.h"

namespace machina {

struct BootOptions {
  /// Letters of -boot order=: a floppy, c disk, d CD-ROM, n network. Empty: the usual order, and the firmware's own.
  std::string order;
  std::string once;  ///< as order, until the first reset; empty: nothing special
  bool menu = false;
  bool strict = false;                          ///< only what order names
  std::optional<std::uint16_t> splash_time_ms;  ///< how long the menu waits
  bool kernel = false;                          ///< the option ROM that starts a kernel comes before all else
  bool nographic = false;                       ///< the firmware's screen goes to the first serial port as well
};

/// After all devices are realized, before the guest runs. Throws Error.
void fill_firmware_data(Machine& machine, const BootOptions& boot);
/// What firmware is told of the order from its next start on: the end of -boot once=.
void set_boot_order(Machine& machine, const BootOptions& boot);

/// Open Firmware paths of the machine's drives for fw_cfg's "bootorder", in the order of `boot`; empty when it asks for
/// nothing special. The last is "HALT" when nothing else may be booted.
std::vector<std::string> boot_paths(Machine& machine, const BootOptions& boot);

}  // namespace machina
