#pragma once
/// What an exit from guest mode means: a pure function from kvm_run to what the vCPU does next. Everything outside goes
/// through ExitActions, so that each exit reason can be tested without a kernel.
///
/// Source: Documentation/virt/kvm/api.rst of Linux, section 5, "The kvm_run structure".

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hw/x86/accelerator.h"

struct kvm_run;

namespace machina::kvm {

struct ExitResult {
  bool run_again = true;  ///< enter the guest again at once; otherwise `exit` goes to the caller
  VcpuExit exit = VcpuExit::Interrupted;
};

/// What an exit may ask of the rest of the machine. vCPU thread, machine lock not held.
class ExitActions {
 public:
  virtual ~ExitActions() = default;
  virtual std::uint64_t read_port(std::uint16_t port, unsigned width) = 0;  ///< width 1, 2 or 4
  virtual void write_port(std::uint16_t port, unsigned width, std::uint64_t value) = 0;
  virtual std::uint64_t read_memory(std::uint64_t address, unsigned width) = 0;  ///< width 1, 2, 4 or 8
  virtual void write_memory(std::uint64_t address, unsigned width, std::uint64_t value) = 0;
  /// False: the guest gets #GP.
  virtual bool read_msr(std::uint32_t index, std::uint64_t& value) = 0;
  virtual bool write_msr(std::uint32_t index, std::uint64_t value) = 0;
  /// The guest changed CR8 and the local APIC is not in the kernel.
  virtual void set_cr8(std::uint64_t value) = 0;
  /// EOI of a vector that a user-space IOAPIC sends level-triggered (irqchip=split).
  virtual void end_of_interrupt(std::uint8_t vector) = 0;
  virtual void request_reset() = 0;
  virtual void request_shutdown() = 0;
  virtual void request_panic() = 0;
  /// Something a guest does that costs it speed or that nobody models: for the log, limited in rate by the receiver.
  virtual void note(std::string_view what) = 0;
  /// KVM cannot emulate the instruction that is next: somebody else does, and then it is over. Null: nobody can.
  virtual std::optional<ExitResult> carry_out() = 0;
  /// The vCPU cannot go on. `why` is one line; called once for an exit, before it returns InternalError.
  virtual void fail(const std::string& why) = 0;
};

/// `run` was filled in by a KVM_RUN that returned 0; `size` is KVM_GET_VCPU_MMAP_SIZE.
ExitResult handle_exit(kvm_run& run, std::size_t size, ExitActions& actions);

/// What a KVM_RUN that returned -1 with `error` means. EINTR and EAGAIN are interruptions; anything else ends the vCPU
/// with a report.
ExitResult handle_run_error(int error, const kvm_run& run, ExitActions& actions);

/// "IO", "MMIO", …: KVM_EXIT_ names without the prefix; "exit 77" for one that is not known.
std::string exit_name(std::uint32_t reason);
/// One line about an exit, for the ring of the last ones: "IO out 0x402 1 byte: 0x41".
std::string describe_exit(const kvm_run& run, std::size_t size);

}  // namespace machina::kvm
