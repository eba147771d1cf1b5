/// x87: nearly all of it on the host's own unit, which has the guest's registers while a window is open. What loads and
/// stores the unit's environment is in emit_x87_control.cpp. SDM vol. 1, chapter 8.

#include <array>

#include "accel/jit/cpu_layout.h"
#include "accel/jit/emitters.h"
#include "accel/jit/float_gate.h"
#include "accel/jit/thunk_code.h"
#include "accel/jit/thunk_operand.h"

namespace machina::jit {

namespace {

/// FOP: the first byte's low three bits, and ModRM.
std::uint16_t fop_of(const Decoding& d) {
  const auto& m = d.instruction.raw.modrm;
  return static_cast<std::uint16_t>((d.instruction.opcode & 7) << 8 | m.mod << 6 | m.reg << 3 | m.rm);
}

/// Do FIP and FDP tell of this one? Not of control instructions: SDM vol. 1, 8.1.8 and 8.3.8.
bool leaves_pointers(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_FNOP:
    case ZYDIS_MNEMONIC_FINCSTP:
    case ZYDIS_MNEMONIC_FDECSTP:
    case ZYDIS_MNEMONIC_FFREE:
    case ZYDIS_MNEMONIC_FFREEP:
      return false;
    default:
      return true;
  }
}

bool reads_flags(const Decoding& d) { return d.instruction.meta.category == ZYDIS_CATEGORY_FCMOV; }
bool writes_flags(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_FCOMI:
    case ZYDIS_MNEMONIC_FCOMIP:
    case ZYDIS_MNEMONIC_FUCOMI:
    case ZYDIS_MNEMONIC_FUCOMIP:
      return true;
    default:
      return false;
  }
}

Thunk make_x87_thunk(const Decoding& d, bool memory) {
  const auto& m = d.instruction.raw.modrm;
  constexpr std::uint8_t kPointer = 2;  // [RDX]
  const std::array<std::uint8_t, 2> bytes{
      d.instruction.opcode, static_cast<std::uint8_t>(memory ? m.reg << 3 | kPointer : 0xc0 | m.reg << 3 | m.rm)};
  ThunkCode code;
  code.need_window(layout::kX87Window, &enter_x87);
  const bool writes = writes_flags(d.instruction.mnemonic);
  if (writes || reads_flags(d)) code.load_flags();
  code.bytes(bytes);
  if (writes) code.store_flags();
  if (leaves_pointers(d.instruction.mnemonic)) code.note_x87(fop_of(d));
  code.next();
  return code.finish(d.thunks);
}

/// FDP and FDS. The address that is noted is the offset, without the segment's base.
void note_operand(Cpu& cpu, const Op* op) {
  cpu.x87.last_dp = effective_offset(cpu, op);
  cpu.x87.last_ds = cpu.segment[op->segment].selector;
}

template <bool Store>
[[gnu::noinline]] const Block* x87_memory_slowly(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width) {
  if constexpr (Store) {
    check_write(cpu, op, linear, width);
    note_operand(cpu, op);
    return store_through_bounce(cpu, op, linear, width);
  } else {
    void* copy = fetch_operand(cpu, op, linear, width);
    note_operand(cpu, op);
    return thunk_of(op)(cpu, op, copy);
  }
}

template <unsigned Width, Addressing A, bool Store>
const Block* x87_memory(Cpu& cpu, const Op* op) {
  if (x87_pending(cpu)) [[unlikely]]
    return fail_pending(cpu, op);
  const std::uint64_t linear = operand_linear<Width, A>(cpu, op, Store);
  void* host = Store ? writable<Width>(cpu, linear) : readable<Width>(cpu, linear);
  if (!host) [[unlikely]]
    return x87_memory_slowly<Store>(cpu, op, linear, Width);
  note_operand(cpu, op);
  return thunk_of(op)(cpu, op, host);
}

template <bool Store>
Handler choose_memory(const Decoding& d, unsigned bytes) {
  return by_operand_width(bytes, [&]<unsigned Width>() -> Handler {
    return d.checked ? &x87_memory<Width, Addressing::Checked, Store> : &x87_memory<Width, Addressing::Flat, Store>;
  });
}

