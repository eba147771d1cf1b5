#include "core/machine_lock.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>
#include <vector>

namespace machina {
namespace {

TEST(MachineLock, GuardTakesItUnlessThisThreadHasIt) {
  MachineLock lock;
  EXPECT_FALSE(lock.held());
  {
    const MachineLock::Guard outer(lock);
    EXPECT_TRUE(lock.held());
    {
      const MachineLock::Guard inner(lock);
      EXPECT_TRUE(lock.held());
    }
    EXPECT_TRUE(lock.held()) << "the inner guard did not take it";
  }
  EXPECT_FALSE(lock.held());
}

TEST(MachineLockThread, IsHeldByOneThreadAtATime) {
  MachineLock lock;
  constexpr unsigned kTurns = 5000;
  unsigned counter = 0;  // of the lock's owner
  bool held_before = false, lost_inside = false;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (unsigned n = 0; n < kTurns; ++n) {
        const bool before = lock.held();
        const MachineLock::Guard guard(lock);
        held_before = held_before || before;
        lost_inside = lost_inside || !lock.held();
        ++counter;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, 4 * kTurns);
  EXPECT_FALSE(held_before) << "while another thread, or nobody, held it";
  EXPECT_FALSE(lost_inside);
}

// As vCPU threads sleep: the one that waits gives it away and has it again afterwards.
TEST(MachineLockThread, IsGivenAwayByAConditionVariable) {
  MachineLock lock;
  std::condition_variable_any changed;
  unsigned turn = 0;
  bool held = true;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      const MachineLock::Guard guard(lock);
      for (unsigned round = 0; round < 200; ++round) {
        while (turn % 3 != i) changed.wait(lock);
        held = held && lock.held();
        ++turn;
        changed.notify_all();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(turn, 600U);
  EXPECT_TRUE(held);
  EXPECT_FALSE(lock.held());
}

}  // namespace
}  // namespace machina
