/// BMI1, BMI2, ADX, CRC32. VEX forms have no 16-bit operands.

#include <bit>

#include "accel/jit/alu.h"
#include "accel/jit/emitters.h"

namespace machina::jit {

namespace {

/// 32 or 64 bits.
template <class Choose>
Handler by_vex_width(unsigned bits, Choose choose) {
  return bits == 64 ? choose.template operator()<std::uint64_t>() : choose.template operator()<std::uint32_t>();
}

template <class Alu, class T, Place P>
const Block* one_source(Cpu& cpu, const Op* op) {
  const T a = read_place<T, P>(cpu, op, op->source);
  set_register<T>(cpu, op->destination, Alu::template apply<T>(cpu.flags, a));
  return next(cpu, op);
}
template <class Alu>
void emit_one_source(Decoding& d) {
  d.use_destination(0);
  d.use_source_or_memory(1);
  d.op.handler = by_vex_width(d.width(0), [&]<class T>() -> Handler {
    return by_place(d, 1, []<Place P>() -> Handler { return &one_source<Alu, T, P>; });
  });
}

/// The operand that may be in memory is the second of the sources, or the first; `extra` is the other.
template <class Alu, class T, Place P, bool SecondInMemory>
const Block* two_sources(Cpu& cpu, const Op* op) {
  const T m = read_place<T, P>(cpu, op, op->source);
  const T r = get_register<T>(cpu, op->extra);
  set_register<T>(cpu, op->destination,
                  SecondInMemory ? Alu::template apply<T>(cpu.flags, r, m) : Alu::template apply<T>(cpu.flags, m, r));
  return next(cpu, op);
}
template <class Alu, bool SecondInMemory>
void emit_two_sources(Decoding& d) {
  constexpr unsigned kPlace = SecondInMemory ? 2 : 1, kOther = SecondInMemory ? 1 : 2;
  d.use_destination(0);
  d.use_source_or_memory(kPlace);
  d.op.extra = register_offset(d.operand(kOther).reg.value);
  d.op.handler = by_vex_width(d.width(0), [&]<class T>() -> Handler {
    return by_place(d, kPlace, []<Place P>() -> Handler { return &two_sources<Alu, T, P, SecondInMemory>; });
  });
}

template <class T, Place P>
const Block* rorx(Cpu& cpu, const Op* op) {
  const T a = read_place<T, P>(cpu, op, op->source);
  set_register<T>(cpu, op->destination, std::rotr(a, static_cast<int>(op->immediate & (8 * sizeof(T) - 1))));
  return next(cpu, op);
}
void emit_rorx(Decoding& d) {
  d.use_destination(0);
  d.use_source_or_memory(1);
  d.use_immediate(2);
  d.op.handler = by_vex_width(d.width(0), [&]<class T>() -> Handler {
    return by_place(d, 1, []<Place P>() -> Handler { return &rorx<T, P>; });
  });
}

/// RDX times the source: low half to the second operand, then high half to the first. No flags.
template <class T, Place P>
const Block* mulx(Cpu& cpu, const Op* op) {
  const T b = read_place<T, P>(cpu, op, op->source);
  const auto product = static_cast<unsigned __int128>(get_register<T>(cpu, kRdx * 8)) * b;
  set_register<T>(cpu, op->extra, static_cast<T>(product));
  set_register<T>(cpu, op->destination, static_cast<T>(product >> (8 * sizeof(T))));
  return next(cpu, op);
}
void emit_mulx(Decoding& d) {
  d.use_destination(0);
  d.op.extra = register_offset(d.operand(1).reg.value);
  d.use_source_or_memory(2);
  d.op.handler = by_vex_width(d.width(0), [&]<class T>() -> Handler {
    return by_place(d, 2, []<Place P>() -> Handler { return &mulx<T, P>; });
  });
}

template <class Alu, class T, Place P>
const Block* add_one_flag(Cpu& cpu, const Op* op) {
  const T b = read_place<T, P>(cpu, op, op->source);
  set_register<T>(cpu, op->destination, Alu::template apply<T>(cpu.flags, get_register<T>(cpu, op->destination), b));
  return next(cpu, op);
}
template <class Alu>
void emit_add_one_flag(Decoding& d) {
  d.use_destination(0);
  d.use_source_or_memory(1);
  d.op.handler = by_vex_width(d.width(0), [&]<class T>() -> Handler {
    return by_place(d, 1, []<Place P>() -> Handler { return &add_one_flag<Alu, T, P>; });
  });
}

/// The checksum has 32 bits; a destination of 64 is cleared above them.
template <class T, Place P>
const Block* crc32(Cpu& cpu, const Op* op) {
  const T b = read_place<T, P>(cpu, op, op->source);
  if constexpr (sizeof(T) == 8) {
    std::uint64_t sum = cpu.gpr[op->destination / 8];
    asm("crc32q %[b], %[sum]" : [sum] "+r"(sum) : [b] "r"(b));
    cpu.gpr[op->destination / 8] = sum;
  } else {
    auto sum = static_cast<std::uint32_t>(cpu.gpr[op->destination / 8]);
    if constexpr (sizeof(T) == 1) asm("crc32b %[b], %[sum]" : [sum] "+r"(sum) : [b] "r"(b));
    if constexpr (sizeof(T) == 2) asm("crc32w %[b], %[sum]" : [sum] "+r"(sum) : [b] "r"(b));
    if constexpr (sizeof(T) == 4) asm("crc32l %[b], %[sum]" : [sum] "+r"(sum) : [b] "r"(b));
    cpu.gpr[op->destination / 8] = sum;
  }
  return next(cpu, op);
}
void emit_crc32(Decoding& d) {
  d.use_destination(0);
  d.use_source_or_memory(1);
  d.op.handler = by_width(d.width(1), [&]<class T>() -> Handler {
    return by_place(d, 1, []<Place P>() -> Handler { return &crc32<T, P>; });
  });
}

}  // namespace

void add_bmi_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_ANDN] = &emit_two_sources<alu::Andn, true>;
  table[ZYDIS_MNEMONIC_PDEP] = &emit_two_sources<alu::Pdep, true>;
  table[ZYDIS_MNEMONIC_PEXT] = &emit_two_sources<alu::Pext, true>;
  table[ZYDIS_MNEMONIC_BEXTR] = &emit_two_sources<alu::Bextr, false>;
  table[ZYDIS_MNEMONIC_BZHI] = &emit_two_sources<alu::Bzhi, false>;
  table[ZYDIS_MNEMONIC_SARX] = &emit_two_sources<alu::Sarx, false>;
  table[ZYDIS_MNEMONIC_SHLX] = &emit_two_sources<alu::Shlx, false>;
  table[ZYDIS_MNEMONIC_SHRX] = &emit_two_sources<alu::Shrx, false>;
  table[ZYDIS_MNEMONIC_BLSI] = &emit_one_source<alu::Blsi>;
  table[ZYDIS_MNEMONIC_BLSR] = &emit_one_source<alu::Blsr>;
  table[ZYDIS_MNEMONIC_BLSMSK] = &emit_one_source<alu::Blsmsk>;
  table[ZYDIS_MNEMONIC_RORX] = &emit_rorx;
  table[ZYDIS_MNEMONIC_MULX] = &emit_mulx;
  table[ZYDIS_MNEMONIC_ADCX] = &emit_add_one_flag<alu::Adcx>;
  table[ZYDIS_MNEMONIC_ADOX] = &emit_add_one_flag<alu::Adox>;
  table[ZYDIS_MNEMONIC_CRC32] = &emit_crc32;
}

}  // namespace machina::jit
