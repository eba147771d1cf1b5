#include "accel/jit/vector_form.h"

#include <algorithm>

namespace machina::jit {

namespace {

bool is_gpr(const ZydisDecodedOperand& o) {
  if (o.type != ZYDIS_OPERAND_TYPE_REGISTER) return false;
  switch (ZydisRegisterGetClass(o.reg.value)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
      return true;
    default:
      return false;
  }
}

bool is_encoded_gpr(const Decoding& d, ZydisOperandEncoding encoding) {
  for (const ZydisDecodedOperand& o : d.operands)
    if (o.encoding == encoding && is_gpr(o)) return true;
  return false;
}

bool has_memory(const Decoding& d) {
  return d.instruction.attributes & ZYDIS_ATTRIB_HAS_MODRM && d.instruction.raw.modrm.mod != 3;
}

/// ModRM and the bits that extend it.
struct ModRm {
  std::uint8_t byte;
  bool r, b;
};
ModRm modrm_of(const Decoding& d, bool r, bool b, ZydisRegister pointer) {
  const auto& raw = d.instruction.raw.modrm;
  std::uint8_t mod = 3, reg = raw.reg, rm = raw.rm;
  if (is_encoded_gpr(d, ZYDIS_OPERAND_ENCODING_MODRM_REG)) {
    reg = 0;
    r = false;
  }
  if (has_memory(d)) {
    const unsigned id = static_cast<std::uint8_t>(ZydisRegisterGetId(pointer));
    mod = 0;
    rm = id & 7;
    b = id & 8;
  } else if (is_encoded_gpr(d, ZYDIS_OPERAND_ENCODING_MODRM_RM)) {
    rm = 0;
    b = false;
  }
  return {static_cast<std::uint8_t>(mod << 6 | reg << 3 | rm), r, b};
}

void add_immediates(const Decoding& d, std::vector<std::uint8_t>& out) {
  for (const auto& imm : d.instruction.raw.imm)
    for (unsigned i = 0; i < imm.size / 8U; ++i) out.push_back(static_cast<std::uint8_t>(imm.value.u >> (8 * i)));
}

std::vector<std::uint8_t> legacy_form(const Decoding& d, ZydisRegister pointer) {
  const auto& raw = d.instruction.raw;
  std::vector<std::uint8_t> out;
  for (unsigned i = 0; i < raw.prefix_count; ++i)
    if (raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY && (raw.prefixes[i].value & 0xf0) != 0x40)
      out.push_back(raw.prefixes[i].value);
  const bool has_modrm = d.instruction.attributes & ZYDIS_ATTRIB_HAS_MODRM;
  const ModRm modrm = has_modrm ? modrm_of(d, raw.rex.R, raw.rex.B, pointer) : ModRm{};
  const auto rex = static_cast<std::uint8_t>(0x40 | raw.rex.W << 3 | modrm.r << 2 | modrm.b);
  if (rex != 0x40) out.push_back(rex);
  out.push_back(0x0f);
  if (d.instruction.opcode_map == ZYDIS_OPCODE_MAP_0F38) out.push_back(0x38);
  if (d.instruction.opcode_map == ZYDIS_OPCODE_MAP_0F3A) out.push_back(0x3a);
  out.push_back(d.instruction.opcode);
  if (has_modrm) out.push_back(modrm.byte);
  add_immediates(d, out);
  return out;
}

/// In its form of three bytes: SDM vol. 2, 2.3.5. R, X, B and vvvv are inverted there and in Zydis.
std::vector<std::uint8_t> vex_form(const Decoding& d, ZydisRegister pointer, bool w) {
  const auto& vex = d.instruction.raw.vex;
  // Outside of 64-bit code there are eight registers, and the bits for more are ignored: SDM vol. 2, 2.3.5.
  const bool many = d.mode & kModeLong;
  const ModRm modrm = modrm_of(d, many && !vex.R, many && !vex.B, pointer);
  const auto vvvv = static_cast<std::uint8_t>(vex.vvvv | (many ? 0 : 8));
  std::vector<std::uint8_t> out{
      0xc4,
      static_cast<std::uint8_t>(!modrm.r << 7 | 1 << 6 | !modrm.b << 5 | vex.m_mmmm),
      static_cast<std::uint8_t>(w << 7 | vvvv << 3 | vex.L << 2 | vex.pp),
      d.instruction.opcode,
      modrm.byte,
  };
  add_immediates(d, out);
  const auto is_is4 = [](const ZydisDecodedOperand& o) { return o.encoding == ZYDIS_OPERAND_ENCODING_IS4; };
  if (!many && std::any_of(d.operands.begin(), d.operands.end(), is_is4)) out.back() &= 0x7f;
  return out;
}

/// SDM vol. 2, 2.7.1. Bits that extend register numbers are inverted there and in Zydis; a displacement, which would be
/// scaled, there is none.
std::vector<std::uint8_t> evex_form(const Decoding& d, ZydisRegister pointer) {
  const auto& evex = d.instruction.raw.evex;
  const bool many = d.mode & kModeLong;  // outside of 64-bit code there are eight registers
  bool x = many ? evex.X : true, r2 = many ? evex.R2 : true;
  const ModRm modrm = modrm_of(d, many && !evex.R, many && !evex.B, pointer);
  if (is_encoded_gpr(d, ZYDIS_OPERAND_ENCODING_MODRM_REG)) r2 = true;
  if (has_memory(d) || is_encoded_gpr(d, ZYDIS_OPERAND_ENCODING_MODRM_RM)) x = true;
  const auto vvvv = static_cast<std::uint8_t>(evex.vvvv | (many ? 0 : 8));
  const bool v2 = many ? evex.V2 : true;
  std::vector<std::uint8_t> out{
      0x62,
      static_cast<std::uint8_t>(!modrm.r << 7 | x << 6 | !modrm.b << 5 | r2 << 4 | evex.mmm),
      static_cast<std::uint8_t>(evex.W << 7 | vvvv << 3 | 1 << 2 | evex.pp),
      static_cast<std::uint8_t>(evex.z << 7 | evex.L2 << 6 | evex.L << 5 | evex.b << 4 | v2 << 3 | evex.aaa),
      d.instruction.opcode,
      modrm.byte,
  };
  add_immediates(d, out);
  return out;
}

/// Does the host see in `bytes` what the guest wrote?
bool means_the_same(const Decoding& d, const std::vector<std::uint8_t>& bytes, ZydisRegister pointer) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &instruction, operands))) return false;
  if (instruction.mnemonic != d.instruction.mnemonic || instruction.length != bytes.size() ||
      instruction.operand_count != d.operands.size())
    return false;
  const auto &host_avx = instruction.avx, &guest_avx = d.instruction.avx;
  if (host_avx.vector_length != guest_avx.vector_length || host_avx.mask.mode != guest_avx.mask.mode ||
      host_avx.mask.reg != guest_avx.mask.reg || host_avx.broadcast.mode != guest_avx.broadcast.mode ||
      host_avx.rounding.mode != guest_avx.rounding.mode || host_avx.has_sae != guest_avx.has_sae)
    return false;
  for (unsigned i = 0; i < instruction.operand_count; ++i) {
    const ZydisDecodedOperand& host = operands[i];
    const ZydisDecodedOperand& guest = d.operands[i];
    if (host.type != guest.type) return false;
    switch (host.type) {
      case ZYDIS_OPERAND_TYPE_MEMORY:
        if (host.size != guest.size || host.mem.base != pointer || host.mem.index != ZYDIS_REGISTER_NONE) return false;
        break;
      case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        if (host.imm.value.u != guest.imm.value.u) return false;
        break;
      case ZYDIS_OPERAND_TYPE_REGISTER:
        if (host.size != guest.size && guest.visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN) return false;
        if (!is_gpr(guest) && guest.visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN && host.reg.value != guest.reg.value)
          return false;
        break;
      default:
        break;
    }
  }
  return true;
}

}  // namespace

std::optional<std::vector<std::uint8_t>> host_form(const Decoding& d, ZydisRegister pointer) {
  if (d.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY) {
    auto bytes = legacy_form(d, pointer);
    if (means_the_same(d, bytes, pointer)) return bytes;
  } else if (d.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
    // Outside of 64-bit code W means nothing where it would choose 64-bit operands, visible ones or not.
    const bool w = d.instruction.raw.vex.W;
    if (w && !(d.mode & kModeLong))
      if (auto bytes = vex_form(d, pointer, false); means_the_same(d, bytes, pointer)) return bytes;
    if (auto bytes = vex_form(d, pointer, w); means_the_same(d, bytes, pointer)) return bytes;
  } else if (d.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX) {
    if (auto bytes = evex_form(d, pointer); means_the_same(d, bytes, pointer)) return bytes;
  }
  return std::nullopt;
}

}  // namespace machina::jit
