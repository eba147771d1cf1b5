#include "hw/isa/isabus_bridge.h"

namespace machina {

void IsaBusBridge::class_init(DeviceClass& c) {
  c.description = "ISA bus";
  c.category = Category::Bridge;
  c.user_creatable = false;
  c.inputs(&IsaBusBridge::isa_lines_, "irq");
  c.outputs("isa-irqs", &IsaBusBridge::isa_irqs_).doc("the bank of 16 inputs that ISA's interrupt lines end in");
}

IsaBusBridge::IsaBusBridge() { add_new_child<IsaBus>("isa.0").set_irq_lines(isa_lines_); }

MACHINA_TYPE(IsaBusBridge, Device);

}  // namespace machina
