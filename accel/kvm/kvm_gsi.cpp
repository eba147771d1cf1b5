#include "accel/kvm/kvm_gsi.h"

#include "accel/kvm/kvm_accelerator.h"

namespace machina {

void KvmGsi::class_init(DeviceClass& c) { c.description = "Global system interrupts (KVM)"; }

void KvmGsi::realize() {
  irqchip_ = &KvmAccelerator::of(*this).irqchip_parts();
  irqchip_->set_timer_pin(timer_pin_);
  for (unsigned n = 0; n < kCount; ++n) irqchip_->name_gsi(n, &gsi_[n]);
}

void KvmGsi::unrealize() {
  for (unsigned n = 0; n < kCount; ++n) irqchip_->name_gsi(n, nullptr);
  irqchip_ = nullptr;
}

void KvmGsi::gsi_changed(unsigned n, bool level) {
  if (irqchip_) irqchip_->set_line(n, level);
}

// Lines that were high before the kernel had controllers, and those that a reset of devices left as they were.
void KvmGsi::reset_hold() {
  for (unsigned n = 0; n < kCount; ++n) irqchip_->set_line(n, gsi_[n].level());
}

MACHINA_TYPE(KvmGsi, Gsi);

}  // namespace machina
