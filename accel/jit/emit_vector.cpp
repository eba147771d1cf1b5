/// MMX, SSE to SSE4.2, AES, PCLMULQDQ, SHA, AVX, AVX2, FMA, F16C: on the host's own units, so that results and flags
/// are exact. Registers go through memory from one instruction to the next, at numbers of their own; moves from and to
/// memory, which are the most frequent ones, have handlers in C++.

#include <emmintrin.h>

#include <algorithm>
#include <array>

#include "accel/jit/cpu_layout.h"
#include "accel/jit/emitters.h"
#include "accel/jit/float_gate.h"
#include "accel/jit/thunk_code.h"
#include "accel/jit/thunk_operand.h"
#include "accel/jit/vector_form.h"

namespace machina::jit {

namespace {

bool is_vex(const Decoding& d) { return d.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX; }

bool is_class(const ZydisDecodedOperand& o, ZydisRegisterClass cls) {
  return o.type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(o.reg.value) == cls;
}
bool has_class(const Decoding& d, ZydisRegisterClass cls) {
  return std::any_of(d.operands.begin(), d.operands.end(),
                     [cls](const ZydisDecodedOperand& o) { return is_class(o, cls); });
}

/// Those of 64-bit registers of the x87 unit; and two that make the change to MMX even from memory.
bool uses_mmx(const Decoding& d) {
  switch (d.instruction.mnemonic) {
    case ZYDIS_MNEMONIC_EMMS:
    case ZYDIS_MNEMONIC_CVTPI2PS:
    case ZYDIS_MNEMONIC_CVTPI2PD:
      return true;
    default:
      return has_class(d, ZYDIS_REGCLASS_MMX);
  }
}
bool uses_xmm(const Decoding& d) { return has_class(d, ZYDIS_REGCLASS_XMM) || has_class(d, ZYDIS_REGCLASS_YMM); }

/// Does it depend on MXCSR, and set flags there? SDM vol. 2, tables 2-18 and following: the classes of exceptions that
/// have numeric ones among them. Conversions between MMX and XMM registers are in table 22-4 of vol. 3 instead.
bool is_numeric(const Decoding& d) {
  switch (d.instruction.meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_SSE2:
    case ZYDIS_EXCEPTION_CLASS_SSE3:
    case ZYDIS_EXCEPTION_CLASS_AVX2:
    case ZYDIS_EXCEPTION_CLASS_AVX3:
    case ZYDIS_EXCEPTION_CLASS_AVX11:
      return true;
    default:
      return d.instruction.meta.category == ZYDIS_CATEGORY_CONVERT;
  }
}

/// The operand must lie at a multiple of its size.
bool is_aligned(const Decoding& d, const ZydisDecodedOperand& memory) {
  switch (d.instruction.mnemonic) {
    case ZYDIS_MNEMONIC_VMOVAPS:
    case ZYDIS_MNEMONIC_VMOVAPD:
    case ZYDIS_MNEMONIC_VMOVDQA:
    case ZYDIS_MNEMONIC_VMOVNTPS:
    case ZYDIS_MNEMONIC_VMOVNTPD:
    case ZYDIS_MNEMONIC_VMOVNTDQ:
    case ZYDIS_MNEMONIC_VMOVNTDQA:
      return true;
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPESTRM:
    case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_PCMPISTRM:
      return false;
    default:
      return !is_vex(d) && memory.size == 128;
  }
}

// --- moves ---

/// The register that a move names, and what VEX does to its upper half.
template <bool Vex>
inline void set_xmm(Cpu& cpu, unsigned number, __m128i value) {
  auto* to = reinterpret_cast<__m128i*>(cpu.vector.ymm[number].data());
  _mm_store_si128(to, value);
  if constexpr (Vex) _mm_store_si128(to + 1, _mm_setzero_si128());
}

template <bool Aligned>
constexpr Operand kOperand = Aligned ? Operand::Aligned : Operand::Any;

/// Zeros above what is loaded: MOVD, MOVQ, MOVSS and MOVSD from memory.
template <unsigned Width, bool Vex>
inline void load_from(Cpu& cpu, const Op* op, const void* from) {
  __m128i value;
  if constexpr (Width == 4) {
    value = _mm_cvtsi32_si128(ram_load<std::int32_t>(from));
  } else if constexpr (Width == 8) {
    value = _mm_cvtsi64_si128(ram_load<std::int64_t>(from));
  } else {
    value = ram_load_16(from);
  }
  set_xmm<Vex>(cpu, op->destination, value);
}
template <unsigned Width, bool Vex>
[[gnu::noinline]] const Block* load_copy(Cpu& cpu, const Op* op, std::uint64_t linear) {
  load_from<Width, Vex>(cpu, op, fetch_operand(cpu, op, linear, Width));
  return next(cpu, op);
}
template <unsigned Width, bool Aligned, bool Vex, Addressing A>
const Block* load_xmm(Cpu& cpu, const Op* op) {
  const std::uint64_t linear = operand_linear<Width, A>(cpu, op, false);
  if (misaligned<Width, kOperand<Aligned>>(linear)) [[unlikely]]
    return fail_misaligned(cpu, op);
  const void* from = readable<Width>(cpu, linear);
  if (!from) [[unlikely]]
    return load_copy<Width, Vex>(cpu, op, linear);
  load_from<Width, Vex>(cpu, op, from);
  return next(cpu, op);
}

[[gnu::noinline]] const Block* store_slowly(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width) {
  store_in_one(cpu, op, linear, cpu.vector.ymm[op->source].data(), width);
  return next(cpu, op);
}
template <unsigned Width, bool Aligned, Addressing A>
const Block* store_xmm(Cpu& cpu, const Op* op) {
  const std::uint64_t linear = operand_linear<Width, A>(cpu, op, true);
  if (misaligned<Width, kOperand<Aligned>>(linear)) [[unlikely]]
    return fail_misaligned(cpu, op);
  void* to = writable<Width>(cpu, linear);
  if (!to) [[unlikely]]
    return store_slowly(cpu, op, linear, Width);
  const std::uint8_t* value = cpu.vector.ymm[op->source].data();
  if constexpr (Width == 4) {
    ram_store(to, ram_load<std::uint32_t>(value));
  } else if constexpr (Width == 8) {
    ram_store(to, ram_load<std::uint64_t>(value));
  } else {
    ram_store_16(to, ram_load_16(value));
  }
  return next(cpu, op);
}

template <unsigned Width>
Handler choose_load(const Decoding& d, bool aligned) {
  const auto with = [&]<bool Aligned, bool Vex>() -> Handler {
    return d.checked ? &load_xmm<Width, Aligned, Vex, Addressing::Checked>
                     : &load_xmm<Width, Aligned, Vex, Addressing::Flat>;
  };
  if (aligned) return is_vex(d) ? with.template operator()<true, true>() : with.template operator()<true, false>();
  return is_vex(d) ? with.template operator()<false, true>() : with.template operator()<false, false>();
}
template <unsigned Width>
Handler choose_store(const Decoding& d, bool aligned) {
  if (aligned)
    return d.checked ? &store_xmm<Width, true, Addressing::Checked> : &store_xmm<Width, true, Addressing::Flat>;
  return d.checked ? &store_xmm<Width, false, Addressing::Checked> : &store_xmm<Width, false, Addressing::Flat>;
}

/// Moves of all of an XMM register or its low part, with zeros above: nothing else is done to what is moved.
bool is_plain_move(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_MOVAPS:
    case ZYDIS_MNEMONIC_MOVAPD:
    case ZYDIS_MNEMONIC_MOVDQA:
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_MOVNTPS:
    case ZYDIS_MNEMONIC_MOVNTPD:
    case ZYDIS_MNEMONIC_MOVNTDQ:
    case ZYDIS_MNEMONIC_MOVNTDQA:
    case ZYDIS_MNEMONIC_MOVD:
    case ZYDIS_MNEMONIC_MOVQ:
    case ZYDIS_MNEMONIC_MOVSS:
    case ZYDIS_MNEMONIC_MOVSD:
    case ZYDIS_MNEMONIC_VMOVAPS:
    case ZYDIS_MNEMONIC_VMOVAPD:
    case ZYDIS_MNEMONIC_VMOVDQA:
    case ZYDIS_MNEMONIC_VMOVUPS:
    case ZYDIS_MNEMONIC_VMOVUPD:
    case ZYDIS_MNEMONIC_VMOVDQU:
    case ZYDIS_MNEMONIC_VLDDQU:
    case ZYDIS_MNEMONIC_VMOVNTPS:
    case ZYDIS_MNEMONIC_VMOVNTPD:
    case ZYDIS_MNEMONIC_VMOVNTDQ:
    case ZYDIS_MNEMONIC_VMOVNTDQA:
    case ZYDIS_MNEMONIC_VMOVD:
    case ZYDIS_MNEMONIC_VMOVQ:
    case ZYDIS_MNEMONIC_VMOVSS:
    case ZYDIS_MNEMONIC_VMOVSD:
      return true;
    default:
      return false;
  }
}

/// A move between memory and an XMM register; the widths of both operands are those of what is moved.
bool emit_move(Decoding& d) {
  if (!is_plain_move(d.instruction.mnemonic) || d.instruction.operand_count_visible != 2) return false;
  const bool load = d.is_memory(1);
  const unsigned memory = load ? 1 : 0;
  if (!d.is_memory(memory) || !is_class(d.operand(1 - memory), ZYDIS_REGCLASS_XMM)) return false;
  d.use_memory(memory);
  const bool aligned = is_aligned(d, d.operand(memory));
  const unsigned bits = d.width(memory);
  if (load) {
    d.op.destination = vector_number(d.operand(0));
    d.op.handler = bits == 128  ? choose_load<16>(d, aligned)
                   : bits == 64 ? choose_load<8>(d, false)
                   : bits == 32 ? choose_load<4>(d, false)
                                : nullptr;
  } else {
    d.op.source = vector_number(d.operand(1));
    d.op.handler = bits == 128  ? choose_store<16>(d, aligned)
                   : bits == 64 ? choose_store<8>(d, false)
                   : bits == 32 ? choose_store<4>(d, false)
                                : nullptr;
  }
  return d.op.handler != nullptr;
}

// --- everything else ---

struct UsedRegister {
  bool used = false, wide = false, read = false, written = false;
};

/// Operands of the instruction beyond memory: what is loaded before it and stored after it.
struct Operands {
  std::array<UsedRegister, 16> vectors{};
  std::array<UsedRegister, 16> implicit_gprs{};
  int gpr = -1;  ///< the number of the one that is encoded, in RAX; none: negative
  bool gpr_read = false, gpr_written = false;
};

Operands operands_of(const Decoding& d) {
  constexpr auto kReads = ZYDIS_OPERAND_ACTION_READ | ZYDIS_OPERAND_ACTION_CONDREAD;
  constexpr auto kWrites = ZYDIS_OPERAND_ACTION_WRITE | ZYDIS_OPERAND_ACTION_CONDWRITE;
  Operands result;
  for (const ZydisDecodedOperand& o : d.operands) {
    if (o.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    const bool read = o.actions & kReads, written = o.actions & kWrites;
    switch (ZydisRegisterGetClass(o.reg.value)) {
      case ZYDIS_REGCLASS_XMM:
      case ZYDIS_REGCLASS_YMM: {
        UsedRegister& v = result.vectors[vector_number(o)];
        v.used = true;
        v.wide = v.wide || is_class(o, ZYDIS_REGCLASS_YMM);
        // Legacy instructions keep what they do not change, which Zydis does not always say.
        v.read = v.read || read || !is_vex(d);
        v.written = v.written || written;
        break;
      }
      case ZYDIS_REGCLASS_GPR8:
      case ZYDIS_REGCLASS_GPR16:
      case ZYDIS_REGCLASS_GPR32:
      case ZYDIS_REGCLASS_GPR64:
        if (o.encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG || o.encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM) {
          result.gpr = register_offset(o.reg.value) / 8;
          result.gpr_read = read;
          result.gpr_written = written;
        } else {
          UsedRegister& r = result.implicit_gprs[register_offset(o.reg.value) / 8];
          r.used = true;
          r.read = r.read || read;
          r.written = r.written || written;
        }
        break;
      default:
        break;
    }
  }
  return result;
}

bool sets_flags(const Decoding& d) {
  const auto* flags = d.instruction.cpu_flags;
  return flags && (flags->modified | flags->set_0 | flags->set_1 | flags->undefined) != 0;
}

constexpr std::array<ZydisRegister, 4> kImplicitHost{ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_RCX, ZYDIS_REGISTER_RDX,
                                                     ZYDIS_REGISTER_RBX};

/// Null: the host has no such form.
Thunk make_thunk(const Decoding& d) {
  const Operands operands = operands_of(d);
  const bool implicit = std::any_of(operands.implicit_gprs.begin(), operands.implicit_gprs.end(),
                                    [](const UsedRegister& r) { return r.used; });
  const ZydisRegister pointer = implicit ? ZYDIS_REGISTER_R9 : ZYDIS_REGISTER_RDX;
  const auto instruction = host_form(d, pointer);
  if (!instruction) return nullptr;
  ThunkCode code;
  if (uses_mmx(d)) code.need_window(layout::kX87Window, &enter_x87);
  if (is_numeric(d)) code.need_window(layout::kSseWindow, uses_mmx(d) ? &enter_sse_of_mmx : &enter_sse);
  if (implicit) code.move_pointer(pointer);
  bool wide = false;
  for (unsigned i = 0; i < 16; ++i) {
    const UsedRegister& v = operands.vectors[i];
    wide = wide || v.wide;
    if (v.read) code.load_vector(i, v.wide, layout::ymm(i));
  }
  for (unsigned i = 0; i < kImplicitHost.size(); ++i)
    if (operands.implicit_gprs[i].read) code.load_gpr(kImplicitHost[i], layout::gpr(i));
  if (operands.gpr >= 0 && operands.gpr_read)
    code.load_gpr(ZYDIS_REGISTER_RAX, layout::gpr(static_cast<unsigned>(operands.gpr)));
  code.bytes(*instruction);
  for (unsigned i = 0; i < 16; ++i)
    if (operands.vectors[i].written) code.store_vector(i, is_vex(d), layout::ymm(i));
  for (unsigned i = 0; i < kImplicitHost.size(); ++i)
    if (operands.implicit_gprs[i].written) code.store_gpr(kImplicitHost[i], layout::gpr(i));
  if (operands.gpr >= 0 && operands.gpr_written)
    code.store_gpr(ZYDIS_REGISTER_RAX, layout::gpr(static_cast<unsigned>(operands.gpr)));
  if (sets_flags(d)) code.store_flags();
  if (wide) code.vzeroupper();
  code.next();
  return code.finish(d.thunks);
}

/// An operand in memory is the result where it comes first, and is only read elsewhere.
template <Operand Kind>
Handler choose_with_memory(const Decoding& d, unsigned n) {
  // The result of VCVTPS2PH must not be stored where its exception is unmasked.
  const bool direct = d.instruction.mnemonic != ZYDIS_MNEMONIC_VCVTPS2PH;
  return by_operand_width(d.width(n) / 8, [&]<unsigned Width>() -> Handler {
    if (n != 0)
      return d.checked ? &thunk_with_source<Width, Kind, Addressing::Checked>
                       : &thunk_with_source<Width, Kind, Addressing::Flat>;
    if (direct)
      return d.checked ? &thunk_with_destination<Width, Kind, Addressing::Checked>
                       : &thunk_with_destination<Width, Kind, Addressing::Flat>;
    return d.checked ? &thunk_with_destination<Width, Kind, Addressing::Checked, false>
                     : &thunk_with_destination<Width, Kind, Addressing::Flat, false>;
  });
}

void emit_through_thunk(Decoding& d) {
  const Thunk thunk = make_thunk(d);
  if (!thunk) return;
  for (unsigned n = 0; n < d.instruction.operand_count_visible; ++n) {
    if (!d.is_memory(n)) continue;
    d.use_memory(n);
    d.op.immediate = std::bit_cast<std::uint64_t>(thunk);
    const bool aligned = is_aligned(d, d.operand(n));
    if (uses_mmx(d)) {
      d.op.handler =
          aligned ? choose_with_memory<Operand::WaitingAligned>(d, n) : choose_with_memory<Operand::Waiting>(d, n);
    } else {
      d.op.handler = aligned ? choose_with_memory<Operand::Aligned>(d, n) : choose_with_memory<Operand::Any>(d, n);
    }
    return;
  }
  // It takes a third argument that means nothing where there is no operand in memory.
  d.op.handler = reinterpret_cast<Handler>(reinterpret_cast<void*>(thunk));
}

template <bool WithUpper, unsigned Registers>
const Block* vzero(Cpu& cpu, const Op* op) {
  for (unsigned i = 0; i < Registers; ++i) {
    auto& ymm = cpu.vector.ymm[i];
    std::memset(ymm.data() + (WithUpper ? 0 : 16), 0, WithUpper ? 32 : 16);
  }
  return next(cpu, op);
}
template <bool All>
void emit_vzero(Decoding& d) {
  if (!host_has_vector_instruction(d.instruction) || !may_use(d, FloatUnit::Avx)) return;
  d.op.handler = d.mode & kModeLong ? &vzero<All, 16> : &vzero<All, 8>;
}

void emit_vector(Decoding& d) {
  if (!host_has_vector_instruction(d.instruction)) return;
  const bool mmx = uses_mmx(d), xmm = uses_xmm(d);
  if (is_vex(d)) {
    if (!may_use(d, FloatUnit::Avx)) return;
  } else if (xmm ||
             (!mmx && d.instruction.meta.category == ZYDIS_CATEGORY_CONVERT)) {  // from memory to a general register
    if (!may_use(d, FloatUnit::Sse)) return;
  } else if (mmx) {
    if (!may_use(d, FloatUnit::Mmx)) return;
  } else if (d.instruction.mnemonic != ZYDIS_MNEMONIC_MOVNTI) {
    return;
  }
  if (emit_move(d)) return;
  emit_through_thunk(d);
}

}  // namespace

void add_vector_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_VZEROUPPER] = &emit_vzero<false>;
  table[ZYDIS_MNEMONIC_VZEROALL] = &emit_vzero<true>;
  for (Emitter& e : table)
    if (!e) e = &emit_vector;
}

}  // namespace machina::jit
