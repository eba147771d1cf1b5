#pragma once
/// The stack of the privilege in force: PUSH, POP and what calls, returns and interrupts do with it.

#include "accel/jit/operands.h"

namespace machina::jit {

/// What of RSP addresses the stack: SDM vol. 1, 6.2.3 and 6.2.5.
inline std::uint64_t stack_mask(const Cpu& cpu) {
  if (cpu.mode & kModeLong) return ~std::uint64_t{0};
  return cpu.mode & kModeStack32 ? 0xffffffff : 0xffff;
}

inline void set_stack_pointer(Cpu& cpu, std::uint64_t value) {
  const std::uint64_t mask = stack_mask(cpu);
  std::uint64_t& rsp = cpu.gpr[kRsp];
  rsp = mask == 0xffff ? (rsp & ~mask) | (value & mask) : value & mask;
}

/// The linear address of `width` bytes at an offset of the stack segment; throws #SS(0).
inline std::uint64_t stack_linear(Cpu& cpu, const Op* op, std::uint64_t offset, unsigned width, bool write) {
  return linear_in_segment(cpu, op, kSs, offset, width, write);
}

template <class T>
inline void push(Cpu& cpu, const Op* op, T value) {
  const std::uint64_t offset = (cpu.gpr[kRsp] - sizeof(T)) & stack_mask(cpu);
  const std::uint64_t linear =
      cpu.mode & (kModeLong | kModeFlat) ? offset : stack_linear(cpu, op, offset, sizeof(T), true);
  store<T, Of::Stack>(cpu, op, linear, value);
  set_stack_pointer(cpu, offset);
}

/// What POP would give; RSP stays until the instruction can no longer fault.
template <class T>
inline T top(Cpu& cpu, const Op* op) {
  const std::uint64_t offset = cpu.gpr[kRsp] & stack_mask(cpu);
  const std::uint64_t linear =
      cpu.mode & (kModeLong | kModeFlat) ? offset : stack_linear(cpu, op, offset, sizeof(T), false);
  return load<T, Of::Stack>(cpu, op, linear);
}

template <class T>
inline T pop(Cpu& cpu, const Op* op) {
  const T value = top<T>(cpu, op);
  set_stack_pointer(cpu, cpu.gpr[kRsp] + sizeof(T));
  return value;
}

}  // namespace machina::jit
