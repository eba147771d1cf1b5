#pragma once
/// Leaving a block.

#include <atomic>

#include "accel/jit/stack.h"

namespace machina::jit {

/// RIP becomes `target`; outside of 64-bit code it must lie within CS (SDM vol. 3, 5.3), else the branch faults.
inline void set_rip(Cpu& cpu, const Op* op, std::uint64_t target) {
  if (!(cpu.mode & (kModeLong | kModeFlat)) && target > cpu.segment[kCs].limit) {
    cpu.fault_op = op;
    raise(Vector::GeneralProtection, 0);
  }
  cpu.rip = target;
}

/// To a target in the same page as this block's start, or else by way of the table of jumps. `way`: 0 taken, 1 not.
inline const Block* go_direct(Cpu& cpu, const Op* op, unsigned way, std::uint64_t target) {
  set_rip(cpu, op, target);
  const Block* known = std::atomic_ref(op->chain[way]).load(std::memory_order_acquire);
  if (known && known->valid.load(std::memory_order_relaxed)) [[likely]]
    return known;
  cpu.chain_slot = &op->chain[way];
  return nullptr;
}

inline const Block* go_indirect(Cpu& cpu, const Op* op, std::uint64_t target) {
  set_rip(cpu, op, target);
  return nullptr;
}

/// Where the instruction after `op` is.
inline std::uint64_t after(const Cpu& cpu, const Op* op) { return cpu.gpr[kRipBase] + op->offset + op->length; }

}  // namespace machina::jit
