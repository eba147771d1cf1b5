#pragma once
/// The board's interrupts where the controllers are in the kernel: one KVM_IRQ_LINE a change, and KVM's own table sends
/// it to PIC and IOAPIC. The outputs "pic" and "ioapic" keep the board's wiring and carry nothing.
///
/// Not modelled: resample listeners of these inputs. The kernel tells of the end of an interrupt through irqfds only;
/// Accelerator::connect_event() takes a resample descriptor.

#include "hw/intc/gsi.h"

namespace machina {

namespace kvm {
class Irqchip;
}

class KvmGsi final : public Gsi {
 public:
  static constexpr const char* kType = "kvm-gsi";
  static void class_init(DeviceClass& c);

 protected:
  void realize() override;
  void unrealize() override;
  void gsi_changed(unsigned n, bool level) override;
  void legacy_changed(bool replaced) override;
  void reset_hold() override;

 private:
  kvm::Irqchip* irqchip_ = nullptr;
};

}  // namespace machina
