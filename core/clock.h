#pragma once
/// Clocks and timers.
///
/// Virtual time runs while the machine runs and stops with it; under qtest it moves only when the test says so. Host
/// time is the wall clock of the host (RTC base). Realtime is monotonic and never stops (display refresh, the monitor).
/// Devices use virtual time unless their datasheet ticks on a battery.
///
/// A Timer belongs to a clock and must not outlive it. Arming, cancelling, creating, destroying, starting and stopping
/// need the machine lock; callbacks run with it held, on the main thread (or in the thread that steps the clock).
/// Timers run in the order of (deadline, order of arming); a callback may arm, cancel and destroy any timer, its own
/// too.

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>

namespace machina {

class Timer;

enum class ClockKind { Virtual, Host, Realtime };

class Clock {
 public:
  explicit Clock(ClockKind kind);
  ~Clock();
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;

  ClockKind kind() const;
  /// Nanoseconds, at most 2^62; any thread, lock-free. Virtual and realtime start near 0; host is since the epoch, UTC.
  std::int64_t now_ns() const;

  /// Virtual clocks: run with the host's monotonic time, or stand still. A new virtual clock stands still at 0.
  void start();
  void stop();
  bool running() const;

  /// Virtual or host clocks under a test's control: time moves only by step_to(). Cannot be undone.
  void make_manual(std::int64_t start_ns);
  bool manual() const;
  /// Moves a manual clock forward to `ns`, running each timer on the way at its own time, in order. Going back is
  /// ignored. A timer that is armed on the way for a time up to `ns` runs too. Machine lock held.
  void step_to(std::int64_t ns);

  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  /// When the earliest timer is due, or kNever.
  std::int64_t next_deadline() const;
  /// Runs the timers that are due and were armed before this call. Called by the event loop.
  void run_due();
  /// The event loop's: called, from any thread, when the earliest deadline got earlier or the clock started or stopped.
  void on_change(std::function<void()> callback);

 private:
  friend class Timer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Timer {
 public:
  /// `name` is for the monitor and the trace: "mc146818rtc.periodic".
  Timer(Clock& clock, std::string name, std::function<void()> callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// One shot, at an absolute time of the clock; replaces an earlier deadline. A time in the past fires at once.
  void arm(std::int64_t deadline_ns);
  void cancel();
  bool armed() const { return deadline_ != Clock::kNever; }
  std::int64_t deadline() const { return deadline_; }
  Clock& clock() const { return clock_; }
  const std::string& name() const { return name_; }

 private:
  friend class Clock;
  Clock& clock_;
  std::string name_;
  std::function<void()> callback_;
  std::int64_t deadline_ = Clock::kNever;
  std::uint64_t order_ = 0;  // among equal deadlines, first armed runs first
};

}  // namespace machina
