#include "core/memory/address_space.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <numeric>

#include "core/units.h"
#include "tests/unit/core/memory/memory_world.h"

namespace machina {
namespace {

using test::ByteDevice;
using test::MemoryWorld;
using test::ModelListener;
using Access = ByteDevice::Access;

constexpr std::uint64_t kTop = ~std::uint64_t{0};

struct RamWorld : MemoryWorld {
  RamWorld() { root.add(0, ram); }
  std::shared_ptr<RamBlock> block = RamBlock::create("ram", 0x4000);
  RamRegion ram{"ram", block};
};

// --- listeners ------------------------------------------------------------------------------------------------------

TEST(AddressSpace, NewListenersAreToldOfEverything) {
  RamWorld world;
  ByteDevice device("device", 16);
  device.region.add_eventfd({.offset = 0, .width = 4, .fd = 9});
  world.root.add(0x8000, device.region);
  const ModelListener listener(world.space);
  EXPECT_EQ(listener.begins, 1);
  EXPECT_EQ(listener.commits, 1);
  EXPECT_EQ(listener.ranges.size(), 2U);
  EXPECT_EQ(listener.eventfds.size(), 1U);
}

TEST(AddressSpace, RemovedListenersAreToldNothing) {
  RamWorld world;
  ModelListener listener(world.space);
  world.space.remove_listener(listener);
  world.ram.set_enabled(false);
  EXPECT_EQ(listener.begins, 1);
  EXPECT_EQ(listener.ranges.size(), 1U);
}

TEST(AddressSpace, OnlyTheDifferenceIsTold) {
  RamWorld world;
  ByteDevice a("a", 16), b("b", 16);
  world.root.add(0x8000, a.region);
  world.root.add(0x9000, b.region);
  ModelListener listener(world.space);
  listener.forget_counts();
  a.region.set_offset(0xa000);
  EXPECT_EQ(std::tuple(listener.removals, listener.additions, listener.loggings), std::tuple(1, 1, 0));
  listener.forget_counts();
  world.ram.set_readonly(true);
  EXPECT_EQ(std::tuple(listener.removals, listener.additions, listener.loggings), std::tuple(1, 1, 0));
  listener.forget_counts();
  world.ram.set_dirty_log(true);
  EXPECT_EQ(std::tuple(listener.removals, listener.additions, listener.loggings), std::tuple(0, 0, 1));
  listener.forget_counts();
  b.region.add_eventfd({.offset = 0, .width = 2, .fd = 4});
  EXPECT_EQ(std::tuple(listener.removals, listener.additions, listener.eventfds.size()),
            std::tuple(0, 0, std::size_t{1}));
  b.region.set_offset(0xb000);  // the notification moves along
  EXPECT_EQ(listener.eventfds.at(0).first, 0xb000U);
  b.region.remove_eventfd({.offset = 0, .width = 2, .fd = 4});
  EXPECT_TRUE(listener.eventfds.empty());
}

// Everything that must go is gone before anything comes: an accelerator's memory slots may never overlap, not even
// while two ranges trade places.
TEST(AddressSpace, AllRemovalsComeBeforeAllAdditions) {
  struct Recorder final : MemoryListener {
    void range_removed(const FlatRange& range) override { told += "-" + std::to_string(range.first); }
    void range_added(const FlatRange& range) override { told += "+" + std::to_string(range.first); }
    void begin() override { told += "("; }
    void commit() override { told += ")"; }
    std::string told;
  };
  MemoryWorld world;
  ByteDevice a("a", 10), b("b", 10);
  world.root.add(0, a.region);
  world.root.add(10, b.region);
  Recorder recorder;
  world.space.add_listener(recorder);
  recorder.told.clear();
  {
    const MemoryTransaction transaction;
    a.region.set_offset(10);
    b.region.set_offset(0);
  }
  EXPECT_EQ(recorder.told, "(-0-10+0+10)");
  world.space.remove_listener(recorder);
}

TEST(AddressSpace, TheViewIsTheNewOneWhileListenersAreTold) {
  struct Looker final : MemoryListener {
    explicit Looker(AddressSpace& watched) : space(watched) {}
    void range_removed(const FlatRange& range) override { seen_removed = space.view()->find(range.first) != nullptr; }
    AddressSpace& space;
    bool seen_removed = true;
  };
  RamWorld world;
  Looker looker(world.space);
  world.space.add_listener(looker);
  world.ram.set_enabled(false);
  EXPECT_FALSE(looker.seen_removed);
  world.space.remove_listener(looker);
}

TEST(AddressSpace, ListenersMayRemoveEachOther) {
  struct Remover final : MemoryListener {
    void begin() override {
      if (victim != nullptr) space->remove_listener(*victim);
    }
    AddressSpace* space = nullptr;
    MemoryListener* victim = nullptr;
  };
  RamWorld world;
  Remover remover;
  remover.space = &world.space;
  world.space.add_listener(remover);
  ModelListener victim(world.space);
  remover.victim = &victim;
  world.ram.set_enabled(false);
  EXPECT_EQ(victim.begins, 1) << "the replay only";
  world.space.remove_listener(remover);
}

TEST(AddressSpace, SyncAsksForTheLoggedRangesOfTheRegionOnly) {
  RamWorld world;
  const auto video_block = RamBlock::create("vram", 0x4000);
  RamRegion first("first", video_block, 0, 0x2000), second("second", video_block, 0x2000, 0x2000);
  AliasRegion window("window", first, 0x1000, 0x1000);
  world.root.add(0x10000, first);
  world.root.add(0x20000, second);
  world.root.add(0x30000, window);
  ModelListener listener(world.space);
  world.space.sync_dirty_log(first);
  EXPECT_TRUE(listener.synced.empty()) << "nothing is logged";
  first.set_dirty_log(true);
  second.set_dirty_log(true);
  world.ram.set_dirty_log(true);
  world.space.sync_dirty_log(first);
  ASSERT_EQ(listener.synced.size(), 2U);
  EXPECT_EQ(listener.synced[0].first, 0x10000U);
  EXPECT_EQ(listener.synced[1].first, 0x30000U);
  EXPECT_EQ(listener.synced[1].host, video_block->host() + 0x1000);
}

TEST(AddressSpace, ABlockLivesAsLongAsAViewShowsIt) {
  MemoryWorld world;
  std::weak_ptr<RamBlock> block;
  std::shared_ptr<const FlatView> old;
  {
    RamRegion ram("ram", RamBlock::create("ram", 4096));
    block = ram.block();
    world.root.add(0, ram);
    old = world.space.view();
  }
  EXPECT_FALSE(block.expired());
  old->find(0)->host[4095] = 1;
  old.reset();
  EXPECT_TRUE(block.expired());
}

// --- access ---------------------------------------------------------------------------------------------------------

TEST(AddressSpace, CopiesOfAnyLengthAndAlignment) {
  RamWorld world;
  std::array<std::uint8_t, 40> out{}, in{};
  std::iota(out.begin(), out.end(), std::uint8_t{1});
  for (std::uint64_t offset = 0; offset < 9; ++offset) {
    for (std::size_t size = 0; size <= out.size(); ++size) {
      std::fill_n(world.block->host(), 64, std::uint8_t{0xee});
      ASSERT_EQ(world.space.write(offset, std::span(out).first(size)), MemTxResult::Ok);
      for (std::size_t i = 0; i < 64; ++i) {
        const bool inside = i >= offset && i < offset + size;
        ASSERT_EQ(world.block->host()[i], inside ? out[i - offset] : 0xee);
      }
      in.fill(0);
      ASSERT_EQ(world.space.read(offset, std::span(in).first(size)), MemTxResult::Ok);
      ASSERT_TRUE(std::equal(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(size), out.begin()));
    }
  }
}

TEST(AddressSpace, LittleEndianValuesOfEachWidthAndAlignment) {
  RamWorld world;
  constexpr std::uint64_t kValue = 0x8877665544332211;
  for (const Width width : {1U, 2U, 4U, 8U}) {
    for (std::uint64_t address = 0; address < 16; ++address) {
      std::fill_n(world.block->host(), 32, std::uint8_t{0});
      world.space.store(address, width, kValue);
      for (std::uint64_t i = 0; i < 32; ++i) {
        const bool inside = i >= address && i < address + width;
        ASSERT_EQ(world.block->host()[i], inside ? 0x11 * (i - address + 1) : 0U);
      }
      ASSERT_EQ(world.space.load(address, width), kValue & (~std::uint64_t{0} >> (64 - 8 * width)));
    }
  }
}

TEST(AddressSpace, UnansweredBytesReadAsOnesAndAreAnError) {
  RamWorld world;
  std::array<std::uint8_t, 8> bytes{};
  EXPECT_EQ(world.space.read(0x3ffc, bytes), MemTxResult::Error);
  EXPECT_EQ(bytes, (std::array<std::uint8_t, 8>{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}));
  bytes.fill(0x55);
  EXPECT_EQ(world.space.write(0x3ffc, bytes), MemTxResult::Error);
  EXPECT_EQ(world.block->host()[0x3fff], 0x55) << "what answers is transferred";
  EXPECT_EQ(world.space.load(0x3ffe, 4), 0xffff5555U);
  EXPECT_EQ(world.space.load(0x5000, 8), kTop);
}

TEST(AddressSpace, RefusedRegistersAreAnError) {
  MemoryWorld world;
  ByteDevice device("device", 16);
  world.root.add(0, device.region);
  std::array<std::uint8_t, 4> bytes{};
  EXPECT_EQ(world.space.read(4, bytes), MemTxResult::Ok);
  EXPECT_EQ(bytes, (std::array<std::uint8_t, 4>{4, 5, 6, 7}));
  device.refusal = IoStatus::BadRegister;
  EXPECT_EQ(world.space.read(4, bytes), MemTxResult::Error);
  EXPECT_EQ(bytes, (std::array<std::uint8_t, 4>{0xff, 0xff, 0xff, 0xff}));
  EXPECT_EQ(world.space.write(4, bytes), MemTxResult::Error);
}

TEST(AddressSpace, CopiesFromAndToRegistersComeInAlignedPieces) {
  RamWorld world;
  ByteDevice device("device", 16);
  world.root.add(0x4000, device.region);
  std::array<std::uint8_t, 18> bytes{};
  EXPECT_EQ(world.space.read(0x3ffd, bytes), MemTxResult::Ok);
  EXPECT_EQ(device.log,
            (std::vector<Access>{{false, 0, 8, 0}, {false, 8, 4, 0}, {false, 12, 2, 0}, {false, 14, 1, 0}}));
  EXPECT_EQ(bytes[2], 0);
  for (std::size_t i = 3; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], i - 3);
}

TEST(AddressSpace, ReadonlyMemoryDropsWrites) {
  RamWorld world;
  world.block->host()[5] = 0x77;
  world.ram.set_readonly(true);
  const std::array<std::uint8_t, 2> bytes{1, 2};
  EXPECT_EQ(world.space.write(5, bytes), MemTxResult::Error);
  world.space.store(5, 1, 0);
  EXPECT_EQ(world.space.load(5, 1), 0x77U);
}

TEST(AddressSpace, NothingWrapsAroundTheTop) {
  MemoryWorld world;
  ByteDevice bottom("bottom", 16), top("top", 16);
  world.root.add(0, bottom.region);
  world.root.add(kTop - 15, top.region);
  EXPECT_EQ(world.space.load(kTop, 1), 15U);
  EXPECT_EQ(world.space.load(kTop - 1, 4), 0xffff0f0eU);
  world.space.store(kTop, 2, 0xbbaa);
  EXPECT_EQ(top.byte(15), 0xaa);
  std::array<std::uint8_t, 20> bytes{};
  EXPECT_EQ(world.space.read(kTop - 15, bytes), MemTxResult::Error);
  EXPECT_EQ(bytes[15], 0xaa);
  EXPECT_EQ(bytes[16], 0xff);
  EXPECT_EQ(world.space.write(kTop - 15, bytes), MemTxResult::Error);
  EXPECT_EQ(world.space.read(kTop - 15, std::span(bytes).first(16)), MemTxResult::Ok);
  EXPECT_TRUE(bottom.log.empty());
}

TEST(AddressSpace, WritesOfTheMachineAreLoggedAsDirty) {
  RamWorld world;
  world.ram.set_dirty_log(true);
  EXPECT_TRUE(world.block->dirty_log_enabled());
  world.space.store(0x1ffe, 4, 0);  // two pages
  EXPECT_FALSE(world.block->test_and_clear_dirty(0, 0x1000));
  EXPECT_TRUE(world.block->test_and_clear_dirty(0x1000, 0x1000));
  EXPECT_TRUE(world.block->test_and_clear_dirty(0x2000, 0x1000));
  const std::array<std::uint8_t, 3> bytes{};
  EXPECT_EQ(world.space.write(0x3ffd, bytes), MemTxResult::Ok);
  EXPECT_TRUE(world.block->test_and_clear_dirty(0x3000, 0x1000));
  EXPECT_FALSE(world.block->test_and_clear_dirty(0, 0x4000));
}

TEST(AddressSpace, MapsOnePieceOfMemoryOnly) {
  RamWorld world;
  ByteDevice device("device", 16);
  world.root.add(0x8000, device.region);
  const auto span = world.space.map(0x10, 0x3ff0, true);
  ASSERT_EQ(span.bytes.size(), 0x3ff0U);
  EXPECT_EQ(span.bytes.data(), world.block->host() + 0x10);
  EXPECT_EQ(span.keeper, world.block);
  EXPECT_TRUE(world.space.map(0x10, 0x3ff1, false).bytes.empty()) << "beyond the end";
  EXPECT_TRUE(world.space.map(0, 0, false).bytes.empty());
  EXPECT_TRUE(world.space.map(0x8000, 4, false).bytes.empty()) << "registers";
  EXPECT_TRUE(world.space.map(0x7000, 4, false).bytes.empty()) << "nothing";
  EXPECT_TRUE(world.space.map(1, kTop, false).bytes.empty());
  world.ram.set_readonly(true);
  EXPECT_TRUE(world.space.map(0, 4, true).bytes.empty());
  EXPECT_EQ(world.space.map(0, 4, false).bytes.size(), 4U);
}

TEST(AddressSpace, OneTiBOfGuestMemory) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer leaves less than 1 TiB of address space";
#endif
  MemoryWorld world;
  RamRegion ram("ram", RamBlock::create("ram", TiB));
  world.root.add(0, ram);
  world.space.store(TiB - 8, 8, 0x1234);
  EXPECT_EQ(world.space.load(TiB - 8, 8), 0x1234U);
  EXPECT_EQ(world.space.load(TiB - 2, 4), 0xffff0000U);
  EXPECT_EQ(world.space.map(0, TiB, true).bytes.size(), TiB);
}

}  // namespace
}  // namespace machina
