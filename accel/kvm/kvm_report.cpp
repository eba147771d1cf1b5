#include "accel/kvm/kvm_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_exits.h"

namespace machina::kvm {

namespace {

constexpr std::size_t kLongestInstruction = 15;  // SDM vol. 2, 2.3.11

/// Basic exit reasons of a VM entry that failed, with bit 31 set: SDM vol. 3, 27.8 and appendix C.
const char* failed_entry(std::uint64_t reason) {
  switch (reason & 0xffff) {
    case 33:
      return "invalid guest state";
    case 34:
      return "an MSR of the list for entries could not be loaded";
    case 41:
      return "a machine check during the entry";
    default:
      return nullptr;
  }
}

/// VM-instruction errors of VMLAUNCH and VMRESUME: SDM vol. 3, table 31-1.
const char* instruction_error(std::uint64_t number) {
  switch (number) {
    case 4:
      return "VMLAUNCH with a VMCS that is launched already";
    case 5:
      return "VMRESUME with a VMCS that is not launched";
    case 6:
      return "VMRESUME after VMXOFF";
    case 7:
      return "invalid control fields";
    case 8:
      return "invalid host state";
    case 25:
      return "the executive-VMCS pointer is invalid";
    case 26:
      return "events are blocked by MOV SS";
    default:
      return nullptr;
  }
}

}  // namespace

std::string describe_entry_failure(std::uint64_t reason) {
  // VMEXIT_INVALID, -1: AMD's APM vol. 2, appendix C. Kept in 64 bits or in 32.
  const char* meaning = reason == ~std::uint64_t{0} || reason == 0xffffffff ? "AMD-V: invalid guest state or controls"
                        : reason >> 31 & 1                                  ? failed_entry(reason)
                                                                            : instruction_error(reason);
  return fmt::format("the processor refuses to enter the guest, hardware reason {:#x}{}", reason,
                     meaning ? fmt::format(" ({})", meaning) : "");
}

std::vector<std::uint8_t> emulation_bytes(const kvm_run& run) {
  if (run.exit_reason != KVM_EXIT_INTERNAL_ERROR || run.internal.suberror != KVM_INTERNAL_ERROR_EMULATION) return {};
  // ndata counts 64-bit words: the flags, then two that hold the size and 15 bytes.
  if (run.emulation_failure.ndata < 3 ||
      !(run.emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
    return {};
  const std::size_t size = std::min<std::size_t>(run.emulation_failure.insn_size, kLongestInstruction);
  const std::uint8_t* bytes = run.emulation_failure.insn_bytes;
  return {bytes, bytes + size};
}

StopKind stop_kind(const kvm_run& run) {
  if (run.exit_reason == KVM_EXIT_FAIL_ENTRY) return StopKind::EntryRefused;
  if (run.exit_reason == KVM_EXIT_SHUTDOWN) return StopKind::TripleFault;
  const bool emulation =
      run.exit_reason == KVM_EXIT_INTERNAL_ERROR && run.internal.suberror == KVM_INTERNAL_ERROR_EMULATION;
  return emulation ? StopKind::NotEmulated : StopKind::Other;
}

KernelExit note_exit(const kvm_run& run, std::size_t size) {
  KernelExit e;
  e.reason = run.exit_reason;
  std::memcpy(e.detail.data(), &run.hw, e.detail.size());
  if (run.exit_reason == KVM_EXIT_IO && run.io.size <= 4 && run.io.data_offset + run.io.size <= size)
    std::memcpy(&e.io_value, reinterpret_cast<const std::uint8_t*>(&run) + run.io.data_offset, run.io.size);
  return e;
}

std::string describe(const KernelExit& e) {
  if (e.reason >= KernelExit::kInjected) return fmt::format("interrupt {:#04x}", e.reason - KernelExit::kInjected);
  // Put back together what describe_exit() looks at: the head of kvm_run and, behind it, the value of a port access.
  std::array<std::uint64_t, (sizeof(kvm_run) + 7) / 8 + 1> storage{};
  auto& run = *reinterpret_cast<kvm_run*>(storage.data());
  run.exit_reason = e.reason;
  std::memcpy(&run.hw, e.detail.data(), e.detail.size());
  if (e.reason == KVM_EXIT_IO) {
    storage.back() = e.io_value;
    run.io.data_offset = sizeof storage - 8;
  }
  return describe_exit(run, sizeof storage);
}

}  // namespace machina::kvm
