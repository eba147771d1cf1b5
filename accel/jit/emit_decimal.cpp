/// DAA, DAS, AAA, AAS, AAM, AAD: the host has them outside of 64-bit code only, so they are done as SDM vol. 2 writes
/// them down.

#include <bit>

#include "accel/jit/emitters.h"

namespace machina::jit {

namespace {

constexpr std::uint8_t kAl = kRax * 8, kAx = kRax * 8;

/// SF, ZF and PF of AL; CF and AF as given; OF is undefined, and cleared.
void set_flags(Cpu& cpu, std::uint8_t al, bool cf, bool af) {
  std::uint32_t flags = (cf ? kCf : 0) | (af ? kAf : 0);
  if (al & 0x80) flags |= kSf;
  if (al == 0) flags |= kZf;
  if (std::popcount(al) % 2 == 0) flags |= kPf;
  cpu.flags.set(flags);
}

const Block* daa(Cpu& cpu, const Op* op) {
  const auto old = get_register<std::uint8_t>(cpu, kAl);
  const bool old_cf = cpu.flags.cf();
  const bool af = (old & 15) > 9 || (cpu.flags.low & kAf);
  const bool cf = old > 0x99 || old_cf;
  const auto al = static_cast<std::uint8_t>(old + (af ? 6 : 0) + (cf ? 0x60 : 0));
  set_register<std::uint8_t>(cpu, kAl, al);
  set_flags(cpu, al, cf, af);
  return next(cpu, op);
}
const Block* das(Cpu& cpu, const Op* op) {
  const auto old = get_register<std::uint8_t>(cpu, kAl);
  const bool old_cf = cpu.flags.cf();
  const bool af = (old & 15) > 9 || (cpu.flags.low & kAf);
  const bool high = old > 0x99 || old_cf;
  const bool cf = high || (af && old < 6);
  const auto al = static_cast<std::uint8_t>(old - (af ? 6 : 0) - (high ? 0x60 : 0));
  set_register<std::uint8_t>(cpu, kAl, al);
  set_flags(cpu, al, cf, af);
  return next(cpu, op);
}
/// AAA and AAS: AX plus or minus 106h, then the low digit alone.
template <int Sign>
const Block* adjust(Cpu& cpu, const Op* op) {
  auto ax = get_register<std::uint16_t>(cpu, kAx);
  const bool carry = (ax & 15) > 9 || (cpu.flags.low & kAf);
  if (carry) ax = static_cast<std::uint16_t>(ax + Sign * 0x106);
  ax &= 0xff0f;
  set_register<std::uint16_t>(cpu, kAx, ax);
  set_flags(cpu, static_cast<std::uint8_t>(ax), carry, carry);
  return next(cpu, op);
}

const Block* aam(Cpu& cpu, const Op* op) {
  const auto base = static_cast<std::uint8_t>(op->immediate);
  if (base == 0) raise_of(cpu, op, Vector::DivideError);
  const auto al = get_register<std::uint8_t>(cpu, kAl);
  const auto low = static_cast<std::uint8_t>(al % base);
  set_register<std::uint16_t>(cpu, kAx, static_cast<std::uint16_t>((al / base) << 8 | low));
  set_flags(cpu, low, false, false);
  return next(cpu, op);
}
const Block* aad(Cpu& cpu, const Op* op) {
  const auto ax = get_register<std::uint16_t>(cpu, kAx);
  const auto al = static_cast<std::uint8_t>(ax + (ax >> 8) * static_cast<int>(op->immediate & 0xff));
  set_register<std::uint16_t>(cpu, kAx, al);
  set_flags(cpu, al, false, false);
  return next(cpu, op);
}

template <Handler H>
void emit_with_base(Decoding& d) {
  d.use_immediate(0);
  d.op.handler = H;
}

}  // namespace

void add_decimal_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_DAA] = &emit_fixed<&daa>;
  table[ZYDIS_MNEMONIC_DAS] = &emit_fixed<&das>;
  table[ZYDIS_MNEMONIC_AAA] = &emit_fixed<&adjust<1>>;
  table[ZYDIS_MNEMONIC_AAS] = &emit_fixed<&adjust<-1>>;
  table[ZYDIS_MNEMONIC_AAM] = &emit_with_base<&aam>;
  table[ZYDIS_MNEMONIC_AAD] = &emit_with_base<&aad>;
}

}  // namespace machina::jit
