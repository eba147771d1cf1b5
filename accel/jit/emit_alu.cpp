/// ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST; INC, DEC, NEG, NOT; shifts and rotates.

#include "accel/jit/alu.h"
#include "accel/jit/emitters.h"

namespace machina::jit {

namespace {

template <class Alu, class T>
const Block* binary_rr(Cpu& cpu, const Op* op) {
  const T r =
      Alu::template apply<T>(cpu.flags, get_register<T>(cpu, op->destination), get_register<T>(cpu, op->source));
  if constexpr (Alu::writes) set_register<T>(cpu, op->destination, r);
  return next(cpu, op);
}

template <class Alu, class T>
const Block* binary_ri(Cpu& cpu, const Op* op) {
  const T r = Alu::template apply<T>(cpu.flags, get_register<T>(cpu, op->destination), static_cast<T>(op->immediate));
  if constexpr (Alu::writes) set_register<T>(cpu, op->destination, r);
  return next(cpu, op);
}

template <class Alu, class T, Addressing A>
const Block* binary_rm(Cpu& cpu, const Op* op) {
  const T b = load<T>(cpu, op, linear_of<A, T>(cpu, op, false));
  const T r = Alu::template apply<T>(cpu.flags, get_register<T>(cpu, op->destination), b);
  if constexpr (Alu::writes) set_register<T>(cpu, op->destination, r);
  return next(cpu, op);
}

template <class Alu, class T, Addressing A, bool Locked, bool Immediate>
const Block* binary_m(Cpu& cpu, const Op* op) {
  const std::uint64_t linear = linear_of<A, T>(cpu, op, Alu::writes);
  const T b = Immediate ? static_cast<T>(op->immediate) : get_register<T>(cpu, op->source);
  if constexpr (Alu::writes) {
    const auto change = [b](ArithmeticFlags& flags, T a) { return Alu::template apply<T>(flags, a, b); };
    if constexpr (Locked) {
      update_locked<T>(cpu, op, linear, change);
    } else {
      update<T>(cpu, op, linear, change);
    }
  } else {
    Alu::template apply<T>(cpu.flags, load<T>(cpu, op, linear), b);
  }
  return next(cpu, op);
}

template <class Alu, class T, bool Immediate>
Handler choose_binary_m(const Decoding& d) {
  if (d.locked())
    return d.checked ? &binary_m<Alu, T, Addressing::Checked, true, Immediate>
                     : &binary_m<Alu, T, Addressing::Flat, true, Immediate>;
  return d.checked ? &binary_m<Alu, T, Addressing::Checked, false, Immediate>
                   : &binary_m<Alu, T, Addressing::Flat, false, Immediate>;
}

template <class Alu>
void emit_binary(Decoding& d) {
  if (d.is_register(0)) d.use_destination(0);
  if (d.is_register(1)) d.use_source(1);
  if (d.is_immediate(1)) d.use_immediate(1);
  if (d.is_memory(0)) d.use_memory(0);
  if (d.is_memory(1)) d.use_memory(1);
  d.op.handler = by_width(d.width(0), [&]<class T>() -> Handler {
    if (d.is_memory(0)) return d.is_immediate(1) ? choose_binary_m<Alu, T, true>(d) : choose_binary_m<Alu, T, false>(d);
    if (d.is_memory(1))
      return d.checked ? &binary_rm<Alu, T, Addressing::Checked> : &binary_rm<Alu, T, Addressing::Flat>;
    return d.is_immediate(1) ? &binary_ri<Alu, T> : &binary_rr<Alu, T>;
  });
}

template <class Alu, class T>
const Block* unary_r(Cpu& cpu, const Op* op) {
  set_register<T>(cpu, op->destination, Alu::template apply<T>(cpu.flags, get_register<T>(cpu, op->destination)));
  return next(cpu, op);
}

template <class Alu, class T, Addressing A, bool Locked>
const Block* unary_m(Cpu& cpu, const Op* op) {
  const auto change = [](ArithmeticFlags& flags, T a) { return Alu::template apply<T>(flags, a); };
  const std::uint64_t linear = linear_of<A, T>(cpu, op, true);
  if constexpr (Locked) {
    update_locked<T>(cpu, op, linear, change);
  } else {
    update<T>(cpu, op, linear, change);
  }
  return next(cpu, op);
}

template <class Alu>
void emit_unary(Decoding& d) {
  if (d.is_register(0)) {
    d.use_destination(0);
    d.op.handler = by_width(d.width(0), []<class T>() -> Handler { return &unary_r<Alu, T>; });
    return;
  }
  d.use_memory(0);
  d.op.handler = by_width(d.width(0), [&]<class T>() -> Handler {
    if (d.locked())
      return d.checked ? &unary_m<Alu, T, Addressing::Checked, true> : &unary_m<Alu, T, Addressing::Flat, true>;
    return d.checked ? &unary_m<Alu, T, Addressing::Checked, false> : &unary_m<Alu, T, Addressing::Flat, false>;
  });
}

/// By CL (an operand that Zydis shows as a register) or an immediate.
template <class Shift, class T, bool Immediate>
const Block* shift_r(Cpu& cpu, const Op* op) {
  const auto count = static_cast<unsigned>(Immediate ? op->immediate : cpu.gpr[kRcx] & 0xff);
  set_register<T>(cpu, op->destination,
                  Shift::template apply<T>(cpu.flags, get_register<T>(cpu, op->destination), count));
  return next(cpu, op);
}

template <class Shift, class T, Addressing A, bool Immediate>
const Block* shift_m(Cpu& cpu, const Op* op) {
  const auto count = static_cast<unsigned>(Immediate ? op->immediate : cpu.gpr[kRcx] & 0xff);
  update<T>(cpu, op, linear_of<A, T>(cpu, op, true),
            [count](ArithmeticFlags& flags, T a) { return Shift::template apply<T>(flags, a, count); });
  return next(cpu, op);
}

template <class Shift>
void emit_shift(Decoding& d) {
  const bool immediate = d.is_immediate(1);
  if (immediate) d.use_immediate(1);
  if (d.is_register(0)) {
    d.use_destination(0);
    d.op.handler = by_width(d.width(0), [&]<class T>() -> Handler {
      return immediate ? &shift_r<Shift, T, true> : &shift_r<Shift, T, false>;
    });
    return;
  }
  d.use_memory(0);
  d.op.handler = by_width(d.width(0), [&]<class T>() -> Handler {
    if (immediate)
      return d.checked ? &shift_m<Shift, T, Addressing::Checked, true> : &shift_m<Shift, T, Addressing::Flat, true>;
    return d.checked ? &shift_m<Shift, T, Addressing::Checked, false> : &shift_m<Shift, T, Addressing::Flat, false>;
  });
}

}  // namespace

void add_alu_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_ADD] = &emit_binary<alu::Add>;
  table[ZYDIS_MNEMONIC_OR] = &emit_binary<alu::Or>;
  table[ZYDIS_MNEMONIC_ADC] = &emit_binary<alu::Adc>;
  table[ZYDIS_MNEMONIC_SBB] = &emit_binary<alu::Sbb>;
  table[ZYDIS_MNEMONIC_AND] = &emit_binary<alu::And>;
  table[ZYDIS_MNEMONIC_SUB] = &emit_binary<alu::Sub>;
  table[ZYDIS_MNEMONIC_XOR] = &emit_binary<alu::Xor>;
  table[ZYDIS_MNEMONIC_CMP] = &emit_binary<alu::Cmp>;
  table[ZYDIS_MNEMONIC_TEST] = &emit_binary<alu::Test>;
  table[ZYDIS_MNEMONIC_INC] = &emit_unary<alu::Inc>;
  table[ZYDIS_MNEMONIC_DEC] = &emit_unary<alu::Dec>;
  table[ZYDIS_MNEMONIC_NEG] = &emit_unary<alu::Neg>;
  table[ZYDIS_MNEMONIC_NOT] = &emit_unary<alu::Not>;
  table[ZYDIS_MNEMONIC_SHL] = &emit_shift<alu::Shl>;
  table[ZYDIS_MNEMONIC_SHR] = &emit_shift<alu::Shr>;
  table[ZYDIS_MNEMONIC_SAR] = &emit_shift<alu::Sar>;
  table[ZYDIS_MNEMONIC_ROL] = &emit_shift<alu::Rol>;
  table[ZYDIS_MNEMONIC_ROR] = &emit_shift<alu::Ror>;
  table[ZYDIS_MNEMONIC_RCL] = &emit_shift<alu::Rcl>;
  table[ZYDIS_MNEMONIC_RCR] = &emit_shift<alu::Rcr>;
}

}  // namespace machina::jit
