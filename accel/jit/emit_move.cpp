/// MOV, MOVZX, MOVSX, MOVSXD, LEA, XCHG, CMOVcc, SETcc, PUSH, POP of general registers and memory.

#include <algorithm>

#include "accel/jit/emitters.h"
#include "accel/jit/stack.h"

namespace machina::jit {

namespace {

template <class T>
const Block* mov_rr(Cpu& cpu, const Op* op) {
  set_register<T>(cpu, op->destination, get_register<T>(cpu, op->source));
  return next(cpu, op);
}
template <class T>
const Block* mov_ri(Cpu& cpu, const Op* op) {
  set_register<T>(cpu, op->destination, static_cast<T>(op->immediate));
  return next(cpu, op);
}
// The two most frequent of all: what misses the TLB goes on in a function of its own, so that what hits it saves no
// registers.
template <class T>
[[gnu::noinline, gnu::cold]] const Block* mov_rm_slowly(Cpu& cpu, const Op* op, std::uint64_t linear) {
  set_register<T>(cpu, op->destination, static_cast<T>(read_slow(cpu, op, linear, sizeof(T))));
  return next(cpu, op);
}
template <class T, Addressing A>
const Block* mov_rm(Cpu& cpu, const Op* op) {
  const std::uint64_t linear = linear_of<A, T>(cpu, op, false);
  const TlbEntry& e = cpu.tlb->entry(linear);
  if (e.read.load(std::memory_order_relaxed) != tag_of<T>(linear)) [[unlikely]]
    return mov_rm_slowly<T>(cpu, op, linear);
  set_register<T>(cpu, op->destination, ram_load<T>(reinterpret_cast<const void*>(linear + e.addend)));
  return next(cpu, op);
}
template <class T>
[[gnu::noinline, gnu::cold]] const Block* mov_mr_slowly(Cpu& cpu, const Op* op, std::uint64_t linear) {
  write_slow(cpu, op, linear, sizeof(T), get_register<T>(cpu, op->source));
  return next(cpu, op);
}
template <class T, Addressing A>
const Block* mov_mr(Cpu& cpu, const Op* op) {
  const std::uint64_t linear = linear_of<A, T>(cpu, op, true);
  const TlbEntry& e = cpu.tlb->entry(linear);
  if (e.write.load(std::memory_order_relaxed) != tag_of<T>(linear)) [[unlikely]]
    return mov_mr_slowly<T>(cpu, op, linear);
  ram_store<T>(reinterpret_cast<void*>(linear + e.addend), get_register<T>(cpu, op->source));
  return next(cpu, op);
}
template <class T, Addressing A>
const Block* mov_mi(Cpu& cpu, const Op* op) {
  store<T>(cpu, op, linear_of<A, T>(cpu, op, true), static_cast<T>(op->immediate));
  return next(cpu, op);
}

/// The accumulator from or to an offset of 64 bits, which only these forms have. Op::immediate holds it.
template <class T, bool Store>
const Block* mov_absolute(Cpu& cpu, const Op* op) {
  const std::uint64_t linear = cpu.segment_base[op->segment] + op->immediate;
  if constexpr (Store) {
    store<T>(cpu, op, linear, get_register<T>(cpu, op->source));
  } else {
    set_register<T>(cpu, op->destination, load<T>(cpu, op, linear));
  }
  return next(cpu, op);
}

bool has_wide_offset(const Decoding& d, unsigned n) {
  if (!d.is_memory(n)) return false;
  const auto& mem = d.operand(n).mem;
  return mem.base == ZYDIS_REGISTER_NONE && mem.index == ZYDIS_REGISTER_NONE && d.instruction.address_width == 64 &&
         mem.disp.value != static_cast<std::int32_t>(mem.disp.value);
}

void emit_mov_absolute(Decoding& d) {
  const unsigned memory = d.is_memory(0) ? 0 : 1;
  d.use_memory(memory);
  d.op.immediate = static_cast<std::uint64_t>(d.operand(memory).mem.disp.value);
  if (memory == 0) d.use_source(1);
  if (memory == 1) d.use_destination(0);
  d.op.handler = by_width(
      d.width(0), [&]<class T>() -> Handler { return memory == 0 ? &mov_absolute<T, true> : &mov_absolute<T, false>; });
}

void emit_mov(Decoding& d) {
  if (has_wide_offset(d, 0) || has_wide_offset(d, 1)) return emit_mov_absolute(d);
  if (d.is_memory(0)) d.use_memory(0);
  if (d.is_memory(1)) d.use_memory(1);
  if (d.is_register(0)) d.use_destination(0);
  if (d.is_register(1)) d.use_source(1);
  if (d.is_immediate(1)) d.use_immediate(1);
  d.op.handler = by_width(d.width(0), [&]<class T>() -> Handler {
    if (d.is_memory(0)) {
      if (d.is_immediate(1)) return d.checked ? &mov_mi<T, Addressing::Checked> : &mov_mi<T, Addressing::Flat>;
      return d.checked ? &mov_mr<T, Addressing::Checked> : &mov_mr<T, Addressing::Flat>;
    }
    if (d.is_memory(1)) return d.checked ? &mov_rm<T, Addressing::Checked> : &mov_rm<T, Addressing::Flat>;
    return d.is_immediate(1) ? &mov_ri<T> : &mov_rr<T>;
  });
}

/// From S to T, with zeros or copies of the sign.
template <class T, class S, bool Signed>
T extend(S value) {
  if constexpr (Signed) {
    return static_cast<T>(static_cast<std::make_signed_t<T>>(static_cast<std::make_signed_t<S>>(value)));
  } else {
    return static_cast<T>(value);
  }
}
template <class T, class S, bool Signed>
const Block* extend_rr(Cpu& cpu, const Op* op) {
  set_register<T>(cpu, op->destination, extend<T, S, Signed>(get_register<S>(cpu, op->source)));
  return next(cpu, op);
}
template <class T, class S, bool Signed, Addressing A>
const Block* extend_rm(Cpu& cpu, const Op* op) {
  set_register<T>(cpu, op->destination, extend<T, S, Signed>(load<S>(cpu, op, linear_of<A, S>(cpu, op, false))));
  return next(cpu, op);
}
template <bool Signed>
void emit_extend(Decoding& d) {
  d.use_destination(0);
  if (d.is_memory(1)) {
    d.use_memory(1);
  } else {
    d.use_source(1);
  }
  // MOVSXD of 16 bits moves 16 bits, where Zydis shows a source of 32. SDM vol. 2, MOVSX/MOVSXD.
  d.op.handler = by_width(d.width(0), [&]<class T>() -> Handler {
    return by_width(std::min(d.width(0), d.width(1)), [&]<class S>() -> Handler {
      if constexpr (sizeof(S) > sizeof(T)) {
        return nullptr;
      } else {
        if (d.is_register(1)) return &extend_rr<T, S, Signed>;
        return d.checked ? &extend_rm<T, S, Signed, Addressing::Checked> : &extend_rm<T, S, Signed, Addressing::Flat>;
      }
    });
  });
}

template <class T>
const Block* lea(Cpu& cpu, const Op* op) {
  set_register<T>(cpu, op->destination, static_cast<T>(effective_offset(cpu, op)));
  return next(cpu, op);
}
void emit_lea(Decoding& d) {
  d.use_destination(0);
  d.use_memory(1);
  d.op.handler = by_width(d.width(0), []<class T>() -> Handler { return &lea<T>; });
}

template <class T>
const Block* xchg_rr(Cpu& cpu, const Op* op) {
  const T a = get_register<T>(cpu, op->destination);
  set_register<T>(cpu, op->destination, get_register<T>(cpu, op->source));
  set_register<T>(cpu, op->source, a);
  return next(cpu, op);
}
/// Locked with or without the prefix: SDM vol. 2, XCHG.
template <class T, Addressing A>
const Block* xchg_mr(Cpu& cpu, const Op* op) {
  const T value = get_register<T>(cpu, op->source);
  const T old =
      update_locked<T>(cpu, op, linear_of<A, T>(cpu, op, true), [value](ArithmeticFlags&, T) { return value; });
  set_register<T>(cpu, op->source, old);
  return next(cpu, op);
}
void emit_xchg(Decoding& d) {
  const unsigned memory = d.is_memory(0) ? 0 : 1;
  if (d.is_memory(memory)) {
    d.use_memory(memory);
    d.use_source(1 - memory);
    d.op.handler = by_width(d.width(0), [&]<class T>() -> Handler {
      return d.checked ? &xchg_mr<T, Addressing::Checked> : &xchg_mr<T, Addressing::Flat>;
    });
    return;
  }
  d.use_destination(0);
  d.use_source(1);
  d.op.handler = by_width(d.width(0), []<class T>() -> Handler { return &xchg_rr<T>; });
}

/// F3 90 with REX.B.
void emit_xchg_r8(Decoding& d) {
  d.op.destination = kRax * 8;
  d.op.source = kR8 * 8;
  const bool word = d.instruction.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE;
  d.op.handler = by_width(d.instruction.raw.rex.W ? 64
                          : word                  ? 16
                                                  : 32,
                          []<class T>() -> Handler { return &xchg_rr<T>; });
}

// CMOVcc reads its operand, and clears the upper half of a 32-bit register, whatever the condition.
template <class T>
const Block* cmov_rr(Cpu& cpu, const Op* op) {
  set_register<T>(cpu, op->destination,
                  get_register<T>(cpu, cpu.flags.condition(op->extra) ? op->source : op->destination));
  return next(cpu, op);
}
template <class T, Addressing A>
const Block* cmov_rm(Cpu& cpu, const Op* op) {
  const T value = load<T>(cpu, op, linear_of<A, T>(cpu, op, false));
  set_register<T>(cpu, op->destination, cpu.flags.condition(op->extra) ? value : get_register<T>(cpu, op->destination));
  return next(cpu, op);
}
void emit_cmov(Decoding& d) {
  d.op.extra = d.instruction.opcode & 0xf;
  d.use_destination(0);
  if (d.is_memory(1)) {
    d.use_memory(1);
  } else {
    d.use_source(1);
  }
  d.op.handler = by_width(d.width(0), [&]<class T>() -> Handler {
    if (d.is_register(1)) return &cmov_rr<T>;
    return d.checked ? &cmov_rm<T, Addressing::Checked> : &cmov_rm<T, Addressing::Flat>;
  });
}

const Block* setcc_r(Cpu& cpu, const Op* op) {
  set_register<std::uint8_t>(cpu, op->destination, cpu.flags.condition(op->extra));
  return next(cpu, op);
}
template <Addressing A>
const Block* setcc_m(Cpu& cpu, const Op* op) {
  store<std::uint8_t>(cpu, op, linear_of<A, std::uint8_t>(cpu, op, true), cpu.flags.condition(op->extra));
  return next(cpu, op);
}
void emit_setcc(Decoding& d) {
  d.op.extra = d.instruction.opcode & 0xf;
  if (d.is_register(0)) {
    d.use_destination(0);
    d.op.handler = &setcc_r;
    return;
  }
  d.use_memory(0);
  d.op.handler = d.checked ? &setcc_m<Addressing::Checked> : &setcc_m<Addressing::Flat>;
}

template <class T>
const Block* push_r(Cpu& cpu, const Op* op) {
  push<T>(cpu, op, get_register<T>(cpu, op->source));
  return next(cpu, op);
}
template <class T>
const Block* push_i(Cpu& cpu, const Op* op) {
  push<T>(cpu, op, static_cast<T>(op->immediate));
  return next(cpu, op);
}
template <class T, Addressing A>
const Block* push_m(Cpu& cpu, const Op* op) {
  push<T>(cpu, op, load<T>(cpu, op, linear_of<A, T>(cpu, op, false)));
  return next(cpu, op);
}
template <class T>
const Block* pop_r(Cpu& cpu, const Op* op) {
  const T value = pop<T>(cpu, op);  // POP of the stack pointer: the value wins
  set_register<T>(cpu, op->destination, value);
  return next(cpu, op);
}
/// The address is computed with the stack pointer after the POP, which a fault takes back, and so does a store into the
/// block that runs: SDM vol. 2, POP.
template <class T, Addressing A>
const Block* pop_m(Cpu& cpu, const Op* op) {
  const std::uint64_t rsp = cpu.gpr[kRsp];
  const T value = pop<T>(cpu, op);
  try {
    store<T>(cpu, op, linear_of<A, T>(cpu, op, true), value);
  } catch (...) {
    cpu.gpr[kRsp] = rsp;
    throw;
  }
  return next(cpu, op);
}
void emit_push(Decoding& d) {
  const unsigned width = d.instruction.operand_width;
  if (d.is_register(0)) {
    d.use_source(0);
    d.op.handler = by_width(width, []<class T>() -> Handler { return &push_r<T>; });
  } else if (d.is_immediate(0)) {
    d.use_immediate(0);
    d.op.handler = by_width(width, []<class T>() -> Handler { return &push_i<T>; });
  } else {
    d.use_memory(0);
    d.op.handler = by_width(width, [&]<class T>() -> Handler {
      return d.checked ? &push_m<T, Addressing::Checked> : &push_m<T, Addressing::Flat>;
    });
  }
}
void emit_pop(Decoding& d) {
  const unsigned width = d.instruction.operand_width;
  if (d.is_register(0)) {
    d.use_destination(0);
    d.op.handler = by_width(width, []<class T>() -> Handler { return &pop_r<T>; });
    return;
  }
  d.use_memory(0);
  d.op.handler = by_width(width, [&]<class T>() -> Handler {
    return d.checked ? &pop_m<T, Addressing::Checked> : &pop_m<T, Addressing::Flat>;
  });
}

}  // namespace

void add_move_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_MOV] = &emit_mov;
  table[ZYDIS_MNEMONIC_MOVZX] = &emit_extend<false>;
  table[ZYDIS_MNEMONIC_MOVSX] = &emit_extend<true>;
  table[ZYDIS_MNEMONIC_MOVSXD] = &emit_extend<true>;
  table[ZYDIS_MNEMONIC_LEA] = &emit_lea;
  table[ZYDIS_MNEMONIC_XCHG] = &emit_xchg;
  table[kRowXchgR8] = &emit_xchg_r8;
  table[ZYDIS_MNEMONIC_PUSH] = &emit_push;
  table[ZYDIS_MNEMONIC_POP] = &emit_pop;
  for (const ZydisMnemonic m :
       {ZYDIS_MNEMONIC_CMOVB, ZYDIS_MNEMONIC_CMOVBE, ZYDIS_MNEMONIC_CMOVL, ZYDIS_MNEMONIC_CMOVLE, ZYDIS_MNEMONIC_CMOVNB,
        ZYDIS_MNEMONIC_CMOVNBE, ZYDIS_MNEMONIC_CMOVNL, ZYDIS_MNEMONIC_CMOVNLE, ZYDIS_MNEMONIC_CMOVNO,
        ZYDIS_MNEMONIC_CMOVNP, ZYDIS_MNEMONIC_CMOVNS, ZYDIS_MNEMONIC_CMOVNZ, ZYDIS_MNEMONIC_CMOVO, ZYDIS_MNEMONIC_CMOVP,
        ZYDIS_MNEMONIC_CMOVS, ZYDIS_MNEMONIC_CMOVZ})
    table[m] = &emit_cmov;
  for (const ZydisMnemonic m :
       {ZYDIS_MNEMONIC_SETB, ZYDIS_MNEMONIC_SETBE, ZYDIS_MNEMONIC_SETL, ZYDIS_MNEMONIC_SETLE, ZYDIS_MNEMONIC_SETNB,
        ZYDIS_MNEMONIC_SETNBE, ZYDIS_MNEMONIC_SETNL, ZYDIS_MNEMONIC_SETNLE, ZYDIS_MNEMONIC_SETNO, ZYDIS_MNEMONIC_SETNP,
        ZYDIS_MNEMONIC_SETNS, ZYDIS_MNEMONIC_SETNZ, ZYDIS_MNEMONIC_SETO, ZYDIS_MNEMONIC_SETP, ZYDIS_MNEMONIC_SETS,
        ZYDIS_MNEMONIC_SETZ})
    table[m] = &emit_setcc;
}

}  // namespace machina::jit
