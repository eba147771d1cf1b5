#include "core/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "core/machine_lock.h"
#include "core/units.h"
#include "qom/error.h"

namespace machina {
namespace {

// Generous: reached only by a failing test.
constexpr std::int64_t kLimit = 30 * kNsPerSecond;

struct EventLoopTest : testing::Test {
  MachineLock lock;
  EventLoop loop{lock};

  // In System's order: the loop outlives its clocks.
  Clock clock{ClockKind::Virtual};
  Clock realtime{ClockKind::Realtime};

  template <class F>
  void expect_soon(F&& done) {
    EXPECT_TRUE(loop.run_until(done, kLimit));
  }
};

struct Pipe {
  Pipe() {
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) abort();
  }
  ~Pipe() { close(fds[0]), close(fds[1]); }
  int fds[2];
};

TEST_F(EventLoopTest, RepeatsUntilTheWatchGoes) {
  int runs = 0;
  std::unique_ptr<EventLoop::Watch> every;
  every = loop.repeat(kNsPerMs, [&] {
    EXPECT_TRUE(lock.held());
    if (++runs == 3) every.reset();  // from inside
  });
  EXPECT_EQ(runs, 0) << "a period passes first";
  expect_soon([&] { return runs == 3; });
  EXPECT_FALSE(loop.run_until([&] { return runs > 3; }, 20 * kNsPerMs));
  auto never = loop.repeat(kNsPerMs, [&] { ++runs; });
  never.reset();
  EXPECT_FALSE(loop.run_until([&] { return runs > 3; }, 20 * kNsPerMs));
}

TEST_F(EventLoopTest, PostedWorkRunsInOrderUnderTheLock) {
  std::vector<int> ran;
  for (int i = 0; i < 10; ++i) {
    loop.post([&, i] {
      EXPECT_TRUE(lock.held());
      ran.push_back(i);
    });
  }
  EXPECT_TRUE(ran.empty());
  EXPECT_EQ(loop.poll(), 10U);
  EXPECT_EQ(ran, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_FALSE(lock.held());
  EXPECT_EQ(loop.poll(), 0U);
}

TEST_F(EventLoopTest, WorkPostedByWorkRunsAfterWhatIsThere) {
  std::string order;
  loop.post([&] {
    order += 'a';
    loop.post([&] { order += 'c'; });
  });
  loop.post([&] { order += 'b'; });
  loop.poll();
  EXPECT_EQ(order, "abc");
}

TEST_F(EventLoopTest, StopBeforeRunEndsTheNextRun) {
  loop.stop();
  loop.run();
  bool ran = false;
  loop.post([&] { ran = true, loop.stop(); });
  loop.run();
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, ExceptionLeavesRunAndTheLoopStaysUsable) {
  loop.post([] { throw Error("on purpose"); });
  EXPECT_THROW(loop.run(), Error);
  EXPECT_FALSE(lock.held());
  bool ran = false;
  loop.post([&] { ran = true; });
  EXPECT_EQ(loop.poll(), 1U);
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, RunUntilGivesUpAtItsLimit) {
  EXPECT_FALSE(loop.run_until([] { return false; }, kNsPerMs));
}

TEST_F(EventLoopTest, RunUntilLetsGoOfTheCallersLock) {
  lock.lock();
  std::atomic<bool> entered{false};
  std::thread other([&] {
    const MachineLock::Guard guard(lock);
    entered = true;
  });
  expect_soon([&] {
    EXPECT_TRUE(lock.held());
    return entered.load();
  });
  EXPECT_TRUE(lock.held());
  lock.unlock();
  other.join();
}

TEST_F(EventLoopTest, ThreadsPostWithoutLoss) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  int ran = 0;
  std::vector<int> next(kThreads, 0);
  bool in_order = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        loop.post([&, t, i] {
          ++ran;
          in_order = in_order && next[static_cast<std::size_t>(t)]++ == i;
        });
      }
    });
  }
  expect_soon([&] { return ran == kThreads * kEach; });
  for (auto& t : threads) t.join();
  EXPECT_TRUE(in_order);
}

