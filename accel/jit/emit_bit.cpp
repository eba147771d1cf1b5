/// SHLD, SHRD; BT, BTS, BTR, BTC; BSF, BSR, TZCNT, LZCNT, POPCNT.

#include <bit>
#include <type_traits>

#include "accel/jit/alu.h"
#include "accel/jit/emitters.h"

namespace machina::jit {

namespace {

template <class Shift, class T, Place P, bool Immediate>
const Block* double_shift(Cpu& cpu, const Op* op) {
  const auto count = static_cast<unsigned>(Immediate ? op->immediate : cpu.gpr[kRcx] & 0xff);
  const T from = get_register<T>(cpu, op->source);
  change_place<T, P, false>(
      cpu, op, [from, count](ArithmeticFlags& flags, T a) { return Shift::template apply<T>(flags, a, from, count); });
  return next(cpu, op);
}
template <class Shift>
void emit_double_shift(Decoding& d) {
  d.use_destination_or_memory(0);
  d.use_source(1);
  const bool immediate = d.is_immediate(2);
  if (immediate) d.use_immediate(2);
  d.op.handler = by_word_width(d.width(0), [&]<class T>() -> Handler {
    return by_place(d, 0, [&]<Place P>() -> Handler {
      return immediate ? &double_shift<Shift, T, P, true> : &double_shift<Shift, T, P, false>;
    });
  });
}

template <class Bit, class T, bool Immediate>
const Block* bit_r(Cpu& cpu, const Op* op) {
  const T b = Immediate ? static_cast<T>(op->immediate) : get_register<T>(cpu, op->source);
  const T r = Bit::template apply<T>(cpu.flags, get_register<T>(cpu, op->destination), b);
  if constexpr (Bit::writes) set_register<T>(cpu, op->destination, r);
  return next(cpu, op);
}
/// A register's bit offset is signed and reaches any distance; an immediate's stays within the operand. SDM vol. 2, BT.
template <class Bit, class T, Addressing A, bool Immediate, bool Locked>
const Block* bit_m(Cpu& cpu, const Op* op) {
  const T b = Immediate ? static_cast<T>(op->immediate) : get_register<T>(cpu, op->source);
  std::uint64_t by = 0;
  if constexpr (!Immediate)
    by = static_cast<std::uint64_t>(
        (std::int64_t{static_cast<std::make_signed_t<T>>(b)} >> std::countr_zero(8 * sizeof(T))) *
        static_cast<std::int64_t>(sizeof(T)));
  const std::uint64_t linear = linear_beyond<A, T>(cpu, op, by, Bit::writes);
  const auto change = [b](ArithmeticFlags& flags, T a) { return Bit::template apply<T>(flags, a, b); };
  if constexpr (!Bit::writes) {
    change(cpu.flags, load<T>(cpu, op, linear));
  } else if constexpr (Locked) {
    update_locked<T>(cpu, op, linear, change);
  } else {
    update<T>(cpu, op, linear, change);
  }
  return next(cpu, op);
}
template <class Bit, class T, bool Immediate>
Handler choose_bit_m(const Decoding& d) {
  constexpr Addressing kFlat = Addressing::Flat, kChecked = Addressing::Checked;
  if (d.locked()) return d.checked ? &bit_m<Bit, T, kChecked, Immediate, true> : &bit_m<Bit, T, kFlat, Immediate, true>;
  return d.checked ? &bit_m<Bit, T, kChecked, Immediate, false> : &bit_m<Bit, T, kFlat, Immediate, false>;
}
template <class Bit>
void emit_bit(Decoding& d) {
  d.use_destination_or_memory(0);
  const bool immediate = d.is_immediate(1);
  immediate ? d.use_immediate(1) : d.use_source(1);
  d.op.handler = by_word_width(d.width(0), [&]<class T>() -> Handler {
    if (d.is_register(0)) return immediate ? &bit_r<Bit, T, true> : &bit_r<Bit, T, false>;
    return immediate ? choose_bit_m<Bit, T, true>(d) : choose_bit_m<Bit, T, false>(d);
  });
}

template <class Scan, class T, Place P>
const Block* scan(Cpu& cpu, const Op* op) {
  const T source = read_place<T, P>(cpu, op, op->source);
  std::uint64_t& whole = cpu.gpr[op->destination / 8];
  whole = Scan::template apply<T>(cpu.flags, whole, source);
  return next(cpu, op);
}
template <class Scan>
void emit_scan(Decoding& d) {
  d.use_destination(0);
  d.use_source_or_memory(1);
  d.op.handler = by_word_width(d.width(0), [&]<class T>() -> Handler {
    return by_place(d, 1, []<Place P>() -> Handler { return &scan<Scan, T, P>; });
  });
}

}  // namespace

void add_bit_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_SHLD] = &emit_double_shift<alu::Shld>;
  table[ZYDIS_MNEMONIC_SHRD] = &emit_double_shift<alu::Shrd>;
  table[ZYDIS_MNEMONIC_BT] = &emit_bit<alu::Bt>;
  table[ZYDIS_MNEMONIC_BTS] = &emit_bit<alu::Bts>;
  table[ZYDIS_MNEMONIC_BTR] = &emit_bit<alu::Btr>;
  table[ZYDIS_MNEMONIC_BTC] = &emit_bit<alu::Btc>;
  table[ZYDIS_MNEMONIC_BSF] = &emit_scan<alu::Bsf>;
  table[ZYDIS_MNEMONIC_BSR] = &emit_scan<alu::Bsr>;
  table[ZYDIS_MNEMONIC_TZCNT] = &emit_scan<alu::Tzcnt>;
  table[ZYDIS_MNEMONIC_LZCNT] = &emit_scan<alu::Lzcnt>;
  table[ZYDIS_MNEMONIC_POPCNT] = &emit_scan<alu::Popcnt>;
}

}  // namespace machina::jit
