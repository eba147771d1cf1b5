#pragma once
/// What handlers of system instructions have in common: their work is done by functions that know no Op, and may change
/// everything that blocks depend on.

#include "accel/jit/branch.h"
#include "accel/jit/control_registers.h"
#include "accel/jit/decoding.h"

namespace machina::jit {

/// Where the instruction after `op` is, within the code's size.
inline std::uint64_t next_rip(const Cpu& cpu, const Op* op) {
  const std::uint64_t rip = after(cpu, op);
  return cpu.mode & kModeLong ? rip : rip & 0xffffffff;
}

/// RIP is set; the rest may have changed, too.
inline const Block* leave_block(Cpu& cpu) {
  cpu.update_mode();
  return nullptr;
}

/// The instruction is done and may have changed what blocks depend on: goes on in this one where it has not.
inline const Block* next_in_mode(Cpu& cpu, const Op* op) {
  const std::uint32_t before = cpu.mode;
  cpu.update_mode();
  if (cpu.mode == before) return next(cpu, op);
  cpu.rip = next_rip(cpu, op);
  return nullptr;
}

/// From here on faults are those of `op`, which only CPL 0 may use. In virtual-8086 mode CPL is 3.
inline void require_cpl0(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if (cpu.cpl != 0) raise(Vector::GeneralProtection, 0);
}
/// The same where CR4.UMIP keeps programs out: SDM vol. 3, 2.5.
inline void check_umip(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if (cpu.cpl != 0 && (cpu.cr4 & kCr4Umip)) raise(Vector::GeneralProtection, 0);
}

/// An operand in memory, in any mode. The fault's instruction is `op`.
template <class T>
inline T load_operand(Cpu& cpu, const Op* op) {
  return load<T>(cpu, op, linear_checked(cpu, op, sizeof(T), false));
}
template <class T>
inline void store_operand(Cpu& cpu, const Op* op, T value) {
  store<T>(cpu, op, linear_checked(cpu, op, sizeof(T), true), value);
}

}  // namespace machina::jit
