#pragma once
/// Leaving a block.

#include <atomic>

#include "accel/jit/stack.h"

namespace machina::jit {

/// May RIP become this? Canonical in 64-bit code, within CS elsewhere. SDM vol. 3, 5.3 and vol. 2, JMP.
inline bool may_go_to(const Cpu& cpu, std::uint64_t target) {
  if (cpu.mode & kModeLong) {
    constexpr std::uint64_t kHalf = std::uint64_t{1} << 47;  // of 48 bits, which are canonical among 57, too
    return (target + kHalf) >> 48 == 0 || canonical(cpu, target);
  }
  return (cpu.mode & kModeFlat) || target <= cpu.segment[kCs].limit;
}

/// RIP becomes `target`, or else the branch faults.
inline void set_rip(Cpu& cpu, const Op* op, std::uint64_t target) {
  if (!may_go_to(cpu, target)) [[unlikely]] {
    cpu.fault_op = op;
    raise(Vector::GeneralProtection, 0);
  }
  cpu.rip = target;
}

/// The block that is remembered for this way out of `op`'s; null: there is none, and what is found next will be.
inline const Block* follow_chain(Cpu& cpu, const Op* op, unsigned way) {
  const Block* known = std::atomic_ref(op->chain[way]).load(std::memory_order_acquire);
  if (known && known->valid.load(std::memory_order_relaxed)) [[likely]]
    return known;
  cpu.chain_slot = &op->chain[way];
  return nullptr;
}

/// To a target in the same page as this block's start, or else by way of the table of jumps. `way`: 0 taken, 1 not.
inline const Block* go_direct(Cpu& cpu, const Op* op, unsigned way, std::uint64_t target) {
  set_rip(cpu, op, target);
  return follow_chain(cpu, op, way);
}

/// Where a relative branch leads: Op::immediate from the start of the block, cut to the operand size. SDM vol. 2, JMP.
template <class T>
inline std::uint64_t relative_target(const Cpu& cpu, const Op* op) {
  return static_cast<T>(cpu.gpr[kRipBase] + op->immediate);
}

/// The block at relative_target(), which is RIP already. The distance to a target that has been cut to 16 bits depends
/// on where CS begins, of which the block knows nothing: such a target is not remembered.
template <class T>
inline const Block* follow_relative(Cpu& cpu, const Op* op) {
  if constexpr (sizeof(T) == 2) {
    if (cpu.gpr[kRipBase] + op->immediate > 0xffff) [[unlikely]]
      return nullptr;
  }
  return follow_chain(cpu, op, 0);
}

template <class T>
inline const Block* go_relative(Cpu& cpu, const Op* op) {
  set_rip(cpu, op, relative_target<T>(cpu, op));
  return follow_relative<T>(cpu, op);
}

/// A branch that is not taken: `target` follows it. What lies beyond the limit faults when it is fetched.
inline const Block* go_on(Cpu& cpu, const Op* op, std::uint64_t target) {
  cpu.rip = target;
  if (!may_go_to(cpu, target)) [[unlikely]] {
    cpu.fault_op = nullptr;
    raise(Vector::GeneralProtection, 0);
  }
  return follow_chain(cpu, op, 1);
}

inline const Block* go_indirect(Cpu& cpu, const Op* op, std::uint64_t target) {
  set_rip(cpu, op, target);
  return nullptr;
}

/// Where the instruction after `op` is.
inline std::uint64_t after(const Cpu& cpu, const Op* op) { return cpu.gpr[kRipBase] + op->offset + op->length; }

/// Goes on after an instruction that serializes (SDM vol. 3, 9.3) and does not end its block: what follows is fetched
/// after it, so that a block whose bytes another CPU has changed meanwhile ends here.
inline const Block* next_fetched(Cpu& cpu, const Op* op) {
  if (cpu.block->valid.load(std::memory_order_acquire)) [[likely]]
    return next(cpu, op);
  cpu.rip = cpu.mode & kModeLong ? after(cpu, op) : after(cpu, op) & 0xffffffff;
  return nullptr;
}

}  // namespace machina::jit
