#pragma once
/// Intel 82371SB (PIIX3), function 0: the bridge from PCI to ISA, PCI interrupt routing and reset control.
///
/// The ELCR (4D0h, 4D1h) is the i8259 pair's, port 92h and the NMI registers are other devices of the board.
///
/// Not modelled: X-bus chip selects, ISA timings, DMA type F, the APIC chip-select base, SMI timers and throttling.
/// Their registers are stored with the datasheet's reset values and masks.
///
/// INIT of the CPU alone (CF9h without SRST, and so port 92h, the keyboard controller and a triple fault, which end in
/// the same pin) is the whole machine's reset here. Operating systems reboot by each of these, and -no-reboot and the
/// event RESET have to tell of it; software of the 286 that leaves protected mode that way finds its devices reset.

#include <array>

#include "hw/acpi/acpi_board.h"
#include "hw/isa/isa_bus.h"
#include "hw/isa/piix3_regs.h"
#include "hw/pci/pci_device.h"

namespace machina {

class Piix3 final : public PciDevice, public AcpiContributor, public FirmwareSetup {
 public:
  static constexpr const char* kType = "PIIX3";
  static void class_init(PciDeviceClass& c);

  Piix3();

  void acpi_facts(AcpiBoard& board) override;
  aml::Terms acpi_objects(AcpiBoard& board) override;
  /// Routes the PIRQs, and tells the functions and the 8259 pair.
  void set_up_as_firmware() override;

  void reset_enter() override;

 private:
  void realize() override;
  void unrealize() override;
  void apply(bool force) override;
  void isa_line_changed(unsigned n, bool level);
  void pirq_changed(unsigned n, bool level);
  void route(unsigned pirq, bool force);
  std::vector<std::uint32_t> free_routes();
  IoResult read_reset_control(Offset offset, Width width);
  IoResult write_reset_control(Offset offset, Width width, std::uint64_t value);

  // regions
  IoRegion reset_control_{"piix3-reset-control",      1, Widths::only(1), this, &Piix3::read_reset_control,
                          &Piix3::write_reset_control};
  // sub-parts
  IrqInBank isa_lines_{"irq", IsaBus::kLines, this, &Piix3::isa_line_changed};
  IrqOutBank isa_irqs_{IsaBus::kLines};
  std::array<IrqOut, PciBus::kLines> pirq_;  // into isa_lines_, where a line is the OR of all that drive it
  // bookkeeping
  std::array<int, PciBus::kLines> routed_{-1, -1, -1, -1};  // ISA line, or -1

  struct State {
    std::uint8_t reset_control = 0;
  };
  State state_;
};

}  // namespace machina
