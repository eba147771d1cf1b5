#pragma once
/// An IDE channel on the ISA bus: the cable's registers at two places in port space and an interrupt, without DMA.

#include "hw/acpi/acpi_board.h"
#include "hw/ide/ide_bus.h"
#include "hw/isa/isa_bus.h"

namespace machina {

class IsaIde final : public IsaDevice, public AcpiContributor {
 public:
  static constexpr const char* kType = "isa-ide";
  static void class_init(DeviceClass& c);

  aml::Terms acpi_objects(AcpiBoard& board) override;

  IsaIde();

  void reset_enter() override { bus_->reset_enter(); }
  void reset_hold() override { bus_->reset_hold(); }

 private:
  void realize() override;

  // configuration
  std::uint16_t iobase_ = 0, iobase2_ = 0;
  // dependencies
  IdeBus* bus_ = nullptr;  // a child
  // sub-parts
  IrqOut irq_;
};

}  // namespace machina