TEST_F(EventLoopTest, ThreadStopsARunningLoop) {
  std::thread other([&] { loop.post([&] { loop.stop(); }); });
  loop.run();
  other.join();
  std::thread direct([&] { loop.stop(); });
  loop.run();
  direct.join();
}

TEST_F(EventLoopTest, LockIsFreeWhileTheLoopWaitsThread) {
  std::atomic<bool> got_it{false};
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) {
      const MachineLock::Guard guard(lock);
    }
    got_it = true;
    loop.stop();
  });
  loop.run();  // nothing to do: waits
  other.join();
  EXPECT_TRUE(got_it);
}

TEST_F(EventLoopTest, ReadableIsLevelTriggered) {
  Pipe pipe;
  std::string got;
  const auto watch = loop.watch(pipe.fds[0], [&] {
    EXPECT_TRUE(lock.held());
    char c = 0;
    if (read(pipe.fds[0], &c, 1) == 1) got += c;  // one at a time: the rest must be announced again
  });
  ASSERT_EQ(write(pipe.fds[1], "hello", 5), 5);
  expect_soon([&] { return got == "hello"; });
}

TEST_F(EventLoopTest, PollCallsAReadyDescriptorOnceEvenWhenItStaysReady) {
  Pipe pipe;
  int calls = 0;
  const auto watch = loop.watch(pipe.fds[0], [&] { ++calls; });
  ASSERT_EQ(write(pipe.fds[1], "x", 1), 1);
  expect_soon([&] { return calls > 0; });
  const int before = calls;
  loop.poll();
  EXPECT_LE(calls, before + 1);
  loop.poll();
  loop.poll();
  EXPECT_GT(calls, before);
}

TEST_F(EventLoopTest, WantReadOffKeepsQuietAndOnFindsWhatWaits) {
  Pipe pipe;
  int calls = 0;
  const auto watch = loop.watch(pipe.fds[0], [&] {
    char c = 0;
    if (read(pipe.fds[0], &c, 1) == 1) ++calls;
  });
  watch->want_read(false);
  ASSERT_EQ(write(pipe.fds[1], "x", 1), 1);
  for (int i = 0; i < 5; ++i) loop.poll();
  EXPECT_EQ(calls, 0);
  watch->want_read(true);
  expect_soon([&] { return calls == 1; });
}

TEST_F(EventLoopTest, WritableIsAskedForAndComesWhenThereIsRoom) {
  Pipe pipe;
  std::vector<char> chunk(65536, 'x');
  while (write(pipe.fds[1], chunk.data(), chunk.size()) > 0) {
  }
  int writable = 0;
  std::unique_ptr<EventLoop::Watch> watch;
  watch = loop.watch(
      pipe.fds[1], [] {},
      [&] {
        ++writable;
        watch->want_write(false);
      });
  for (int i = 0; i < 3; ++i) loop.poll();
  EXPECT_EQ(writable, 0);
  watch->want_write(true);
  for (int i = 0; i < 3; ++i) loop.poll();
  EXPECT_EQ(writable, 0);
  while (read(pipe.fds[0], chunk.data(), chunk.size()) > 0) {
  }
  expect_soon([&] { return writable == 1; });
  for (int i = 0; i < 3; ++i) loop.poll();
  EXPECT_EQ(writable, 1);
}

