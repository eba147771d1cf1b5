#pragma once
/// Breakpoints of DR0 to DR7 and single step. SDM vol. 3, chapter 18.

#include "accel/jit/cpu.h"

namespace machina::jit {

inline constexpr std::uint32_t kDr6SingleStep = 1U << 14, kDr6Access = 1U << 13, kDr6TaskSwitch = 1U << 15;

/// Is there an instruction breakpoint at cpu.rip? Sets DR6. Asked only while DR7 has one enabled and RF is clear.
bool meets_instruction_breakpoint(Cpu& cpu);

}  // namespace machina::jit
