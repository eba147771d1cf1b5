#pragma once
/// CPUID in and out of KVM.

#include "accel/kvm/kvm_calls.h"
#include "hw/x86/cpuid.h"

namespace machina::kvm {

/// KVM_GET_SUPPORTED_CPUID. Costs about half a millisecond: once for a process. Throws Error.
CpuidTable read_supported_cpuid(const Fd& system);

/// What KVM supports, made what a machine supports: without a local APIC in the kernel, the features that live in it
/// go; KVM's own table may leave the brand string out, which is then the host processor's.
struct CpuidPolicy {
  bool kernel_lapic = true;
  bool x2apic = true;         ///< the local APIC gets the MSRs of that mode, wherever it is
  bool tsc_deadline = true;   ///< the local APIC has that mode, wherever it is
  bool machine_check = true;  ///< KVM_CAP_MCE
  bool smap = false;          ///< a guest may have it, although KVM does not say so: hides_smap()
};
/// The host has SMAP, and KVM leaves it out, which a KVM without hardware help does: it honours CR4.SMAP, but knows
/// neither CLAC nor STAC.
bool hides_smap(const CpuidTable& supported);
CpuidTable usable_cpuid(CpuidTable supported, const CpuidPolicy& policy);

/// KVM_SET_CPUID2; before the first KVM_RUN. Throws Error.
void set_cpuid(const Fd& vcpu, const CpuidTable& table);

}  // namespace machina::kvm