TEST_F(EventLoopTest, DestroyedWatchRunsNoMore) {
  Pipe a;
  Pipe b;
  int calls = 0;
  std::unique_ptr<EventLoop::Watch> watch_a;
  std::unique_ptr<EventLoop::Watch> watch_b;
  // Both are ready at once; the first to run destroys both, itself included.
  const auto both_go = [&] {
    ++calls;
    watch_a.reset();
    watch_b.reset();
  };
  watch_a = loop.watch(a.fds[0], both_go);
  watch_b = loop.watch(b.fds[0], both_go);
  ASSERT_EQ(write(a.fds[1], "x", 1), 1);
  ASSERT_EQ(write(b.fds[1], "x", 1), 1);
  expect_soon([&] { return calls > 0; });
  for (int i = 0; i < 5; ++i) loop.poll();
  EXPECT_EQ(calls, 1);
  // The descriptor is still the caller's, and may be watched again.
  char c = 0;
  EXPECT_EQ(read(a.fds[0], &c, 1), 1);
  watch_a = loop.watch(a.fds[0], [&] { ++calls; });
  ASSERT_EQ(write(a.fds[1], "x", 1), 1);
  expect_soon([&] { return calls > 1; });
}

TEST_F(EventLoopTest, HangUpIsReadable) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  bool ended = false;
  std::unique_ptr<EventLoop::Watch> watch;
  watch = loop.watch(fds[0], [&] {
    char c = 0;
    if (read(fds[0], &c, 1) == 0) {
      ended = true;
      watch->want_read(false);
    }
  });
  close(fds[1]);
  expect_soon([&] { return ended; });
  watch.reset();
  close(fds[0]);
}

TEST_F(EventLoopTest, RegularFileIsAlwaysReady) {
  char name[] = "/tmp/machina-loop-XXXXXX";
  const int fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  unlink(name);
  ASSERT_EQ(write(fd, "abc", 3), 3);
  ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
  std::string got;
  bool ended = false;
  int writable = 0;
  std::unique_ptr<EventLoop::Watch> watch;
  watch = loop.watch(
      fd,
      [&] {
        char c = 0;
        if (read(fd, &c, 1) == 1) {
          got += c;
        } else {
          ended = true;
          watch->want_read(false);
        }
      },
      [&] {
        ++writable;
        watch->want_write(false);
      });
  watch->want_write(true);
  expect_soon([&] { return ended && writable == 1; });
  EXPECT_EQ(got, "abc");
  loop.poll();
  EXPECT_EQ(loop.poll(), 0U);  // and does not spin once nobody wants it
  watch.reset();
  close(fd);
}

TEST_F(EventLoopTest, BadDescriptorIsAnError) {
  EXPECT_THROW(loop.watch(-1, [] {}), Error);
  Pipe pipe;
  const auto watch = loop.watch(pipe.fds[0], [] {});
  EXPECT_THROW(loop.watch(pipe.fds[0], [] {}), Error);
}

TEST_F(EventLoopTest, SignalsArriveInTheLoop) {
  std::vector<int> got;
  auto watch = loop.on_signal({SIGUSR1, SIGUSR2}, [&](int signal) {
    EXPECT_TRUE(lock.held());
    got.push_back(signal);
  });
  raise(SIGUSR1);
  expect_soon([&] { return got.size() == 1; });
  raise(SIGUSR2);
  expect_soon([&] { return got.size() == 2; });
  EXPECT_EQ(got, (std::vector<int>{SIGUSR1, SIGUSR2}));
  watch->want_read(false);
  raise(SIGUSR1);
  for (int i = 0; i < 5; ++i) loop.poll();
  EXPECT_EQ(got.size(), 2U);
  watch->want_read(true);
  expect_soon([&] { return got.size() == 3; });
}

TEST_F(EventLoopTest, DrivenClocksRunTheirTimers) {
  loop.drive(clock);
  loop.drive(realtime);
  std::int64_t virtual_at = -1;
  std::int64_t realtime_at = -1;
  Timer v(clock, "v", [&] {
    EXPECT_TRUE(lock.held());
    virtual_at = clock.now_ns();
  });
  Timer r(realtime, "r", [&] { realtime_at = realtime.now_ns(); });
  v.arm(2 * kNsPerMs);
  const std::int64_t due = realtime.now_ns() + 3 * kNsPerMs;
  r.arm(due);
  expect_soon([&] { return realtime_at >= 0; });
  EXPECT_GE(realtime_at, due);
  EXPECT_EQ(virtual_at, -1);  // stands still
  clock.start();
  expect_soon([&] { return virtual_at >= 0; });
  EXPECT_GE(virtual_at, 2 * kNsPerMs);
}

