/// LAHF, SAHF, CLC, STC, CMC, CLD, STD, SALC.

#include "accel/jit/emitters.h"

namespace machina::jit {

namespace {

const Block* lahf(Cpu& cpu, const Op* op) {
  set_register<std::uint8_t>(cpu, kRax * 8 + 1, static_cast<std::uint8_t>((cpu.flags.low & 0xd5) | 2));
  return next(cpu, op);
}
const Block* sahf(Cpu& cpu, const Op* op) {
  cpu.flags.low = static_cast<std::uint8_t>((get_register<std::uint8_t>(cpu, kRax * 8 + 1) & 0xd5) | 2);
  return next(cpu, op);
}
const Block* clc(Cpu& cpu, const Op* op) {
  cpu.flags.low = static_cast<std::uint8_t>(cpu.flags.low & ~kCf);
  return next(cpu, op);
}
const Block* stc(Cpu& cpu, const Op* op) {
  cpu.flags.low = static_cast<std::uint8_t>(cpu.flags.low | kCf);
  return next(cpu, op);
}
const Block* cmc(Cpu& cpu, const Op* op) {
  cpu.flags.low = static_cast<std::uint8_t>(cpu.flags.low ^ kCf);
  return next(cpu, op);
}
/// No mode bit depends on DF.
const Block* cld(Cpu& cpu, const Op* op) {
  cpu.system_flags &= ~kDf;
  return next(cpu, op);
}
const Block* std_(Cpu& cpu, const Op* op) {
  cpu.system_flags |= kDf;
  return next(cpu, op);
}
const Block* salc(Cpu& cpu, const Op* op) {
  set_register<std::uint8_t>(cpu, kRax * 8, cpu.flags.cf() ? 0xff : 0);
  return next(cpu, op);
}

}  // namespace

void add_flag_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_LAHF] = &emit_fixed<&lahf>;
  table[ZYDIS_MNEMONIC_SAHF] = &emit_fixed<&sahf>;
  table[ZYDIS_MNEMONIC_CLC] = &emit_fixed<&clc>;
  table[ZYDIS_MNEMONIC_STC] = &emit_fixed<&stc>;
  table[ZYDIS_MNEMONIC_CMC] = &emit_fixed<&cmc>;
  table[ZYDIS_MNEMONIC_CLD] = &emit_fixed<&cld>;
  table[ZYDIS_MNEMONIC_STD] = &emit_fixed<&std_>;
  table[ZYDIS_MNEMONIC_SALC] = &emit_fixed<&salc>;
}

}  // namespace machina::jit
