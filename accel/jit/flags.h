#pragma once
/// Arithmetic flags, taken from the host's own instruction: guest and host are the same architecture, so that even what
/// the manual leaves undefined is what this processor does.
///
/// They are kept as LAHF and SETO give them: two bytes, which are AL and AH, stored by each instruction that sets them.

#include <cstdint>

namespace machina::jit {

inline constexpr std::uint32_t kCf = 1, kPf = 4, kAf = 0x10, kZf = 0x40, kSf = 0x80, kTf = 0x100, kIf = 0x200,
                               kDf = 0x400, kOf = 0x800, kIopl = 0x3000, kNt = 0x4000, kRf = 0x10000, kVm = 0x20000,
                               kAc = 0x40000, kVif = 0x80000, kVip = 0x100000, kId = 0x200000;
inline constexpr std::uint32_t kArithmetic = kCf | kPf | kAf | kZf | kSf | kOf;

struct ArithmeticFlags {
  std::uint8_t of = 0;   ///< 0 or 1
  std::uint8_t low = 2;  ///< SF ZF 0 AF 0 PF 1 CF, bits 7 to 0 of EFLAGS

  std::uint32_t eflags() const { return (low & 0xd5U) | (of ? kOf : 0U); }
  void set(std::uint32_t eflags) {
    low = static_cast<std::uint8_t>((eflags & 0xd5) | 2);
    of = (eflags & kOf) != 0;
  }
  bool cf() const { return low & kCf; }
  bool zf() const { return low & kZf; }
  void set_zf(bool on) { low = static_cast<std::uint8_t>(on ? low | kZf : low & ~kZf); }
  /// The condition of Jcc, SETcc and CMOVcc; `code` is the low four bits of the opcode. SDM vol. 1, appendix B.
  bool condition(unsigned code) const {
    bool value = false;
    switch (code >> 1) {
      case 0:
        value = of;
        break;
      case 1:
        value = low & kCf;
        break;
      case 2:
        value = low & kZf;
        break;
      case 3:
        value = low & (kCf | kZf);
        break;
      case 4:
        value = low & kSf;
        break;
      case 5:
        value = low & kPf;
        break;
      case 6:
        value = (low >> 7) != of;
        break;
      case 7:
        value = (low & kZf) || (low >> 7) != of;
        break;
      default:
        break;
    }
    return value != ((code & 1) != 0);
  }
};

/// Takes the flags of the instruction in the asm statement before it: LAHF, SETO.
#define MACHINA_TAKE_FLAGS "lahf\n\tseto %%al"
/// The other way round, for instructions that read flags or leave some: ADD of 7Fh overflows when AL was 1.
#define MACHINA_PUT_FLAGS "addb $0x7f, %%al\n\tsahf\n\t"

}  // namespace machina::jit
