#pragma once
/// What instructions of the system have in common: who may use them, and how they end.

#include "accel/jit/fault.h"
#include "accel/jit/system_handler.h"

namespace machina::jit {

/// Of the instruction that runs: Cpu::fault_op names it.
[[noreturn]] inline void refuse() { raise(Vector::GeneralProtection, 0); }

/// Ends the block after an instruction that may have changed what code means: the mode, translations, ports.
inline const Block* leave(Cpu& cpu, const Op* op) {
  cpu.rip = next_rip(cpu, op);
  return leave_block(cpu);
}

/// A 64-bit value in EDX:EAX; the upper halves of the registers are cleared.
inline void set_edx_eax(Cpu& cpu, std::uint64_t value) {
  cpu.gpr[kRax] = value & 0xffffffff;
  cpu.gpr[kRdx] = value >> 32;
}
inline std::uint64_t edx_eax(const Cpu& cpu) { return cpu.gpr[kRdx] << 32 | (cpu.gpr[kRax] & 0xffffffff); }

}  // namespace machina::jit
