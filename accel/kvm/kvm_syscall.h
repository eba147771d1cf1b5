#pragma once
/// A KVM without hardware help that is kicked while a program executes SYSCALL may leave KVM_RUN halfway through it:
/// RIP, RCX, R11 and RFLAGS are those of the kernel's entry, CS and SS are still the program's. Entered like that, the
/// program dies of a fetch from the kernel.

#include "accel/kvm/kvm_calls.h"

namespace machina::kvm {

/// Finishes it, if the vCPU, which has left KVM_RUN, is in that state; true when it was. No program can bring a CPU
/// there by itself: it has interrupts enabled, and those that the entry masks are off.
bool finish_syscall(const Fd& vcpu);

}  // namespace machina::kvm
