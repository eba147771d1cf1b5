#include "accel/kvm/kvm_ioapic.h"

#include <fmt/format.h>

#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_api.h"

namespace machina {

namespace kvm {

IoapicState from_kvm(const kvm_ioapic_state& k) {
  IoapicState s;
  s.id = static_cast<std::uint8_t>(k.id & ioapic::kIdMask);
  s.select = static_cast<std::uint8_t>(k.ioregsel);
  s.irr = k.irr;
  for (unsigned pin = 0; pin < ioapic::kPins; ++pin) {
    s.redirection[pin] = k.redirtbl[pin].bits & ioapic::kDefined;
    if ((s.redirection[pin] & ioapic::kLevel) && (k.irr >> pin & 1)) s.lines |= 1U << pin;
  }
  return s;
}

kvm_ioapic_state to_kvm(const IoapicState& s, std::uint64_t address) {
  kvm_ioapic_state k{};
  k.base_address = address;
  k.id = s.id;
  k.ioregsel = s.select;
  k.irr = s.irr;
  for (unsigned pin = 0; pin < ioapic::kPins; ++pin) k.redirtbl[pin].bits = s.redirection[pin];
  return k;
}

}  // namespace kvm

void KvmIoapic::class_init(DeviceClass& c) {
  c.description = "I/O APIC (KVM)";
  c.set_default("version", std::uint64_t{ioapic::kVersion82093});
}

void KvmIoapic::realize() {
  if (address_ != ioapic::kAddress) {
    throw Error(fmt::format("the I/O APIC in the kernel is at {:#x}", ioapic::kAddress))
        .why(fmt::format("{:#x} was asked for", address_))
        .hint("choose -accel kvm,kernel-irqchip=split for another address");
  }
  irqchip_ = &KvmAccelerator::of(*this).irqchip_parts();
}

void KvmIoapic::pull_state() {
  if (!irqchip_->created()) return;
  kvm_irqchip chip{};
  chip.chip_id = KVM_IRQCHIP_IOAPIC;
  irqchip_->get_chip(chip);
  state_ = kvm::from_kvm(chip.chip.ioapic);
  for (unsigned pin = 0; pin < ioapic::kPins; ++pin)
    if (in_[pin].level()) state_.lines |= 1U << pin;
}

void KvmIoapic::push_state() {
  if (irqchip_->created()) {
    kvm_irqchip chip{};
    chip.chip_id = KVM_IRQCHIP_IOAPIC;
    chip.chip.ioapic = kvm::to_kvm(state_, address_);
    irqchip_->set_chip(chip);
  }
  IoapicCommon::push_state();
}

void KvmIoapic::pin_changed(unsigned pin, bool level) {
  if (irqchip_) irqchip_->set_line(kvm::GsiRoutes::kIoapicDirect + pin, level);
}

MACHINA_TYPE(KvmIoapic, IoapicCommon);

}  // namespace machina
