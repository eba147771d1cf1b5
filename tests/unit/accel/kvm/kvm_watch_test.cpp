// Pages that a debugger watches are not KVM's while the machine runs.

#include "accel/kvm/kvm_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "accel/kvm/kvm_api.h"
#include "core/error.h"
#include "tests/support/fake_kvm.h"

namespace machina::kvm {
namespace {

using test::FakeKvm;
using testing::ElementsAre;
using testing::Pair;

/// RAM of 16 pages from address 0, in one slot.
class KvmDebugWatch : public testing::Test {
 protected:
  static constexpr std::uint64_t kPage = 4096;
  KvmDebugWatch() : block(RamBlock::create("ram", 16 * kPage)) {
    FlatRange r;
    r.first = 0;
    r.last = 16 * kPage - 1;
    r.ram = block;
    r.host = block->host();
    slots.begin();
    slots.range_added(r);
    slots.commit();
  }
  /// First page and number of pages of the slots; negative: read-only.
  std::map<std::uint64_t, int> now() const {
    std::map<std::uint64_t, int> all;
    for (const MemorySlots::Slot& s : slots.slots()) {
      EXPECT_EQ(s.host, block->host() + s.first);
      all[s.first / kPage] = static_cast<int>(s.size / kPage) * (s.readonly ? -1 : 1);
    }
    return all;
  }

