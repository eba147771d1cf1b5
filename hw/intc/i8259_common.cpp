#include "hw/intc/i8259_common.h"

#include "hw/intc/i8259_regs.h"

namespace machina {

void I8259Common::class_init(DeviceClass& c) {
  c.description = "Pair of 8259A interrupt controllers";
  c.category = Category::Interrupt;
  c.inputs(&I8259Common::ir_, "ir");
  c.output("out", &I8259Common::out_).doc("INTR, to a CPU");
}

const I8259State& I8259Common::get_state() {
  pull_state();
  return state_;
}

void I8259Common::set_state(const I8259State& state) {
  state_ = state;
  push_state();
}

void I8259Common::reset_enter() {
  state_ = {};
  // The chips' reset does not reach the wires: what a device drives, it still drives.
  for (unsigned n = 0; n < ir_.size(); ++n) {
    if (n == i8259::kCascade || !ir_[n].level()) continue;
    state_.chips[n / 8].lines = static_cast<std::uint8_t>(state_.chips[n / 8].lines | 1U << n % 8);
  }
}

void I8259Common::reset_exit() {
  I8259Common::reset_enter();
  push_state();
}

aml::Terms I8259Common::acpi_objects(AcpiBoard&) {
  aml::Resources resources;
  resources.io(i8259::kMasterPort, 2).io(i8259::kSlavePort, 2).io(i8259::kElcrPort, 2).irq(i8259::kCascade);
  return {aml::device("PIC", {aml::name("_HID", aml::eisa_id("PNP0000")), aml::name("_CRS", resources.code())})};
}

MACHINA_ABSTRACT_TYPE(I8259Common, IsaDevice, InterruptAcknowledge, AcpiContributor);

}  // namespace machina
