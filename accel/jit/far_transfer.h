#pragma once
/// Far JMP, CALL and RET in every mode: SDM vol. 2, JMP, CALL, RET; vol. 3, 5.8. Faults are those of Cpu::fault_op and
/// change nothing (but in a task that has been switched to). The caller calls update_mode().

#include "accel/jit/descriptor.h"

namespace machina::jit {

/// `width` of the operand in bytes: 2, 4, 8. `return_rip`: of the instruction after.
void far_jump(Cpu& cpu, std::uint16_t selector, std::uint64_t offset, std::uint64_t return_rip);
void far_call(Cpu& cpu, std::uint16_t selector, std::uint64_t offset, unsigned width, std::uint64_t return_rip);
/// `release`: bytes of parameters, on both stacks.
void far_return(Cpu& cpu, unsigned width, std::uint64_t release);

/// Is `rip` a place in this code? Throws #GP(0).
void check_target(const Cpu& cpu, const Descriptor& code, std::uint64_t rip);

/// A code segment that RET or IRET returns to. Throws; not yet marked as accessed.
Descriptor return_code(Cpu& cpu, std::uint16_t selector);
/// The outer stack of RET and IRET.
Segment return_stack(Cpu& cpu, std::uint16_t selector, unsigned cpl, const Descriptor& code);

}  // namespace machina::jit
