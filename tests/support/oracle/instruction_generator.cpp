#include "tests/support/oracle/instruction_generator.h"

#include <algorithm>
#include <cstring>

#include "accel/jit/flags.h"
#include "hw/x86/x86_state.h"

namespace machina::jit {

namespace {

constexpr unsigned kIndexRegister = 12;  // the one whose encoding as index needs REX.X, and always has it
constexpr std::array<std::uint8_t, 2> kUd2 = {0x0f, 0x0b};
constexpr std::array<std::uint8_t, 4> kPrefixes = {0, 0x66, 0xf3, 0xf2};  // that opcodes may be chosen by

bool is_high(unsigned reg) { return reg >= 8; }

int register_of(ZydisRegister reg) {
  if (reg == ZYDIS_REGISTER_NONE) return -1;
  if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) return reg - ZYDIS_REGISTER_AH;
  const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
  return ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64 ? ZydisRegisterGetId(whole) : -1;
}

void append(std::vector<std::uint8_t>& b, std::uint64_t value, unsigned size) {
  for (unsigned i = 0; i < size; ++i) b.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

/// Not of the coprocessor whose scalar instructions VEX encodings were lent to; nor what vendors disagree about: 0F 0D
/// with a register is a NOP for one and undefined for the other.
bool is_of_processors(const ZydisDecodedInstruction& i) {
  if (i.meta.isa_ext == ZYDIS_ISA_EXT_KNC || i.meta.isa_ext == ZYDIS_ISA_EXT_KNCE ||
      i.meta.isa_ext == ZYDIS_ISA_EXT_KNCV)
    return false;
  return !(i.opcode_map == ZYDIS_OPCODE_MAP_0F && i.opcode == 0x0d && i.raw.modrm.mod == 3);
}

bool repeats(const ZydisDecodedInstruction& i) {
  if (i.meta.category != ZYDIS_CATEGORY_STRINGOP) return false;
  for (unsigned n = 0; n < i.raw.prefix_count; ++n)
    if (i.raw.prefixes[n].value == 0xf2 || i.raw.prefixes[n].value == 0xf3) return true;
  return false;
}

/// What Intel's processors do unlike AMD's, after which the software CPU goes: PAUSE stays one with REX.B; a repetition
/// with addresses of 32 bits clears the upper half of RCX even when nothing is repeated, or the first element faults; a
/// store of an MMX register that faults has changed to MMX; and one by VCVTPS2PH has raised its numeric exceptions.
bool is_disputed(const ZydisDecodedInstruction& i) {
  const bool memory = i.raw.modrm.mod != 3;
  switch (i.mnemonic) {
    case ZYDIS_MNEMONIC_PAUSE:
      return i.raw.rex.B;
    case ZYDIS_MNEMONIC_VCVTPS2PH:
    case ZYDIS_MNEMONIC_MOVNTQ:
      return memory;
    case ZYDIS_MNEMONIC_MOVD:
    case ZYDIS_MNEMONIC_MOVQ:
      return memory && (i.opcode == 0x7e || i.opcode == 0x7f) && i.meta.isa_ext == ZYDIS_ISA_EXT_MMX;
    default:
      break;
  }
  return i.machine_mode == ZYDIS_MACHINE_MODE_LONG_64 && i.address_width == 32 && repeats(i);
}

/// OF is what the processor likes: SDM vol. 2, RCL/RCR/ROL/ROR. AMD's like the same whatever the encoding.
bool leaves_overflow_open(const ZydisDecodedInstruction& i) {
  const bool rotates = i.mnemonic == ZYDIS_MNEMONIC_ROL || i.mnemonic == ZYDIS_MNEMONIC_ROR;
  return rotates && (i.opcode & 0xfe) != 0xd0;  // those by one
}

}  // namespace

bool host_is_intels() { return __builtin_cpu_is("intel"); }

InstructionGenerator::InstructionGenerator(std::vector<InstructionFamily> families, bool compatibility,
                                           std::uint64_t seed)
    : families_(std::move(families)), compatibility_(compatibility), random_(seed) {
  if (compatibility) {
    ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
  } else {
    ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  }
  find_encodings();
}

bool InstructionGenerator::decode(const Bytes& b, ZydisDecodedInstruction& i, ZydisDecodedOperand* operands) const {
  return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder_, b.data(), b.size(), &i, operands));
}

