#pragma once
/// One timer of an HPET block: a comparator of the main counter, as pure arithmetic. No clock, no pin.
///
/// Source: IA-PC HPET Specification 1.0a, 2.3.8 to 2.3.10 and 2.3.9.2 (modes).
///
/// A match is the moment in which the counter becomes equal to the comparator. A comparator that lies behind the
/// counter when it is written therefore matches after the counter has wrapped round, which software must know to avoid;
/// one that is written with what the counter says just now has missed it. In 32-bit mode the low halves are compared,
/// so that a one-shot timer matches again with each wrap-around.

#include <cstdint>

#include "hw/timer/hpet_regs.h"

namespace machina {

struct HpetTimer {
  std::uint32_t config = 0;                      ///< writable bits of Tn_CONF_CAP, without VAL_SET
  bool val_set = false;                          ///< VAL_SET_CNF: the next write reaches the comparator
  std::uint64_t comparator = ~std::uint64_t{0};  ///< periodic: the accumulator
  std::uint64_t period = 0;                      ///< periodic: what is added to it at each match
  std::uint64_t fsb = 0;

  bool level() const { return config & hpet::kIntTypeCnf; }
  bool enabled() const { return config & hpet::kIntEnbCnf; }
  bool periodic() const { return config & hpet::kTypeCnf; }
  bool fsb_enabled() const { return config & hpet::kFsbEnCnf; }
  unsigned route() const { return (config & hpet::kIntRouteCnf) >> hpet::kIntRouteShift; }
  std::uint64_t value_mask() const { return config & hpet::k32ModeCnf ? 0xffffffff : ~std::uint64_t{0}; }

  /// A guest's write; `mask` has the bits that are written.
  void write_config(std::uint32_t value, std::uint32_t mask);
  void write_comparator(std::uint64_t value, std::uint64_t mask);

  /// Ticks until the next match of a counter that is at `counter` now: at least 1. 0: 2^64.
  std::uint64_t ticks_to_match(std::uint64_t counter) const;
  /// The counter was at `from` and has moved on by `ticks`. Returns whether there was a match; the accumulator is then
  /// beyond the counter.
  bool advance(std::uint64_t from, std::uint64_t ticks);

  friend bool operator==(const HpetTimer&, const HpetTimer&) = default;
};

}  // namespace machina
