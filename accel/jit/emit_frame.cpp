/// ENTER, LEAVE, PUSHA, POPA, BOUND. Nothing changes but memory until the last access has not faulted.

#include <type_traits>

#include "accel/jit/emitters.h"
#include "accel/jit/stack.h"

namespace machina::jit {

namespace {

/// The linear address of an offset on the stack, wrapped as its size says.
template <class T>
std::uint64_t stack_at(Cpu& cpu, const Op* op, std::uint64_t offset, bool write) {
  return stack_linear(cpu, op, offset & stack_mask(cpu), sizeof(T), write);
}

/// SDM vol. 2, ENTER. `source` is the allocation, `extra` the nesting level modulo 32.
template <class T>
const Block* enter(Cpu& cpu, const Op* op) {
  const unsigned level = op->extra;
  std::uint64_t sp = cpu.gpr[kRsp] - sizeof(T);
  store<T>(cpu, op, stack_at<T>(cpu, op, sp, true), get_register<T>(cpu, kRbp * 8));
  const std::uint64_t frame = sp & stack_mask(cpu);
  if (level > 0) {
    std::uint64_t bp = cpu.gpr[kRbp];
    for (unsigned i = 1; i < level; ++i) {
      bp -= sizeof(T);
      sp -= sizeof(T);
      const T outer = load<T>(cpu, op, stack_at<T>(cpu, op, bp, false));
      store<T>(cpu, op, stack_at<T>(cpu, op, sp, true), outer);
    }
    sp -= sizeof(T);
    store<T>(cpu, op, stack_at<T>(cpu, op, sp, true), static_cast<T>(frame));
  }
  sp -= op->immediate;
  check_write(cpu, op, stack_at<T>(cpu, op, sp, true), sizeof(T));
  if (stack_mask(cpu) == 0xffff && sizeof(T) == 4) {
    cpu.gpr[kRbp] = (cpu.gpr[kRbp] & 0xffff0000) | frame;
  } else {
    set_register<T>(cpu, kRbp * 8, static_cast<T>(frame));
  }
  set_stack_pointer(cpu, sp);
  return next(cpu, op);
}
void emit_enter(Decoding& d) {
  d.op.immediate = d.operand(0).imm.value.u & 0xffff;
  d.op.extra = static_cast<std::uint8_t>(d.operand(1).imm.value.u & 31);
  d.op.segment = kSs;
  d.op.handler = by_word_width(d.instruction.operand_width, []<class T>() -> Handler { return &enter<T>; });
}

template <class T>
const Block* leave(Cpu& cpu, const Op* op) {
  const std::uint64_t frame = cpu.gpr[kRbp] & stack_mask(cpu);
  const std::uint64_t linear =
      cpu.mode & (kModeLong | kModeFlat) ? frame : stack_linear(cpu, op, frame, sizeof(T), false);
  const T value = load<T>(cpu, op, linear);
  set_stack_pointer(cpu, frame + sizeof(T));
  set_register<T>(cpu, kRbp * 8, value);
  return next(cpu, op);
}
void emit_leave(Decoding& d) {
  d.op.segment = kSs;
  d.op.handler = by_word_width(d.instruction.operand_width, []<class T>() -> Handler { return &leave<T>; });
}

/// AX first, DI last; the stack pointer as it was before the first.
template <class T>
const Block* pusha(Cpu& cpu, const Op* op) {
  std::uint64_t sp = cpu.gpr[kRsp];
  for (std::uint8_t i = 0; i < 8; ++i) {
    sp -= sizeof(T);
    store<T>(cpu, op, stack_at<T>(cpu, op, sp, true), get_register<T>(cpu, static_cast<std::uint8_t>(i * 8)));
  }
  set_stack_pointer(cpu, sp);
  return next(cpu, op);
}
template <class T>
const Block* popa(Cpu& cpu, const Op* op) {
  std::array<T, 8> values{};
  for (unsigned i = 0; i < 8; ++i)  // what was pushed of RSP is skipped, not read: SDM vol. 2, POPA, Operation
    if (7 - i != kRsp) values[i] = load<T>(cpu, op, stack_at<T>(cpu, op, cpu.gpr[kRsp] + i * sizeof(T), false));
  for (std::uint8_t i = 0; i < 8; ++i)
    if (i != kRsp) set_register<T>(cpu, static_cast<std::uint8_t>(i * 8), values[7U - i]);
  set_stack_pointer(cpu, cpu.gpr[kRsp] + 8 * sizeof(T));
  return next(cpu, op);
}
template <template <class> class Choice>
void emit_all(Decoding& d) {
  d.op.segment = kSs;
  d.op.handler = d.instruction.operand_width == 16 ? Choice<std::uint16_t>::kHandler : Choice<std::uint32_t>::kHandler;
}
template <class T>
struct Pusha {
  static constexpr Handler kHandler = &pusha<T>;
};
template <class T>
struct Popa {
  static constexpr Handler kHandler = &popa<T>;
};

/// The two bounds follow each other and are part of the range. SDM vol. 2, BOUND.
template <class T, Addressing A>
const Block* bound(Cpu& cpu, const Op* op) {
  using S = std::make_signed_t<T>;
  const auto lower = static_cast<S>(load<T>(cpu, op, linear_of<A, T>(cpu, op, false)));
  const auto upper = static_cast<S>(load<T>(cpu, op, linear_beyond<A, T>(cpu, op, sizeof(T), false)));
  const auto value = static_cast<S>(get_register<T>(cpu, op->destination));
  if (value < lower || value > upper) raise_of(cpu, op, Vector::BoundRange);
  return next(cpu, op);
}
template <class T>
Handler choose_bound(const Decoding& d) {
  return d.checked ? &bound<T, Addressing::Checked> : &bound<T, Addressing::Flat>;
}
void emit_bound(Decoding& d) {
  d.use_destination(0);
  d.use_memory(1);
  d.op.handler = d.width(0) == 16 ? choose_bound<std::uint16_t>(d) : choose_bound<std::uint32_t>(d);
}

}  // namespace

void add_frame_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_ENTER] = &emit_enter;
  table[ZYDIS_MNEMONIC_LEAVE] = &emit_leave;
  table[ZYDIS_MNEMONIC_PUSHA] = &emit_all<Pusha>;
  table[ZYDIS_MNEMONIC_PUSHAD] = &emit_all<Pusha>;
  table[ZYDIS_MNEMONIC_POPA] = &emit_all<Popa>;
  table[ZYDIS_MNEMONIC_POPAD] = &emit_all<Popa>;
  table[ZYDIS_MNEMONIC_BOUND] = &emit_bound;
}

}  // namespace machina::jit