/// The encoding with nothing random, and zeros after it.
InstructionGenerator::Bytes InstructionGenerator::plain(const Encoding& e) const {
  Bytes b;
  if (e.vex) {
    const std::uint8_t pp = e.prefix == 0x66 ? 1 : e.prefix == 0xf3 ? 2 : e.prefix == 0xf2 ? 3 : 0;
    b = {0xc4, static_cast<std::uint8_t>(0xe0 | e.map),
         static_cast<std::uint8_t>((e.w ? 0x80 : 0) | 0x78 | (e.l ? 4 : 0) | pp)};
  } else {
    if (e.prefix) b.push_back(e.prefix);
    if (e.w) b.push_back(0x48);
    if (e.map >= 1) b.push_back(0x0f);
    if (e.map == 2) b.push_back(0x38);
    if (e.map == 3) b.push_back(0x3a);
  }
  b.push_back(e.opcode);
  b.push_back(e.modrm);
  b.resize(b.size() + 12);
  return b;
}

void InstructionGenerator::try_encoding(const Encoding& e, std::vector<std::vector<Encoding>>& found) {
  ZydisDecodedInstruction i;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!decode(plain(e), i, operands) || found[i.mnemonic].size() == found[i.mnemonic].max_size()) return;
  Encoding known = e;
  known.mnemonic = i.mnemonic;
  known.has_modrm = i.attributes & ZYDIS_ATTRIB_HAS_MODRM;
  if (!known.has_modrm && e.modrm != 0) return;  // the same as that with 0
  if (e.vex != (i.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)) return;
  if (!is_of_processors(i)) return;
  found[i.mnemonic].push_back(known);
}

/// Bytes that are no opcode of the first map: a template made of one would have another's bytes where it has ModRM.
bool InstructionGenerator::is_prefix(unsigned byte) const {
  if ((byte & 0xe7) == 0x26 || (byte & 0xfc) == 0x64 || byte == 0xf0 || byte == 0xf2 || byte == 0xf3 || byte == 0x0f)
    return true;
  return !compatibility_ && ((byte & 0xf0) == 0x40 || byte == 0xc4 || byte == 0xc5 || byte == 0x62);
}

void InstructionGenerator::find_encodings() {
  std::vector<std::vector<Encoding>> found(ZYDIS_MNEMONIC_MAX_VALUE + 1);
  for (const bool vex : {false, true})
    for (const std::uint8_t prefix : kPrefixes)
      for (unsigned wl = 0; wl < 4; ++wl)
        for (std::uint8_t map = vex ? 1 : 0; map <= 3; ++map)
          for (unsigned opcode = 0; opcode < 256; ++opcode) {
            if (!vex &&
                (map == 0 ? is_prefix(opcode) : map == 1 && (opcode == 0x38 || opcode == 0x3a || opcode == 0x0f)))
              continue;
            for (unsigned form = 0; form < 16; ++form) {
              const bool w = wl & 1, l = wl & 2, memory = form < 8;
              if ((l && !vex) || (w && !vex && compatibility_)) continue;
              const auto modrm = static_cast<std::uint8_t>((form & 7) << 3 | (memory ? 0 : 0xc0));
              try_encoding({ZYDIS_MNEMONIC_INVALID, vex, w, l, memory, true, prefix, map,
                            static_cast<std::uint8_t>(opcode), modrm},
                           found);
              // The opcodes of x87, and some others, use all of a register form's ModRM byte.
              const bool by_rm = !vex && !memory && ((map == 0 && opcode >= 0xd8 && opcode <= 0xdf) || map == 1);
              for (unsigned rm = 1; by_rm && rm < 8; ++rm)
                if ((map == 0 || (opcode == 0x01 || opcode == 0xae || opcode == 0x1e)) && prefix == 0 && !w)
                  try_encoding({ZYDIS_MNEMONIC_INVALID, vex, w, l, memory, true, prefix, map,
                                static_cast<std::uint8_t>(opcode), static_cast<std::uint8_t>(modrm | rm)},
                               found);
            }
          }
  for (unsigned f = 0; f < families_.size(); ++f) {
    Choice choice;
    for (const ZydisMnemonic m : families_[f].mnemonics) {
      if (found[m].empty()) {
        missing_.push_back(m);
      } else {
        choice.by_mnemonic.push_back(found[m]);
      }
    }
    choices_.push_back(std::move(choice));
    for (unsigned n = 0; n < families_[f].weight && !choices_.back().by_mnemonic.empty(); ++n)
      family_draw_.push_back(f);
  }
}

