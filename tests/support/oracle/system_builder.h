#pragma once
/// What the generators of system cases are made of: memory at rest, a random mode to start in, descriptors and
/// selectors that fit or just miss, and the bytes of instructions.

#include <initializer_list>
#include <random>
#include <span>
#include <vector>

#include "tests/support/oracle/system_case.h"

namespace machina::jit {

enum class CodeMode : std::uint8_t {
  Real,
  Virtual8086,
  Protected16,
  Protected32,
  Compatibility16,
  Compatibility32,
  Long
};
const char* name_of(CodeMode mode);
enum class PagingMode : std::uint8_t { None, Bits32, Pae, Long };

/// All RAM before a case's patches. GDT, IDTs, TSSs and page tables are whole and permit everything.
std::vector<std::uint8_t> memory_at_rest();

/// Descriptors in the GDT at rest: for each DPL five segments that are flat, then the system ones.
namespace gdt {
enum Kind : unsigned { kCode64, kCode32, kCode16, kData32, kData16 };
constexpr std::uint16_t flat(Kind kind, unsigned dpl) {
  return static_cast<std::uint16_t>(8 * (1 + 5 * dpl + kind) | dpl);
}
inline constexpr std::uint16_t kTss32 = 0xb0, kTss64 = 0xc0, kLdt = 0xd0, kOtherTss32 = 0xe0, kTss16 = 0xe8;
inline constexpr std::uint16_t kFirstFree = 0x100, kLimit = 0x1ff;
}  // namespace gdt

/// A descriptor's fields, before they are packed.
struct DescriptorFields {
  std::uint64_t base = 0;         ///< of gates: the offset
  std::uint32_t limit = 0xfffff;  ///< 20 bits
  unsigned type = 3;
  bool s = true;
  unsigned dpl = 0;
  bool present = true, avl = false, l = false, db = false, g = true;
  std::uint64_t raw() const;
};
/// Of a gate: `low` is its parameter count or IST.
std::uint64_t gate_descriptor(unsigned type, unsigned dpl, bool present, std::uint16_t selector, std::uint64_t offset,
                              unsigned low = 0);

/// What a selector is wanted for.
enum class Wanted : std::uint8_t { Data, Stack, Code, Ldt, Tss };

class SystemBuilder {
 public:
  using Random = std::mt19937_64;

  SystemBuilder(Random& random, SystemCase& out, const SystemAbilities& abilities = {})
      : random_(random), c_(out), abilities_(abilities) {}

  // --- dice ---
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  bool chance(unsigned percent) { return below(100) < percent; }
  std::uint64_t any() { return random_(); }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<unsigned>(values.size()))];
  }
  /// A number of any magnitude, often at an edge.
  std::uint64_t number();

  // --- where the case starts ---
  /// Sets up registers, segments, control registers and tables; the instruction is at kCode + something.
  void start(CodeMode mode, unsigned cpl, PagingMode paging);
  /// One that exists, with paging that suits it.
  void start_anywhere();
  void start_protected();  ///< neither real nor virtual-8086

  CodeMode mode() const { return mode_; }
  PagingMode paging() const { return paging_; }
  unsigned cpl() const { return cpl_; }
  bool long_mode() const { return mode_ >= CodeMode::Compatibility16; }
  bool is_64() const { return mode_ == CodeMode::Long; }
  bool is_protected() const { return mode_ > CodeMode::Virtual8086; }
  bool is_16() const {
    return mode_ == CodeMode::Real || mode_ == CodeMode::Virtual8086 || mode_ == CodeMode::Protected16 ||
           mode_ == CodeMode::Compatibility16;
  }
  X86State& state() { return c_.state; }
  SystemCase& out() { return c_; }

  // --- memory ---
  void put(std::uint64_t physical, std::uint64_t value, unsigned width);
  /// Address of the operand that memory_operand() means; set up by start().
  std::uint64_t data_linear() const { return data_; }
  void point_data_at(std::uint64_t linear);   ///< RBX
  void point_stack_at(std::uint64_t linear);  ///< RSP
  std::uint64_t stack_linear() const { return stack_; }
  /// Values where POP, RET and IRET find them, each `width` bytes wide, the first on top.
  void stack_values(std::initializer_list<std::uint64_t> values, unsigned width);
  void data_values(std::initializer_list<std::uint64_t> values, unsigned width);
  /// Puts `width` bytes at the physical address behind the operand.
  void data_value(unsigned offset, std::uint64_t value, unsigned width) { put(data_ + offset, value, width); }

  // --- descriptors ---
  /// Somewhere in the GDT or the LDT, of 8 or 16 bytes: the selector, with an RPL of 0.
  std::uint16_t place(std::uint64_t low, std::uint64_t high = 0);
  DescriptorFields fitting(Wanted wanted, unsigned for_cpl);
  /// Changes one of its fields.
  void spoil(DescriptorFields& d);
  /// A selector that fits in `percent` of all cases and misses by a little in most of the others.
  std::uint16_t selector(Wanted wanted, unsigned percent = 65);
  std::uint16_t selector_for(Wanted wanted, unsigned for_cpl, unsigned percent);
  /// A call gate, a task gate or a TSS.
  std::uint16_t far_gate();
  /// An offset in the code that HLTs are at, for a code segment whose base is `base`.
  std::uint64_t code_offset(std::uint64_t base = 0);
  /// A selector of real mode, and the offset that makes a target of it.
  std::uint16_t real_target(std::uint64_t& offset);

  /// Sets the accessed bit in all code and data descriptors that the case has put in place.
  void mark_all_accessed();

  // --- instructions ---
  void name(const char* mnemonic) { c_.mnemonic = mnemonic; }
  /// Prefixes for an operand of `width` bytes (0: none), then the bytes.
  void emit(unsigned width, std::initializer_list<unsigned> bytes);
  /// The same, with ModRM for memory at RBX and `reg` in its middle.
  void emit_memory(unsigned width, std::initializer_list<unsigned> bytes, unsigned reg);
  void emit_register(unsigned width, std::initializer_list<unsigned> bytes, unsigned reg, unsigned rm);
  void append(std::uint64_t value, unsigned width);
  /// A width that the mode has: 2, 4, 8.
  unsigned operand_width();
  /// What ends the case, where a HLT after the instruction would not.
  void finish();
  unsigned default_width() const { return is_16() ? 2 : 4; }

  // --- what many families want now and then ---
  void spoil_page_tables();
  void spoil_gates();
  void spoil_tss();

 private:
  X86Segment segment_of(std::uint16_t selector, unsigned type, unsigned dpl, bool l, bool db) const;
  void start_real_segments();
  void start_protected_segments();
  void start_control();
  void random_registers();
  void set_page_flags();

  Random& random_;
  SystemCase& c_;
  SystemAbilities abilities_;
  CodeMode mode_ = CodeMode::Real;
  PagingMode paging_ = PagingMode::None;
  unsigned cpl_ = 0;
  unsigned next_free_ = 0;
  std::uint64_t data_ = 0, stack_ = 0;
};

}  // namespace machina::jit
