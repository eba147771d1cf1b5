#pragma once
/// The time stamp counters of a VM's vCPUs: their frequency, and how they are set so that they stay in step.
///
/// Source: Documentation/virt/kvm/api.rst (KVM_SET_TSC_KHZ), devices/vcpu.rst (KVM_VCPU_TSC_CTRL) of Linux.

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "accel/kvm/kvm_calls.h"

namespace machina::kvm {

/// kHz; 0 when KVM does not tell.
std::uint64_t tsc_khz(const Fd& vcpu);

/// Makes the TSC of the vCPU run at `wanted_khz` (0: as the host's). Where the host can neither scale nor happens to
/// run at that frequency, says so once in the log and leaves it. Returns the frequency that the guest will see.
std::uint64_t set_tsc_khz(const Fd& vcpu, bool can_scale, std::uint64_t wanted_khz);

/// Sets time stamp counters through KVM_VCPU_TSC_OFFSET, one for a VM. Writing IA32_TIME_STAMP_COUNTER of one vCPU
/// after the other would set them apart by the time between the writes. Any thread.
class TscOffsets {
 public:
  /// Makes the TSC of a vCPU, which is not in KVM_RUN, read `value` as of now. All that are given the same value while
  /// the guest stands still get one offset: a reset leaves them equal to the cycle. False where this KVM has no such
  /// attribute: the caller then writes the MSR, and KVM makes equal what is written within a second.
  bool set(const Fd& vcpu, std::uint64_t value);
  /// This KVM ignores offsets: the guest reads the host's TSC. Then KVM, too, is to think so (its paravirtual clock is
  /// told by TSC and offset), and set() sets an offset of 0 whatever the value.
  void leave_to_host();
  /// Makes the TSC of a vCPU, less IA32_TSC_ADJUST, that of another, which has run. Neither is in KVM_RUN.
  void join(const Fd& vcpu, const Fd& other);
  /// What a state that is read now has for a vCPU's TSC, which reads `value`. While the guest stands still it is that
  /// of one moment for all vCPUs, although their TSCs go on from one reading to the next.
  std::uint64_t as_stored(const Fd& vcpu, std::uint64_t value);
  /// The guest goes on: what is set from now on is a new moment.
  void guest_runs();
  /// It has stopped.
  void guest_stands();

 private:
  std::mutex mutex_;
  bool of_host_ = false;
  bool runs_ = false;
  struct Moment {
    std::uint64_t value, offset;
  };
  std::optional<Moment> read_;  ///< of the vCPU that was read first in this standstill
  bool standing_ = false;       ///< value_, offset_ and done_ are of this standstill
  std::uint64_t value_ = 0, offset_ = 0;
  std::vector<int> done_;  ///< descriptors of the vCPUs that have it
};

}  // namespace machina::kvm
