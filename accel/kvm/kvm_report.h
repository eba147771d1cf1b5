#pragma once
/// What a report (accel/stop_report.h) needs to know of KVM: its exits, kept and described, and why it gave up.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "accel/exit_ring.h"
#include "accel/stop_report.h"

struct kvm_run;

namespace machina::kvm {

/// What describe_exit() needs of an exit; an interrupt that goes into the guest is one, too. Costs a copy of 64 bytes.
struct KernelExit {
  static constexpr std::uint32_t kInjected = 0xffff'0000;  ///< no reason of KVM's: + the vector

  std::uint32_t reason = 0;
  std::array<std::uint8_t, 32> detail{};  ///< the start of kvm_run's union
  std::uint64_t io_value = 0;
};
/// `run` was filled in by a KVM_RUN that returned 0; `size` is KVM_GET_VCPU_MMAP_SIZE.
KernelExit note_exit(const kvm_run& run, std::size_t size);
std::string describe(const KernelExit& exit);

/// The bytes that KVM says it could not emulate, when the exit holds them.
std::vector<std::uint8_t> emulation_bytes(const kvm_run& run);
/// Of an exit that a vCPU cannot go on after.
StopKind stop_kind(const kvm_run& run);
/// KVM_EXIT_FAIL_ENTRY: "… (0x80000021: invalid guest state)". The reason is VT-x's or AMD-V's, which do not overlap.
std::string describe_entry_failure(std::uint64_t reason);

}  // namespace machina::kvm