unsigned InstructionGenerator::pick_pointer(bool high) {
  for (;;) {
    const unsigned r = below(8) + (high ? 8 : 0);
    if (pointers_ >> r & 1) return r;
  }
}

/// ModRM, SIB and displacement of a memory operand near one of the pointers, or at a fixed address.
void InstructionGenerator::append_memory(Bytes& b, const Encoding& e, bool rex_b, bool rex_x) {
  const auto reg = static_cast<std::uint8_t>(e.has_modrm && e.modrm & 0x38 ? e.modrm & 0x38 : below(8) << 3);
  const std::uint8_t modrm = reg;
  const unsigned kind = below(100);
  if (kind < 8 && !rex_x) {  // absolute, through a SIB byte; without one it is relative to RIP, set later
    b.push_back(static_cast<std::uint8_t>(modrm | 4));
    b.push_back(0x25);
    append(b, UserLayout::kData + below(UserLayout::kDataSize - 64) / 8 * 8, 4);
    return;
  }
  if (kind < 16) {
    b.push_back(static_cast<std::uint8_t>(modrm | 5));
    append(b, compatibility_ ? UserLayout::kData + 512 : 0, 4);
    return;
  }
  const unsigned base = pick_pointer(rex_b);
  const bool can_index = rex_x && (small_ >> kIndexRegister & 1);
  const bool index = can_index && (chance(60) || (base & 7) == 4);
  const bool sib = index || (base & 7) == 4 || (!rex_x && chance(10));
  if (sib && rex_x && !index) {  // no way to say: no index
    b.push_back(static_cast<std::uint8_t>(modrm | 5));
    append(b, 0, 4);
    return;
  }
  int displacement = static_cast<int>(below(512)) - 256;
  if (chance(75)) displacement &= ~63;
  unsigned mod = displacement == 0 && (base & 7) != 5 ? 0 : displacement >= -128 && displacement < 128 ? 1 : 2;
  if (mod < 2 && chance(10)) mod = 2;
  b.push_back(static_cast<std::uint8_t>(mod << 6 | modrm | (sib ? 4 : base & 7)));
  if (sib)
    b.push_back(static_cast<std::uint8_t>(below(4) << 6 | (index ? (kIndexRegister & 7) << 3 : 4 << 3) | (base & 7)));
  append(b, static_cast<std::uint64_t>(displacement), mod == 0 ? 0 : mod == 1 ? 1 : 4);
}

