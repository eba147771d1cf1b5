/// The quick ways into the kernel and back: SYSCALL, SYSRET, SYSENTER, SYSEXIT; and what goes with them: SWAPGS and the
/// bases of FS and GS.

#include <utility>

#include "accel/jit/control_registers.h"
#include "accel/jit/debug.h"
#include "accel/jit/emitters.h"
#include "accel/jit/system_handler.h"
#include "accel/jit/vendor.h"

namespace machina::jit {

namespace {

/// These instructions do not read descriptors. SDM vol. 2, SYSCALL: base 0, 4 GiB, and rights that are fixed. Of `ss`
/// all bits go into the selector, whatever its RPL.
void set_flat_segments(Cpu& cpu, std::uint16_t cs, std::uint16_t ss, unsigned cpl, bool long_code) {
  constexpr std::uint16_t kCode = 0x809b, kData = 0xc093, kLong = 0x2000, kBig = 0x4000;
  const auto dpl = static_cast<std::uint16_t>(cpl << 5);
  cpu.set_segment(kCs, {.selector = static_cast<std::uint16_t>((cs & ~3U) | cpl),
                        .rights = static_cast<std::uint16_t>(kCode | dpl | (long_code ? kLong : kBig)),
                        .limit = 0xffffffff,
                        .base = 0});
  cpu.set_segment(kSs,
                  {.selector = ss, .rights = static_cast<std::uint16_t>(kData | dpl), .limit = 0xffffffff, .base = 0});
  cpu.cpl = static_cast<std::uint8_t>(cpl);
}

const Block* syscall(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  // Outside of 64-bit code only AMD's processors have it: APM vol. 3, SYSCALL.
  if (!(cpu.efer & kEferSce) || !cpu.protected_mode() || (!cpu.long_code() && !is_amd(cpu)))
    raise(Vector::InvalidOpcode);
  const Msrs& m = cpu.msrs;
  const auto cs = static_cast<std::uint16_t>(m.star >> 32);  // the RPL is for SS only
  const std::uint64_t return_rip = next_rip(cpu, op);
  if (cpu.long_mode()) {
    const std::uint32_t flags = cpu.eflags() & ~kRf;
    const std::uint64_t target = cpu.long_code() ? m.lstar : m.cstar;
    cpu.gpr[kRcx] = return_rip;
    cpu.gpr[kR11] = flags;
    cpu.set_eflags(flags & ~static_cast<std::uint32_t>(m.fmask));
    cpu.rip = target;
  } else {
    cpu.gpr[kRcx] = return_rip;
    cpu.system_flags &= ~(kIf | kRf | kVm);
    cpu.rip = static_cast<std::uint32_t>(m.star);
  }
  set_flat_segments(cpu, cs, static_cast<std::uint16_t>(cs + 8), 0, cpu.long_mode());
  // With TF masked there is no trap before the first instruction of the handler.
  cpu.skip_trap = !(cpu.system_flags & kTf);
  return leave_block(cpu);
}

template <bool To64>
const Block* sysret(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if (!(cpu.efer & kEferSce) || (!cpu.long_code() && !is_amd(cpu))) raise(Vector::InvalidOpcode);
  if (!cpu.protected_mode()) raise(Vector::GeneralProtection, 0);
  require_cpl0(cpu, op);
  const auto base = static_cast<std::uint16_t>(cpu.msrs.star >> 48);
  const std::uint64_t target = To64 ? cpu.gpr[kRcx] : cpu.gpr[kRcx] & 0xffffffff;
  // Intel checks here, with the kernel's stack; AMD at the first fetch.
  if (To64 && !canonical(cpu, target) && !is_amd(cpu)) raise(Vector::GeneralProtection, 0);
  const bool could_interrupt = cpu.system_flags & kIf;
  if (cpu.long_mode()) {
    constexpr std::uint32_t kAll = 0x3c7fd7;  // everything but RF and VM
    cpu.set_eflags(static_cast<std::uint32_t>(cpu.gpr[kR11]) & kAll);
  } else {
    cpu.system_flags |= kIf;
  }
  const auto cs = static_cast<std::uint16_t>(base + (To64 ? 16 : 0));
  set_flat_segments(cpu, cs, static_cast<std::uint16_t>((base + 8) | 3), 3, To64);
  cpu.rip = target;
  // As if SYSCALL had just been carried out, which is what somebody who steps through it waits for: TF counts as it is
  // now, not as it was before.
  cpu.skip_trap = true;
  if (cpu.system_flags & kTf) cpu.pending_debug |= kDr6SingleStep;
  if ((!could_interrupt && (cpu.system_flags & kIf)) || cpu.pending_debug != 0) cpu.request(kRequestInterrupt);
  return leave_block(cpu);
}

/// SYSENTER and SYSEXIT: #GP(0) in real mode, and while the MSR is null.
void check_sysenter(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if (cpu.long_mode() && is_amd(cpu)) raise(Vector::InvalidOpcode);  // APM vol. 3, SYSENTER
  if (!(cpu.cr0 & kCr0Pe) || (cpu.msrs.sysenter_cs & 0xfffc) == 0) raise(Vector::GeneralProtection, 0);
}

const Block* sysenter(Cpu& cpu, const Op* op) {
  check_sysenter(cpu, op);
  const bool long_mode = cpu.long_mode();
  const std::uint64_t mask = long_mode ? ~std::uint64_t{0} : 0xffffffff;
  const auto cs = static_cast<std::uint16_t>(cpu.msrs.sysenter_cs & 0xfffc);
  cpu.system_flags &= ~(kVm | kIf | kRf);
  set_flat_segments(cpu, cs, static_cast<std::uint16_t>(cs + 8), 0, long_mode);
  cpu.gpr[kRsp] = cpu.msrs.sysenter_esp & mask;
  cpu.rip = cpu.msrs.sysenter_eip & mask;
  return leave_block(cpu);
}

template <bool To64>
const Block* sysexit(Cpu& cpu, const Op* op) {
  check_sysenter(cpu, op);
  require_cpl0(cpu, op);
  const std::uint64_t mask = To64 ? ~std::uint64_t{0} : 0xffffffff;
  const std::uint64_t target = cpu.gpr[kRdx] & mask, stack = cpu.gpr[kRcx] & mask;
  if (To64 && (!canonical(cpu, target) || !canonical(cpu, stack))) raise(Vector::GeneralProtection, 0);
  const auto cs = static_cast<std::uint16_t>((cpu.msrs.sysenter_cs & 0xfffc) + (To64 ? 32 : 16));
  set_flat_segments(cpu, cs, static_cast<std::uint16_t>((cs + 8) | 3), 3, To64);
  cpu.gpr[kRsp] = stack;
  cpu.rip = target;
  return leave_block(cpu);
}

const Block* swapgs(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  Segment gs = cpu.segment[kGs];
  std::swap(gs.base, cpu.msrs.kernel_gs_base);
  cpu.set_segment(kGs, gs);
  return next(cpu, op);
}

void check_fsgsbase(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if (!(cpu.cr4 & kCr4Fsgsbase)) raise(Vector::InvalidOpcode);
}
template <SegmentIndex Index, class T>
const Block* read_base(Cpu& cpu, const Op* op) {
  check_fsgsbase(cpu, op);
  set_register<T>(cpu, op->destination, static_cast<T>(cpu.segment[Index].base));
  return next(cpu, op);
}
template <SegmentIndex Index, class T>
const Block* write_base(Cpu& cpu, const Op* op) {
  check_fsgsbase(cpu, op);
  Segment s = cpu.segment[Index];
  s.base = get_register<T>(cpu, op->source);
  if (!canonical_for_model(cpu, s.base)) raise(Vector::GeneralProtection, 0);
  cpu.set_segment(Index, s);
  return next(cpu, op);
}

template <Handler With32, Handler With64>
void emit_returning(Decoding& d) {
  d.op.handler = d.instruction.operand_width == 64 ? With64 : With32;
  d.ends_block = true;
}
template <SegmentIndex Index>
void emit_read_base(Decoding& d) {
  d.use_destination(0);
  d.op.handler = d.width(0) == 64 ? &read_base<Index, std::uint64_t> : &read_base<Index, std::uint32_t>;
}
template <SegmentIndex Index>
void emit_write_base(Decoding& d) {
  d.use_source(0);
  d.op.handler = d.width(0) == 64 ? &write_base<Index, std::uint64_t> : &write_base<Index, std::uint32_t>;
}

}  // namespace

void add_syscall_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_SYSCALL] = &emit_fixed<&syscall, true>;
  table[ZYDIS_MNEMONIC_SYSRET] = &emit_returning<&sysret<false>, &sysret<true>>;
  table[ZYDIS_MNEMONIC_SYSENTER] = &emit_fixed<&sysenter, true>;
  table[ZYDIS_MNEMONIC_SYSEXIT] = &emit_returning<&sysexit<false>, &sysexit<true>>;
  table[ZYDIS_MNEMONIC_SWAPGS] = &emit_fixed<&swapgs>;
  table[ZYDIS_MNEMONIC_RDFSBASE] = &emit_read_base<kFs>;
  table[ZYDIS_MNEMONIC_RDGSBASE] = &emit_read_base<kGs>;
  table[ZYDIS_MNEMONIC_WRFSBASE] = &emit_write_base<kFs>;
  table[ZYDIS_MNEMONIC_WRGSBASE] = &emit_write_base<kGs>;
}

}  // namespace machina::jit
