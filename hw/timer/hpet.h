#pragma once
/// A block of high precision event timers: a main counter of 64 bits at 100 MHz and 3 to 24 comparators.
///
/// Source: IA-PC HPET Specification 1.0a. What compares is in hpet_timer.h; here are registers, time and interrupts.
///
/// The main counter follows the virtual clock, 10 ns a tick, without drift; it is computed when somebody looks. A timer
/// runs only for the next match that can interrupt. Legacy replacement raises the output `legacy`: whoever joins the
/// board's interrupts (hw/intc/gsi.h) then takes interrupts 0 and 8 from here instead of from the 8254 and the RTC.
///
/// Matches that fall together because the host was late make one interrupt, and a timer whose period is shorter than
/// kFastDelayNs is served at that distance: interrupts are lost then, but the accumulator stays right.
///
/// Beyond the specification, which leaves it open:
///  - a timer that is edge triggered keeps its line high until its next match, which takes it down and up again, or
///    until it may not interrupt any more: an 8259 withdraws a request whose line falls before the acknowledge;
///  - a write of the main counter is ignored while it counts;
///  - INT_ROUTE_CNF keeps its value when one is written that INT_ROUTE_CAP does not offer; a timer whose route is not
///    offered (that of reset) interrupts nobody;
///  - an FSB message is sent at each match, whatever INT_TYPE says, and sets no status.

#include <optional>
#include <vector>

#include "core/clock.h"
#include "hw/acpi/acpi_board.h"
#include "hw/base/device.h"
#include "hw/timer/hpet_timer.h"

namespace machina {

struct HpetState {
  std::uint32_t config = 0;       ///< GEN_CONF
  std::uint32_t status = 0;       ///< GINTR_STA
  std::uint32_t held = 0;         ///< edge-triggered timers that keep their line high
  std::uint64_t counter = 0;      ///< the main counter at start_ns; while it is halted, as it stands
  std::int64_t start_ns = 0;      ///< when it began to count
  std::uint64_t seen = 0;         ///< the main counter up to which matches have been dealt with
  std::vector<HpetTimer> timers;  ///< as many as there are
  friend bool operator==(const HpetState&, const HpetState&) = default;
};

class Hpet final : public Device, public AcpiContributor {
 public:
  static constexpr const char* kType = "hpet";
  static void class_init(DeviceClass& c);

  static constexpr unsigned kLines = 24;
  static constexpr std::int64_t kFastDelayNs = 10'000;

  const HpetState& get_state();
  void set_state(const HpetState& state);

  void acpi_facts(AcpiBoard& board) override;
  aml::Terms acpi_objects(AcpiBoard& board) override;

  void reset_enter() override;
  void reset_hold() override { apply(); }

 protected:
  void realize() override;
  void unrealize() override { timer_.reset(); }

 private:
  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);
  std::uint64_t read_register(unsigned reg);
  void write_register(unsigned reg, std::uint64_t value, std::uint64_t mask);
  void write_general_config(std::uint32_t value);
  void write_timer_config(unsigned n, std::uint32_t value, std::uint32_t mask);

  bool counting() const { return state_.config & hpet::kEnableCnf; }
  bool legacy() const { return state_.config & hpet::kLegRtCnf; }
  std::uint64_t id() const;
  std::uint64_t main_counter() const;
  /// The board's interrupt that timer `n` has.
  std::optional<unsigned> line_of(unsigned n) const;
  /// Matches up to now. Comes before every access.
  void sync();
  void matched(unsigned n);
  /// The wires and the timer, after any change.
  void apply() { apply(0); }
  /// Timers of too short a period no earlier than `earliest` (ns).
  void apply(std::int64_t earliest);
  void timer_expired();

  // configuration
  std::uint8_t timers_ = hpet::kMinTimers;
  bool msi_ = false;
  std::uint32_t intcap_ = 0;
  // regions
  IoRegion registers_{"hpet", hpet::kSize, Widths{4, 8}, this, &Hpet::read, &Hpet::write};
  // sub-parts
  IrqOutBank irqs_{kLines};
  IrqOut legacy_;
  std::optional<Timer> timer_;
  // bookkeeping
  bool sending_ = false;  ///< a message is on its way, maybe to this very chip

  HpetState state_;
};

}  // namespace machina
