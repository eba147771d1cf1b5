#pragma once
/// What a debugger asks of vCPUs (hw/x86/vcpu_debug.h), with what KVM_SET_GUEST_DEBUG offers: four debug registers,
/// which the guest's own give way to meanwhile; int3 in guest memory; and single step.
///
/// Sources: Documentation/virt/kvm/api.rst of Linux, KVM_SET_GUEST_DEBUG and KVM_EXIT_DEBUG; SDM vol. 3, 18.2.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "accel/kvm/kvm_calls.h"
#include "core/memory/address_space.h"
#include "hw/x86/vcpu_debug.h"

struct kvm_run;

namespace machina::kvm {

/// Which breakpoint goes where.
struct DebugAssignment {
  /// The breakpoint that each debug register is for, or a piece of it; null: the register is free. As numbers into
  /// DebugRequest::breakpoints.
  std::array<std::optional<std::size_t>, 4> registers;
  std::array<std::uint64_t, 4> address{};
  std::uint64_t dr7 = 0x400;
  std::vector<std::uint64_t> patched;  ///< linear addresses that get an int3
};
/// Hardware breakpoints and watchpoints, these in pieces that are aligned and 1, 2, 4 or 8 bytes long, get registers;
/// then software breakpoints do while there are any, since those in registers are there whatever becomes of the code;
/// the others are int3. Throws Error when there are not enough, or of what x86 has no way of watching.
DebugAssignment assign_debug_registers(const DebugRequest& request);

/// The int3 bytes in guest memory, which all vCPUs see. They are there while the machine runs only, so that whoever
/// looks at memory of a stopped machine sees the guest's. Machine lock.
class PatchedMemory {
 public:
  explicit PatchedMemory(AddressSpace& memory) : memory_(memory) {}

  /// Throws Error where there is no RAM that can be written. Each add() has its remove().
  void add(std::uint64_t physical);
  void remove(std::uint64_t physical);
  /// The vCPUs are about to run, or have stopped.
  void running(bool on);

 private:
  struct Patch {
    unsigned uses = 0;
    std::uint8_t* host = nullptr;    ///< while the int3 is there
    std::shared_ptr<RamBlock> keep;  ///< the same
    std::uint8_t original = 0;
  };
  void put(std::uint64_t physical, Patch& patch);
  static void take(Patch& patch);

  AddressSpace& memory_;
  std::map<std::uint64_t, Patch> patches_;
  bool running_ = false;
};

/// Of one vCPU. Its thread, or another while it is parked; set() with the machine lock held.
class GuestDebug {
 public:
  /// `flags`: KVM_CAP_SET_GUEST_DEBUG2, or what every KVM has.
  GuestDebug(const Fd& vcpu, PatchedMemory& patches, std::uint32_t flags)
      : vcpu_(vcpu), patches_(patches), flags_(flags) {}
  ~GuestDebug();
  GuestDebug(const GuestDebug&) = delete;
  GuestDebug& operator=(const GuestDebug&) = delete;

  /// Throws Error, and the request before stays in force.
  void set(const DebugRequest& request);
  const DebugRequest& request() const { return request_; }
  bool active() const { return !request_.empty(); }
  /// INTR, NMI and SMI that user space injects wait. Those of a local APIC in the kernel do with KVM_GUESTDBG_BLOCKIRQ.
  bool holds_interrupts() const { return request_.hold_interrupts; }

  /// The state was loaded: KVM ties a single step to where the vCPU was.
  void state_loaded() { told_ = false; }
  /// Before KVM_RUN.
  void tell();
  /// KVM_EXIT_DEBUG. False: it was the guest's own, and has been given back to it.
  bool stops(const kvm_run& run);
  /// KVM gave an instruction up: is it one of our int3? A KVM that emulates kernel mode knows no int3, and stops there.
  bool stops_at_patch();
  /// The vCPU has halted, in the step that was asked for. False: none was.
  bool stops_halted();
  const DebugStop& stop() const { return stop_; }
  /// Something else has stopped it.
  void set_stop(const DebugStop& stop) { stop_ = stop; }

  /// As the vCPU's page tables are now; null: nowhere.
  std::optional<std::uint64_t> physical_of(std::uint64_t linear) const;

 private:
  bool is_patched(std::uint64_t linear) const;
  void stop_at_patch(std::uint64_t linear);
  void give_back(std::uint8_t vector, std::uint64_t dr6) const;

  const Fd& vcpu_;
  PatchedMemory& patches_;
  std::uint32_t flags_;
  DebugRequest request_;
  DebugAssignment assignment_;
  std::vector<std::uint64_t> patched_;  ///< physical addresses of assignment_.patched
  bool told_ = true;
  DebugStop stop_;
};

}  // namespace machina::kvm
