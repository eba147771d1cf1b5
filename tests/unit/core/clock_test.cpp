#include "core/clock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/units.h"

namespace machina {
namespace {

TEST(Clock, VirtualStandsStillUntilStarted) {
  Clock clock(ClockKind::Virtual);
  EXPECT_FALSE(clock.running());
  EXPECT_EQ(clock.now_ns(), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(clock.now_ns(), 0);
}

TEST(Clock, VirtualAccumulatesOverStops) {
  Clock clock(ClockKind::Virtual);
  std::int64_t last = 0;
  for (int i = 0; i < 3; ++i) {
    clock.start();
    EXPECT_TRUE(clock.running());
    while (clock.now_ns() <= last) {
    }
    clock.stop();
    const std::int64_t stopped = clock.now_ns();
    EXPECT_GT(stopped, last);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_EQ(clock.now_ns(), stopped);
    // Going on from where it stood: starting again must not add the pause.
    const auto before = std::chrono::steady_clock::now();
    clock.start();
    clock.stop();
    const auto ran = std::chrono::steady_clock::now() - before;
    EXPECT_LE(clock.now_ns() - stopped, std::chrono::nanoseconds(ran).count());
    last = clock.now_ns();
  }
}

TEST(Clock, StartTwiceIsStartOnce) {
  Clock clock(ClockKind::Virtual);
  clock.start();
  while (clock.now_ns() < kNsPerMs) {
  }
  clock.start();
  EXPECT_GE(clock.now_ns(), kNsPerMs);
}

TEST(Clock, HostIsSinceTheEpochAndRealtimeStartsNearZero) {
  Clock host(ClockKind::Host);
  Clock realtime(ClockKind::Realtime);
  EXPECT_GT(host.now_ns(), 1'600'000'000 * kNsPerSecond);
  EXPECT_GE(realtime.now_ns(), 0);
  EXPECT_LT(realtime.now_ns(), 3'600 * kNsPerSecond);
  EXPECT_TRUE(host.running());
  host.stop();  // these do not stop
  realtime.stop();
  EXPECT_TRUE(host.running());
  EXPECT_TRUE(realtime.running());
}

TEST(Clock, ManualMovesOnlyByStepsAndNeverBack) {
  Clock clock(ClockKind::Virtual);
  clock.make_manual(100);
  EXPECT_TRUE(clock.manual());
  EXPECT_EQ(clock.now_ns(), 100);
  clock.start();
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(clock.now_ns(), 100);
  clock.step_to(500);
  EXPECT_EQ(clock.now_ns(), 500);
  clock.step_to(400);
  EXPECT_EQ(clock.now_ns(), 500);
}

TEST(Clock, ManualHostClockKeepsItsEpoch) {
  Clock clock(ClockKind::Host);
  const std::int64_t start = 1'700'000'000 * kNsPerSecond;
  clock.make_manual(start);
  EXPECT_EQ(clock.now_ns(), start);
  clock.step_to(start + 7);
  EXPECT_EQ(clock.now_ns(), start + 7);
}

TEST(Clock, StepToTheEndOfTimeRunsEveryTimerOnce) {
  Clock clock(ClockKind::Virtual);
  clock.make_manual(0);
  int ran = 0;
  Timer a(clock, "a", [&] { ++ran; });
  a.arm(std::int64_t{1} << 61);
  clock.step_to(Clock::kNever);
  EXPECT_EQ(ran, 1);
  EXPECT_GT(clock.now_ns(), std::int64_t{1} << 61);
}

TEST(Clock, StepRunsEachTimerAtItsOwnTimeInOrder) {
  Clock clock(ClockKind::Virtual);
  clock.make_manual(0);
  std::vector<std::pair<std::string, std::int64_t>> ran;
  const auto note = [&](const char* name) { return [&, name] { ran.emplace_back(name, clock.now_ns()); }; };
  Timer c(clock, "c", note("c"));
  Timer a(clock, "a", note("a"));
  Timer b(clock, "b", note("b"));
  Timer late(clock, "late", note("late"));
  late.arm(1001);
  c.arm(30);
  a.arm(10);
  b.arm(30);  // the same time as c, armed later
  clock.step_to(1000);
  const std::vector<std::pair<std::string, std::int64_t>> expected{{"a", 10}, {"c", 30}, {"b", 30}};
  EXPECT_EQ(ran, expected);
  EXPECT_EQ(clock.now_ns(), 1000);
  EXPECT_EQ(clock.next_deadline(), 1001);
}

TEST(Clock, RearmingMovesATimerBehindItsEquals) {
  Clock clock(ClockKind::Virtual);
  clock.make_manual(0);
  std::string order;
  Timer a(clock, "a", [&] { order += 'a'; });
  Timer b(clock, "b", [&] { order += 'b'; });
  a.arm(5);
  b.arm(5);
  a.arm(5);
  clock.step_to(5);
  EXPECT_EQ(order, "ba");
}

TEST(Clock, PeriodicTimerRunsEveryPeriodOfOneStep) {
  Clock clock(ClockKind::Virtual);
  clock.make_manual(0);
  std::vector<std::int64_t> at;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(clock, "periodic", [&] {
    at.push_back(clock.now_ns());
    timer->arm(clock.now_ns() + 250);
  });
  timer->arm(250);
  clock.step_to(1000);
  EXPECT_EQ(at, (std::vector<std::int64_t>{250, 500, 750, 1000}));
  EXPECT_EQ(timer->deadline(), 1250);
}

TEST(Clock, TimerArmedInThePastRunsInTheNextStepWithoutTurningTimeBack) {
  Clock clock(ClockKind::Virtual);
  clock.make_manual(1000);
  std::int64_t at = -1;
  Timer timer(clock, "t", [&] { at = clock.now_ns(); });
  timer.arm(10);
  clock.step_to(1000);
  EXPECT_EQ(at, 1000);
  EXPECT_FALSE(timer.armed());
}

TEST(Clock, CallbackMayCancelOthersAndDestroyThem) {
  Clock clock(ClockKind::Virtual);
  clock.make_manual(0);
  int ran = 0;
  auto victim = std::make_unique<Timer>(clock, "victim", [&] { ++ran; });
  Timer cancelled(clock, "cancelled", [&] { ++ran; });
  Timer killer(clock, "killer", [&] {
    victim.reset();
    cancelled.cancel();
  });
  killer.arm(10);
  victim->arm(10);
  cancelled.arm(11);
  clock.step_to(100);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(clock.next_deadline(), Clock::kNever);
}

TEST(Clock, CallbackMayDestroyItsOwnTimer) {
  Clock clock(ClockKind::Virtual);
  clock.make_manual(0);
  std::string kept = "untouched";
  std::unique_ptr<Timer> self;
  const std::string captured(100, 'x');  // on the heap, so that a use after free is seen by the sanitizers
  self = std::make_unique<Timer>(clock, "self", [&self, &kept, captured] {
    self.reset();
    kept = captured;
  });
  self->arm(1);
  clock.step_to(1);
  EXPECT_EQ(kept, std::string(100, 'x'));
}

TEST(Clock, CancelAndRearmKeepNextDeadlineTrue) {
  Clock clock(ClockKind::Virtual);
  Timer a(clock, "a", [] {});
  Timer b(clock, "b", [] {});
  EXPECT_EQ(clock.next_deadline(), Clock::kNever);
  a.arm(100);
  b.arm(50);
  EXPECT_EQ(clock.next_deadline(), 50);
  b.arm(200);
  EXPECT_EQ(clock.next_deadline(), 100);
  a.cancel();
  EXPECT_EQ(clock.next_deadline(), 200);
  b.arm(Clock::kNever);
  EXPECT_FALSE(b.armed());
  EXPECT_EQ(clock.next_deadline(), Clock::kNever);
}

TEST(Clock, StoppedVirtualClockRunsNothing) {
  Clock clock(ClockKind::Virtual);
  bool ran = false;
  Timer timer(clock, "t", [&] { ran = true; });
  timer.arm(0);
  clock.run_due();
  EXPECT_FALSE(ran);
  clock.start();
  clock.run_due();
  EXPECT_TRUE(ran);
}

TEST(Clock, RunDueIsNotHeldUpByATimerThatIsAlwaysLate) {
  Clock clock(ClockKind::Realtime);
  int hog_ran = 0;
  bool other_ran = false;
  std::unique_ptr<Timer> hog;
  hog = std::make_unique<Timer>(clock, "hog", [&] {
    ++hog_ran;
    hog->arm(-5);
  });
  Timer other(clock, "other", [&] { other_ran = true; });
  hog->arm(-5);
  other.arm(-1);
  clock.run_due();
  EXPECT_EQ(hog_ran, 1);
  EXPECT_TRUE(other_ran);
  EXPECT_EQ(clock.next_deadline(), -5);
  clock.run_due();
  EXPECT_EQ(hog_ran, 2);
}

TEST(Clock, TellsOnlyWhenTheEarliestDeadlineGotEarlier) {
  Clock clock(ClockKind::Virtual);
  int told = 0;
  clock.on_change([&] { ++told; });
  Timer a(clock, "a", [] {});
  Timer b(clock, "b", [] {});
  a.arm(100);
  EXPECT_EQ(told, 1);
  b.arm(200);
  b.arm(150);
  EXPECT_EQ(told, 1);
  b.arm(99);
  EXPECT_EQ(told, 2);
  b.cancel();
  a.arm(300);
  EXPECT_EQ(told, 2);
  clock.start();
  EXPECT_EQ(told, 3);
  clock.stop();
  EXPECT_EQ(told, 4);
}

TEST(ClockThread, ReadersSeeAMonotonicVirtualClockWhileItStartsAndStops) {
  Clock clock(ClockKind::Virtual);
  std::atomic<bool> quit{false};
  std::atomic<bool> went_back{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      std::int64_t last = 0;
      while (!quit) {
        const std::int64_t now = clock.now_ns();
        if (now < last) went_back = true;
        last = now;
      }
    });
  }
  for (int i = 0; i < 2000; ++i) {
    clock.start();
    clock.stop();
  }
  quit = true;
  for (auto& t : readers) t.join();
  EXPECT_FALSE(went_back);
}

}  // namespace
}  // namespace machina
