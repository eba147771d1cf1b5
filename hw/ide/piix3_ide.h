#pragma once
/// Function 1 of the Intel 82371SB (PIIX3): two IDE channels at the legacy ports and interrupts, each with a bus
/// master. "82371FB (PIIX) and 82371SB (PIIX3) PCI ISA IDE Xcelerator", order number 290550-002, sections 2.3 and 2.6.
///
/// Not modelled: transfer timings (the timing registers are stored; only the decode enable of each channel has an
/// effect).

#include <array>

#include "hw/ide/bus_master.h"
#include "hw/ide/ide_bus.h"
#include "hw/pci/pci_device.h"

namespace machina {

class Piix3Ide final : public PciDevice {
 public:
  static constexpr const char* kType = "piix3-ide";
  static void class_init(PciDeviceClass& c);

  Piix3Ide();

  static constexpr unsigned kChannels = 2;

  void reset_enter() override;
  void reset_hold() override;

 private:
  void realize() override;
  void apply(bool force) override;
  IoResult read_bus_master(Offset offset, Width width);
  IoResult write_bus_master(Offset offset, Width width, std::uint64_t value);

  // dependencies
  std::array<IdeBus*, kChannels> bus_{};  // children
  // regions
  IoRegion bus_master_ports_{"piix3-bmide", kChannels* BusMaster::kRegisters, Widths{1, 4, true},
                             this,          &Piix3Ide::read_bus_master,       &Piix3Ide::write_bus_master};
  // sub-parts
  IrqOutBank irqs_{kChannels};
  std::array<BusMaster, kChannels> engine_;
};

}  // namespace machina