TEST_F(EventLoopTest, HostClockTimersRun) {
  Clock host{ClockKind::Host};
  loop.drive(host);
  bool ran = false;
  Timer t(host, "t", [&] { ran = true; });
  t.arm(host.now_ns() + kNsPerMs);
  expect_soon([&] { return ran; });
}

TEST_F(EventLoopTest, TimerOfAManualClockArmedInThePastRunsAtOnce) {
  clock.make_manual(1000);
  loop.drive(clock);
  bool ran = false;
  Timer t(clock, "t", [&] { ran = true; });
  t.arm(2000);
  loop.poll();
  EXPECT_FALSE(ran);
  t.arm(500);
  EXPECT_EQ(loop.poll(), 1U);
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, AnEverLateTimerLeavesTheLoopUsable) {
  loop.drive(realtime);
  int fired = 0;
  std::unique_ptr<Timer> hog;
  hog = std::make_unique<Timer>(realtime, "hog", [&] {
    ++fired;
    hog->arm(0);
  });
  hog->arm(0);
  int work = 0;
  for (int i = 0; i < 100; ++i) loop.post([&] { ++work; });
  expect_soon([&] { return work == 100 && fired > 10; });
}

TEST_F(EventLoopTest, ClockMayGoBeforeTheLoopAndTheLoopBeforeTheClock) {
  {
    Clock brief{ClockKind::Realtime};
    loop.drive(brief);
    Timer t(brief, "t", [] { FAIL(); });
    t.arm(brief.now_ns() + 3600 * kNsPerSecond);
  }
  loop.poll();
  Clock long_lived{ClockKind::Realtime};
  Timer t(long_lived, "t", [] { FAIL(); });
  {
    MachineLock other_lock;
    EventLoop other(other_lock);
    other.drive(long_lived);
    t.arm(long_lived.now_ns() + 3600 * kNsPerSecond);
  }
  t.arm(long_lived.now_ns());
}

TEST_F(EventLoopTest, ThreadArmsTimersOfAWaitingLoop) {
  loop.drive(realtime);
  constexpr int kRounds = 500;
  int fired = 0;
  std::atomic<int> seen{0};
  Timer t(realtime, "t", [&] {
    ++fired;
    seen = fired;
  });
  Timer far(realtime, "far", [] { FAIL(); });
  far.arm(realtime.now_ns() + 3600 * kNsPerSecond);
  std::thread vcpu([&] {
    for (int i = 0; i < kRounds; ++i) {
      {
        const MachineLock::Guard guard(lock);
        t.arm(realtime.now_ns() + 20 * kNsPerUs);
      }
      while (seen <= i) std::this_thread::yield();  // a lost wake-up ends in the test's time limit
    }
    loop.stop();
  });
  loop.run();
  vcpu.join();
  EXPECT_EQ(fired, kRounds);
}

TEST_F(EventLoopTest, ThreadAsksForWritabilityUnderTheLock) {
  Pipe pipe;
  int writable = 0;
  std::unique_ptr<EventLoop::Watch> watch;
  watch = loop.watch(
      pipe.fds[1], [] {},
      [&] {
        ++writable;
        watch->want_write(false);
      });
  std::thread vcpu([&] {
    for (int i = 0; i < 200; ++i) {
      for (;;) {
        const MachineLock::Guard guard(lock);
        if (writable == i) {
          watch->want_write(true);
          break;
        }
      }
    }
  });
  expect_soon([&] { return writable == 200; });
  vcpu.join();
}

}  // namespace
}  // namespace machina
