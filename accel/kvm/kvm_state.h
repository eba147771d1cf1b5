#pragma once
/// X86State to and from a vCPU of KVM. Each part of the state is declared once, in a table: when this KVM has it, how
/// it is loaded and stored, and what of it cannot be compared. Save-all, load-all and the read-back check are loops
/// over it.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "accel/kvm/kvm_calls.h"
#include "accel/kvm/kvm_msr.h"
#include "hw/x86/x86_state.h"

namespace machina::kvm {

/// What this KVM can take and give of a CPU's state; from capabilities, once for a VM.
struct StateSupport {
  bool sregs2 = false;            ///< KVM_CAP_SREGS2: PDPTRs travel with the control registers
  bool xsave = false;             ///< KVM_CAP_XSAVE; without it KVM_GET_FPU carries x87 and SSE
  std::size_t xsave_size = 0;     ///< bytes: KVM_CAP_XSAVE2, or 4096
  bool xsave2 = false;            ///< more than 4096 bytes may come: KVM_GET_XSAVE2
  bool xcrs = false;              ///< KVM_CAP_XCRS
  bool debug_registers = false;   ///< KVM_CAP_DEBUGREGS
  bool events = false;            ///< KVM_CAP_VCPU_EVENTS
  bool interrupt_shadow = false;  ///< KVM_CAP_INTR_SHADOW
  bool smm = false;               ///< KVM_CAP_X86_SMM
  bool payload = false;           ///< KVM_CAP_EXCEPTION_PAYLOAD has been switched on
  bool triple_fault = false;      ///< KVM_CAP_X86_TRIPLE_FAULT_EVENT has been switched on
  bool lapic = false;             ///< the local APIC is in the kernel, and with it MP state

  /// `capability` is KVM_CHECK_EXTENSION.
  static StateSupport find_out(const std::function<int(unsigned)>& capability);
};

/// A vCPU whose state moves. What it remembers between calls belongs to one vCPU.
class StateTransfer {
 public:
  /// Asks the vCPU whether its local APIC is in the kernel.
  StateTransfer(const Fd& vcpu, const StateSupport& support, MsrSet& msrs);

  /// The vCPU is not in KVM_RUN and has no access half done. Throws Error when KVM refuses a part that it must take; an
  /// MSR that it refuses is named once in the log and left out.
  void load(const X86State& state);
  /// The same for a vCPU that holds `before`: loads the parts that differ, and of the MSRs those. The TSC and the local
  /// APIC are not among them.
  void load_changes(const X86State& before, const X86State& after);
  /// Parts that this KVM does not have keep what `state` has.
  void store(X86State& state);
  /// What differs between `state`, which was loaded, and what KVM gives back: one line each, empty when nothing does.
  std::vector<std::string> verify(const X86State& state);

  const Fd& vcpu() const { return vcpu_; }
  const StateSupport& support() const { return support_; }
  MsrSet& msrs() { return msrs_; }

  std::optional<std::uint64_t> tsc_as_read;  ///< what the last store() returned

 private:
  const Fd& vcpu_;
  StateSupport support_;
  MsrSet& msrs_;
};

/// One part of the state.
struct StateElement {
  const char* name;
  bool (*present)(const StateSupport& support);
  void (*load)(StateTransfer& t, const X86State& state);
  void (*store)(StateTransfer& t, X86State& state);
  /// Makes equal what may differ after a round trip although nothing was lost. Null: everything compares.
  void (*normalize)(StateTransfer& t, X86State& state);
  /// Do they differ in this part? Null: it never changes by an instruction.
  bool (*differs)(const X86State& a, const X86State& b);
};
/// In the order of loading.
std::span<const StateElement> state_elements();

}  // namespace machina::kvm
