#include "accel/kvm/kvm_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_api.h"

namespace machina::kvm {

namespace {

kvm_segment to_kvm(const X86Segment& s) {
  kvm_segment k{};
  k.base = s.base;
  k.limit = s.limit;
  k.selector = s.selector;
  k.type = s.type;
  k.present = s.present;
  k.dpl = s.dpl;
  k.db = s.db;
  k.s = s.s;
  k.l = s.l;
  k.g = s.g;
  k.avl = s.avl;
  k.unusable = s.unusable;
  return k;
}

X86Segment from_kvm(const kvm_segment& k) {
  X86Segment s;
  s.base = k.base;
  s.limit = k.limit;
  s.selector = k.selector;
  s.type = k.type;
  s.present = k.present;
  s.dpl = k.dpl;
  s.db = k.db;
  s.s = k.s;
  s.l = k.l;
  s.g = k.g;
  s.avl = k.avl;
  s.unusable = k.unusable;
  return s;
}

kvm_dtable to_kvm(const X86TableRegister& t) {
  kvm_dtable k{};
  k.base = t.base;
  k.limit = t.limit;
  return k;
}

/// kvm_regs in the order of the instruction encoding, which X86State has.
constexpr std::array<__u64 kvm_regs::*, 16> kGprs = {&kvm_regs::rax, &kvm_regs::rcx, &kvm_regs::rdx, &kvm_regs::rbx,
                                                     &kvm_regs::rsp, &kvm_regs::rbp, &kvm_regs::rsi, &kvm_regs::rdi,
                                                     &kvm_regs::r8,  &kvm_regs::r9,  &kvm_regs::r10, &kvm_regs::r11,
                                                     &kvm_regs::r12, &kvm_regs::r13, &kvm_regs::r14, &kvm_regs::r15};

constexpr std::array<kvm_segment kvm_sregs::*, 6> kSegments = {&kvm_sregs::es, &kvm_sregs::cs, &kvm_sregs::ss,
                                                               &kvm_sregs::ds, &kvm_sregs::fs, &kvm_sregs::gs};

}  // namespace

void load(KvmAccelerator& accelerator, const Fd& vcpu, const X86State& state) {
  kvm_sregs sregs{};
  vcpu.must(KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
  for (unsigned i = 0; i < 6; ++i) sregs.*kSegments[i] = to_kvm(state.segment[i]);
  sregs.tr = to_kvm(state.tr);
  sregs.ldt = to_kvm(state.ldt);
  sregs.gdt = to_kvm(state.gdt);
  sregs.idt = to_kvm(state.idt);
  sregs.cr0 = state.cr0;
  sregs.cr2 = state.cr2;
  sregs.cr3 = state.cr3;
  sregs.cr4 = state.cr4;
  sregs.cr8 = state.cr8;
  sregs.efer = state.efer;
  sregs.apic_base = state.apic_base;
  std::memset(sregs.interrupt_bitmap, 0, sizeof sregs.interrupt_bitmap);
  if (state.events.interrupt_injected && !state.events.interrupt_soft)
    sregs.interrupt_bitmap[state.events.interrupt_vector / 64] |= std::uint64_t{1}
                                                                  << (state.events.interrupt_vector % 64);
  vcpu.must(KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");

  kvm_regs regs{};
  for (unsigned i = 0; i < 16; ++i) regs.*kGprs[i] = state.gpr[i];
  regs.rip = state.rip;
  regs.rflags = state.rflags;
  vcpu.must(KVM_SET_REGS, &regs, "KVM_SET_REGS");

  if (accelerator.handles_mp_state()) {
    kvm_mp_state mp{};
    switch (state.mp_state) {
      case MpState::Runnable:
        mp.mp_state = KVM_MP_STATE_RUNNABLE;
        break;
      case MpState::Uninitialized:
        mp.mp_state = KVM_MP_STATE_UNINITIALIZED;
        break;
      case MpState::InitReceived:
        mp.mp_state = KVM_MP_STATE_INIT_RECEIVED;
        break;
      case MpState::Halted:
        mp.mp_state = KVM_MP_STATE_HALTED;
        break;
      case MpState::SipiReceived:
        mp.mp_state = KVM_MP_STATE_SIPI_RECEIVED;
        break;
    }
    vcpu.must(KVM_SET_MP_STATE, &mp, "KVM_SET_MP_STATE");
  }
}

void store(KvmAccelerator& accelerator, const Fd& vcpu, X86State& state) {
  kvm_regs regs{};
  vcpu.must(KVM_GET_REGS, &regs, "KVM_GET_REGS");
  for (unsigned i = 0; i < 16; ++i) state.gpr[i] = regs.*kGprs[i];
  state.rip = regs.rip;
  state.rflags = regs.rflags;

  kvm_sregs sregs{};
  vcpu.must(KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
  for (unsigned i = 0; i < 6; ++i) state.segment[i] = from_kvm(sregs.*kSegments[i]);
  state.tr = from_kvm(sregs.tr);
  state.ldt = from_kvm(sregs.ldt);
  state.gdt = {sregs.gdt.base, sregs.gdt.limit};
  state.idt = {sregs.idt.base, sregs.idt.limit};
  state.cr0 = sregs.cr0;
  state.cr2 = sregs.cr2;
  state.cr3 = sregs.cr3;
  state.cr4 = sregs.cr4;
  state.cr8 = sregs.cr8;
  state.efer = sregs.efer;
  state.apic_base = sregs.apic_base;

  if (accelerator.handles_mp_state()) {
    kvm_mp_state mp{};
    vcpu.must(KVM_GET_MP_STATE, &mp, "KVM_GET_MP_STATE");
    switch (mp.mp_state) {
      case KVM_MP_STATE_UNINITIALIZED:
        state.mp_state = MpState::Uninitialized;
        break;
      case KVM_MP_STATE_INIT_RECEIVED:
        state.mp_state = MpState::InitReceived;
        break;
      case KVM_MP_STATE_HALTED:
        state.mp_state = MpState::Halted;
        break;
      case KVM_MP_STATE_SIPI_RECEIVED:
        state.mp_state = MpState::SipiReceived;
        break;
      default:
        state.mp_state = MpState::Runnable;
        break;
    }
  }
}

}  // namespace machina::kvm
