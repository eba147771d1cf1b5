/// MOV to and from control and debug registers, LMSW, SMSW, CLTS, XSETBV, XGETBV.

#include "accel/jit/control.h"
#include "accel/jit/control_registers.h"
#include "accel/jit/debug.h"
#include "accel/jit/emitters.h"
#include "accel/jit/environment.h"
#include "accel/jit/features.h"
#include "accel/jit/host_float.h"
#include "accel/jit/system.h"
#include "accel/jit/xsave.h"

namespace machina::jit {

namespace {

std::uint64_t control_register(Cpu& cpu, unsigned n) {
  switch (n) {
    case 0:
      return cpu.cr0;
    case 2:
      return cpu.cr2;
    case 3:
      return cpu.cr3;
    case 4:
      return cpu.cr4;
    default:
      return cpu.environment.cr8();
  }
}

/// The operand has 64 bits in 64-bit code, else 32, whatever prefixes say. SDM vol. 2, MOV (control registers).
template <class T>
const Block* mov_from_cr(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  set_register<T>(cpu, op->destination, static_cast<T>(control_register(cpu, op->extra)));
  return next(cpu, op);
}

template <class T>
const Block* mov_to_cr(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  const std::uint64_t value = get_register<T>(cpu, op->source);
  switch (op->extra) {
    case 0:
      load_cr0(cpu, value);
      break;
    case 2:
      cpu.cr2 = value;
      break;
    case 3:
      load_cr3(cpu, value);
      break;
    case 4:
      load_cr4(cpu, value);
      break;
    default:
      if (value > 0xf) refuse();
      cpu.environment.set_cr8(value);
      break;
  }
  return leave(cpu, op);
}

template <class T>
const Block* mov_from_dr(Cpu& cpu, const Op* op) {
  const unsigned n = accessible_debug_register(cpu, op, op->extra);
  set_register<T>(cpu, op->destination, static_cast<T>(read_debug_register(cpu, n)));
  return next(cpu, op);
}
template <class T>
const Block* mov_to_dr(Cpu& cpu, const Op* op) {
  const unsigned n = accessible_debug_register(cpu, op, op->extra);
  write_debug_register(cpu, n, get_register<T>(cpu, op->source));
  return leave(cpu, op);
}

bool is_special(const ZydisDecodedOperand& operand) {
  if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) return false;
  const ZydisRegisterClass kind = ZydisRegisterGetClass(operand.reg.value);
  return kind == ZYDIS_REGCLASS_CONTROL || kind == ZYDIS_REGCLASS_DEBUG;
}

void emit_mov_control(Decoding& d) {
  const bool to = is_special(d.operand(0));
  const ZydisRegister reg = d.operand(to ? 0 : 1).reg.value;
  const bool debug = ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_DEBUG;
  const bool wide = d.mode & kModeLong;
  d.op.extra = static_cast<std::uint8_t>(ZydisRegisterGetId(reg));
  if (to) {
    d.use_source(1);
    d.ends_block = true;
    if (debug) {
      d.op.handler = wide ? &mov_to_dr<std::uint64_t> : &mov_to_dr<std::uint32_t>;
    } else {
      d.op.handler = wide ? &mov_to_cr<std::uint64_t> : &mov_to_cr<std::uint32_t>;
    }
  } else {
    d.use_destination(0);
    if (debug) {
      d.op.handler = wide ? &mov_from_dr<std::uint64_t> : &mov_from_dr<std::uint32_t>;
    } else {
      d.op.handler = wide ? &mov_from_cr<std::uint64_t> : &mov_from_cr<std::uint32_t>;
    }
  }
}

/// The machine status word is CR0 bits 15 to 0. SDM vol. 2, SMSW: a 32-bit register gets more of CR0, as it does on
/// processors.
template <class T>
const Block* smsw_r(Cpu& cpu, const Op* op) {
  check_umip(cpu, op);
  set_register<T>(cpu, op->destination, static_cast<T>(cpu.cr0));
  return next(cpu, op);
}
template <Addressing A>
const Block* smsw_m(Cpu& cpu, const Op* op) {
  check_umip(cpu, op);
  store<std::uint16_t>(cpu, op, linear_of<A, std::uint16_t>(cpu, op, true), static_cast<std::uint16_t>(cpu.cr0));
  return next(cpu, op);
}
void emit_smsw(Decoding& d) {
  if (d.is_register(0)) {
    d.use_destination(0);
    d.op.handler = by_width(d.width(0), []<class T>() -> Handler { return &smsw_r<T>; });
    return;
  }
  d.use_memory(0);
  d.op.handler = d.checked ? &smsw_m<Addressing::Checked> : &smsw_m<Addressing::Flat>;
}

/// PE, MP, EM and TS; PE can be set, not cleared.
const Block* load_msw(Cpu& cpu, const Op* op, std::uint16_t value) {
  constexpr std::uint64_t kLoaded = kCr0Mp | kCr0Em | kCr0Ts;
  load_cr0(cpu, (cpu.cr0 & ~kLoaded) | (value & (kLoaded | kCr0Pe)));
  return leave(cpu, op);
}
const Block* lmsw_r(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  return load_msw(cpu, op, get_register<std::uint16_t>(cpu, op->source));
}
template <Addressing A>
const Block* lmsw_m(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  return load_msw(cpu, op, load<std::uint16_t>(cpu, op, linear_of<A, std::uint16_t>(cpu, op, false)));
}
void emit_lmsw(Decoding& d) {
  d.ends_block = true;
  if (d.is_register(0)) {
    d.use_source(0);
    d.op.handler = &lmsw_r;
    return;
  }
  d.use_memory(0);
  d.op.handler = d.checked ? &lmsw_m<Addressing::Checked> : &lmsw_m<Addressing::Flat>;
}

const Block* clts(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  cpu.cr0 &= ~kCr0Ts;
  return next_in_mode(cpu, op);
}

void require_osxsave(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if (!(cpu.cr4 & kCr4Osxsave)) raise(Vector::InvalidOpcode);
}

const Block* xsetbv(Cpu& cpu, const Op* op) {
  require_osxsave(cpu, op);
  require_cpl0(cpu, op);
  if ((cpu.gpr[kRcx] & 0xffffffff) != 0) refuse();
  load_xcr0(cpu, edx_eax(cpu));
  return leave(cpu, op);
}

const Block* xgetbv(Cpu& cpu, const Op* op) {
  require_osxsave(cpu, op);
  const auto index = static_cast<std::uint32_t>(cpu.gpr[kRcx]);
  if (index > 1 || (index == 1 && !has(cpu.features, feature::kXgetbv1))) refuse();
  leave_guest_float(cpu);
  set_edx_eax(cpu, index == 0 ? cpu.xcr0 : cpu.xcr0 & components_in_use(cpu));
  return next(cpu, op);
}

}  // namespace

void add_control_emitters(EmitterTable& table) {
  table[kRowMovControl] = &emit_mov_control;
  table[ZYDIS_MNEMONIC_SMSW] = &emit_smsw;
  table[ZYDIS_MNEMONIC_LMSW] = &emit_lmsw;
  table[ZYDIS_MNEMONIC_CLTS] = &emit_fixed<&clts>;
  table[ZYDIS_MNEMONIC_XSETBV] = &emit_fixed<&xsetbv, true>;
  table[ZYDIS_MNEMONIC_XGETBV] = &emit_fixed<&xgetbv>;
}

}  // namespace machina::jit
