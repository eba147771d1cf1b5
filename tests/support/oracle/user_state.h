#pragma once
/// What a user program has: what is loaded before a run on the host or in the software CPU, and compared after it.

#include <array>
#include <cstdint>

#include "accel/jit/float_state.h"

namespace machina::jit {

/// Both ways of running have the same memory at the same linear addresses.
struct UserLayout {
  static constexpr std::uint64_t kWindow = 0x10000000, kWindowSize = 0x40000000;  ///< nothing else is in it
  /// Two pages to write, one to read, and nothing before or after.
  static constexpr std::uint64_t kData = 0x28000000, kDataSize = 0x2000, kReadOnlySize = 0x1000;
  static constexpr std::uint64_t kCode = 0x38000000, kCodeSize = 0x100000;  ///< not to be written
};

struct UserState {
  std::array<std::uint64_t, 16> gpr{};
  std::uint64_t rip = 0;
  std::uint32_t eflags = 2;  ///< arithmetic flags and DF
  /// x87 and MXCSR, XMM registers; ip, dp, opcode, reserved, mxcsr_mask and unused are neither loaded nor compared.
  FxImage fx;
  std::array<std::array<std::uint8_t, 16>, 16> ymm_high{};

  // --- how the run ended ---
  unsigned vector = 0;
  std::uint32_t error = 0;    ///< 0 where there is none
  std::uint64_t address = 0;  ///< CR2 of a page fault, else 0
};

}  // namespace machina::jit
