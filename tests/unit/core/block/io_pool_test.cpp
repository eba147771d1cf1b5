#include "core/block/io_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "core/event_loop.h"
#include "core/machine_lock.h"
#include "core/units.h"

namespace machina {
namespace {

// Generous: reached only by a failing test.
constexpr std::int64_t kLimit = 30 * kNsPerSecond;

struct IoPoolTest : testing::Test {
  MachineLock lock;
  EventLoop loop{lock};
  std::unique_ptr<IoPool> pool = std::make_unique<IoPool>(loop, 4);
};

/// Jobs wait here until it is opened.
class Gate {
 public:
  void open() {
    const std::lock_guard guard(lock_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [this] { return open_; });
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  bool open_ = false;
};

TEST_F(IoPoolTest, EveryResultArrivesOnceUnderTheLock) {
  constexpr int kJobs = 500;
  std::vector<int> results(kJobs, -1);
  int done = 0;
  bool locked = true, locked_while_working = false;
  {
    const MachineLock::Guard guard(lock);
    for (int i = 0; i < kJobs; ++i) {
      pool->submit(
          [this, i, &locked_while_working] {
            if (lock.held()) locked_while_working = true;  // never, or it would be a race
            return i;
          },
          [&, i](int error) {
            locked = locked && lock.held();
            results[static_cast<std::size_t>(i)] = error;
            ++done;
          });
    }
    EXPECT_EQ(pool->in_flight(), static_cast<unsigned>(kJobs));
  }
  EXPECT_TRUE(loop.run_until([&] { return done == kJobs; }, kLimit));
  for (int i = 0; i < kJobs; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)], i);
  EXPECT_TRUE(locked);
  EXPECT_FALSE(locked_while_working);
  EXPECT_EQ(pool->in_flight(), 0U);
}

TEST_F(IoPoolTest, DrainWaitsForWhatCompletionsSubmitWithTheLockHeld) {
  const MachineLock::Guard guard(lock);
  Gate gate;
  int chain = 0;
  std::function<void(int)> next = [&](int) {
    if (++chain < 20) pool->submit([] { return 0; }, next);
  };
  pool->submit(
      [&gate] {
        gate.pass();
        return 0;
      },
      next);
  std::thread opener([&gate] { gate.open(); });
  pool->drain();
  opener.join();
  EXPECT_EQ(chain, 20);
  EXPECT_EQ(pool->in_flight(), 0U);
}

TEST_F(IoPoolTest, WhatIsRefusedIsToldLaterAndByTheLoop) {
  int error = 0;
  {
    const MachineLock::Guard guard(lock);
    pool->complete(EINVAL, [&](int e) { error = e; });
    EXPECT_EQ(error, 0);
    EXPECT_EQ(pool->in_flight(), 1U);
  }
  EXPECT_TRUE(loop.run_until([&] { return error != 0; }, kLimit));
  EXPECT_EQ(error, EINVAL);
}

TEST_F(IoPoolTest, WithoutMemoryForAJobItsErrorIsENOMEM) {
  const MachineLock::Guard guard(lock);
  int error = 0;
  pool->submit([]() -> int { throw std::bad_alloc(); }, [&](int e) { error = e; });
  pool->drain();
  EXPECT_EQ(error, ENOMEM);
}

TEST_F(IoPoolTest, TheEndWaitsForJobsAndDropsTheirCompletions) {
  std::atomic<unsigned> worked{0};
  unsigned completed = 0;
  {
    const MachineLock::Guard guard(lock);
    for (unsigned i = 0; i < 100; ++i) {
      pool->submit([&worked] { return worked++, 0; }, [&completed](int) { ++completed; });
    }
    pool.reset();
  }
  EXPECT_EQ(worked, 100U);
  loop.poll();  // what was posted to it finds the pool closed
  EXPECT_EQ(completed, 0U);
}

}  // namespace
}  // namespace machina
