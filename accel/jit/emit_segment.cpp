/// Segment registers as operands: MOV, PUSH, POP, LDS, LES, LFS, LGS, LSS.

#include "accel/jit/emitters.h"
#include "accel/jit/load_segment.h"
#include "accel/jit/system_handler.h"

namespace machina::jit {

namespace {

bool is_segment_register(const Decoding& d, unsigned n) {
  return d.is_register(n) && d.operand(n).reg.value >= ZYDIS_REGISTER_ES && d.operand(n).reg.value <= ZYDIS_REGISTER_GS;
}
/// The SegmentIndex of an operand that is one.
std::uint8_t segment_register(const Decoding& d, unsigned n) {
  return static_cast<std::uint8_t>(d.operand(n).reg.value - ZYDIS_REGISTER_ES);
}

/// Op::extra is the segment register of all of these.
const Block* mov_to_segment(Cpu& cpu, const Op* op, std::uint16_t selector) {
  cpu.fault_op = op;
  load_segment(cpu, op->extra, selector);
  if (op->extra == kSs) cpu.interrupt_shadow = kShadowOfMovSs;
  return next_in_mode(cpu, op);
}
const Block* mov_sr(Cpu& cpu, const Op* op) {
  return mov_to_segment(cpu, op, get_register<std::uint16_t>(cpu, op->source));
}
const Block* mov_sm(Cpu& cpu, const Op* op) { return mov_to_segment(cpu, op, load_operand<std::uint16_t>(cpu, op)); }

template <class T>
const Block* mov_rs(Cpu& cpu, const Op* op) {
  set_register<T>(cpu, op->destination, static_cast<T>(cpu.segment[op->extra].selector));
  return next(cpu, op);
}
const Block* mov_ms(Cpu& cpu, const Op* op) {
  store_operand<std::uint16_t>(cpu, op, cpu.segment[op->extra].selector);
  return next(cpu, op);
}

template <class T>
const Block* push_s(Cpu& cpu, const Op* op) {
  push<T>(cpu, op, static_cast<T>(cpu.segment[op->extra].selector));
  return next(cpu, op);
}
template <class T>
const Block* pop_s(Cpu& cpu, const Op* op) {
  const auto selector = static_cast<std::uint16_t>(top<T>(cpu, op));
  cpu.fault_op = op;
  load_segment(cpu, op->extra, selector);
  set_stack_pointer(cpu, cpu.gpr[kRsp] + sizeof(T));  // of the old stack's size: the mode is still that
  if (op->extra == kSs) cpu.interrupt_shadow = kShadowOfMovSs;
  return next_in_mode(cpu, op);
}

template <class T>
const Block* load_far(Cpu& cpu, const Op* op) {
  const std::uint64_t linear = linear_checked(cpu, op, sizeof(T) + 2, false);
  const T offset = load<T>(cpu, op, linear);
  const auto selector = load<std::uint16_t>(cpu, op, linear + sizeof(T));
  cpu.fault_op = op;
  load_segment(cpu, op->extra, selector);
  set_register<T>(cpu, op->destination, offset);
  return next_in_mode(cpu, op);
}
template <SegmentIndex Index>
void emit_load_far(Decoding& d) {
  d.op.extra = Index;
  d.use_destination(0);
  d.use_memory(1);
  d.op.handler = by_width(d.width(0), []<class T>() -> Handler {
    if constexpr (sizeof(T) == 1) {
      return nullptr;
    } else {
      return &load_far<T>;
    }
  });
}

void emit_mov_segment(Decoding& d) {
  if (is_segment_register(d, 0)) {
    d.op.extra = segment_register(d, 0);
    if (d.op.extra == kCs) return;  // #UD
    if (d.is_memory(1)) {
      d.use_memory(1);
      d.op.handler = &mov_sm;
    } else {
      d.use_source(1);
      d.op.handler = &mov_sr;
    }
    return;
  }
  d.op.extra = segment_register(d, 1);
  if (d.is_memory(0)) {
    d.use_memory(0);
    d.op.handler = &mov_ms;
  } else {
    d.use_destination(0);
    d.op.handler = by_width(d.width(0), []<class T>() -> Handler { return &mov_rs<T>; });
  }
}

void emit_push_segment(Decoding& d) {
  d.op.extra = segment_register(d, 0);
  d.op.handler = by_width(d.instruction.operand_width, []<class T>() -> Handler { return &push_s<T>; });
}

void emit_pop_segment(Decoding& d) {
  d.op.extra = segment_register(d, 0);
  d.op.handler = by_width(d.instruction.operand_width, []<class T>() -> Handler { return &pop_s<T>; });
}

}  // namespace

void add_segment_emitters(EmitterTable& table) {
  table[kRowMovSegment] = &emit_mov_segment;
  table[kRowPushSegment] = &emit_push_segment;
  table[kRowPopSegment] = &emit_pop_segment;
  table[ZYDIS_MNEMONIC_LDS] = &emit_load_far<kDs>;
  table[ZYDIS_MNEMONIC_LES] = &emit_load_far<kEs>;
  table[ZYDIS_MNEMONIC_LFS] = &emit_load_far<kFs>;
  table[ZYDIS_MNEMONIC_LGS] = &emit_load_far<kGs>;
  table[ZYDIS_MNEMONIC_LSS] = &emit_load_far<kSs>;
}

}  // namespace machina::jit