InstructionGenerator::Bytes InstructionGenerator::random_bytes(const Encoding& e) {
  Bytes b;
  const bool memory = e.memory && e.has_modrm;
  bool rex_r = false, rex_x = false, rex_b = false;
  if (!compatibility_) {
    rex_r = chance(50);
    rex_x = chance(35);
    rex_b = chance(50);
  }
  constexpr std::array<std::uint8_t, 5> kSegments = {0x26, 0x2e, 0x36, 0x3e, 0x65};
  if (chance(4)) b.push_back(kSegments[below(compatibility_ ? 4 : 5)]);
  if (chance(4) && !compatibility_) b.push_back(0x67);
  if (e.vex) {
    const std::uint8_t pp = e.prefix == 0x66 ? 1 : e.prefix == 0xf3 ? 2 : e.prefix == 0xf2 ? 3 : 0;
    const std::uint8_t vvvv = chance(70) ? static_cast<std::uint8_t>(below(compatibility_ ? 8 : 16)) : 0;
    const auto not_vvvv = static_cast<std::uint8_t>((~vvvv & 15) << 3);
    if (e.map == 1 && !e.w && !rex_x && !rex_b && chance(50)) {
      b.push_back(0xc5);
      b.push_back(static_cast<std::uint8_t>((rex_r ? 0 : 0x80) | not_vvvv | (e.l ? 4 : 0) | pp));
    } else {
      b.push_back(0xc4);
      b.push_back(static_cast<std::uint8_t>((rex_r ? 0 : 0x80) | (rex_x ? 0 : 0x40) | (rex_b ? 0 : 0x20) | e.map));
      b.push_back(static_cast<std::uint8_t>((e.w ? 0x80 : 0) | not_vvvv | (e.l ? 4 : 0) | pp));
    }
  } else {
    if (chance(15) && e.prefix != 0x66) b.push_back(0x66);
    if (memory && chance(12)) b.push_back(0xf0);
    if (chance(4)) b.push_back(chance(50) ? 0xf2 : 0xf3);
    if (e.prefix) b.push_back(e.prefix);
    if (!compatibility_ && (e.w || chance(60))) {
      b.push_back(
          static_cast<std::uint8_t>(0x40 | (e.w ? 8 : 0) | (rex_r ? 4 : 0) | (rex_x ? 2 : 0) | (rex_b ? 1 : 0)));
    } else {
      rex_x = rex_b = false;
    }
    if (e.map >= 1) b.push_back(0x0f);
    if (e.map == 2) b.push_back(0x38);
    if (e.map == 3) b.push_back(0x3a);
  }
  b.push_back(e.opcode);
  if (memory) {
    append_memory(b, e, rex_b, rex_x);
  } else if (e.has_modrm) {
    const bool fixed = e.modrm & 7 || (e.map == 0 && e.opcode >= 0xd8 && e.opcode <= 0xdf);
    auto reg = static_cast<std::uint8_t>(e.modrm & 0x38 ? e.modrm & 0x38 : below(8) << 3);
    if (fixed) reg = e.modrm & 0x38;
    b.push_back(static_cast<std::uint8_t>(0xc0 | reg | (fixed ? e.modrm & 7 : below(8))));
  }
  const bool small = chance(30);
  for (unsigned i = 0; i < 8; ++i) b.push_back(static_cast<std::uint8_t>(small ? below(3) * 255 / 2 : random_()));
  return b;
}

/// What has no ModRM with a base: relative to RIP, or a direct address.
void InstructionGenerator::point_into_window(Bytes& b, const ZydisDecodedInstruction& i,
                                             const ZydisDecodedOperand* operands) {
  for (unsigned n = 0; n < i.operand_count; ++n) {
    const ZydisDecodedOperand& o = operands[n];
    if (o.type != ZYDIS_OPERAND_TYPE_MEMORY || i.raw.disp.size == 0) continue;
    const std::uint64_t target = UserLayout::kData + below(UserLayout::kDataSize - 64) / (chance(75) ? 32 : 1);
    if (o.mem.base == ZYDIS_REGISTER_RIP || o.mem.base == ZYDIS_REGISTER_EIP) {
      const std::uint64_t relative = target - (address_ + i.length);
      std::memcpy(b.data() + i.raw.disp.offset, &relative, 4);
    } else if (o.mem.base == ZYDIS_REGISTER_NONE && !(i.attributes & ZYDIS_ATTRIB_HAS_MODRM)) {
      std::memcpy(b.data() + i.raw.disp.offset, &target, std::min<std::size_t>(i.raw.disp.size / 8, 8));
    }
  }
}

