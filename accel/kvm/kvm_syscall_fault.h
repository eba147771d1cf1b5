#pragma once
/// A SYSCALL that a KVM without hardware help has left halfway (kvm_syscall.h) and gone on from by itself: the fetch of
/// the kernel's entry point faults, and the guest is told of a #PF from user mode at IA32_LSTAR. Its handler begins
/// with CLAC where there is SMAP, at which such a KVM stops.

#include "accel/x86_inspect.h"
#include "hw/x86/x86_state.h"

namespace machina::kvm {

/// Is `state` at the first instruction of its #PF handler because of that? Then it becomes what SYSCALL makes of it.
/// SDM vol. 2, SYSCALL. A user program that jumps to the entry point itself, with RCX behind a SYSCALL of its own, gets
/// what executing that one would give it. Any thread.
bool complete_system_call(X86State& state, const ReadPhysical& read);

}  // namespace machina::kvm
