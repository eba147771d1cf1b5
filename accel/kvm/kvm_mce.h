#pragma once
/// Machine check banks of a vCPU: SDM vol. 3B, chapter 16; Documentation/virt/kvm/api.rst, KVM_X86_SETUP_MCE.

#include "accel/kvm/kvm_calls.h"
#include "hw/x86/cpuid.h"

namespace machina::kvm {

/// As many banks as other machines of this kind show; enough for every operating system that looks at them.
inline constexpr unsigned kMachineCheckBanks = 10;

/// When `cpuid` has MCE and MCA, gives the vCPU its banks: at most kMachineCheckBanks and `banks` (KVM_CAP_MCE), with
/// IA32_MCG_CTL and, for Intel's processors, recovery from software errors where this KVM has them. When KVM refuses,
/// that is told once, both bits are cleared, and the answer is true: `cpuid` must be set again.
bool set_up_machine_check(const Fd& system, const Fd& vcpu, int banks, CpuidTable& cpuid);

}  // namespace machina::kvm
