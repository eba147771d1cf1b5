#pragma once
/// IRET, IRETD, IRETQ in every mode. SDM vol. 2, IRET.

#include "accel/jit/cpu.h"

namespace machina::jit {

/// `width` of what is popped, in bytes: 2, 4, 8; `return_rip`: of the instruction after, for a task that is left.
/// Faults are those of Cpu::fault_op and change nothing but the mask of NMIs. The caller calls update_mode().
void return_from_interrupt(Cpu& cpu, unsigned width, std::uint64_t return_rip);

}  // namespace machina::jit
