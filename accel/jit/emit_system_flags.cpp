/// EFLAGS as a whole, and flags of the system: PUSHF, POPF, CLI, STI, CLAC, STAC.

#include "accel/jit/control_registers.h"
#include "accel/jit/emitters.h"
#include "accel/jit/system_handler.h"

namespace machina::jit {

namespace {

/// Virtual-8086 code whose IOPL keeps IF from it. With CR4.VME it has VIF instead, in instructions of 16 bits.
bool has_virtual_flag_only(const Cpu& cpu, unsigned width) {
  if (!cpu.virtual_8086() || cpu.iopl() == 3) return false;
  if (!(cpu.cr4 & kCr4Vme) || width != 2) raise(Vector::GeneralProtection, 0);
  return true;
}

template <class T>
const Block* pushf(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  std::uint32_t value = cpu.eflags() & ~(kRf | kVm);
  if (has_virtual_flag_only(cpu, sizeof(T))) value = (value & ~kIf) | kIopl | (value & kVif ? kIf : 0);
  push<T>(cpu, op, static_cast<T>(value));
  return next(cpu, op);
}

/// SDM vol. 2, POPF, table 4-16.
template <class T>
std::uint32_t popped_flags(const Cpu& cpu, std::uint32_t popped) {
  std::uint32_t changeable = kArithmetic | kTf | kDf | kNt;
  if constexpr (sizeof(T) > 2) changeable |= kAc | kId;
  const std::uint32_t old = cpu.eflags() & (sizeof(T) > 2 ? ~kRf : ~0U);
  if (has_virtual_flag_only(cpu, sizeof(T))) {
    if ((popped & kTf) || ((popped & kIf) && (old & kVip))) raise(Vector::GeneralProtection, 0);
    const std::uint32_t rest = old & ~changeable & ~kVif;
    return rest | (popped & changeable) | (popped & kIf ? kVif : 0);
  }
  if (cpu.cpl <= cpu.iopl()) changeable |= kIf;
  if (cpu.cpl == 0) changeable |= kIopl;
  return (old & ~changeable) | (popped & changeable);
}

template <class T>
const Block* popf(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  const std::uint32_t flags = popped_flags<T>(cpu, static_cast<std::uint32_t>(top<T>(cpu, op)));
  const std::uint32_t before = cpu.system_flags;
  set_stack_pointer(cpu, cpu.gpr[kRsp] + sizeof(T));
  cpu.set_eflags(flags);
  const std::uint32_t changed = before ^ cpu.system_flags;
  if (!(changed & (kTf | kIf | kAc | kRf))) return next(cpu, op);
  if (changed & cpu.system_flags & kIf) cpu.request(kRequestInterrupt);
  cpu.rip = next_rip(cpu, op);
  return leave_block(cpu);
}

/// Whose interrupt flag CLI and STI change. SDM vol. 2, tables 3-7 and 4-18.
enum class FlagKind { Real, Virtual };
FlagKind interrupt_flag(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if (cpu.cpl <= cpu.iopl()) return FlagKind::Real;
  const bool has_virtual = cpu.virtual_8086() ? cpu.cr4 & kCr4Vme : cpu.cpl == 3 && (cpu.cr4 & kCr4Pvi);
  if (!has_virtual) raise(Vector::GeneralProtection, 0);
  return FlagKind::Virtual;
}

const Block* cli(Cpu& cpu, const Op* op) {
  cpu.system_flags &= interrupt_flag(cpu, op) == FlagKind::Real ? ~kIf : ~kVif;
  return next(cpu, op);
}

const Block* sti(Cpu& cpu, const Op* op) {
  if (interrupt_flag(cpu, op) == FlagKind::Virtual) {
    if (cpu.system_flags & kVip) raise(Vector::GeneralProtection, 0);
    cpu.system_flags |= kVif;
    return next(cpu, op);
  }
  if (cpu.system_flags & kIf) return next(cpu, op);
  cpu.system_flags |= kIf;
  cpu.interrupt_shadow = kShadowOfSti;
  cpu.request(kRequestInterrupt);
  cpu.rip = next_rip(cpu, op);
  return leave_block(cpu);
}

/// Opens user pages to the kernel and closes them. No mode bit depends on AC, but whose rights accesses have does.
template <bool Set>
const Block* change_ac(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if (cpu.cpl != 0) raise(Vector::InvalidOpcode);
  cpu.system_flags = Set ? cpu.system_flags | kAc : cpu.system_flags & ~kAc;
  return next_in_mode(cpu, op);
}

template <Handler H>
void emit(Decoding& d) {
  d.op.handler = H;
}
/// Their accesses are to the stack.
template <Handler H>
void emit_on_stack(Decoding& d) {
  d.op.handler = H;
  d.op.segment = kSs;
}

}  // namespace

void add_system_flags_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_PUSHF] = &emit_on_stack<&pushf<std::uint16_t>>;
  table[ZYDIS_MNEMONIC_PUSHFD] = &emit_on_stack<&pushf<std::uint32_t>>;
  table[ZYDIS_MNEMONIC_PUSHFQ] = &emit_on_stack<&pushf<std::uint64_t>>;
  table[ZYDIS_MNEMONIC_POPF] = &emit_on_stack<&popf<std::uint16_t>>;
  table[ZYDIS_MNEMONIC_POPFD] = &emit_on_stack<&popf<std::uint32_t>>;
  table[ZYDIS_MNEMONIC_POPFQ] = &emit_on_stack<&popf<std::uint64_t>>;
  table[ZYDIS_MNEMONIC_CLI] = &emit<&cli>;
  table[ZYDIS_MNEMONIC_STI] = &emit<&sti>;
  table[ZYDIS_MNEMONIC_CLAC] = &emit<&change_ac<false>>;
  table[ZYDIS_MNEMONIC_STAC] = &emit<&change_ac<true>>;
}

}  // namespace machina::jit
