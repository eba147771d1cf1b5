#pragma once
/// The x87 unit and the vector registers as instructions use them; XSAVE images are made of these when asked for.

#include <array>
#include <cstdint>

namespace machina::jit {

/// SDM vol. 1, 8.1.
struct FloatState {
  /// R0 to R7 of the register stack (not ST(i)), 80 bits each in the first ten bytes; MMX registers lie over them.
  alignas(16) std::array<std::array<std::uint8_t, 16>, 8> r{};
  std::uint16_t control = 0x37f;
  std::uint16_t status = 0;  ///< TOP in bits 13 to 11
  std::uint8_t valid = 0;    ///< bit i: Ri is not empty, as in FXSAVE's abridged tag word
  std::uint16_t opcode = 0;  ///< FOP, 11 bits
  std::uint64_t last_ip = 0, last_dp = 0;
  std::uint16_t last_cs = 0, last_ds = 0;
};

struct VectorState {
  alignas(64) std::array<std::array<std::uint8_t, 32>, 16> ymm{};  ///< XMM registers are their first halves
  std::uint32_t mxcsr = 0x1f80;
};

}  // namespace machina::jit
