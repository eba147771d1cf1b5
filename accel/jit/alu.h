#pragma once
/// The arithmetic of the integer instructions, done by the host's instruction of the same name, with its flags.

#include <bit>
#include <cstdint>

#include "accel/jit/flags.h"

namespace machina::jit::alu {

/// Of what MACHINA_TAKE_FLAGS left in AX.
inline void keep(ArithmeticFlags& flags, std::uint64_t ax) {
  flags = std::bit_cast<ArithmeticFlags>(static_cast<std::uint16_t>(ax));
}
/// AX for MACHINA_PUT_FLAGS.
inline std::uint64_t packed(const ArithmeticFlags& flags) { return std::bit_cast<std::uint16_t>(flags); }

// `reads_carry`: the instruction takes CF, or leaves it as it was.
#define MACHINA_BINARY(Name, instruction)                                                                 \
  struct Name {                                                                                           \
    static constexpr bool writes = true;                                                                  \
    template <class T>                                                                                    \
    [[gnu::always_inline]] static T apply(ArithmeticFlags& flags, T a, T b) {                             \
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
    [[gnu::always_inline]] static T apply(ArithmeticFlags& flags, T a, T b) {     \
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
    [[gnu::always_inline]] static T apply(ArithmeticFlags& flags, T a) {    \
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
  [[gnu::always_inline]] static T apply(ArithmeticFlags&, T a) {
    return static_cast<T>(~a);
  }
};

// A count of 0, after masking, changes no flag. SDM vol. 2, SAL/SAR/SHL/SHR and RCL/RCR/ROL/ROR. Shifts set every flag;
// rotates leave most of them, and RCL and RCR of 8 and 16 bits may come down to none after all.
#define MACHINA_SHIFT(Name, before, instruction)                                                                 \
  struct Name {                                                                                                  \
    template <class T>                                                                                           \
    [[gnu::always_inline]] static T apply(ArithmeticFlags& flags, T a, unsigned count) {                         \
      count &= sizeof(T) == 8 ? 63 : 31;                                                                         \
      if (count == 0) return a;                                                                                  \
      std::uint64_t ax = packed(flags);                                                                          \
      asm(before instruction " %%cl, %[a]\n\t" MACHINA_TAKE_FLAGS : [a] "+r"(a), "+&a"(ax) : "c"(count) : "cc"); \
      keep(flags, ax);                                                                                           \
      return a;                                                                                                  \
    }                                                                                                            \
  };
MACHINA_SHIFT(Shl, "", "shl")
MACHINA_SHIFT(Shr, "", "shr")
MACHINA_SHIFT(Sar, "", "sar")
MACHINA_SHIFT(Rol, MACHINA_PUT_FLAGS, "rol")
MACHINA_SHIFT(Ror, MACHINA_PUT_FLAGS, "ror")
MACHINA_SHIFT(Rcl, MACHINA_PUT_FLAGS, "rcl")
MACHINA_SHIFT(Rcr, MACHINA_PUT_FLAGS, "rcr")
#undef MACHINA_SHIFT

#define MACHINA_DOUBLE_SHIFT(Name, instruction)                                                  \
  struct Name {                                                                                  \
    template <class T>                                                                           \
    [[gnu::always_inline]] static T apply(ArithmeticFlags& flags, T a, T from, unsigned count) { \
      count &= sizeof(T) == 8 ? 63 : 31;                                                         \
      if (count == 0) return a;                                                                  \
      std::uint64_t ax = packed(flags);                                                          \
      asm(MACHINA_PUT_FLAGS instruction " %%cl, %[from], %[a]\n\t" MACHINA_TAKE_FLAGS            \
          : [a] "+r"(a), "+&a"(ax)                                                               \
          : "c"(count), [from] "r"(from)                                                         \
          : "cc");                                                                               \
      keep(flags, ax);                                                                           \
      return a;                                                                                  \
    }                                                                                            \
  };
MACHINA_DOUBLE_SHIFT(Shld, "shld")
MACHINA_DOUBLE_SHIFT(Shrd, "shrd")
#undef MACHINA_DOUBLE_SHIFT

// Those that leave flags, or leave them undefined, as which processors mostly keep what there was.
#define MACHINA_KEEPING(Name, instruction, does_write)                        \
  struct Name {                                                               \
    static constexpr bool writes = does_write;                                \
    template <class T>                                                        \
    [[gnu::always_inline]] static T apply(ArithmeticFlags& flags, T a, T b) { \
      std::uint64_t ax = packed(flags);                                       \
      asm(MACHINA_PUT_FLAGS instruction " %[b], %[a]\n\t" MACHINA_TAKE_FLAGS  \
          : [a] "+r"(a), "+&a"(ax)                                            \
          : [b] "r"(b)                                                        \
          : "cc");                                                            \
      keep(flags, ax);                                                        \
      return a;                                                               \
    }                                                                         \
  };
MACHINA_KEEPING(Imul, "imul", true)
MACHINA_KEEPING(Bt, "bt", false)
MACHINA_KEEPING(Bts, "bts", true)
MACHINA_KEEPING(Btr, "btr", true)
MACHINA_KEEPING(Btc, "btc", true)
MACHINA_KEEPING(Adcx, "adcx", true)
MACHINA_KEEPING(Adox, "adox", true)
#undef MACHINA_KEEPING

// `d` is the whole register: BSF and BSR of zero leave it, or a part of it, as it was.
#define MACHINA_SCAN(Name, instruction)                                                                    \
  struct Name {                                                                                            \
    template <class T>                                                                                     \
    [[gnu::always_inline]] static std::uint64_t apply(ArithmeticFlags& flags, std::uint64_t d, T source) { \
      std::uint64_t ax = packed(flags);                                                                    \
      if constexpr (sizeof(T) == 2) {                                                                      \
        asm(MACHINA_PUT_FLAGS instruction " %[s], %w[d]\n\t" MACHINA_TAKE_FLAGS                            \
            : [d] "+r"(d), "+&a"(ax)                                                                       \
            : [s] "r"(source)                                                                              \
            : "cc");                                                                                       \
      } else if constexpr (sizeof(T) == 4) {                                                               \
        asm(MACHINA_PUT_FLAGS instruction " %[s], %k[d]\n\t" MACHINA_TAKE_FLAGS                            \
            : [d] "+r"(d), "+&a"(ax)                                                                       \
            : [s] "r"(source)                                                                              \
            : "cc");                                                                                       \
      } else {                                                                                             \
        asm(MACHINA_PUT_FLAGS instruction " %[s], %q[d]\n\t" MACHINA_TAKE_FLAGS                            \
            : [d] "+r"(d), "+&a"(ax)                                                                       \
            : [s] "r"(source)                                                                              \
            : "cc");                                                                                       \
      }                                                                                                    \
      keep(flags, ax);                                                                                     \
      return d;                                                                                            \
    }                                                                                                      \
  };
MACHINA_SCAN(Bsf, "bsf")
MACHINA_SCAN(Bsr, "bsr")
MACHINA_SCAN(Tzcnt, "tzcnt")
MACHINA_SCAN(Lzcnt, "lzcnt")
MACHINA_SCAN(Popcnt, "popcnt")
#undef MACHINA_SCAN

// VEX: a result of its own. 32 and 64 bits.
#define MACHINA_VEX2(Name, instruction)                                      \
  struct Name {                                                              \
    template <class T>                                                       \
    [[gnu::always_inline]] static T apply(ArithmeticFlags& flags, T a) {     \
      std::uint64_t ax = packed(flags);                                      \
      T d;                                                                   \
      asm(MACHINA_PUT_FLAGS instruction " %[a], %[d]\n\t" MACHINA_TAKE_FLAGS \
          : [d] "=&r"(d), "+&a"(ax)                                          \
          : [a] "r"(a)                                                       \
          : "cc");                                                           \
      keep(flags, ax);                                                       \
      return d;                                                              \
    }                                                                        \
  };
MACHINA_VEX2(Blsi, "blsi")
MACHINA_VEX2(Blsr, "blsr")
MACHINA_VEX2(Blsmsk, "blsmsk")
#undef MACHINA_VEX2

/// `a` is the first source operand in Intel's order, `b` the second.
#define MACHINA_VEX3(Name, instruction)                                            \
  struct Name {                                                                    \
    template <class T>                                                             \
    [[gnu::always_inline]] static T apply(ArithmeticFlags& flags, T a, T b) {      \
      std::uint64_t ax = packed(flags);                                            \
      T d;                                                                         \
      asm(MACHINA_PUT_FLAGS instruction " %[b], %[a], %[d]\n\t" MACHINA_TAKE_FLAGS \
          : [d] "=&r"(d), "+&a"(ax)                                                \
          : [a] "r"(a), [b] "r"(b)                                                 \
          : "cc");                                                                 \
      keep(flags, ax);                                                             \
      return d;                                                                    \
    }                                                                              \
  };
MACHINA_VEX3(Andn, "andn")
MACHINA_VEX3(Bextr, "bextr")
MACHINA_VEX3(Bzhi, "bzhi")
#undef MACHINA_VEX3

#define MACHINA_VEX3_NO_FLAGS(Name, instruction)                                   \
  struct Name {                                                                    \
    template <class T>                                                             \
    [[gnu::always_inline]] static T apply(ArithmeticFlags&, T a, T b) {            \
      T d;                                                                         \
      asm(instruction " %[b], %[a], %[d]" : [d] "=r"(d) : [a] "r"(a), [b] "r"(b)); \
      return d;                                                                    \
    }                                                                              \
  };
MACHINA_VEX3_NO_FLAGS(Pdep, "pdep")
MACHINA_VEX3_NO_FLAGS(Pext, "pext")
MACHINA_VEX3_NO_FLAGS(Sarx, "sarx")
MACHINA_VEX3_NO_FLAGS(Shlx, "shlx")
MACHINA_VEX3_NO_FLAGS(Shrx, "shrx")
#undef MACHINA_VEX3_NO_FLAGS

}  // namespace machina::jit::alu
