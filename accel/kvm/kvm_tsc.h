#pragma once
/// The frequency of a vCPU's time stamp counter.

#include <cstdint>

#include "accel/kvm/kvm_calls.h"

namespace machina::kvm {

/// kHz; 0 when KVM does not tell.
std::uint64_t tsc_khz(const Fd& vcpu);

/// Makes the TSC of the vCPU run at `wanted_khz` (0: as the host's). Where the host can neither scale nor happens to
/// run at that frequency, says so once in the log and leaves it. Returns the frequency that the guest will see.
std::uint64_t set_tsc_khz(const Fd& vcpu, bool can_scale, std::uint64_t wanted_khz);

}  // namespace machina::kvm
