#include "accel/jit/decoding.h"

namespace machina::jit {

std::uint8_t register_offset(ZydisRegister reg) {
  if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
    return static_cast<std::uint8_t>((reg - ZYDIS_REGISTER_AH) * 8 + 1);
  return static_cast<std::uint8_t>(
      ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg)) * 8);
}

namespace {

std::uint8_t register_number(ZydisRegister reg) {
  if (reg == ZYDIS_REGISTER_NONE) return kNoRegister;
  if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP) return kRipBase;
  return static_cast<std::uint8_t>(register_offset(reg) / 8);
}

std::uint8_t segment_number(ZydisRegister reg) {
  return static_cast<std::uint8_t>(reg - ZYDIS_REGISTER_ES);  // ES CS SS DS FS GS: the order of SegmentIndex
}

}  // namespace

const Block* undefined_instruction(Cpu& cpu, const Op* op) { raise_of(cpu, op, Vector::InvalidOpcode); }

void make_undefined(Decoding& d) {
  d.op.handler = &undefined_instruction;
  d.ends_block = true;
}

void Decoding::use_destination(unsigned n) { op.destination = register_offset(operand(n).reg.value); }
void Decoding::use_source(unsigned n) { op.source = register_offset(operand(n).reg.value); }
void Decoding::use_immediate(unsigned n) { op.immediate = operand(n).imm.value.u; }

void Decoding::use_memory(unsigned n) {
  const auto& mem = operand(n).mem;
  op.base = register_number(mem.base);
  op.index = register_number(mem.index);
  op.scale = static_cast<std::uint8_t>(mem.scale == 8 ? 3 : mem.scale == 4 ? 2 : mem.scale == 2 ? 1 : 0);
  op.displacement = static_cast<std::int32_t>(mem.disp.value);
  const auto& raw = instruction.raw;
  if (mem.base != ZYDIS_REGISTER_NONE && (instruction.attributes & ZYDIS_ATTRIB_HAS_SIB) && raw.modrm.mod == 0 &&
      raw.sib.base == 5) {
    // No base, whatever REX.B says: Zydis 4.0 makes R13D of it where addresses have 32 bits.
    op.base = kNoRegister;
    op.displacement = static_cast<std::int32_t>(raw.disp.value);
  }
  // RIP-relative: kRipBase holds the offset of the block's start, the displacement counts from the next instruction.
  if (op.base == kRipBase) {
    const std::int64_t from_block = std::int64_t{op.displacement} + op.offset + op.length;
    op.displacement = static_cast<std::int32_t>(from_block);
    if (from_block != op.displacement) op.index = kTwoTo32;
  }
  const unsigned bits = instruction.address_width;
  op.address_mask = bits == 64 ? ~std::uint64_t{0} : bits == 32 ? 0xffffffff : 0xffff;
  const std::uint8_t segment = segment_number(mem.segment);
  op.segment = segment;
  // FS and GS have bases, and CS is not to be written.
  const bool special = segment == kFs || segment == kGs || segment == kCs;
  checked = !(mode & kModeLong) && (special || !(mode & kModeFlat));
}

}  // namespace machina::jit
