#pragma once
/// Random user-mode instructions whose memory operands stay within UserLayout's window, so that they can be carried out
/// natively in a process that means to go on.
///
/// Every encoding that Zydis decodes to a wanted mnemonic is found once, by trying all opcodes; a random one of a
/// random mnemonic is then given random prefixes, registers, displacements and immediates, and decoded again to see
/// that nothing reaches where it should not.

#include <Zydis/Zydis.h>

#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/support/oracle/user_state.h"

namespace machina::jit {

using Random = std::mt19937_64;

/// Instructions that belong together, and what their tests need besides random registers.
struct InstructionFamily {
  std::string name;
  std::vector<ZydisMnemonic> mnemonics;
  /// Makes registers interesting for them: called after the general registers have been filled in. May be empty.
  std::function<void(Random&, UserState&)> prepare;
  /// How many of the sequence's instructions are of this family, relative to the others.
  unsigned weight = 1;
};

/// What the software CPU has and this host as well.
std::vector<InstructionFamily> integer_families();
std::vector<InstructionFamily> integer_families_32();

/// Straight-line code, and branches over one instruction.
struct InstructionSequence {
  std::vector<std::uint8_t> bytes;    ///< ends with UD2
  std::vector<std::uint32_t> starts;  ///< of each instruction, the UD2 last
  /// Of each instruction, flags that the manual leaves undefined and that are not taken from the host's own; a UD2
  /// follows where there are any.
  std::vector<std::uint32_t> undefined_flags;
  UserState initial;  ///< with rip
};

class InstructionGenerator {
 public:
  InstructionGenerator(std::vector<InstructionFamily> families, bool compatibility, std::uint64_t seed);

  InstructionSequence sequence(std::uint64_t address, unsigned instructions);
  /// Other values in the same registers, pointers among them.
  void randomize(InstructionSequence& sequence);
  Random& random() { return random_; }
  /// Mnemonics that no encoding was found of: a family that names one is wrong.
  std::vector<ZydisMnemonic> missing() const { return missing_; }

 private:
  struct Encoding {
    ZydisMnemonic mnemonic;
    bool vex, w, l, memory, has_modrm;
    std::uint8_t prefix;  ///< 0, 66h, F3h or F2h
    std::uint8_t map;     ///< 0, 1 (0F), 2 (0F 38), 3 (0F 3A)
    std::uint8_t opcode, modrm;
  };
  using Bytes = std::vector<std::uint8_t>;

  void find_encodings();
  bool is_prefix(unsigned byte) const;
  void try_encoding(const Encoding& e, std::vector<std::vector<Encoding>>& found);
  Bytes plain(const Encoding& e) const;
  bool emit_random(Bytes& out);
  Bytes random_bytes(const Encoding& e);
  void append_memory(Bytes& b, const Encoding& e, bool rex_b, bool rex_x);
  void point_into_window(Bytes& b, const ZydisDecodedInstruction& i, const ZydisDecodedOperand* operands);
  bool is_harmless(const ZydisDecodedInstruction& i, const ZydisDecodedOperand* operands);
  void add_prelude(Bytes& out, const ZydisDecodedInstruction& i);
  void emit_branch_over(Bytes& out, std::uint32_t length);
  std::vector<Bytes> call_or_jump();
  bool decode(const Bytes& b, ZydisDecodedInstruction& i, ZydisDecodedOperand* operands) const;
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  bool chance(unsigned percent) { return below(100) < percent; }
  unsigned pick_pointer(bool high);
  std::uint64_t random_value();

  std::vector<InstructionFamily> families_;
  bool compatibility_;
  Random random_;
  ZydisDecoder decoder_;
  struct Choice {
    std::vector<std::vector<Encoding>> by_mnemonic;
  };
  std::vector<Choice> choices_;        // by family
  std::vector<unsigned> family_draw_;  // indices of families, as often as they weigh
  std::vector<ZydisMnemonic> missing_;
  std::uint64_t address_ = 0;                          // where the sequence that is being made lies
  std::uint32_t pointers_ = 0, initial_pointers_ = 0;  // registers that hold addresses within the data
  std::uint32_t small_ = 0, initial_small_ = 0;        // registers that hold small numbers
};

/// The processor that tests run on.
bool host_is_intels();

std::string disassemble(std::span<const std::uint8_t> bytes, std::uint64_t address, bool compatibility);

}  // namespace machina::jit
