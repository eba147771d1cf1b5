#pragma once
/// The ISA bus of a machine without PCI: nothing but the bus and its 16 interrupt lines.

#include "hw/acpi/acpi_board.h"
#include "hw/isa/isa_bus.h"

namespace machina {

class IsaBusBridge final : public Device, public AcpiContributor {
 public:
  static constexpr const char* kType = "isabus-bridge";
  static void class_init(DeviceClass& c);

  IsaBusBridge();

  void acpi_facts(AcpiBoard& board) override { board.fixed.isa_devices = true; }
  aml::Terms acpi_objects(AcpiBoard& board) override;

 private:
  void isa_line_changed(unsigned n, bool level) { isa_irqs_[n].set(level); }

  // sub-parts
  IrqInBank isa_lines_{"irq", IsaBus::kLines, this, &IsaBusBridge::isa_line_changed};
  IrqOutBank isa_irqs_{IsaBus::kLines};
};

}  // namespace machina
