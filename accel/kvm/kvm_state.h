#pragma once
/// X86State to and from the vCPU of KVM.

#include "accel/kvm/kvm_calls.h"
#include "hw/x86/x86_state.h"

namespace machina {
class KvmAccelerator;
}

namespace machina::kvm {

/// Throws Error when KVM refuses a part that it must take (registers, segments). An MSR that it refuses is named once
/// in the log and left out. The vCPU is not in KVM_RUN.
void load(KvmAccelerator& accelerator, const Fd& vcpu, const X86State& state);
void store(KvmAccelerator& accelerator, const Fd& vcpu, X86State& state);

}  // namespace machina::kvm
