// Slots of KVM follow the flat ranges of the address space, with as few changes as there are.

#include "accel/kvm/kvm_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "accel/kvm/kvm_api.h"
#include "core/log.h"
#include "tests/support/fake_kvm.h"

namespace machina::kvm {
namespace {

using test::FakeKvm;
using testing::HasSubstr;
using testing::IsEmpty;

class KvmSlots : public testing::Test {
 protected:
  KvmSlots() : block(RamBlock::create("ram", 16 << 20)) {}
  FlatRange range(std::uint64_t first, std::uint64_t size, std::uint64_t offset = 0, bool readonly = false) {
    FlatRange r;
    r.first = first;
    r.last = first + size - 1;
    r.ram = block;
    r.host = block->host() + offset;
    r.readonly = readonly;
    return r;
  }

  /// One change of the address space.
  static void change(MemorySlots& slots, const std::vector<FlatRange>& removed, const std::vector<FlatRange>& added) {
    slots.begin();
    for (const FlatRange& r : removed) slots.range_removed(r);
    for (const FlatRange& r : added) slots.range_added(r);
    slots.commit();
  }
  static void change_logging(MemorySlots& slots, const FlatRange& range) {
    slots.begin();
    slots.range_logging(range);
    slots.commit();
  }

  FakeKvm fake;
  Fd vm{fake, fake.open_device()};
  std::shared_ptr<RamBlock> block;
};

TEST_F(KvmSlots, WholePagesBecomeSlots) {
  MemorySlots slots(vm, 8, true);
  change(slots, {}, {range(0x1000, 0x3000, 0x1000)});
  ASSERT_EQ(fake.regions.size(), 1U);
  EXPECT_EQ(fake.regions[0].guest_phys_addr, 0x1000U);
  EXPECT_EQ(fake.regions[0].memory_size, 0x3000U);
  EXPECT_EQ(fake.regions[0].userspace_addr, reinterpret_cast<std::uintptr_t>(block->host()) + 0x1000);
  EXPECT_EQ(fake.regions[0].flags, 0U);
}

TEST_F(KvmSlots, WhatSticksOutOfPagesIsLeftToTheDispatcher) {
  MemorySlots slots(vm, 8, true);
  change(slots, {}, {range(0x1800, 0x1000, 0x800)});  // no whole page
  EXPECT_THAT(fake.regions, IsEmpty());
  change(slots, {}, {range(0x4800, 0x2000, 0x800)});
  ASSERT_EQ(fake.regions.size(), 1U);
  EXPECT_EQ(fake.regions[0].guest_phys_addr, 0x5000U);
  EXPECT_EQ(fake.regions[0].memory_size, 0x1000U);
  change(slots, {}, {range(0x8000, 0x2000, 0x10)});  // the host's page is out of step
  EXPECT_EQ(fake.regions.size(), 1U);
}

TEST_F(KvmSlots, OneBlockAtTwoPlacesIsTwoSlots) {
  MemorySlots slots(vm, 8, true);
  change(slots, {}, {range(0xf0000, 0x10000)});
  change(slots, {}, {range(0xffff0000, 0x10000)});
  ASSERT_EQ(fake.regions.size(), 2U);
  EXPECT_NE(fake.regions[0].slot, fake.regions[1].slot);
  EXPECT_EQ(fake.regions[0].userspace_addr, fake.regions[1].userspace_addr);
}

TEST_F(KvmSlots, RomIsReadOnlyOrNoSlot) {
  MemorySlots slots(vm, 8, true);
  change(slots, {}, {range(0, 0x1000, 0, true)});
  ASSERT_EQ(fake.regions.size(), 1U);
  EXPECT_EQ(fake.regions[0].flags, static_cast<std::uint32_t>(KVM_MEM_READONLY));
  MemorySlots old(vm, 8, false);
  change(old, {}, {range(0, 0x1000, 0, true)});
  EXPECT_EQ(fake.regions.size(), 1U);
}

TEST_F(KvmSlots, AnotherMemoryAtTheSamePlaceIsDeleteThenAddWithTheSameNumber) {
  MemorySlots slots(vm, 8, true);
  change(slots, {}, {range(0, 0x2000)});
  change(slots, {range(0, 0x2000)}, {range(0, 0x2000, 0, true)});
  ASSERT_EQ(fake.regions.size(), 3U);
  EXPECT_EQ(fake.regions[1].memory_size, 0U);
  EXPECT_EQ(fake.regions[2].memory_size, 0x2000U);
  EXPECT_EQ(fake.regions[2].slot, fake.regions[0].slot);
  EXPECT_EQ(slots.slots().size(), 1U);
}

TEST_F(KvmSlots, DirtyPagesReachTheBlock) {
  MemorySlots slots(vm, 8, true);
  FlatRange r = range(0x10000, 0x4000, 0x8000);
  change(slots, {}, {r});
  r.dirty_log = true;
  change_logging(slots, r);
  ASSERT_EQ(fake.regions.size(), 2U);
  EXPECT_EQ(fake.regions[1].flags, static_cast<std::uint32_t>(KVM_MEM_LOG_DIRTY_PAGES));
  fake.dirty[fake.regions[1].slot] = {0b0101};
  slots.sync_dirty_log(r);
  EXPECT_TRUE(block->test_and_clear_dirty(0x8000, 4096));
  EXPECT_FALSE(block->test_and_clear_dirty(0x9000, 4096));
  EXPECT_TRUE(block->test_and_clear_dirty(0xa000, 4096));
  slots.sync_dirty_log(r);  // nothing new: KVM says ENOENT
  EXPECT_FALSE(block->test_and_clear_dirty(0x8000, 0x4000));
  fake.dirty[fake.regions[1].slot] = {0b1000};
  change(slots, {r}, {});  // what was written last is not lost
  EXPECT_TRUE(block->test_and_clear_dirty(0xb000, 4096));
}

TEST_F(KvmSlots, RefusalAndExhaustionLeaveTheRangeToTheDispatcher) {
  std::vector<std::string> lines;
  log::reset();
  log::set_sink([&](log::Level, bool, std::string_view line) { lines.emplace_back(line); });
  MemorySlots slots(vm, 1, true);
  EXPECT_EQ(slots.failure(), "");
  fake.errors[KVM_SET_USER_MEMORY_REGION] = EEXIST;
  change(slots, {}, {range(0, 0x1000)});
  EXPECT_EQ(slots.failure(), "KVM refuses guest memory 0x0 to 0xfff: File exists");
  EXPECT_TRUE(slots.slots().empty());
  fake.errors.clear();
  change(slots, {}, {range(0, 0x1000)});  // the number was not used up
  EXPECT_EQ(slots.slots().size(), 1U);
  change(slots, {}, {range(0x2000, 0x1000, 0x2000)});
  EXPECT_EQ(slots.slots().size(), 1U);
  change(slots, {range(0x2000, 0x1000, 0x2000)}, {});  // what never was a slot
  EXPECT_EQ(slots.slots().size(), 1U);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[1], HasSubstr("no memory slot left for 0x2000 to 0x2fff"));
  log::set_sink({});
  log::reset();
}

TEST_F(KvmSlots, WhatAChangeLeavesAsItWasIsNotTouched) {
  MemorySlots slots(vm, 8, true);
  change(slots, {}, {range(0, 0x4000), range(0x8000, 0x4000, 0x8000)});
  ASSERT_EQ(fake.regions.size(), 2U);
  // The same memory, cut and put together again within one transaction.
  change(slots, {range(0, 0x4000)}, {range(0, 0x4000)});
  EXPECT_EQ(fake.regions.size(), 2U);
  FlatRange logged = range(0x8000, 0x4000, 0x8000);
  logged.dirty_log = true;
  change(slots, {range(0x8000, 0x4000, 0x8000)}, {logged});
  ASSERT_EQ(fake.regions.size(), 3U) << "flags change in place";
  EXPECT_EQ(fake.regions[2].memory_size, 0x4000U);
  EXPECT_EQ(fake.regions[2].slot, fake.regions[1].slot);
  EXPECT_EQ(fake.regions[2].flags, static_cast<std::uint32_t>(KVM_MEM_LOG_DIRTY_PAGES));
}

// A PAM segment of the 440FX becomes RAM: in the view it grows together with all that is above.
TEST_F(KvmSlots, MemoryAboveOneMegabyteStaysWhileSegmentsBelowItChange) {
  MemorySlots slots(vm, 8, true);
  const FlatRange above = range(0x100000, 0xf00000, 0x100000), all = range(0xf0000, 0xf10000, 0xf0000);
  change(slots, {}, {above});
  ASSERT_EQ(fake.regions.size(), 1U);
  change(slots, {above}, {all});
  ASSERT_EQ(fake.regions.size(), 2U);
  EXPECT_EQ(fake.regions[1].guest_phys_addr, 0xf0000U);
  EXPECT_EQ(fake.regions[1].memory_size, 0x10000U);
  EXPECT_EQ(fake.regions[1].userspace_addr, reinterpret_cast<std::uintptr_t>(block->host()) + 0xf0000);
  change(slots, {all}, {range(0xf0000, 0x10000, 0xf0000, true), above});
  ASSERT_EQ(fake.regions.size(), 4U);
  EXPECT_EQ(fake.regions[2].memory_size, 0U);
  EXPECT_EQ(fake.regions[3].flags, static_cast<std::uint32_t>(KVM_MEM_READONLY));
  EXPECT_EQ(slots.slots().size(), 2U);
}

TEST_F(KvmSlots, BothPiecesOfARangeAreLogged) {
  MemorySlots slots(vm, 8, true);
  FlatRange r = range(0xff000, 0x2000);
  r.dirty_log = true;
  change(slots, {}, {r});
  ASSERT_EQ(fake.regions.size(), 2U);
  for (const kvm_userspace_memory_region& region : fake.regions) fake.dirty[region.slot] = {1};
  slots.sync_dirty_log(r);
  EXPECT_TRUE(block->test_and_clear_dirty(0, 4096));
  EXPECT_TRUE(block->test_and_clear_dirty(0x1000, 4096));
}

TEST_F(KvmSlots, WhatFoundNoSlotGetsTheNextOneThatIsFree) {
  log::set_sink([](log::Level, bool, std::string_view) {});
  MemorySlots slots(vm, 1, true);
  change(slots, {}, {range(0, 0x1000), range(0x2000, 0x1000, 0x2000)});
  EXPECT_THAT(slots.failure(), HasSubstr("no memory slot left for 0x2000"));
  change(slots, {range(0, 0x1000)}, {});
  EXPECT_EQ(slots.failure(), "");
  ASSERT_EQ(slots.slots().size(), 1U);
  EXPECT_EQ(slots.slots()[0].first, 0x2000U);
  log::set_sink({});
  log::reset();
}

}  // namespace
}  // namespace machina::kvm
