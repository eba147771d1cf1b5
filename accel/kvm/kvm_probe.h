#pragma once
/// How fast this KVM runs kernel-mode guest code. Where it has no hardware virtualization to use, it emulates one
/// instruction at a time, a thousand times slower than user mode.

#include "accel/kvm/kvm_calls.h"

namespace machina::kvm {

/// Below this many million instructions a second, kernel mode is emulated: hardware runs the same loop at over 1000,
/// and emulation was measured at 1 to 2.
inline constexpr double kEmulatedBelow = 50;

/// Millions of 64-bit ring-0 instructions a second, measured in a VM of four pages that lives for a few milliseconds; 0
/// when it could not be measured. Touches no machine.
double measure_kernel_mode(const Fd& system);

}  // namespace machina::kvm
