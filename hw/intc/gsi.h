#pragma once
/// Global system interrupts: the board's wires to both interrupt controllers. What a device raises reaches the 8259
/// pair and the IOAPIC; firmware and kernel decide which of the two they listen to.
///
/// Source: ACPI specification 6.4, 5.2.12.5 (interrupt source override) and 5.2.13 (global system interrupts).
/// A PC's timer (IRQ0) is at the IOAPIC's pin 2, since pin 0 belongs to the 8259's INTR.
///
/// Not modelled: more than one IOAPIC.

#include "hw/acpi/acpi_board.h"
#include "hw/base/device.h"

namespace machina {

class Gsi : public Device, public AcpiContributor {
 public:
  static constexpr const char* kType = "gsi";
  static constexpr unsigned kCount = 24;
  static void class_init(DeviceClass& c);

  /// The IOAPIC pin of GSI `n`.
  unsigned ioapic_pin(unsigned n) const { return n == 0 ? timer_pin_ : n; }

  void acpi_facts(AcpiBoard& board) override;

 protected:
  void realize() override;
  void unrealize() override;
  /// Input `n` changed. Where the controllers are in a kernel, a subclass tells it there.
  virtual void gsi_changed(unsigned n, bool level);

  // configuration
  std::uint8_t timer_pin_ = 2;
  // sub-parts
  IrqInBank gsi_{"gsi", kCount, this, &Gsi::gsi_changed};

 private:
  IrqOutBank pic_{16};
  IrqOutBank ioapic_{kCount};
};

}  // namespace machina
