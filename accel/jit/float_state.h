#pragma once
/// The x87 unit and the vector registers as instructions use them; XSAVE images are made of these when asked for.
///
/// Guest x87 and MMX instructions run on the host's own unit, SSE ones under the host's own MXCSR. To load and save
/// those around each instruction would cost more than the instruction, so they stay loaded from one to the next: a
/// window, opened by the first that needs it. host_float.h has what closes them.

#include <array>
#include <cstdint>

#include "accel/jit/op.h"

namespace machina::jit {

/// What FXSAVE64 stores, and FXRSTOR64 loads: SDM vol. 1, table 10-2.
struct alignas(16) FxImage {
  std::uint16_t control = 0x37f;
  std::uint16_t status = 0;  ///< TOP in bits 13 to 11
  std::uint8_t valid = 0;    ///< bit i: Ri (not ST(i)) is not empty
  std::uint8_t reserved = 0;
  std::uint16_t opcode = 0;
  std::uint64_t ip = 0, dp = 0;
  std::uint32_t mxcsr = 0x1f80, mxcsr_mask = 0;
  std::array<std::array<std::uint8_t, 16>, 8> st{};    ///< ST(0) first, 80 bits each in the first ten bytes
  std::array<std::array<std::uint8_t, 16>, 16> xmm{};  ///< of the host: means nothing here
  std::array<std::uint8_t, 96> unused{};
};
static_assert(sizeof(FxImage) == 512);

/// SDM vol. 1, 8.1. MMX registers lie over R0 to R7.
struct FloatState {
  /// control, status, valid and st only. While the window is open the host's unit has all of these but `control`, which
  /// is right always.
  FxImage image;
  std::uint16_t opcode = 0;  ///< FOP, 11 bits; these five are of the last instruction that is not a control one
  std::uint16_t last_cs = 0, last_ds = 0;
  std::uint64_t last_ip = 0, last_dp = 0;
  std::uint32_t window = 0;  ///< 1: open. Only while every exception is masked and none is pending
};

struct VectorState {
  alignas(64) std::array<std::array<std::uint8_t, 32>, 16> ymm{};  ///< XMM registers are their first halves
  std::uint32_t mxcsr = 0x1f80;                                    ///< without what the open window has gathered
  std::uint32_t window = 0;      ///< 1: the host's MXCSR is the guest's, every exception of which is masked
  std::uint32_t host_mxcsr = 0;  ///< what the host had before
  /// Memory operands on their way to or from what is not plain RAM in one page.
  alignas(64) std::array<std::uint8_t, 64> bounce{};
  /// A copy of the instruction that runs for itself, and what returns after it.
  std::array<Op, 2> alone{};
};

/// What AVX-512 adds, each as XSAVE has it: SDM vol. 1, 13.5.4 to 13.5.6.
struct Avx512State {
  std::array<std::uint8_t, 64> masks{};    ///< K0 to K7
  std::array<std::uint8_t, 512> high{};    ///< upper halves of ZMM0 to ZMM15
  std::array<std::uint8_t, 1024> zmm16{};  ///< ZMM16 to ZMM31
};

inline constexpr std::uint32_t kMxcsrMasks = 0x1f80, kMxcsrFlags = 0x3f;
/// No DAZ-less and no misaligned-SSE processors: SDM vol. 1, 11.6.6. Other bits are reserved.
inline constexpr std::uint32_t kMxcsrMask = 0xffff;
inline constexpr std::uint16_t kX87Exceptions = 0x3f, kX87ErrorSummary = 0x80, kX87Busy = 0x8000;

}  // namespace machina::jit
