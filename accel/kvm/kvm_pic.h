#pragma once
/// The pair of 8259A in the kernel. Registers, ELCR and the INTA cycle are KVM's; here are the state and the inputs
/// that are wired to the pair directly instead of through the board's interrupts (kvm-gsi).
///
/// An input must not be wired both ways: KVM takes the last word of the two.

#include "hw/intc/i8259_common.h"

struct kvm_pic_state;

namespace machina {

namespace kvm {
class Irqchip;
I8259Chip from_kvm(const kvm_pic_state& state);
kvm_pic_state to_kvm(const I8259Chip& chip, bool slave);
}  // namespace kvm

class KvmPic final : public I8259Common {
 public:
  static constexpr const char* kType = "kvm-i8259";
  static void class_init(DeviceClass& c);
  /// The kernel acknowledges by itself; nobody asks.
  int acknowledge() override { return -1; }

 protected:
  void realize() override;
  void pull_state() override;
  void push_state() override;
  void ir_changed(unsigned n, bool level) override;

 private:
  kvm::Irqchip* irqchip_ = nullptr;
};

}  // namespace machina
