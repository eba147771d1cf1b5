#include "accel/kvm/kvm_pic.h"

#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_api.h"
#include "hw/intc/i8259_regs.h"

namespace machina {

namespace kvm {

// KVM's init_state counts the ICW that comes next from 0 (none), 1 (ICW2) to 3 (ICW4), and its priority_add is the
// level with the highest priority.

I8259Chip from_kvm(const kvm_pic_state& k) {
  I8259Chip c;
  c.irr = k.irr;
  c.imr = k.imr;
  c.isr = k.isr;
  c.elcr = k.elcr;
  c.lines = k.last_irr;
  c.vector_base = k.irq_base;
  c.lowest_priority = static_cast<std::uint8_t>((k.priority_add + 7) % 8);
  c.next_icw = k.init_state ? static_cast<std::uint8_t>(k.init_state + 1) : std::uint8_t{0};
  c.icw4_needed = k.init4;
  c.auto_eoi = k.auto_eoi;
  c.special_fully_nested = k.special_fully_nested_mode;
  c.rotate_in_auto_eoi = k.rotate_on_auto_eoi;
  c.special_mask = k.special_mask;
  c.read_isr = k.read_reg_select;
  c.poll = k.poll;
  return c;
}

kvm_pic_state to_kvm(const I8259Chip& c, bool slave) {
  kvm_pic_state k{};
  k.irr = c.irr;
  k.imr = c.imr;
  k.isr = c.isr;
  k.elcr = c.elcr;
  k.elcr_mask = slave ? i8259::kSlaveElcrMask : i8259::kMasterElcrMask;
  k.last_irr = c.lines;
  k.irq_base = c.vector_base;
  k.priority_add = static_cast<std::uint8_t>((c.lowest_priority + 1) % 8);
  k.init_state = c.next_icw ? static_cast<std::uint8_t>(c.next_icw - 1) : std::uint8_t{0};
  k.init4 = c.icw4_needed;
  k.auto_eoi = c.auto_eoi;
  k.special_fully_nested_mode = c.special_fully_nested;
  k.rotate_on_auto_eoi = c.rotate_in_auto_eoi;
  k.special_mask = c.special_mask;
  k.read_reg_select = c.read_isr;
  k.poll = c.poll;
  return k;
}

}  // namespace kvm

void KvmPic::class_init(DeviceClass& c) { c.description = "Pair of 8259A interrupt controllers (KVM)"; }

void KvmPic::realize() { irqchip_ = &KvmAccelerator::of(*this).irqchip_parts(); }

void KvmPic::pull_state() {
  if (!irqchip_->created()) return;
  for (unsigned n = 0; n < 2; ++n) {
    kvm_irqchip chip{};
    chip.chip_id = n == 0 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
    irqchip_->get_chip(chip);
    state_.chips[n] = kvm::from_kvm(chip.chip.pic);
  }
}

void KvmPic::push_state() {
  if (!irqchip_->created()) return;
  for (unsigned n = 0; n < 2; ++n) {
    kvm_irqchip chip{};
    chip.chip_id = n == 0 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
    chip.chip.pic = kvm::to_kvm(state_.chips[n], n == 1);
    irqchip_->set_chip(chip);
  }
}

void KvmPic::ir_changed(unsigned n, bool level) {
  if (irqchip_) irqchip_->set_line(kvm::GsiRoutes::kPicDirect + n, level);
}

MACHINA_TYPE(KvmPic, I8259Common);

}  // namespace machina