bool InstructionGenerator::is_harmless(const ZydisDecodedInstruction& i, const ZydisDecodedOperand* operands) {
  const bool strings = i.meta.category == ZYDIS_CATEGORY_STRINGOP;
  const bool bit_string = i.mnemonic == ZYDIS_MNEMONIC_BT || i.mnemonic == ZYDIS_MNEMONIC_BTS ||
                          i.mnemonic == ZYDIS_MNEMONIC_BTR || i.mnemonic == ZYDIS_MNEMONIC_BTC;
  std::uint32_t lost = 0;
  for (unsigned n = 0; n < i.operand_count; ++n) {
    const ZydisDecodedOperand& o = operands[n];
    if (o.type == ZYDIS_OPERAND_TYPE_REGISTER) {
      const int r = register_of(o.reg.value);
      const ZydisRegisterClass kind = ZydisRegisterGetClass(o.reg.value);
      if (kind == ZYDIS_REGCLASS_CONTROL || kind == ZYDIS_REGCLASS_DEBUG || kind == ZYDIS_REGCLASS_TEST) return false;
      if (kind == ZYDIS_REGCLASS_SEGMENT && o.visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN) return false;
      if (r < 0 || !(o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) continue;
      // Hidden operands move pointers along: the stack's and those of strings.
      if (o.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && (r == kRsp || (strings && r != kRcx && r != kRax)))
        continue;
      if (i.mnemonic == ZYDIS_MNEMONIC_ENTER && r == kRbp) continue;
      lost |= 1U << r;
    } else if (o.type == ZYDIS_OPERAND_TYPE_MEMORY && o.mem.type == ZYDIS_MEMOP_TYPE_MEM) {
      if (o.mem.segment == ZYDIS_REGISTER_FS) return false;
      const int base = register_of(o.mem.base), index = register_of(o.mem.index);
      if (base >= 0 && !(pointers_ >> base & 1)) return false;
      if (o.mem.index != ZYDIS_REGISTER_NONE && index < 0) return false;
      if (index >= 0 && !(small_ >> index & 1) && i.mnemonic != ZYDIS_MNEMONIC_XLAT) return false;
      if (o.mem.base == ZYDIS_REGISTER_NONE && index >= 0) return false;
      if (i.address_width == 16) return false;
      const bool direct = o.mem.base == ZYDIS_REGISTER_NONE;
      if (base >= 0 && (o.mem.disp.value < -4096 || o.mem.disp.value > 4096)) return false;
      const auto at = static_cast<std::uint64_t>(o.mem.disp.value);
      if (direct && (at < UserLayout::kData || at >= UserLayout::kData + UserLayout::kDataSize)) return false;
    } else if (o.type == ZYDIS_OPERAND_TYPE_MEMORY && o.mem.type != ZYDIS_MEMOP_TYPE_AGEN) {
      return false;
    } else if (o.type == ZYDIS_OPERAND_TYPE_POINTER) {
      return false;
    }
  }
  if (bit_string && operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY && operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
      operands[1].size == 64 && !(small_ >> register_of(operands[1].reg.value) & 1))
    return false;
  // Of 16 bits it reads 32 on AMD's processors and 16 on Intel's, which shows at the end of the data.
  if (i.mnemonic == ZYDIS_MNEMONIC_MOVSXD && operands[0].size == 16 && operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY)
    return false;
  if ((i.mnemonic == ZYDIS_MNEMONIC_ENTER || i.mnemonic == ZYDIS_MNEMONIC_LEAVE) && !(pointers_ >> kRbp & 1))
    return false;
  // The stack pointer stays one, and each half of the registers keeps another.
  if (lost & 1U << kRsp) return false;
  const std::uint32_t left = pointers_ & ~lost;
  if ((left & 0xef) == 0 || (!compatibility_ && (left & 0xff00) == 0)) return false;
  if ((lost & (pointers_ | small_)) != 0 && !chance(25)) return false;
  pointers_ = left;
  small_ &= ~lost;
  return true;
}

/// Makes likely that the instruction does something: counts that end, dividends that fit.
void InstructionGenerator::add_prelude(Bytes& out, const ZydisDecodedInstruction& i) {
  if (repeats(i) && chance(75)) {
    out.push_back(0xb9);  // mov ecx, imm32
    append(out, below(chance(80) ? 40 : 3000), 4);
  } else if ((i.mnemonic == ZYDIS_MNEMONIC_DIV || i.mnemonic == ZYDIS_MNEMONIC_IDIV) && chance(80)) {
    if (i.mnemonic == ZYDIS_MNEMONIC_DIV) {
      out.insert(out.end(), {0x0f, 0xb6, 0xc0, 0x31, 0xd2});  // movzx eax, al; xor edx, edx
    } else if (compatibility_) {
      out.insert(out.end(), {0x98, 0x99});  // cwde; cdq
    } else {
      out.insert(out.end(), {0x98, 0x48, 0x99});  // cwde; cqo
    }
  }
}

/// Puts a branch to the end of `length` bytes that follow.
void InstructionGenerator::emit_branch_over(Bytes& out, std::uint32_t length) {
  const unsigned kind = below(10);
  if (kind < 6) {
    if (chance(50)) {
      out.push_back(static_cast<std::uint8_t>(0x70 | below(16)));
      append(out, length, 1);
    } else {
      out.push_back(0x0f);
      out.push_back(static_cast<std::uint8_t>(0x80 | below(16)));
      append(out, length, 4);
    }
  } else if (kind < 9) {  // LOOPNE, LOOPE, LOOP, JRCXZ
    if (!compatibility_ && chance(20)) out.push_back(0x67);
    out.push_back(static_cast<std::uint8_t>(0xe0 | below(4)));
    append(out, length, 1);
  } else {
    out.push_back(0xeb);
    append(out, length, 1);
  }
}

/// CALL, JMP and RET to what follows, directly and by registers.
std::vector<InstructionGenerator::Bytes> InstructionGenerator::call_or_jump() {
  if (compatibility_ || chance(25)) return {{0xe8, 0, 0, 0, 0}};
  // LEA of a register that is no pointer: RAX, RCX, RDX.
  const auto reg = static_cast<std::uint8_t>(below(3));
  const auto lea = [reg](std::uint8_t distance) {
    return Bytes{0x48, 0x8d, static_cast<std::uint8_t>(0x05 | reg << 3), distance, 0, 0, 0};
  };
  const auto push = static_cast<std::uint8_t>(0x50 | reg);
  switch (below(4)) {
    case 0:
      return {lea(2), {0xff, static_cast<std::uint8_t>(0xe0 | reg)}};  // jmp
    case 1:
      return {lea(2), {0xff, static_cast<std::uint8_t>(0xd0 | reg)}};  // call
    case 2:
      return {lea(2), {push}, {0xc3}};
    default:
      return {lea(4), {push}, {0xc2, static_cast<std::uint8_t>(below(32)), 0}};
  }
}

/// False: nothing came of this attempt.
bool InstructionGenerator::emit_random(Bytes& out) {
  const Choice& choice = choices_[family_draw_[below(static_cast<unsigned>(family_draw_.size()))]];
  const auto& encodings = choice.by_mnemonic[below(static_cast<unsigned>(choice.by_mnemonic.size()))];
  const Encoding& e = encodings[below(static_cast<unsigned>(encodings.size()))];
  Bytes b = random_bytes(e);
  ZydisDecodedInstruction i;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!decode(b, i, operands) || i.mnemonic != e.mnemonic) return false;
  point_into_window(b, i, operands);
  if (!decode(b, i, operands) || i.mnemonic != e.mnemonic) return false;
  if (!is_harmless(i, operands)) return false;
  b.resize(i.length);
  out = std::move(b);
  return true;
}

