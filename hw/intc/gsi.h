#pragma once
/// Global system interrupts: the board's wires to both interrupt controllers. What a device raises reaches the 8259
/// pair and the IOAPIC; firmware and kernel decide which of the two they listen to.
///
/// Source: ACPI specification 6.4, 5.2.12.5 (interrupt source override) and 5.2.13 (global system interrupts).
/// A PC's timer (IRQ0) is at the IOAPIC's pin 2, since pin 0 belongs to the 8259's INTR.
///
/// High precision event timers have wires of their own to all of them, the bank "hpet": with its input n interrupt n is
/// raised too. While "legacy" is high, the 8254 and the RTC are cut off, whatever they drive the lines 0 and 8 of "gsi"
/// with ("IA-PC HPET Specification" 1.0a, 2.3.5, legacy replacement route).
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
  /// Interrupt `n` is, or may be, at another level. Where the controllers are in a kernel, a subclass tells it there.
  virtual void gsi_changed(unsigned n, bool level);
  /// The timer and the clock were cut off, or connected again. For a subclass whose timer does not come this way.
  virtual void legacy_changed(bool /*replaced*/) {}
  /// What the controllers see.
  bool level(unsigned n);

  // configuration
  std::uint8_t timer_pin_ = 2;
  // sub-parts
  IrqInBank gsi_{"gsi", kCount, this, &Gsi::line_changed};

 private:
  void line_changed(unsigned n, bool) { gsi_changed(n, level(n)); }
  void replace_legacy(unsigned, bool on);

  IrqInBank hpet_{"hpet", kCount, this, &Gsi::line_changed};
  IrqInBank legacy_{"legacy", 1, this, &Gsi::replace_legacy};
  IrqOutBank pic_{16};
  IrqOutBank ioapic_{kCount};
};

}  // namespace machina
