#pragma once
/// The KVM accelerator: the system and VM descriptors, what this kernel's KVM can do, and what follows from it.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "accel/kvm/kvm_calls.h"
#include "accel/kvm/kvm_debug.h"
#include "accel/kvm/kvm_eventfd.h"
#include "accel/kvm/kvm_irqchip.h"
#include "accel/kvm/kvm_memory.h"
#include "accel/kvm/kvm_msr.h"
#include "accel/kvm/kvm_state.h"
#include "accel/kvm/kvm_step.h"
#include "accel/kvm/kvm_watch.h"
#include "accel/triple_fault.h"
#include "hw/x86/accelerator.h"
#include "hw/x86/cpuid_source.h"

namespace machina {

namespace kvm {
class KvmVcpu;
}

class KvmAccelerator final : public Accelerator, public CpuidSource {
 public:
  static constexpr const char* kType = "kvm-accel";
  static void class_init(qom::ObjectClass& c);
  KvmAccelerator();
  ~KvmAccelerator() override;

  Probe probe() override;
  void init_machine(System& system, unsigned max_cpus) override;
  void machine_ready() override;
  std::string implementation_of(const std::string& model) const override;
  std::unique_ptr<Vcpu> create_vcpu(X86Cpu& cpu) override;
  bool handles_mp_state() const override { return irqchip_ != KernelIrqchip::Off; }
  void clock_running(bool running) override;
  std::unique_ptr<InterruptEvent> connect_event(IrqIn& sink, int fd, int resample_fd) override;
  std::unique_ptr<InterruptEvent> connect_event(const MsiMessage& message, int fd) override;

  std::optional<std::uint64_t> guest_clock() override;
  void go_on_from(std::optional<std::uint64_t> guest_clock) override;
  void hand_over() override;

  /// A local APIC in the kernel has ended a level-triggered interrupt of a user-space IOAPIC. vCPU thread.
  void end_of_interrupt(std::uint8_t vector);

  /// The accelerator of the machine that `object` belongs to. Throws Error when that machine runs under another one.
  static KvmAccelerator& of(const qom::Object& object);

  /// For tests: another set of system calls; before init_machine().
  void set_calls(kvm::Calls& calls) { calls_ = &calls; }

  KernelIrqchip irqchip() const { return irqchip_; }
  const kvm::Fd& system_fd() const { return kvm_; }
  const kvm::Fd& vm() const { return vm_; }
  System& system() const { return *system_; }
  /// KVM_CHECK_EXTENSION on the VM, or on the system where there is no VM yet.
  int capability(unsigned number) const;
  /// KVM_GET_SUPPORTED_CPUID, asked once, and what follows from the irqchip.
  CpuidTable supported_cpuid() const override { return supported_cpuid_; }
  std::size_t vcpu_map_size() const { return vcpu_map_size_; }
  const kvm::MemorySlots& slots() const { return *slots_; }
  const kvm::StateSupport& state_support() const { return state_support_; }
  kvm::MsrSet& msrs() const { return *msrs_; }
  /// MSR 6E0h is handed to the local APICs in user space, which then have a TSC-deadline mode.
  bool has_deadline_msr() const { return deadline_msr_; }
  /// What debuggers have put into guest memory, and what KVM_SET_GUEST_DEBUG takes here.
  kvm::PatchedMemory& patched_memory() const { return *patched_memory_; }
  kvm::HeldPages& held_pages() const { return *held_pages_; }
  std::uint32_t debug_flags() const;
  /// This KVM has no hardware help. Measured when it is asked first: a few milliseconds. Machine lock.
  bool emulates_kernel_mode();
  /// Of the instructions that the software CPU has carried out: docs/kvm.md.
  kvm::SharedSteps& steps() { return steps_; }
  TripleFaults& triple_faults() { return triple_faults_; }
  bool software_steps() const { return software_steps_; }
  /// Each state that is loaded into a vCPU is read back and compared.
  bool verify_state() const { return verify_state_; }
  /// The capability table with what this kernel has, or why it cannot be told. Opens /dev/kvm when need be; throws
  /// nothing.
  std::string details() override;
  std::string statistics() override;
  kvm::Irqchip& irqchip_parts() const { return *irqchip_parts_; }
  // Called by vCPUs as they come and go; machine lock held. KVM knows no end of a vCPU but the VM's: one that is
  // plugged in again is the one that was there.
  kvm::Fd open_vcpu(std::uint32_t apic_id, bool& again);
  void keep_vcpu(std::uint32_t apic_id, kvm::Fd vcpu) { kept_vcpus_.insert_or_assign(apic_id, std::move(vcpu)); }
  void add_vcpu(kvm::KvmVcpu& vcpu) { vcpus_.push_back(&vcpu); }
  void remove_vcpu(kvm::KvmVcpu& vcpu) { std::erase(vcpus_, &vcpu); }

 private:
  void open();
  void enable_capabilities();
  bool enable(unsigned capability, std::uint64_t argument);
  bool take_deadline_msr();
  void create_interrupt_half();
  void map_memory();

  // configuration
  KernelIrqchip irqchip_ = KernelIrqchip::On;
  bool verify_state_ = false;
  bool software_steps_ = true;

  // dependencies
  kvm::Calls* calls_ = &kvm::Calls::system();
  System* system_ = nullptr;

  // sub-parts
  kvm::Fd kvm_, vm_;
  std::unique_ptr<kvm::MemorySlots> slots_;
  std::unique_ptr<kvm::PatchedMemory> patched_memory_;
  std::unique_ptr<kvm::HeldPages> held_pages_;
  std::unique_ptr<kvm::MsrSet> msrs_;
  kvm::StateSupport state_support_;
  std::unique_ptr<kvm::Irqchip> irqchip_parts_;
  std::unique_ptr<kvm::IoEventFds> memory_events_, port_events_;
  CpuidTable supported_cpuid_;
  std::vector<kvm::KvmVcpu*> vcpus_;
  std::map<std::uint32_t, kvm::Fd> kept_vcpus_;  ///< by APIC ID
  kvm::SharedSteps steps_;
  TripleFaults triple_faults_;
  std::size_t vcpu_map_size_ = 0;
  bool goes_on_ = false;  ///< the guest has run under another accelerator before
  std::uint64_t clock_at_stop_ = 0;
  bool clock_stopped_ = false;
  // Of a local APIC in user space: which of its MSRs come to it.
  bool x2apic_msrs_ = false;
  bool deadline_msr_ = false;
  bool memory_mapped_ = false;
  std::optional<bool> emulates_kernel_mode_;
};

}  // namespace machina
