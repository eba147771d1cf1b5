#pragma once
/// The local APIC in the kernel, and what stands for the APIC bus then.

#include <array>
#include <cstdint>

#include "hw/intc/apic_common.h"
#include "hw/intc/interrupt_acknowledge.h"

namespace machina {

namespace kvm {
class KvmVcpu;
}

/// A CPU's child. State goes through KVM_GET_LAPIC and KVM_SET_LAPIC of the CPU's vCPU; a reset of the CPU resets the
/// kernel's APIC with the rest of the CPU state, so reset does nothing here.
class KvmApic final : public ApicCommon {
 public:
  static constexpr const char* kType = "kvm-apic";
  static void class_init(DeviceClass& c);

 protected:
  void realize() override;
  void pull_state() override;
  void push_state() override;
  /// The pins of the kernel's APIC are its own PIC's and what KVM_INTERRUPT and KVM_NMI inject.
  void lint_changed(unsigned, bool) override {}
  void reset_hold() override {}

 private:
  kvm::KvmVcpu& vcpu() const;
};

/// Keeps a board's wiring; messages are KVM's (Irqchip::send), ExtINT is the accelerator's.
class KvmApicBus final : public Device {
 public:
  static constexpr const char* kType = "kvm-apic-bus";
  static void class_init(DeviceClass& c);

 private:
  qom::Link<InterruptAcknowledge> pic_;
};

}  // namespace machina
