/// MUL, IMUL, DIV, IDIV.

#include <limits>
#include <type_traits>

#include "accel/jit/alu.h"
#include "accel/jit/emitters.h"

namespace machina::jit {

namespace {

/// RAX and RDX whole: of narrower products and quotients the host changes as much of them as it does for itself.
struct Pair {
  std::uint64_t rax, rdx;
};

#define MACHINA_WIDE(Name, instruction)                                                                             \
  struct Name {                                                                                                     \
    template <class T>                                                                                              \
    [[gnu::always_inline]] static Pair apply(ArithmeticFlags& flags, Pair v, T b) {                                 \
      std::uint64_t ax = alu::packed(flags);                                                                        \
      asm(MACHINA_PUT_FLAGS "mov %[low], %%rax\n\t" instruction " %[b]\n\tmov %%rax, %[low]\n\t" MACHINA_TAKE_FLAGS \
          : "+&a"(ax), [low] "+&r"(v.rax), "+&d"(v.rdx)                                                             \
          : [b] "r"(b)                                                                                              \
          : "cc");                                                                                                  \
      alu::keep(flags, ax);                                                                                         \
      return v;                                                                                                     \
    }                                                                                                               \
  };
MACHINA_WIDE(Mul, "mul")
MACHINA_WIDE(SignedMul, "imul")
MACHINA_WIDE(Div, "div")
MACHINA_WIDE(SignedDiv, "idiv")
#undef MACHINA_WIDE

/// The halves of the dividend: AH:AL, DX:AX, EDX:EAX or RDX:RAX.
template <class T>
T low_half(Pair v) {
  return static_cast<T>(v.rax);
}
template <class T>
T high_half(Pair v) {
  return static_cast<T>(sizeof(T) == 1 ? v.rax >> 8 : v.rdx);
}

/// Does the quotient fit? SDM vol. 2, DIV and IDIV: #DE if not.
template <class T>
bool divides(Div, Pair v, T b) {
  return high_half<T>(v) < b;
}
template <class T>
bool divides(SignedDiv, Pair v, T b) {
  using S = std::make_signed_t<T>;
  constexpr S kMin = std::numeric_limits<S>::min(), kMax = std::numeric_limits<S>::max();
  const auto low = static_cast<S>(low_half<T>(v)), high = static_cast<S>(high_half<T>(v)), divisor = static_cast<S>(b);
  if (divisor == 0) return false;
  if (high == (low < 0 ? -1 : 0)) return divisor != -1 || low != kMin;
  const auto dividend = static_cast<__int128>(
      static_cast<unsigned __int128>(static_cast<__int128>(high)) << (8 * sizeof(T)) | static_cast<T>(low));
  if (divisor == -1) return dividend >= -static_cast<__int128>(kMax) && dividend <= -static_cast<__int128>(kMin);
  const __int128 quotient = dividend / divisor;
  return quotient >= kMin && quotient <= kMax;
}

template <class Alu>
constexpr bool kIsDivision = std::is_same_v<Alu, Div> || std::is_same_v<Alu, SignedDiv>;

template <class Alu, class T, Place P>
const Block* wide(Cpu& cpu, const Op* op) {
  const T b = read_place<T, P>(cpu, op, op->source);
  const Pair before{cpu.gpr[kRax], cpu.gpr[kRdx]};
  if constexpr (kIsDivision<Alu>)
    if (!divides(Alu{}, before, b)) raise_of(cpu, op, Vector::DivideError);
  const Pair after = Alu::template apply<T>(cpu.flags, before, b);
  cpu.gpr[kRax] = after.rax;
  cpu.gpr[kRdx] = after.rdx;
  return next(cpu, op);
}
template <class Alu>
void emit_wide(Decoding& d) {
  d.use_source_or_memory(0);
  d.op.handler = by_width(d.width(0), [&]<class T>() -> Handler {
    return by_place(d, 0, []<Place P>() -> Handler { return &wide<Alu, T, P>; });
  });
}

template <class T, Place P>
const Block* imul2(Cpu& cpu, const Op* op) {
  const T b = read_place<T, P>(cpu, op, op->source);
  set_register<T>(cpu, op->destination, alu::Imul::apply<T>(cpu.flags, get_register<T>(cpu, op->destination), b));
  return next(cpu, op);
}
template <class T, Place P>
const Block* imul3(Cpu& cpu, const Op* op) {
  const T b = read_place<T, P>(cpu, op, op->source);
  set_register<T>(cpu, op->destination, alu::Imul::apply<T>(cpu.flags, b, static_cast<T>(op->immediate)));
  return next(cpu, op);
}
void emit_imul(Decoding& d) {
  if (d.instruction.operand_count_visible == 1) return emit_wide<SignedMul>(d);
  const bool three = d.instruction.operand_count_visible == 3;
  d.use_destination(0);
  d.use_source_or_memory(1);
  if (three) d.use_immediate(2);
  d.op.handler = by_word_width(d.width(0), [&]<class T>() -> Handler {
    return by_place(d, 1, [&]<Place P>() -> Handler { return three ? &imul3<T, P> : &imul2<T, P>; });
  });
}

}  // namespace

void add_multiply_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_MUL] = &emit_wide<Mul>;
  table[ZYDIS_MNEMONIC_IMUL] = &emit_imul;
  table[ZYDIS_MNEMONIC_DIV] = &emit_wide<Div>;
  table[ZYDIS_MNEMONIC_IDIV] = &emit_wide<SignedDiv>;
}

}  // namespace machina::jit
