#pragma once
/// The KVM accelerator: the system and VM descriptors, what this kernel's KVM can do, and what follows from it.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "accel/kvm/kvm_calls.h"
#include "accel/kvm/kvm_memory.h"
#include "accel/kvm/kvm_msr.h"
#include "accel/kvm/kvm_state.h"
#include "hw/x86/accelerator.h"
#include "hw/x86/cpuid.h"

namespace machina {

enum class KernelIrqchip { Off, Split, On };

namespace qom {
template <>
struct EnumNames<KernelIrqchip> {
  static constexpr const char* name = "OnOffSplit";
  static constexpr std::pair<KernelIrqchip, const char*> values[] = {
      {KernelIrqchip::On, "on"}, {KernelIrqchip::Off, "off"}, {KernelIrqchip::Split, "split"}};
};
}  // namespace qom

class KvmAccelerator final : public Accelerator {
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

  /// For tests: another set of system calls; before init_machine().
  void set_calls(kvm::Calls& calls) { calls_ = &calls; }

  KernelIrqchip irqchip() const { return irqchip_; }
  const kvm::Fd& system_fd() const { return kvm_; }
  const kvm::Fd& vm() const { return vm_; }
  System& system() const { return *system_; }
  /// KVM_CHECK_EXTENSION on the VM, or on the system where there is no VM yet.
  int capability(unsigned number) const;
  /// KVM_GET_SUPPORTED_CPUID; asked once.
  const CpuidTable& supported_cpuid() const { return supported_cpuid_; }
  std::size_t vcpu_map_size() const { return vcpu_map_size_; }
  const kvm::MemorySlots& slots() const { return *slots_; }
  const kvm::StateSupport& state_support() const { return state_support_; }
  kvm::MsrSet& msrs() const { return *msrs_; }
  /// Each state that is loaded into a vCPU is read back and compared.
  bool verify_state() const { return verify_state_; }
  /// The capability table with what this kernel has, for -accel kvm,help. Opens /dev/kvm when need be; throws Error.
  std::string describe_capabilities();

 private:
  void open();
  void read_supported_cpuid();
  void enable_capabilities();
  bool enable(unsigned capability, std::uint64_t argument);

  // configuration
  KernelIrqchip irqchip_ = KernelIrqchip::On;
  bool verify_state_ = false;

  // dependencies
  kvm::Calls* calls_ = &kvm::Calls::system();
  System* system_ = nullptr;

  // sub-parts
  kvm::Fd kvm_, vm_;
  std::unique_ptr<kvm::MemorySlots> slots_;
  std::unique_ptr<kvm::MsrSet> msrs_;
  kvm::StateSupport state_support_;
  CpuidTable supported_cpuid_;
  std::size_t vcpu_map_size_ = 0;
  std::uint64_t clock_at_stop_ = 0;
  bool clock_stopped_ = false;
};

}  // namespace machina