  FakeKvm fake;
  Fd vm{fake, fake.open_device()};
  std::shared_ptr<RamBlock> block;
  MemorySlots slots{vm, 8, true};
  HeldPages held{slots};
};

TEST_F(KvmDebugWatch, APageIsHeldWhileTheMachineRuns) {
  held.add(3 * kPage, true);
  EXPECT_THAT(now(), ElementsAre(Pair(0, 16)));
  EXPECT_FALSE(held.any());
  held.running(true);
  EXPECT_TRUE(held.any());
  EXPECT_THAT(now(), ElementsAre(Pair(0, 3), Pair(4, 12)));
  held.add(4 * kPage, false);
  EXPECT_THAT(now(), ElementsAre(Pair(0, 3), Pair(4, -1), Pair(5, 11)));
  held.remove(3 * kPage, true);
  held.remove(4 * kPage, false);
  EXPECT_THAT(now(), ElementsAre(Pair(0, 16)));
  EXPECT_FALSE(held.any());
}

// A debugger takes its watches out at each stop, and puts the same ones in.
TEST_F(KvmDebugWatch, TheSamePagesAtTheNextRunCostNothing) {
  held.add(3 * kPage, false);
  held.running(true);
  const std::size_t changes = fake.regions.size();
  held.running(false);
  held.remove(3 * kPage, false);
  held.add(3 * kPage, false);
  held.running(true);
  EXPECT_EQ(fake.regions.size(), changes);
  held.running(false);
  held.remove(3 * kPage, false);
  EXPECT_EQ(fake.regions.size(), changes);
  held.running(true);
  EXPECT_THAT(now(), ElementsAre(Pair(0, 16)));
}

TEST_F(KvmDebugWatch, SeveralVcpusShareAPageAndReadsExitWhileOneWantsThem) {
  held.running(true);
  held.add(0, false);
  held.add(0, true);
  EXPECT_THAT(now(), ElementsAre(Pair(1, 15)));
  held.remove(0, true);
  EXPECT_THAT(now(), ElementsAre(Pair(0, -1), Pair(1, 15)));
  held.remove(0, false);
  EXPECT_THAT(now(), ElementsAre(Pair(0, 16)));
  held.remove(0, false);  // of nobody
}

TEST_F(KvmDebugWatch, AKvmWithoutReadOnlySlotsHoldsThePageAsAWhole) {
  MemorySlots old(vm, 8, false);
  FlatRange r;
  r.last = 2 * kPage - 1;
  r.ram = block;
  r.host = block->host();
  old.begin();
  old.range_added(r);
  old.commit();
  old.hold({{0, false}});
  ASSERT_EQ(old.slots().size(), 1U);
  EXPECT_EQ(old.slots()[0].first, kPage);
}

TEST_F(KvmDebugWatch, LoggedMemoryIsLoggedAroundThePage) {
  FlatRange r;
  r.last = 16 * kPage - 1;
  r.ram = block;
  r.host = block->host();
  r.dirty_log = true;
  slots.begin();
  slots.range_logging(r);
  slots.commit();
  slots.hold({{kPage, false}});
  for (const MemorySlots::Slot& s : slots.slots()) EXPECT_EQ(s.logging, !s.readonly) << s.first;
  EXPECT_EQ(slots.slots().size(), 3U);
}

// --- what is watched ---

DebugRequest request(std::vector<Breakpoint> breakpoints) {
  DebugRequest r;
  r.breakpoints = std::move(breakpoints);
  return r;
}
std::optional<std::uint64_t> upper_half(std::uint64_t linear) {
  if (linear < 0x10000) return std::nullopt;
  return linear - 0x10000;
}

TEST_F(KvmDebugWatch, WatchesAreCutByPage) {
  const auto pieces = watched_pieces(request({{BreakpointKind::Software, 0x10000, 1},
                                              {BreakpointKind::Read, 0x10ffe, 0x1004},
                                              {BreakpointKind::Write, 0x15000, 2}}),
                                     upper_half);
  ASSERT_EQ(pieces.size(), 4U);
  EXPECT_EQ(pieces[0].physical, 0xffeU);
  EXPECT_EQ(pieces[0].size, 2U);
  EXPECT_EQ(pieces[1].linear, 0x11000U);
  EXPECT_EQ(pieces[1].size, 0x1000U);
  EXPECT_EQ(pieces[2].size, 2U);
  EXPECT_TRUE(pieces[2].reads());
  EXPECT_FALSE(pieces[3].reads());
  EXPECT_THROW(watched_pieces(request({{BreakpointKind::Write, 0x5000, 1}}), upper_half), Error);
  EXPECT_THROW(watched_pieces(request({{BreakpointKind::Write, 0x15000, 0}}), upper_half), Error);
}

TEST_F(KvmDebugWatch, TheFirstAccessThatMeetsIsTheStop) {
  WatchedMemory watched(held);
  watched.set({{0x1004, 4, 0xffff1004, BreakpointKind::Write}, {0x2000, 4, 0xffff2000, BreakpointKind::Read}});
  const auto met = [&](std::uint64_t physical, unsigned width, bool write) {
    watched.note(physical, width, write);
    EXPECT_TRUE(watched.in_instruction());
    const std::optional<DebugStop> stop = watched.instruction_ended();
    EXPECT_FALSE(watched.in_instruction());
    return stop ? stop->linear : 0;
  };
  EXPECT_EQ(met(0x1000, 4, true), 0U);
  EXPECT_EQ(met(0x1002, 4, true), 0xffff1004U);
  EXPECT_EQ(met(0x1007, 1, true), 0xffff1007U);
  EXPECT_EQ(met(0x1008, 1, true), 0U);
  EXPECT_EQ(met(0x1004, 4, false), 0U);
  EXPECT_EQ(met(0x2000, 8, false), 0xffff2000U);
  EXPECT_EQ(met(0x2000, 8, true), 0U);
  watched.note(0x2001, 1, false);
  watched.note(0x1004, 1, true);
  EXPECT_EQ(watched.instruction_ended()->kind, BreakpointKind::Read);
}

// From the first access on another vCPU waits with its own.
TEST_F(KvmDebugWatch, AnInstructionIsOnePieceToTheOthersThread) {
  WatchedMemory first(held), second(held);
  unsigned value = 0;
  const auto count = [&value](WatchedMemory& watched) {
    for (unsigned i = 0; i < 10000; ++i) {
      watched.note(0, 4, false);
      const unsigned before = value;
      watched.note(0, 4, true);
      value = before + 1;
      watched.instruction_ended();
    }
  };
  std::thread other([&] { count(second); });
  count(first);
  other.join();
  EXPECT_EQ(value, 20000U);
}

TEST_F(KvmDebugWatch, ItsPagesGoWithIt) {
  held.running(true);
  {
    WatchedMemory watched(held);
    watched.set({{0x1004, 4, 0x1004, BreakpointKind::Access}});
    EXPECT_TRUE(held.any());
  }
  EXPECT_FALSE(held.any());
}

}  // namespace
}  // namespace machina::kvm
