/// What the control state means for code: ModeBits, and whose rights accesses have.

#include "accel/jit/control_registers.h"
#include "accel/jit/cpu.h"
#include "core/trace/trace_event.h"

namespace machina::jit {

namespace {

const TraceEvent<unsigned, unsigned, std::uint64_t> jit_mode{"jit_mode", "mode={:#x} cpl={} rip={:#x}",
                                                             TraceScope::Vcpu};

constexpr std::uint64_t kBreakpointsEnabled = 0xff;  // L0 to G3 of DR7

/// Base 0, 4 GiB, and everything allowed that code may do with it.
bool flat(const Segment& s, bool code) {
  if (s.base != 0 || s.limit != 0xffffffff || !s.present()) return false;
  if (code) return s.code() && s.readable_or_writable();
  return !s.code() && s.readable_or_writable() && !s.conforming_or_down();
}

TlbMode rights_of(const Cpu& cpu) {
  const bool ac = cpu.system_flags & kAc;
  if (cpu.cpl == 3) return ac && (cpu.cr0 & kCr0Am) ? TlbMode::UserAligned : TlbMode::User;
  return ac || !(cpu.cr4 & kCr4Smap) ? TlbMode::SupervisorOpen : TlbMode::Supervisor;
}

std::uint32_t float_bits(const Cpu& cpu, bool is_protected) {
  constexpr std::uint64_t kXcr0Avx = 6;  // XMM and the upper halves of YMM
  std::uint32_t bits = 0;
  if (cpu.cr0 & kCr0Ts) bits |= kModeTaskSwitched;
  if (cpu.cr0 & kCr0Em) bits |= kModeEmulated;
  if ((cpu.cr0 & kCr0Em) || !(cpu.cr4 & kCr4Osfxsr)) bits |= kModeNoSse;
  if (!is_protected || !(cpu.cr4 & kCr4Osxsave) || (cpu.xcr0 & kXcr0Avx) != kXcr0Avx) bits |= kModeNoAvx;
  return bits;
}

}  // namespace

std::uint8_t Cpu::privilege() const {
  if (!(cr0 & kCr0Pe)) return 0;
  return virtual_8086() ? 3 : static_cast<std::uint8_t>(segment[kSs].dpl());
}

void Cpu::update_mode() {
  std::uint32_t bits = 0;
  const bool vm = system_flags & kVm;
  if ((cr0 & kCr0Pe) && !vm) bits |= kModeProtected;
  if (vm) bits |= kModeVm86;
  const Segment& cs = segment[kCs];
  if (long_mode() && cs.long_mode()) {
    bits |= kModeLong;
  } else {
    if (cs.big()) bits |= kMode32;
    if (segment[kSs].big()) bits |= kModeStack32;
    if ((bits & kModeProtected) && flat(cs, true) && flat(segment[kSs], false) && flat(segment[kDs], false) &&
        flat(segment[kEs], false) && segment[kSs].big())
      bits |= kModeFlat;
  }
  if (cpl == 3) bits |= kModeUser;
  bits |= float_bits(*this, bits & kModeProtected);
  if ((system_flags & (kTf | kRf)) || interrupt_shadow || (dr7 & kBreakpointsEnabled)) bits |= kModeSingle;
  if (mode != (bits | debug_mode)) jit_mode(bits | debug_mode, cpl, rip);
  mode = bits | debug_mode;
  // In 64-bit code these segments have base 0, whatever their descriptors say. SDM vol. 3, 3.4.4.
  for (const unsigned i : {kEs, kCs, kSs, kDs}) segment_base[i] = (bits & kModeLong) ? 0 : segment[i].base;
  tlb = &tlbs[static_cast<unsigned>(rights_of(*this))];
}

void Cpu::forget_jumps() {
  code_tlb.forget();
  jumps.forget();
}

void Cpu::flush_tlb() {
  for (Tlb& t : tlbs) t.flush();
  walks.forget();
  forget_jumps();
}

void Cpu::flush_tlb_non_global() {
  for (Tlb& t : tlbs) t.flush_non_global();
  walks.forget();
  forget_jumps();
}

void Cpu::flush_tlb_page(std::uint64_t linear) {
  for (Tlb& t : tlbs) t.flush_page(linear);
  walks.forget();  // all of them: SDM vol. 3, 4.10.4.1
  if (code_tlb.knows(linear)) forget_jumps();
}

}  // namespace machina::jit
