#pragma once
/// The ACPI power management timer as arithmetic: a counter at 3.579545 MHz whose most significant bit makes an event
/// each time it changes. ACPI 6.4, 4.8.2.1.

#include <cstdint>

#include "core/units.h"
#include "hw/acpi/piix4_pm_regs.h"

namespace machina::acpi_timer {

/// Ticks since `start_ns`, not wrapped.
constexpr std::uint64_t ticks(std::int64_t start_ns, std::int64_t now_ns) {
  return mul_div(static_cast<std::uint64_t>(now_ns - start_ns), piix4::kTimerHz,
                 static_cast<std::uint64_t>(kNsPerSecond));
}
/// What software reads.
constexpr std::uint32_t value(std::uint64_t ticks) {
  return static_cast<std::uint32_t>(ticks & ((std::uint64_t{1} << piix4::kTimerBits) - 1));
}
/// The tick after `ticks` at which the top bit changes.
constexpr std::uint64_t next_change(std::uint64_t ticks) {
  constexpr unsigned kTop = piix4::kTimerBits - 1;
  return ((ticks >> kTop) + 1) << kTop;
}
/// The first nanosecond at which that many ticks have passed.
constexpr std::int64_t time_of(std::int64_t start_ns, std::uint64_t ticks) {
  return start_ns +
         static_cast<std::int64_t>(mul_div_up(ticks, static_cast<std::uint64_t>(kNsPerSecond), piix4::kTimerHz));
}

}  // namespace machina::acpi_timer
