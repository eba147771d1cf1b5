#pragma once
/// The image of the x87 unit's environment that FNSTENV and FNSAVE store: SDM vol. 1, figures 8-9 to 8-12.

#include <cstdint>
#include <span>

#include "accel/jit/cpu.h"

namespace machina::jit {

struct X87EnvironmentFormat {
  bool wide = true;            ///< 32-bit operand size: 28 bytes, not 14
  bool protected_mode = true;  ///< selectors and offsets, not linear addresses of 20 or 32 bits

  unsigned size() const { return wide ? 28 : 14; }
};

/// Windows are closed for all of these.
void put_x87_environment(const Cpu& cpu, X87EnvironmentFormat format, std::uint8_t* to);
void take_x87_environment(Cpu& cpu, X87EnvironmentFormat format, const std::uint8_t* from);
/// The tag word in full: two bits a register, R0 first. SDM vol. 1, 8.1.7.
std::uint16_t x87_tag_word(const Cpu& cpu);
/// FNINIT: registers keep what they have, but count as empty.
void initialize_x87(Cpu& cpu);
/// Reserved bits of a control word are what the processor has there.
std::uint16_t x87_control_word(std::uint16_t value);

}  // namespace machina::jit
