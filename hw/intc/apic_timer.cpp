/// The timer of the local APIC: SDM vol. 3A, 11.5.4.

#include "hw/intc/apic.h"

#include <algorithm>

#include "core/trace/trace_event.h"
#include "core/units.h"

namespace machina {

using namespace apic;  // NOLINT(google-build-using-namespace): the chip's own register names
namespace {

const TraceEvent<unsigned, unsigned> apic_timer_start{"apic_timer_start", "apic={} count={:#x}"};
const TraceEvent<unsigned> apic_timer_expired{"apic_timer_expired", "apic={}"};

}  // namespace

unsigned Apic::divisor() const {
  // Bits 3, 1 and 0: 2, 4, 8, 16, 32, 64, 128, 1.
  const unsigned n = (state_.timer_divide & 3) | (state_.timer_divide >> 1 & 4);
  return n == 7 ? 1 : 2U << n;
}

std::uint64_t Apic::elapsed_counts(std::int64_t at) const {
  if (at <= state_.timer_start) return 0;
  return mul_div(static_cast<std::uint64_t>(at - state_.timer_start), frequency_,
                 std::uint64_t{divisor()} * kNsPerSecond);
}

std::uint32_t Apic::current_count() const {
  if (state_.timer_initial == 0 || state_.timer_over || timer_mode() == kLvtTimerDeadline) return 0;
  const std::uint64_t elapsed = elapsed_counts(clock().now_ns());
  if (timer_mode() == kLvtTimerPeriodic)
    return state_.timer_initial - static_cast<std::uint32_t>(elapsed % state_.timer_initial);
  return elapsed >= state_.timer_initial ? 0 : state_.timer_initial - static_cast<std::uint32_t>(elapsed);
}

void Apic::start_timer(std::uint32_t initial) {
  apic_timer_start(state_.id, initial);
  state_.timer_initial = initial;
  go_on_counting(initial);
}

void Apic::go_on_counting(std::uint32_t count) {
  const std::int64_t now = clock().now_ns();
  const std::uint64_t elapsed = state_.timer_initial - std::min(count, state_.timer_initial);
  state_.timer_start = now - static_cast<std::int64_t>(mul_div_up(elapsed * divisor(), kNsPerSecond, frequency_));
  // A count that is over was signalled when it ended, and nothing but a new initial count starts another.
  state_.timer_over = count == 0;
  timer_served_ = count ? state_.timer_start : now;
  arm_timer();
}

void Apic::signal_due_timer() {
  if (timer_->armed() && timer_->deadline() <= clock().now_ns()) timer_expired();
}

void Apic::arm_timer() {
  timer_->cancel();
  const std::int64_t now = clock().now_ns();
  if (timer_mode() == kLvtTimerDeadline) {
    const std::uint64_t hz = cpu_ ? cpu_->apic_tsc_frequency() : 0;
    if (state_.tsc_deadline == 0 || hz == 0) return;
    const std::uint64_t tsc = cpu_->apic_tsc();
    const std::uint64_t left = state_.tsc_deadline > tsc ? state_.tsc_deadline - tsc : 0;
    // Far deadlines mean never; a century keeps the sum in range.
    constexpr std::uint64_t kFar = 100ULL * 365 * 86400 * kNsPerSecond;
    const unsigned __int128 ns = (static_cast<unsigned __int128>(left) * kNsPerSecond + hz - 1) / hz;
    timer_->arm(now + static_cast<std::int64_t>(ns < kFar ? static_cast<std::uint64_t>(ns) : kFar));
    return;
  }
  // Behind its mask the timer counts, but nobody is told: there is nothing to wake up for.
  if (state_.timer_initial == 0 || state_.timer_over || (state_.lvt_timer & kLvtMasked)) return;
  const std::uint64_t initial = state_.timer_initial;
  const std::uint64_t done = elapsed_counts(timer_served_) / initial;
  if (timer_mode() != kLvtTimerPeriodic && done > 0) return;
  const std::uint64_t counts = (done + 1) * initial;
  const auto due =
      state_.timer_start + static_cast<std::int64_t>(mul_div_up(counts * divisor(), kNsPerSecond, frequency_));
  timer_->arm(done > 0 ? std::max(due, timer_served_ + kMinPeriodNs) : due);
}

void Apic::tsc_changed() {
  if (timer_mode() != kLvtTimerDeadline || state_.tsc_deadline == 0) return;
  arm_timer();
  signal_due_timer();
}

void Apic::timer_expired() {
  timer_->cancel();  // it may be called for before the event loop is
  timer_served_ = clock().now_ns();
  if (timer_mode() == kLvtTimerDeadline) {
    // The counter may stand a little short of the deadline, by rounding or because its rate changed.
    if (cpu_->apic_tsc() < state_.tsc_deadline) return arm_timer();
    state_.tsc_deadline = 0;
  } else {
    arm_timer();
  }
  apic_timer_expired(state_.id);
  deliver_lvt(state_.lvt_timer);
  apply();
}

}  // namespace machina
