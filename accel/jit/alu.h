#pragma once
/// The arithmetic of the integer instructions, done by the host's instruction of the same name, with its flags.

#include <cstdint>

#include "accel/jit/flags.h"

namespace machina::jit::alu {

inline void keep(ArithmeticFlags& flags, std::uint64_t ax) {
  flags.low = static_cast<std::uint8_t>(ax >> 8);  // LAHF
  flags.of = static_cast<std::uint8_t>(ax);        // SETO
}

// `reads_carry`: the instruction takes CF, or leaves it as it was.
#define MACHINA_BINARY(Name, instruction)                                                                 \
  struct Name {                                                                                           \
    static constexpr bool writes = true;                                                                  \
    template <class T>                                                                                    \
    static T apply(ArithmeticFlags& flags, T a, T b) {                                                    \
      std::uint64_t ax;                                                                                   \
      asm(instruction " %[b], %[a]\n\t" MACHINA_TAKE_FLAGS : [a] "+r"(a), "=&a"(ax) : [b] "r"(b) : "cc"); \
      keep(flags, ax);                                                                                    \
      return a;                                                                                           \
    }                                                                                                     \
  };
MACHINA_BINARY(Add, "add")
MACHINA_BINARY(Sub, "sub")
MACHINA_BINARY(And, "and")
MACHINA_BINARY(Or, "or")
MACHINA_BINARY(Xor, "xor")
#undef MACHINA_BINARY

#define MACHINA_WITH_CARRY(Name, instruction)                                     \
  struct Name {                                                                   \
    static constexpr bool writes = true;                                          \
    template <class T>                                                            \
    static T apply(ArithmeticFlags& flags, T a, T b) {                            \
      std::uint64_t ax;                                                           \
      asm("bt $0, %k[carry]\n\t" instruction " %[b], %[a]\n\t" MACHINA_TAKE_FLAGS \
          : [a] "+r"(a), "=&a"(ax)                                                \
          : [b] "r"(b), [carry] "r"(std::uint32_t{flags.low})                     \
          : "cc");                                                                \
      keep(flags, ax);                                                            \
      return a;                                                                   \
    }                                                                             \
  };
MACHINA_WITH_CARRY(Adc, "adc")
MACHINA_WITH_CARRY(Sbb, "sbb")
#undef MACHINA_WITH_CARRY

/// As SUB and AND without a result.
struct Cmp : Sub {
  static constexpr bool writes = false;
};
struct Test : And {
  static constexpr bool writes = false;
};

// INC and DEC leave CF as it was.
#define MACHINA_UNARY(Name, instruction)                                    \
  struct Name {                                                             \
    template <class T>                                                      \
    static T apply(ArithmeticFlags& flags, T a) {                           \
      std::uint64_t ax;                                                     \
      asm("bt $0, %k[carry]\n\t" instruction " %[a]\n\t" MACHINA_TAKE_FLAGS \
          : [a] "+r"(a), "=&a"(ax)                                          \
          : [carry] "r"(std::uint32_t{flags.low})                           \
          : "cc");                                                          \
      keep(flags, ax);                                                      \
      return a;                                                             \
    }                                                                       \
  };
MACHINA_UNARY(Inc, "inc")
MACHINA_UNARY(Dec, "dec")
MACHINA_UNARY(Neg, "neg")
#undef MACHINA_UNARY

/// NOT changes no flag.
struct Not {
  template <class T>
  static T apply(ArithmeticFlags&, T a) {
    return static_cast<T>(~a);
  }
};

// A count of 0, after masking, changes no flag. SDM vol. 2, SAL/SAR/SHL/SHR and RCL/RCR/ROL/ROR.
#define MACHINA_SHIFT(Name, instruction)                                               \
  struct Name {                                                                        \
    template <class T>                                                                 \
    static T apply(ArithmeticFlags& flags, T a, unsigned count) {                      \
      count &= sizeof(T) == 8 ? 63 : 31;                                               \
      if (count == 0) return a;                                                        \
      std::uint64_t ax = flags.low;                                                    \
      asm("shl $8, %%eax\n\tsahf\n\t" instruction " %%cl, %[a]\n\t" MACHINA_TAKE_FLAGS \
          : [a] "+r"(a), "+&a"(ax)                                                     \
          : "c"(count)                                                                 \
          : "cc");                                                                     \
      keep(flags, ax);                                                                 \
      return a;                                                                        \
    }                                                                                  \
  };
MACHINA_SHIFT(Shl, "shl")
MACHINA_SHIFT(Shr, "shr")
MACHINA_SHIFT(Sar, "sar")
MACHINA_SHIFT(Rol, "rol")
MACHINA_SHIFT(Ror, "ror")
MACHINA_SHIFT(Rcl, "rcl")
MACHINA_SHIFT(Rcr, "rcr")
#undef MACHINA_SHIFT

}  // namespace machina::jit::alu
