#pragma once
/// The I/O APIC: 24 inputs, each with a redirection entry that says which message it sends to the local APICs.
///
/// Sources: Intel 82093AA datasheet (290566-001); Intel ICH10 datasheet (319973-003), 13.5, for version 20h.
///
/// Messages are written to FEExxxxxh in system memory, like those of MSI functions, so whoever holds the local APICs
/// (ApicBus here, a kernel elsewhere) gets them the same way.
///
/// What guests depend on:
///  - An edge on a masked pin is ignored, a level is not: it is delivered as soon as the pin is unmasked.
///  - Remote IRR of a level pin lasts from the delivery to the EOI with its vector. Making the pin edge triggered
///  clears
///    it, which is how kernels get rid of a stuck one on version 11h.
///  - A device that does not let go of its line gets its interrupt again with every EOI. After kStormLimit of these in
///    a row the next one waits kStormDelayNs, or an unmasked but unserved line would leave no time for anything else.
///
/// Not modelled: polarity (wires carry "asserted", not volts; the bit is kept), the arbitration of the APIC bus (the
/// arbitration ID is loaded with the ID), delivery status (messages arrive at once).

#include <optional>

#include "core/clock.h"
#include "hw/intc/ioapic_common.h"

namespace machina {

class Ioapic final : public IoapicCommon {
 public:
  static constexpr const char* kType = "ioapic";
  static void class_init(DeviceClass& c);

  static constexpr unsigned kStormLimit = 10'000;
  static constexpr std::int64_t kStormDelayNs = 10'000'000;

  void eoi(std::uint8_t vector) override;

 protected:
  void realize() override;
  void unrealize() override;
  void reset_enter() override;
  void push_state() override;
  void pin_changed(unsigned pin, bool level) override;

 private:
  IoResult read(Offset offset, Width);
  IoResult write(Offset offset, Width, std::uint64_t value);
  std::uint32_t read_window() const;
  void write_window(std::uint32_t value);
  void write_redirection(unsigned pin, bool high, std::uint32_t value);
  /// Sends what is due on a pin.
  void serve(unsigned pin);
  void apply();

  // regions
  IoRegion registers_{"ioapic", 0x1000, Widths{1, 4}, this, &Ioapic::read, &Ioapic::write};
  // sub-parts
  std::optional<Timer> storm_timer_;
  // bookkeeping
  std::array<unsigned, ioapic::kPins> immediate_repeats_{};  // EOIs in a row that found the line still high
  std::uint32_t delayed_ = 0;                                // pins that wait for storm_timer_
};

}  // namespace machina