void emit_x87(Decoding& d) {
  if (d.instruction.opcode < 0xd8 || d.instruction.opcode > 0xdf ||
      d.instruction.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
    return;
  if (!may_use(d, FloatUnit::X87)) return;
  const bool memory = d.instruction.raw.modrm.mod != 3;
  const Thunk thunk = make_x87_thunk(d, memory);
  if (!memory) {
    d.op.handler = reinterpret_cast<Handler>(reinterpret_cast<void*>(thunk));
    return;
  }
  d.op.immediate = std::bit_cast<std::uint64_t>(thunk);
  for (unsigned n = 0; n < d.operands.size(); ++n) {
    if (!d.is_memory(n)) continue;
    d.use_memory(n);
    const bool store = d.operand(n).actions & ZYDIS_OPERAND_ACTION_WRITE;
    d.op.handler = store ? choose_memory<true>(d, d.width(n) / 8) : choose_memory<false>(d, d.width(n) / 8);
  }
}

constexpr std::array kX87Mnemonics{
    ZYDIS_MNEMONIC_F2XM1,   ZYDIS_MNEMONIC_FABS,    ZYDIS_MNEMONIC_FADD,    ZYDIS_MNEMONIC_FADDP,
    ZYDIS_MNEMONIC_FBLD,    ZYDIS_MNEMONIC_FBSTP,   ZYDIS_MNEMONIC_FCHS,    ZYDIS_MNEMONIC_FCMOVB,
    ZYDIS_MNEMONIC_FCMOVBE, ZYDIS_MNEMONIC_FCMOVE,  ZYDIS_MNEMONIC_FCMOVNB, ZYDIS_MNEMONIC_FCMOVNBE,
    ZYDIS_MNEMONIC_FCMOVNE, ZYDIS_MNEMONIC_FCMOVNU, ZYDIS_MNEMONIC_FCMOVU,  ZYDIS_MNEMONIC_FCOM,
    ZYDIS_MNEMONIC_FCOMI,   ZYDIS_MNEMONIC_FCOMIP,  ZYDIS_MNEMONIC_FCOMP,   ZYDIS_MNEMONIC_FCOMPP,
    ZYDIS_MNEMONIC_FCOS,    ZYDIS_MNEMONIC_FDECSTP, ZYDIS_MNEMONIC_FDIV,    ZYDIS_MNEMONIC_FDIVP,
    ZYDIS_MNEMONIC_FDIVR,   ZYDIS_MNEMONIC_FDIVRP,  ZYDIS_MNEMONIC_FFREE,   ZYDIS_MNEMONIC_FFREEP,
    ZYDIS_MNEMONIC_FIADD,   ZYDIS_MNEMONIC_FICOM,   ZYDIS_MNEMONIC_FICOMP,  ZYDIS_MNEMONIC_FIDIV,
    ZYDIS_MNEMONIC_FIDIVR,  ZYDIS_MNEMONIC_FILD,    ZYDIS_MNEMONIC_FIMUL,   ZYDIS_MNEMONIC_FINCSTP,
    ZYDIS_MNEMONIC_FIST,    ZYDIS_MNEMONIC_FISTP,   ZYDIS_MNEMONIC_FISTTP,  ZYDIS_MNEMONIC_FISUB,
    ZYDIS_MNEMONIC_FISUBR,  ZYDIS_MNEMONIC_FLD,     ZYDIS_MNEMONIC_FLD1,    ZYDIS_MNEMONIC_FLDL2E,
    ZYDIS_MNEMONIC_FLDL2T,  ZYDIS_MNEMONIC_FLDLG2,  ZYDIS_MNEMONIC_FLDLN2,  ZYDIS_MNEMONIC_FLDPI,
    ZYDIS_MNEMONIC_FLDZ,    ZYDIS_MNEMONIC_FMUL,    ZYDIS_MNEMONIC_FMULP,   ZYDIS_MNEMONIC_FNOP,
    ZYDIS_MNEMONIC_FPATAN,  ZYDIS_MNEMONIC_FPREM,   ZYDIS_MNEMONIC_FPREM1,  ZYDIS_MNEMONIC_FPTAN,
    ZYDIS_MNEMONIC_FRNDINT, ZYDIS_MNEMONIC_FSCALE,  ZYDIS_MNEMONIC_FSIN,    ZYDIS_MNEMONIC_FSINCOS,
    ZYDIS_MNEMONIC_FSQRT,   ZYDIS_MNEMONIC_FST,     ZYDIS_MNEMONIC_FSTP,    ZYDIS_MNEMONIC_FSTPNCE,
    ZYDIS_MNEMONIC_FSUB,    ZYDIS_MNEMONIC_FSUBP,   ZYDIS_MNEMONIC_FSUBR,   ZYDIS_MNEMONIC_FSUBRP,
    ZYDIS_MNEMONIC_FTST,    ZYDIS_MNEMONIC_FUCOM,   ZYDIS_MNEMONIC_FUCOMI,  ZYDIS_MNEMONIC_FUCOMIP,
    ZYDIS_MNEMONIC_FUCOMP,  ZYDIS_MNEMONIC_FUCOMPP, ZYDIS_MNEMONIC_FXAM,    ZYDIS_MNEMONIC_FXCH,
    ZYDIS_MNEMONIC_FXTRACT, ZYDIS_MNEMONIC_FYL2X,   ZYDIS_MNEMONIC_FYL2XP1,
};

}  // namespace

void add_x87_emitters(EmitterTable& table) {
  for (const ZydisMnemonic m : kX87Mnemonics) table[m] = &emit_x87;
  add_x87_control_emitters(table);
}

}  // namespace machina::jit
