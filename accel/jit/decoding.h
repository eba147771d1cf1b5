#pragma once
/// One instruction on its way from bytes to an Op. Each mnemonic has an emitter that chooses the handler.

#include <Zydis/Zydis.h>

#include <span>

#include "accel/jit/op.h"
#include "accel/jit/operands.h"

namespace machina::jit {

struct Decoding {
  const ZydisDecodedInstruction& instruction;
  std::span<const ZydisDecodedOperand> operands;  ///< the visible ones come first
  std::uint32_t mode;                             ///< ModeBits
  Op& op;
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
};

/// The offset into Cpu::gpr of a general register of any size, AH to BH among them.
std::uint8_t register_offset(ZydisRegister reg);

using Emitter = void (*)(Decoding&);
/// Null: the instruction is not known here and raises #UD.
Emitter emitter_of(ZydisMnemonic mnemonic);

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

}  // namespace machina::jit
