#pragma once
/// What a boot plan puts below 640 KiB, away from real mode's vectors, the firmware's data and the kernels themselves,
/// which load at 1 MiB or higher.

#include <algorithm>
#include <cstdint>

#include "core/units.h"
#include "hw/x86/boot/boot_plan.h"

namespace machina::boot {

inline constexpr std::uint32_t kLowStack = 0x7000;      ///< grows down; boot_rom.S has its stack there as well
inline constexpr std::uint32_t kLowStackSize = 0x1000;  ///< what the option ROM may use of it; it needs far less
inline constexpr std::uint32_t kLowSetup = 0x10000;     ///< real-mode setup code, or the boot data of the protocol
inline constexpr std::uint32_t kLowCmdline = 0x20000;
inline constexpr std::uint32_t kLowCmdlineMax = 0xfff0 - 1;

/// The top of low memory is left to firmware and tables, which reserve what they need from there on down, and no more.
inline constexpr std::uint64_t kTopReserve = MiB;
inline std::uint64_t usable_ram_end(std::uint64_t ram_below_4g) {
  return ram_below_4g > 2 * kTopReserve ? ram_below_4g - kTopReserve : ram_below_4g;
}
inline std::uint64_t usable_ram_end(const Target& target) { return usable_ram_end(target.ram_below_4g); }

}  // namespace machina::boot
