#include "hw/timer/hpet_timer.h"

namespace machina {

void HpetTimer::write_config(std::uint32_t value, std::uint32_t mask) {
  const std::uint32_t written = (config & ~mask) | (value & mask);
  // 2.3.8: VAL_SET is for periodic timers; hardware clears it when the comparator is written.
  if (value & mask & hpet::kValSetCnf) val_set = written & hpet::kTypeCnf;
  config = written & ~hpet::kValSetCnf;
  comparator &= value_mask();
  period &= value_mask();
}

void HpetTimer::write_comparator(std::uint64_t value, std::uint64_t mask) {
  const auto merged = [&](std::uint64_t old) { return ((old & ~mask) | (value & mask)) & value_mask(); };
  // 2.3.9.2.2: of a periodic timer each write is the rate; with VAL_SET it is the accumulator's first value as well.
  if (!periodic() || val_set) comparator = merged(comparator);
  if (periodic()) period = merged(period);
  val_set = false;
}

std::uint64_t HpetTimer::ticks_to_match(std::uint64_t counter) const {
  const std::uint64_t distance = (comparator - counter) & value_mask();
  return distance != 0 ? distance : value_mask() + 1;
}

bool HpetTimer::advance(std::uint64_t from, std::uint64_t ticks) {
  const std::uint64_t first = ticks_to_match(from);
  if (first == 0 || first > ticks) return false;
  if (periodic() && period != 0) {
    const std::uint64_t matches = 1 + (ticks - first) / period;
    comparator = (comparator + matches * period) & value_mask();
  }
  return true;
}

}  // namespace machina
