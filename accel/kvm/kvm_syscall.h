#pragma once
/// A KVM without hardware help that is interrupted while a program executes SYSCALL may be left halfway through it:
/// RIP, RCX, R11 and RFLAGS are those of the kernel's entry, CS and SS are still the program's. Entered like that, the
/// program dies of a fetch from the kernel. SDM vol. 2, SYSCALL.

#include "accel/kvm/kvm_calls.h"
#include "accel/x86_inspect.h"
#include "hw/x86/x86_state.h"

namespace machina::kvm {

/// Finishes it, if the vCPU, which has left KVM_RUN, is in that state; true when it was. No program can bring a CPU
/// there by itself: it has interrupts enabled, and those that the entry masks are off. The vCPU's thread.
bool finish_syscall(const Fd& vcpu);

/// Where such a KVM goes on by itself, the guest is told of a #PF from user mode at IA32_LSTAR. Its handler begins with
/// CLAC where there is SMAP, at which such a KVM stops. Is `state` at the first instruction of its #PF handler because
/// of that? Then it becomes what SYSCALL makes of it. A user program that jumps to the entry point itself, with RCX
/// behind a SYSCALL of its own, gets what executing that one would give it. Any thread.
bool complete_faulted_syscall(X86State& state, const ReadPhysical& read);

}  // namespace machina::kvm
