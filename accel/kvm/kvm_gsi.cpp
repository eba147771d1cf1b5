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
  if (!irqchip_) return;
  // The pin of interrupt 0 has two sources, and each call is the last word: see GsiRoutes.
  const unsigned shared = kvm::GsiRoutes::kIoapicDirect + timer_pin_;
  if (n != 0 && n == timer_pin_) {
    irqchip_->set_line(shared, level || this->level(0));
    return;
  }
  irqchip_->set_line(n, level);
  if (n == 0 && timer_pin_ != 0 && !level && this->level(timer_pin_)) irqchip_->set_line(shared, true);
}

// The timer in the kernel raises its interrupt there.
void KvmGsi::legacy_changed(bool replaced) {
  if (irqchip_) irqchip_->mute_pit(replaced);
}

// Lines that were high before the kernel had controllers, and those that a reset of devices left as they were.
void KvmGsi::reset_hold() {
  for (unsigned n = 0; n < kCount; ++n) gsi_changed(n, level(n));
}

MACHINA_TYPE(KvmGsi, Gsi);

}  // namespace machina
