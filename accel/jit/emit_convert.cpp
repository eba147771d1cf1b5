/// CBW, CWDE, CDQE, CWD, CDQ, CQO; BSWAP, MOVBE; XLAT.

#include <type_traits>

#include "accel/jit/emitters.h"

namespace machina::jit {

namespace {

/// AL to AX, AX to EAX, EAX to RAX.
template <class S, class T>
const Block* widen_accumulator(Cpu& cpu, const Op* op) {
  const auto value = static_cast<std::make_signed_t<S>>(get_register<S>(cpu, kRax * 8));
  set_register<T>(cpu, kRax * 8, static_cast<T>(static_cast<std::make_signed_t<T>>(value)));
  return next(cpu, op);
}
/// The accumulator's sign into all of DX, EDX or RDX.
template <class T>
const Block* sign_to_rdx(Cpu& cpu, const Op* op) {
  const bool negative = get_register<T>(cpu, kRax * 8) >> (8 * sizeof(T) - 1);
  set_register<T>(cpu, kRdx * 8, static_cast<T>(negative ? ~T{0} : T{0}));
  return next(cpu, op);
}
template <class T>
T byte_swapped(T value) {
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

/// Of 16 bits the result is undefined (SDM vol. 2, BSWAP); processors give zero.
template <class T>
const Block* bswap(Cpu& cpu, const Op* op) {
  const T value = get_register<T>(cpu, op->destination);
  set_register<T>(cpu, op->destination, sizeof(T) == 2 ? T{0} : byte_swapped(value));
  return next(cpu, op);
}
void emit_bswap(Decoding& d) {
  d.use_destination(0);
  d.op.handler = by_word_width(d.width(0), []<class T>() -> Handler { return &bswap<T>; });
}

template <class T, Addressing A>
const Block* movbe_load(Cpu& cpu, const Op* op) {
  set_register<T>(cpu, op->destination, byte_swapped(load<T>(cpu, op, linear_of<A, T>(cpu, op, false))));
  return next(cpu, op);
}
template <class T, Addressing A>
const Block* movbe_store(Cpu& cpu, const Op* op) {
  store<T>(cpu, op, linear_of<A, T>(cpu, op, true), byte_swapped(get_register<T>(cpu, op->source)));
  return next(cpu, op);
}
void emit_movbe(Decoding& d) {
  const bool loads = d.is_register(0);
  if (loads) {
    d.use_destination(0);
    d.use_memory(1);
  } else {
    d.use_memory(0);
    d.use_source(1);
  }
  d.op.handler = by_word_width(d.width(0), [&]<class T>() -> Handler {
    if (loads) return d.checked ? &movbe_load<T, Addressing::Checked> : &movbe_load<T, Addressing::Flat>;
    return d.checked ? &movbe_store<T, Addressing::Checked> : &movbe_store<T, Addressing::Flat>;
  });
}

/// AL from the table at [BX + AL]; the sum has the size of addresses.
template <Addressing A>
const Block* xlat(Cpu& cpu, const Op* op) {
  const std::uint64_t linear = linear_beyond<A, std::uint8_t>(cpu, op, cpu.gpr[kRax] & 0xff, false);
  set_register<std::uint8_t>(cpu, kRax * 8, load<std::uint8_t>(cpu, op, linear));
  return next(cpu, op);
}
void emit_xlat(Decoding& d) {
  for (unsigned i = 0; i < d.operands.size(); ++i)
    if (d.is_memory(i)) d.use_memory(i);
  d.op.index = kNoRegister;  // AL, which is no whole register
  d.op.base = kRbx;
  d.op.displacement = 0;
  d.op.handler = d.checked ? &xlat<Addressing::Checked> : &xlat<Addressing::Flat>;
}

}  // namespace

void add_convert_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_CBW] = &emit_fixed<&widen_accumulator<std::uint8_t, std::uint16_t>>;
  table[ZYDIS_MNEMONIC_CWDE] = &emit_fixed<&widen_accumulator<std::uint16_t, std::uint32_t>>;
  table[ZYDIS_MNEMONIC_CDQE] = &emit_fixed<&widen_accumulator<std::uint32_t, std::uint64_t>>;
  table[ZYDIS_MNEMONIC_CWD] = &emit_fixed<&sign_to_rdx<std::uint16_t>>;
  table[ZYDIS_MNEMONIC_CDQ] = &emit_fixed<&sign_to_rdx<std::uint32_t>>;
  table[ZYDIS_MNEMONIC_CQO] = &emit_fixed<&sign_to_rdx<std::uint64_t>>;
  table[ZYDIS_MNEMONIC_BSWAP] = &emit_bswap;
  table[ZYDIS_MNEMONIC_MOVBE] = &emit_movbe;
  table[ZYDIS_MNEMONIC_XLAT] = &emit_xlat;
}

}  // namespace machina::jit
