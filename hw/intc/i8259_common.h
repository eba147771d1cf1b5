#pragma once
/// What every implementation of the PC's pair of 8259A interrupt controllers shares: pins, properties and state.

#include <array>
#include <cstdint>

#include "hw/acpi/acpi_board.h"
#include "hw/intc/interrupt_acknowledge.h"
#include "hw/isa/isa_bus.h"

namespace machina {

/// One 8259A. Registers are as the datasheet names them; all fields are saved.
struct I8259Chip {
  std::uint8_t irr = 0;              ///< interrupt request register: requests that wait, masked or not
  std::uint8_t imr = 0;              ///< interrupt mask register (OCW1)
  std::uint8_t isr = 0;              ///< in-service register
  std::uint8_t elcr = 0;             ///< 1: level triggered
  std::uint8_t lines = 0;            ///< the IR inputs now; a rising edge is found by comparing with it
  std::uint8_t vector_base = 0;      ///< ICW2, T7-T3
  std::uint8_t lowest_priority = 7;  ///< the level at the bottom; rotation changes it
  /// Which initialisation command word comes next: 2, 3, 4, or 0 when initialisation is over.
  std::uint8_t next_icw = 0;
  bool icw4_needed = false;  ///< ICW1.IC4
  bool single = false;       ///< ICW1.SNGL
  bool auto_eoi = false;     ///< ICW4.AEOI
  bool special_fully_nested = false;
  bool rotate_in_auto_eoi = false;
  bool special_mask = false;
  bool read_isr = false;  ///< what a read at A0 = 0 gives
  bool poll = false;      ///< the next read is an acknowledge

  friend bool operator==(const I8259Chip&, const I8259Chip&) = default;
};

struct I8259State {
  std::array<I8259Chip, 2> chips;  ///< master, slave
  friend bool operator==(const I8259State&, const I8259State&) = default;
};

/// Inputs "ir" 0 to 15 (2 is the cascade and cannot be driven from outside), output "out" (the master's INT).
class I8259Common : public IsaDevice, public InterruptAcknowledge, public AcpiContributor {
 public:
  static constexpr const char* kType = "i8259-common";
  static void class_init(DeviceClass& c);

  void acpi_facts(AcpiBoard& board) override { board.interrupts.i8259 = true; }
  aml::Terms acpi_objects(AcpiBoard& board) override;

  /// The state of now. An implementation that lives elsewhere (in a kernel) fetches it first. Machine lock held.
  const I8259State& get_state();
  /// Makes `state` the state; outputs follow it, but no edge of an input is produced.
  void set_state(const I8259State& state);

  static constexpr unsigned kInputs = 16;
  /// How often input `n` has risen since power-on; the guest may have masked it. Machine lock held.
  std::uint64_t rises(unsigned n) const { return rises_.at(n); }

 protected:
  /// For implementations whose registers live elsewhere: copy them into state_, and state_ to them. The default is for
  /// those that work on state_ directly.
  virtual void pull_state() {}
  /// Called whenever state_ was replaced as a whole (reset, set_state): effects, such as outputs, must follow it.
  virtual void push_state() = 0;
  virtual void ir_changed(unsigned n, bool level) = 0;

  void reset_enter() override;
  void reset_hold() override { push_state(); }
  /// What devices did to their wires while everything was reset is no request.
  void reset_exit() override;

  // sub-parts
  IrqInBank ir_{"ir", kInputs, this, &I8259Common::count_and_change};
  IrqOut out_;

  I8259State state_;

 private:
  void count_and_change(unsigned n, bool level) {
    if (level) ++rises_[n];
    ir_changed(n, level);
  }
  // bookkeeping
  std::array<std::uint64_t, kInputs> rises_{};
};

}  // namespace machina
