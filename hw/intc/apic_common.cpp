#include "hw/intc/apic_common.h"

#include "hw/intc/apic_msg.h"

namespace machina {

void ApicCommon::class_init(DeviceClass& c) {
  c.description = "Local APIC";
  c.category = Category::Interrupt;
  c.user_creatable = false;  // it belongs to a CPU
  c.inputs(&ApicCommon::lint_, "lint");
  c.property("id", &ApicCommon::initial_id_, 0U).doc("APIC ID after reset");
  c.property("bootstrap", &ApicCommon::bootstrap_, false).doc("that of the bootstrap processor");
  c.property("virtual-wire", &ApicCommon::virtual_wire_, true)
      .doc("LINT0 of the bootstrap processor lets the 8259 through from reset on, as firmware would set it up");
}

const ApicState& ApicCommon::get_state() {
  pull_state();
  return state_;
}

void ApicCommon::set_state(const ApicState& state) {
  state_ = state;
  push_state();
}

ApicState ApicCommon::reset_state() {
  ApicState s;
  s.base = apic::kDefaultBase | apic::kBaseEnable | (bootstrap_ ? apic::kBaseBootstrap : 0);
  s.id = initial_id_;
  // The SDM says masked. In-kernel APICs start like this, and so guests behave alike with all of them.
  if (bootstrap_ && virtual_wire_)
    s.lvt_lint[0] = static_cast<std::uint32_t>(ApicDelivery::ExtInt) << apic_msg::kDeliveryShift;
  for (unsigned pin = 0; pin < 2; ++pin) s.lint[pin] = lint_[pin].level();
  return s;
}

MACHINA_ABSTRACT_TYPE(ApicCommon, Device);

}  // namespace machina
