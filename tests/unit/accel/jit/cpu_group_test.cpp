#include "accel/jit/cpu_group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

using namespace std::chrono_literals;

/// Two CPUs, of which the second one may write a page the quick way.
class JitCpuGroupThreads : public testing::Test {
 protected:
  static constexpr std::uint64_t kPage = 0x20000;

  JitCpuGroupThreads() {
    other.long_64();
    // mov [20000h], al; ud2
    other.run({0x88, 0x04, 0x25, 0, 0, 2, 0, 0x0f, 0x0b});
    other.cpu().requests = 0;
    EXPECT_TRUE(may_write());
  }
  bool may_write() {
    return other.cpu().tlbs[static_cast<unsigned>(TlbMode::SupervisorOpen)].entry(kPage).write == kPage;
  }
  bool asked() { return other.cpu().requests & kRequestSettle; }
  std::uintptr_t page() { return reinterpret_cast<std::uintptr_t>(self.ram() + kPage); }

  BareMachine self;
  BareMachine other{self};
};

TEST_F(JitCpuGroupThreads, WaitsForTheBlockThatMayBeStoring) {
  InBlocks::enter(other.cpu());
  InBlocks::enter(self.cpu());
  std::atomic<bool> done{false};
  std::thread thread([&] {
    self.protect(page());
    done = true;
  });
  while (!asked()) std::this_thread::yield();
  EXPECT_FALSE(may_write()) << "the right goes first";
  EXPECT_FALSE(self.cpu().in_blocks) << "who waits is waited for by nobody";
  std::this_thread::sleep_for(20ms);
  EXPECT_FALSE(done);
  other.cpu().requests.exchange(0);  // as the loop does between blocks
  thread.join();
  EXPECT_TRUE(self.cpu().in_blocks);
}

TEST_F(JitCpuGroupThreads, WaitsForNobodyOutsideOfBlocks) {
  self.protect(page());
  EXPECT_FALSE(may_write());
  // Nor for one that leaves its blocks, or the machine, meanwhile.
  for (const bool goes : {false, true}) {
    other.run({0x88, 0x04, 0x25, 0, 0, 2, 0, 0x0f, 0x0b});
    other.cpu().requests = 0;
    InBlocks::enter(other.cpu());
    std::thread thread([&] { self.protect(page()); });
    while (!asked()) std::this_thread::yield();
    if (goes) {
      self.group().remove(other.cpu());
    } else {
      InBlocks::leave(other.cpu());
    }
    thread.join();
    InBlocks::leave(other.cpu());
  }
}

TEST_F(JitCpuGroupThreads, DoesNotAskWhoHasNoSuchRight) {
  InBlocks::enter(other.cpu());
  self.protect(page() + kPageSize);
  EXPECT_FALSE(asked());
  EXPECT_TRUE(may_write());
  InBlocks::leave(other.cpu());
}

}  // namespace
}  // namespace machina::jit