InstructionSequence InstructionGenerator::sequence(std::uint64_t address, unsigned instructions) {
  InstructionSequence s;
  initial_pointers_ = pointers_ = 1U << kRsp;
  for (const unsigned r : {3U, 5U, 6U, 7U, 9U, 10U, 13U, 14U, 15U})
    if (!(compatibility_ && is_high(r)) && chance(45)) pointers_ |= 1U << r;
  pointers_ |= 1U << (chance(50) ? kRsi : kRdi);
  if (!compatibility_) pointers_ |= 1U << (13 + below(3));
  small_ = compatibility_ ? 0 : 1U << kIndexRegister;
  initial_pointers_ = pointers_;
  initial_small_ = small_;
  const auto add = [&](const Bytes& b) {
    s.starts.push_back(static_cast<std::uint32_t>(s.bytes.size()));
    s.bytes.insert(s.bytes.end(), b.begin(), b.end());
    s.undefined_flags.push_back(0);
  };
  Bytes one;
  ZydisDecodedInstruction i;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  while (s.starts.size() < instructions) {
    if (chance(2)) {
      for (const Bytes& b : call_or_jump()) add(b);
      continue;
    }
    if (chance(1) && emit_random(one)) {  // LOCK where it is not allowed: #UD
      one.insert(one.begin(), 0xf0);
      if (!decode(one, i, operands)) add(one);
      continue;
    }
    const std::uint64_t branch_room = 8;
    const bool branch = chance(6);
    address_ = address + s.bytes.size();
    // The bytes before it are not known until it is: what it says relative to RIP is made for after them.
    if (branch) address_ += branch_room;
    const std::uint32_t before_pointers = pointers_, before_small = small_;
    if (!emit_random(one)) continue;
    decode(one, i, operands);
    if (host_is_intels() && is_disputed(i)) {
      pointers_ = before_pointers;
      small_ = before_small;
      continue;
    }
    bool relative = false;
    for (unsigned n = 0; n < i.operand_count; ++n)
      relative =
          relative || (operands[n].type == ZYDIS_OPERAND_TYPE_MEMORY &&
                       (operands[n].mem.base == ZYDIS_REGISTER_RIP || operands[n].mem.base == ZYDIS_REGISTER_EIP));
    if (branch) {
      // What is skipped loses nothing; what is not may have lost pointers: both must hold.
      Bytes over;
      emit_branch_over(over, static_cast<std::uint32_t>(one.size()));
      if (relative && over.size() != branch_room) {
        pointers_ = before_pointers;
        small_ = before_small;
        continue;
      }
      add(over);
    } else if (Bytes prelude; add_prelude(prelude, i), !prelude.empty()) {
      if (relative) {
        pointers_ = before_pointers;
        small_ = before_small;
        continue;
      }
      for (std::size_t at = 0; at < prelude.size();) {
        ZydisDecodedInstruction p;
        const Bytes rest(prelude.begin() + static_cast<std::ptrdiff_t>(at), prelude.end());
        decode(rest, p, operands);
        add(Bytes(rest.begin(), rest.begin() + p.length));
        at += p.length;
      }
    }
    add(one);
    if (i.meta.category == ZYDIS_CATEGORY_DECIMAL) {
      s.undefined_flags.back() = i.cpu_flags->undefined & kArithmetic;
      add(Bytes(kUd2.begin(), kUd2.end()));
    } else if (host_is_intels() && leaves_overflow_open(i)) {
      s.undefined_flags.back() = kOf;
      add(Bytes(kUd2.begin(), kUd2.end()));
    }
  }
  s.starts.push_back(static_cast<std::uint32_t>(s.bytes.size()));
  s.bytes.insert(s.bytes.end(), kUd2.begin(), kUd2.end());
  s.initial.rip = address;
  randomize(s);
  return s;
}

