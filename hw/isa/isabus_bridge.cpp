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

aml::Terms IsaBusBridge::acpi_objects(AcpiBoard& board) {
  aml::Terms terms{aml::name("_HID", aml::eisa_id("PNP0A05"))};  // generic container
  for (const auto& c : children())
    if (const auto* bus = qom::cast<Bus>(c)) terms.push_back(aml::join(board.objects_on(*bus)));
  return {aml::device("ISA", terms)};
}

MACHINA_TYPE(IsaBusBridge, Device, AcpiContributor);

}  // namespace machina
