/// Interrupts that user space injects into a vCPU of KVM.

#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_vcpu.h"
#include "hw/x86/x86_cpu.h"

namespace machina::kvm {

void KvmVcpu::inject() {
  if (cpu_.take_nmi()) fd_.call(KVM_NMI);
}

void KvmVcpu::set_cr8(std::uint64_t) {}

void KvmVcpu::end_of_interrupt(std::uint8_t) {}

}  // namespace machina::kvm
