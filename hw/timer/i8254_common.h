#pragma once
/// What every implementation of the 8254 interval timer shares: pin, state, and the view that port 61h has of it.

#include <array>

#include "hw/acpi/acpi_board.h"
#include "hw/isa/isa_bus.h"
#include "hw/timer/i8254_counter.h"

namespace machina {

struct I8254State {
  /// CLK pulses count from 0 of the virtual clock.
  std::array<I8254Counter, 3> counters;
  friend bool operator==(const I8254State&, const I8254State&) = default;
};

/// Output "irq" is OUT of counter 0. GATE of counters 0 and 1 is tied high, that of counter 2 belongs to port 61h.
class I8254Common : public IsaDevice, public AcpiContributor {
 public:
  static constexpr const char* kType = "i8254-common";
  static void class_init(DeviceClass& c);

  aml::Terms acpi_objects(AcpiBoard& board) override;

  /// The state of now: an implementation that lives elsewhere (in a kernel) fetches it first. Machine lock held.
  const I8254State& get_state();
  /// Makes `state` the state; the output and the timer follow.
  void set_state(const I8254State& state);

  // For port 61h.
  virtual void set_gate(unsigned counter, bool level) = 0;
  virtual bool gate(unsigned counter) = 0;
  virtual bool out(unsigned counter) = 0;

  /// CLK pulses until `ns` of the virtual clock, and the first nanosecond that has seen pulse `clk`; no drift.
  static std::uint64_t to_clk(std::int64_t ns);
  static std::int64_t to_ns(std::uint64_t clk);

 protected:
  /// For implementations whose counters live elsewhere: copy them into state_. A counter that is known by its count and
  /// the time of loading is made by write_control(), write(), clk = time of loading, advance().
  virtual void pull_state() {}
  /// Called whenever state_ was replaced as a whole (reset, set_state).
  virtual void push_state() = 0;

  void reset_enter() override;
  void reset_hold() override { push_state(); }

  // sub-parts
  IrqOut irq_;

  I8254State state_;
};

}  // namespace machina
