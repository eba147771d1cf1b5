/// Interrupts that user space injects into a vCPU of KVM: NMI and SMI always, those of a user-space PIC when only the
/// local APIC is in the kernel, all of them when nothing is.

#include <cerrno>

#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_vcpu.h"
#include "hw/x86/x86_cpu.h"

namespace machina::kvm {

// Whatever makes X86Cpu think that there is something to do is consumed here, whether KVM takes it or not: a request
// that stayed would keep a halted CPU awake for ever.
void KvmVcpu::inject() {
  if (cpu_.take_nmi()) fd_.call(KVM_NMI);
  if (cpu_.take_smi()) fd_.call(KVM_SMI);  // refused by a KVM without SMM, which then loses it as the guest's chip set
  if (accelerator_.irqchip() != KernelIrqchip::On) inject_interrupt();
}

void KvmVcpu::inject_interrupt() {
  if (held_vector_ < 0 && !cpu_.interrupt_pending()) {
    run_->request_interrupt_window = 0;
    return;
  }
  // KVM says after each exit whether it would deliver one now: IF is set, there is no interrupt shadow, nothing else is
  // being delivered and, in split mode, LVT0 lets the PIC through.
  if (run_->ready_for_interrupt_injection) {
    const int vector = held_vector_ >= 0 ? held_vector_ : cpu_.acknowledge_interrupt();
    held_vector_ = -1;
    if (vector >= 0) {
      kvm_interrupt interrupt{};
      interrupt.irq = static_cast<std::uint32_t>(vector);
      // EEXIST: the one before is still waiting in the kernel (split). It was acknowledged, so it may not be lost.
      if (fd_.call(KVM_INTERRUPT, &interrupt) < 0 && errno == EEXIST) held_vector_ = vector;
      run_->ready_for_interrupt_injection = 0;  // until KVM says so again
    }
  }
  run_->request_interrupt_window = held_vector_ >= 0 || cpu_.interrupt_pending();
}

void KvmVcpu::forget_interrupts(bool interrupt_flag) {
  held_vector_ = -1;
  // What KVM said after the last exit is about another state.
  run_->ready_for_interrupt_injection = 0;
  run_->if_flag = interrupt_flag;
  run_->request_interrupt_window = 0;
}

void KvmVcpu::set_cr8(std::uint64_t) {}

void KvmVcpu::end_of_interrupt(std::uint8_t vector) { accelerator_.end_of_interrupt(vector); }

}  // namespace machina::kvm
