#pragma once
/// One instruction on its way from bytes to an Op. Each mnemonic has an emitter that chooses the handler.

#include <Zydis/Zydis.h>

#include <span>

#include "accel/jit/op.h"
#include "accel/jit/operands.h"

namespace machina::jit {

class ThunkCache;

struct Decoding {
  const ZydisDecodedInstruction& instruction;
  std::span<const ZydisDecodedOperand> operands;  ///< the visible ones come first
  std::uint32_t mode;                             ///< ModeBits
  Op& op;
  ThunkCache& thunks;
  bool ends_block = false;

  const ZydisDecodedOperand& operand(unsigned n) const { return operands[n]; }
  bool is_register(unsigned n) const { return operand(n).type == ZYDIS_OPERAND_TYPE_REGISTER; }
  bool is_memory(unsigned n) const { return operand(n).type == ZYDIS_OPERAND_TYPE_MEMORY; }
  bool is_immediate(unsigned n) const { return operand(n).type == ZYDIS_OPERAND_TYPE_IMMEDIATE; }
  unsigned width(unsigned n) const { return operand(n).size; }  ///< in bits
  bool locked() const { return instruction.attributes & ZYDIS_ATTRIB_HAS_LOCK; }
  /// The memory operand's segment must be checked at each access.
  bool checked = false;

  void use_destination(unsigned n);
  void use_source(unsigned n);
  void use_immediate(unsigned n);
  void use_memory(unsigned n);
  /// Of a register or memory: as source or destination.
  void use_source_or_memory(unsigned n) { is_memory(n) ? use_memory(n) : use_source(n); }
  void use_destination_or_memory(unsigned n) { is_memory(n) ? use_memory(n) : use_destination(n); }
};

/// The offset into Cpu::gpr of a general register of any size, AH to BH among them.
std::uint8_t register_offset(ZydisRegister reg);

/// #UD.
const Block* undefined_instruction(Cpu& cpu, const Op* op);
void make_undefined(Decoding& d);

/// The number of a vector register.
inline std::uint8_t vector_number(const ZydisDecodedOperand& operand) {
  return static_cast<std::uint8_t>(ZydisRegisterGetId(operand.reg.value));
}

/// Fills in the Op. Leaving its handler null makes the instruction raise #UD.
using Emitter = void (*)(Decoding&);

/// The emitter of an instruction that has one handler, and no operands that are not always the same.
template <Handler H, bool EndsBlock = false>
void emit_fixed(Decoding& d) {
  d.op.handler = H;
  d.ends_block = EndsBlock;
}

/// `choose.template operator()<T>()` for the unsigned type of that many bits.
template <class Choose>
Handler by_width(unsigned bits, Choose choose) {
  switch (bits) {
    case 8:
      return choose.template operator()<std::uint8_t>();
    case 16:
      return choose.template operator()<std::uint16_t>();
    case 32:
      return choose.template operator()<std::uint32_t>();
    case 64:
      return choose.template operator()<std::uint64_t>();
    default:
      return nullptr;
  }
}

/// The same for instructions that have no form of 8 bits.
template <class Choose>
Handler by_word_width(unsigned bits, Choose choose) {
  switch (bits) {
    case 16:
      return choose.template operator()<std::uint16_t>();
    case 32:
      return choose.template operator()<std::uint32_t>();
    case 64:
      return choose.template operator()<std::uint64_t>();
    default:
      return nullptr;
  }
}

/// `choose.template operator()<P>()` for where operand `n` is, whose use_*() has been called.
template <class Choose>
Handler by_place(const Decoding& d, unsigned n, Choose choose) {
  if (d.is_register(n)) return choose.template operator()<Place::Register>();
  return d.checked ? choose.template operator()<Place::Checked>() : choose.template operator()<Place::Flat>();
}

}  // namespace machina::jit
