#pragma once
/// The I/O APIC in the kernel. Registers, redirection and EOI are KVM's; here are the state and the inputs that are
/// wired to it directly instead of through the board's interrupts (kvm-gsi).
///
/// KVM's IOAPIC is version 11h at FEC00000h, whatever the properties say; realize refuses another address. It does not
/// tell the levels of its inputs: `lines` of the state is what this device's own wires and the requests of level
/// triggered pins show.

#include "hw/intc/ioapic_common.h"

struct kvm_ioapic_state;

namespace machina {

namespace kvm {
class Irqchip;
IoapicState from_kvm(const kvm_ioapic_state& state);
kvm_ioapic_state to_kvm(const IoapicState& state, std::uint64_t address);
}  // namespace kvm

class KvmIoapic final : public IoapicCommon {
 public:
  static constexpr const char* kType = "kvm-ioapic";
  static void class_init(DeviceClass& c);
  /// The kernel hears of EOIs itself.
  void eoi(std::uint8_t) override {}

 protected:
  void realize() override;
  void pull_state() override;
  void push_state() override;
  void pin_changed(unsigned pin, bool level) override;

 private:
  kvm::Irqchip* irqchip_ = nullptr;
};

}  // namespace machina
