#include "core/clock.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

namespace machina {
namespace {

std::int64_t read_host(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

// A clock's time is one atomic word, so that a reader needs no lock. What it holds:
//   ns * 2            the clock stands at ns; 62 bits of nanoseconds are 146 years, host time gets there in 2116
//   behind * 4 + 1    it runs, `behind` the host's clock
//   behind * 4 + 3    it is being stopped: whoever sees this reads the host's clock and writes the time at which it
//                     stands now
// Stopping takes two steps since a reader may have got a later time than the one that stop() has read before it could
// write it, and time must not go back.
constexpr std::int64_t kLatest = (std::int64_t{1} << 62) - 1;

constexpr std::int64_t standing_at(std::int64_t ns) { return std::clamp(ns, -kLatest, kLatest) * 2; }
constexpr std::int64_t running_behind(std::int64_t ns) { return ns * 4 + 1; }
constexpr std::int64_t stopping(std::int64_t running_word) { return running_word | 2; }
constexpr bool is_standing(std::int64_t word) { return (word & 1) == 0; }
constexpr bool is_running(std::int64_t word) { return (word & 3) == 1; }

}  // namespace

struct Clock::Impl {
  explicit Impl(ClockKind k) : kind(k), host_id(k == ClockKind::Host ? CLOCK_REALTIME : CLOCK_MONOTONIC) {}

  std::int64_t now() {
    for (;;) {
      std::int64_t w = word.load();
      if (is_standing(w)) return w >> 1;
      const std::int64_t t = read_host(host_id) - (w >> 2);
      if (is_running(w) ? word.load() == w : word.compare_exchange_strong(w, standing_at(t))) return t;
    }
  }

  // Latest deadline first, so that the earliest is taken from the end; there are some dozens of timers at most.
  static bool later(const Timer* a, const Timer* b) {
    return a->deadline_ != b->deadline_ ? a->deadline_ > b->deadline_ : a->order_ > b->order_;
  }

  void insert(Timer& t) {
    timers.insert(std::upper_bound(timers.begin(), timers.end(), &t, later), &t);
    publish();
  }

  void erase(Timer& t) {
    timers.erase(std::lower_bound(timers.begin(), timers.end(), &t, later));
    publish();
  }

  void publish() { earliest.store(timers.empty() ? kNever : timers.back()->deadline_, std::memory_order_release); }

  void changed() const {
    if (on_change) on_change();
  }

  void fire(std::vector<Timer*>::iterator which) {
    Timer& t = **which;
    timers.erase(which);
    t.deadline_ = kNever;
    publish();
    // A copy, since the callback may destroy the timer. It captures a pointer or two, which costs no allocation.
    const auto callback = t.callback_;
    if (callback) callback();
  }

  const ClockKind kind;
  const clockid_t host_id;
  std::atomic<std::int64_t> word{0};
  std::atomic<std::int64_t> earliest{kNever};
  std::atomic<bool> manual{false};
  std::vector<Timer*> timers;
  std::uint64_t next_order = 0;
  std::function<void()> on_change;
};

Clock::Clock(ClockKind kind) : impl_(std::make_unique<Impl>(kind)) {
  switch (kind) {
    case ClockKind::Virtual:
      break;
    case ClockKind::Host:
      impl_->word = running_behind(0);
      break;
    case ClockKind::Realtime:
      impl_->word = running_behind(read_host(CLOCK_MONOTONIC));
      break;
  }
}

Clock::~Clock() = default;

ClockKind Clock::kind() const { return impl_->kind; }

std::int64_t Clock::now_ns() const { return impl_->now(); }

void Clock::start() {
  if (impl_->kind != ClockKind::Virtual || manual() || running()) return;
  impl_->word.store(running_behind(read_host(CLOCK_MONOTONIC) - now_ns()));
  impl_->changed();
}

void Clock::stop() {
  if (impl_->kind != ClockKind::Virtual || manual() || !running()) return;
  impl_->word.store(stopping(impl_->word.load()));
  (void)now_ns();
  impl_->changed();
}

bool Clock::running() const { return is_running(impl_->word.load(std::memory_order_acquire)); }

void Clock::make_manual(std::int64_t start_ns) {
  if (impl_->kind == ClockKind::Realtime) return;
  impl_->manual.store(true, std::memory_order_release);
  impl_->word.store(standing_at(start_ns), std::memory_order_release);
  impl_->changed();
}

bool Clock::manual() const { return impl_->manual.load(std::memory_order_acquire); }

void Clock::step_to(std::int64_t ns) {
  if (!manual()) return;
  ns = std::min(ns, kLatest);
  while (!impl_->timers.empty() && impl_->timers.back()->deadline_ <= ns) {
    // A callback may have stepped further than this timer's time; time never goes back.
    const std::int64_t at = std::max(impl_->timers.back()->deadline_, now_ns());
    impl_->word.store(standing_at(at), std::memory_order_release);
    impl_->fire(impl_->timers.end() - 1);
  }
  if (ns > now_ns()) impl_->word.store(standing_at(ns), std::memory_order_release);
}

std::int64_t Clock::next_deadline() const { return impl_->earliest.load(std::memory_order_acquire); }

void Clock::run_due() {
  if (!running() && !manual()) return;
  // Only what was armed before: a timer that its callback always re-arms for a time in the past must not keep the loop
  // from its other work, nor other timers from theirs. Such a timer is due again, and the loop comes back to it.
  const std::uint64_t armed_before = impl_->next_order;
  const std::int64_t now = now_ns();
  auto& timers = impl_->timers;
  for (;;) {
    auto next = timers.end();
    while (next != timers.begin() && (*(next - 1))->deadline_ <= now && (*(next - 1))->order_ >= armed_before) --next;
    if (next == timers.begin() || (*(next - 1))->deadline_ > now) return;
    impl_->fire(next - 1);
  }
}

void Clock::on_change(std::function<void()> callback) { impl_->on_change = std::move(callback); }

Timer::Timer(Clock& clock, std::string name, std::function<void()> callback)
    : clock_(clock), name_(std::move(name)), callback_(std::move(callback)) {}

Timer::~Timer() { cancel(); }

void Timer::arm(std::int64_t deadline_ns) {
  Clock::Impl& clock = *clock_.impl_;
  const std::int64_t earliest = clock_.next_deadline();
  if (armed()) clock.erase(*this);
  deadline_ = deadline_ns;
  if (deadline_ns == Clock::kNever) return;
  order_ = clock.next_order++;
  clock.insert(*this);
  if (deadline_ns < earliest) clock.changed();
}

void Timer::cancel() {
  if (!armed()) return;
  clock_.impl_->erase(*this);
  deadline_ = Clock::kNever;
}

}  // namespace machina
