/// Near branches: Jcc, JMP, CALL, RET, LOOP, JCXZ. Far ones are in emit_far.cpp.

#include "accel/jit/branch.h"
#include "accel/jit/emitters.h"

namespace machina::jit {

namespace {

template <class T>
const Block* jcc(Cpu& cpu, const Op* op) {
  if (cpu.flags.condition(op->extra)) return go_relative<T>(cpu, op);
  return go_on(cpu, op, after(cpu, op));
}
template <class T>
const Block* jmp(Cpu& cpu, const Op* op) {
  return go_relative<T>(cpu, op);
}
template <class T>
const Block* jmp_r(Cpu& cpu, const Op* op) {
  return go_indirect(cpu, op, get_register<T>(cpu, op->source));
}
template <class T, Addressing A>
const Block* jmp_m(Cpu& cpu, const Op* op) {
  return go_indirect(cpu, op, load<T>(cpu, op, linear_of<A, T>(cpu, op, false)));
}

/// The return address is pushed once the target is known to be good.
template <class T>
void push_return(Cpu& cpu, const Op* op, std::uint64_t target) {
  const std::uint64_t before = cpu.rip;
  set_rip(cpu, op, target);
  cpu.rip = before;
  push<T>(cpu, op, static_cast<T>(after(cpu, op)));
}
template <class T>
const Block* call(Cpu& cpu, const Op* op) {
  push_return<T>(cpu, op, relative_target<T>(cpu, op));
  return go_relative<T>(cpu, op);
}
template <class T>
const Block* call_r(Cpu& cpu, const Op* op) {
  const std::uint64_t target = get_register<T>(cpu, op->source);
  push_return<T>(cpu, op, target);
  return go_indirect(cpu, op, target);
}
template <class T, Addressing A>
const Block* call_m(Cpu& cpu, const Op* op) {
  const std::uint64_t target = load<T>(cpu, op, linear_of<A, T>(cpu, op, false));
  push_return<T>(cpu, op, target);
  return go_indirect(cpu, op, target);
}
template <class T>
const Block* ret(Cpu& cpu, const Op* op) {
  const std::uint64_t target = top<T>(cpu, op);
  set_rip(cpu, op, target);
  set_stack_pointer(cpu, cpu.gpr[kRsp] + sizeof(T) + op->immediate);
  return nullptr;
}

/// What a relative operand is worth from the start of the block.
void use_target(Decoding& d) {
  d.op.immediate = d.operand(0).imm.value.u + d.op.offset + d.op.length;
  d.ends_block = true;
}

void emit_jcc(Decoding& d) {
  d.op.extra = d.instruction.opcode & 0xf;
  use_target(d);
  d.op.handler = by_width(d.instruction.operand_width, []<class T>() -> Handler { return &jcc<T>; });
}

void emit_jmp(Decoding& d) {
  d.ends_block = true;
  const unsigned width = d.instruction.operand_width;
  if (d.is_immediate(0)) {
    use_target(d);
    d.op.handler = by_width(width, []<class T>() -> Handler { return &jmp<T>; });
  } else if (d.is_register(0)) {
    d.use_source(0);
    d.op.handler = by_width(width, []<class T>() -> Handler { return &jmp_r<T>; });
  } else {
    d.use_memory(0);
    d.op.handler = by_width(width, [&]<class T>() -> Handler {
      return d.checked ? &jmp_m<T, Addressing::Checked> : &jmp_m<T, Addressing::Flat>;
    });
  }
}

void emit_call(Decoding& d) {
  d.ends_block = true;
  const unsigned width = d.instruction.operand_width;
  if (d.is_immediate(0)) {
    use_target(d);
    d.op.handler = by_width(width, []<class T>() -> Handler { return &call<T>; });
  } else if (d.is_register(0)) {
    d.use_source(0);
    d.op.handler = by_width(width, []<class T>() -> Handler { return &call_r<T>; });
  } else {
    d.use_memory(0);
    d.op.handler = by_width(width, [&]<class T>() -> Handler {
      return d.checked ? &call_m<T, Addressing::Checked> : &call_m<T, Addressing::Flat>;
    });
  }
}

void emit_ret(Decoding& d) {
  d.ends_block = true;
  d.op.immediate = d.instruction.operand_count_visible > 0 && d.is_immediate(0) ? d.operand(0).imm.value.u : 0;
  d.op.handler = by_width(d.instruction.operand_width, []<class T>() -> Handler { return &ret<T>; });
}

/// The counter has the size of addresses. LOOP changes no flag.
enum class LoopKind { Always, WhileEqual, WhileNotEqual, IfZero };
template <class T, LoopKind Kind>
const Block* loop(Cpu& cpu, const Op* op) {
  bool taken = false;
  const std::uint64_t mask = op->address_mask;
  std::uint64_t count = cpu.gpr[kRcx] & mask;
  if constexpr (Kind == LoopKind::IfZero) {
    taken = count == 0;
  } else {
    count = (count - 1) & mask;
    taken = count != 0;
    if constexpr (Kind == LoopKind::WhileEqual) taken = taken && cpu.flags.zf();
    if constexpr (Kind == LoopKind::WhileNotEqual) taken = taken && !cpu.flags.zf();
  }
  if (taken) set_rip(cpu, op, relative_target<T>(cpu, op));  // may fault, before the counter changes
  if constexpr (Kind != LoopKind::IfZero) cpu.gpr[kRcx] = mask == 0xffff ? (cpu.gpr[kRcx] & ~mask) | count : count;
  return taken ? follow_relative<T>(cpu, op) : go_on(cpu, op, after(cpu, op));
}
template <LoopKind Kind>
void emit_loop(Decoding& d) {
  use_target(d);
  const unsigned bits = d.instruction.address_width;
  d.op.address_mask = bits == 64 ? ~std::uint64_t{0} : bits == 32 ? 0xffffffff : 0xffff;
  d.op.handler = by_width(d.instruction.operand_width, []<class T>() -> Handler { return &loop<T, Kind>; });
}

}  // namespace

void add_branch_emitters(EmitterTable& table) {
  for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_JB, ZYDIS_MNEMONIC_JBE, ZYDIS_MNEMONIC_JL, ZYDIS_MNEMONIC_JLE,
                                ZYDIS_MNEMONIC_JNB, ZYDIS_MNEMONIC_JNBE, ZYDIS_MNEMONIC_JNL, ZYDIS_MNEMONIC_JNLE,
                                ZYDIS_MNEMONIC_JNO, ZYDIS_MNEMONIC_JNP, ZYDIS_MNEMONIC_JNS, ZYDIS_MNEMONIC_JNZ,
                                ZYDIS_MNEMONIC_JO, ZYDIS_MNEMONIC_JP, ZYDIS_MNEMONIC_JS, ZYDIS_MNEMONIC_JZ})
    table[m] = &emit_jcc;
  table[ZYDIS_MNEMONIC_JMP] = &emit_jmp;
  table[ZYDIS_MNEMONIC_CALL] = &emit_call;
  table[ZYDIS_MNEMONIC_RET] = &emit_ret;
  table[ZYDIS_MNEMONIC_LOOP] = &emit_loop<LoopKind::Always>;
  table[ZYDIS_MNEMONIC_LOOPE] = &emit_loop<LoopKind::WhileEqual>;
  table[ZYDIS_MNEMONIC_LOOPNE] = &emit_loop<LoopKind::WhileNotEqual>;
  table[ZYDIS_MNEMONIC_JCXZ] = &emit_loop<LoopKind::IfZero>;
  table[ZYDIS_MNEMONIC_JECXZ] = &emit_loop<LoopKind::IfZero>;
  table[ZYDIS_MNEMONIC_JRCXZ] = &emit_loop<LoopKind::IfZero>;
}

}  // namespace machina::jit