std::uint64_t InstructionGenerator::random_value() {
  switch (below(8)) {
    case 0:
      return below(4) - 1U;  // 0, 1, 2 and 2^32 - 1
    case 1:
      return std::uint64_t{0} - below(3);
    case 2:
      return std::uint64_t{1} << below(64);
    case 3:
      return (std::uint64_t{1} << below(64)) - 1;
    case 4:
      return below(300);
    case 5:
      return random_() >> below(64);
    default:
      return random_();
  }
}

void InstructionGenerator::randomize(InstructionSequence& s) {
  UserState& u = s.initial;
  for (unsigned r = 0; r < 16; ++r) {
    u.gpr[r] = random_value();
    if (compatibility_) u.gpr[r] = is_high(r) ? 0 : u.gpr[r] & 0xffffffff;
    if (initial_small_ >> r & 1) u.gpr[r] = static_cast<std::uint64_t>(static_cast<std::int64_t>(below(65)) - 32);
    if (!(initial_pointers_ >> r & 1)) continue;
    // Mostly amid the data; now and then near the end of what may be written or of all.
    std::uint64_t offset = 512 + below(UserLayout::kDataSize - 1024);
    if (chance(4)) offset = UserLayout::kDataSize - below(40);
    if (chance(2)) offset = UserLayout::kDataSize + UserLayout::kReadOnlySize - below(40);
    if (chance(2)) offset = below(40);
    if (chance(80)) offset &= ~std::uint64_t{63};
    u.gpr[r] = UserLayout::kData + offset;
  }
  u.gpr[kRsp] = UserLayout::kData + UserLayout::kDataSize / 2 + below(128) * (chance(80) ? 8 : 1);
  u.eflags = static_cast<std::uint32_t>(random_()) & kArithmetic;
  if (chance(10)) u.eflags |= kDf;
  u.eflags |= 2;
  for (const InstructionFamily& f : families_)
    if (f.prepare) f.prepare(random_, u);
}

std::string disassemble(std::span<const std::uint8_t> bytes, std::uint64_t address, bool compatibility) {
  ZydisDisassembledInstruction d;
  std::string text;
  char hex[4];
  if (ZYAN_SUCCESS(ZydisDisassembleIntel(compatibility ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LONG_64,
                                         address, bytes.data(), bytes.size(), &d)))
    text = d.text;
  text += "  ;";
  for (const std::uint8_t byte : bytes) {
    std::snprintf(hex, sizeof hex, " %02x", byte);
    text += hex;
  }
  return text;
}

}  // namespace machina::jit
