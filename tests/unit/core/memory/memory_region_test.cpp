#include "core/memory/memory_region.h"

#include <gtest/gtest.h>

#include <memory>

#include "core/error.h"
#include "tests/unit/core/memory/memory_world.h"

namespace machina {
namespace {

using test::ByteDevice;
using test::MemoryWorld;
using test::ModelListener;

/// Who answers at an address: a name, or empty.
std::string who(AddressSpace& space, std::uint64_t address) {
  const auto view = space.view();
  const FlatRange* range = view->find(address);
  return range != nullptr ? range->region->name() : std::string();
}

TEST(MemoryRegion, KnowsWhereItIs) {
  ContainerRegion root("root", 0x1000);
  ByteDevice device("device", 16);
  root.add(0x100, device.region, -3);
  EXPECT_EQ(device.region.container(), &root);
  EXPECT_EQ(device.region.offset(), 0x100U);
  EXPECT_EQ(device.region.priority(), -3);
  root.remove(device.region);
  EXPECT_EQ(device.region.container(), nullptr);
}

TEST(MemoryRegion, ChildrenAreOrderedByPriorityThenLastAddedFirst) {
  ContainerRegion root("root", 0x1000);
  ByteDevice a("a", 16), b("b", 16), c("c", 16), d("d", 16);
  root.add(0, a.region, 0);
  root.add(0, b.region, -1);
  root.add(0, c.region, 5);
  root.add(0, d.region, 0);
  EXPECT_EQ(root.children(), (std::vector<MemoryRegion*>{&c.region, &d.region, &a.region, &b.region}));
}

TEST(MemoryRegion, ImpossibleMappingsAreErrors) {
  ContainerRegion root("root", 0x1000), other("other", 0x1000);
  ByteDevice device("device", 16);
  root.add(0, device.region);
  try {
    other.add(0x20, device.region);
    ADD_FAILURE() << "mapped twice";
  } catch (const Error& error) {
    EXPECT_NE(error.cause().find("'root' at 0x0"), std::string::npos) << error.what();
  }
  EXPECT_THROW(other.remove(device.region), Error);
  root.remove(device.region);
  EXPECT_THROW(root.add(~Offset{0} - 14, device.region), Error) << "one byte beyond 2^64";
  root.add(~Offset{0} - 15, device.region);
  root.remove(device.region);

  ContainerRegion whole("whole", MemoryRegion::kWholeSpace);
  EXPECT_THROW(root.add(1, whole), Error);
  root.add(0, whole);
  ContainerRegion empty("empty", 0);
  root.add(~Offset{0}, empty);
}

TEST(MemoryRegion, NothingCanShowItself) {
  ContainerRegion a("a", 0x1000), b("b", 0x1000);
  EXPECT_THROW(a.add(0, a), Error);
  a.add(0, b);
  EXPECT_THROW(b.add(0, a), Error);
  AliasRegion of_a("of a", a, 0, 0x10), of_alias("of alias", of_a, 0, 0x10);
  EXPECT_THROW(b.add(0, of_a), Error);
  EXPECT_THROW(b.add(0, of_alias), Error);
  EXPECT_EQ(b.children().size(), 0U);
}

TEST(MemoryRegion, RamWindowsStayWithinTheirBlock) {
  const auto block = RamBlock::create("block", 0x2000);
  EXPECT_THROW(RamRegion("r", block, 0x1000, 0x1001), Error);
  EXPECT_THROW(RamRegion("r", block, 0x2001, 0), Error);
  EXPECT_THROW(RamRegion("r", block, ~Offset{0}, 2), Error);
  RamRegion window("window", block, 0x1000, 0x800);
  window.set_size(0x1000);
  EXPECT_THROW(window.set_size(0x1001), Error);
  EXPECT_EQ(window.size(), 0x1000U);
  EXPECT_EQ(RamRegion("all", block).size(), 0x2000U);
}

TEST(MemoryRegion, DestroyedRegionsDisappear) {
  MemoryWorld world;
  const ModelListener listener(world.space);
  auto device = std::make_unique<ByteDevice>("device", 16);
  auto alias = std::make_unique<AliasRegion>("alias", device->region, 0, 16);
  auto alias_of_alias = std::make_unique<AliasRegion>("second", *alias, 0, 16);
  world.root.add(0, device->region);
  world.root.add(0x100, *alias);
  world.root.add(0x200, *alias_of_alias);
  EXPECT_EQ(listener.ranges.size(), 3U);
  alias.reset();
  EXPECT_EQ(listener.ranges.size(), 1U) << "what showed the alias shows nothing";
  EXPECT_FALSE(alias_of_alias->has_target());
  device.reset();
  EXPECT_TRUE(listener.ranges.empty());
  EXPECT_EQ(world.root.children().size(), 1U);
}

TEST(MemoryRegion, DestroyedContainerLetsItsChildrenGo) {
  MemoryWorld world;
  ByteDevice device("device", 16);
  {
    ContainerRegion container("container", 0x100);
    container.add(0x10, device.region);
    world.root.add(0x1000, container);
    EXPECT_EQ(who(world.space, 0x1010), "device");
  }
  EXPECT_EQ(who(world.space, 0x1010), "");
  EXPECT_EQ(device.region.container(), nullptr);
  world.root.add(0, device.region);
  EXPECT_EQ(who(world.space, 0), "device");
}

TEST(MemoryTransaction, ShowsAllChangesAtOnceAndTellsOnce) {
  MemoryWorld world;
  ModelListener listener(world.space);
  listener.forget_counts();
  ByteDevice a("a", 16), b("b", 16);
  {
    const MemoryTransaction outer;
    world.root.add(0, a.region);
    {
      const MemoryTransaction inner;
      world.root.add(16, b.region);
      a.region.set_offset(32);
    }
    EXPECT_EQ(listener.begins, 0) << "only the outermost one ends it";
    EXPECT_EQ(who(world.space, 16), "");
  }
  EXPECT_EQ(listener.begins, 1);
  EXPECT_EQ(listener.commits, 1);
  EXPECT_EQ(who(world.space, 16), "b");
  EXPECT_EQ(who(world.space, 32), "a");
  EXPECT_EQ(who(world.space, 0), "");
}

TEST(MemoryTransaction, EachSpaceIsRenderedOnce) {
  MachineLock lock;
  ContainerRegion shared("shared", 0x1000), first_root("r1", 0x1000), second_root("r2", 0x1000);
  AliasRegion first("a1", shared, 0, 0x1000), second("a2", shared, 0, 0x1000);
  first_root.add(0, first);
  second_root.add(0, second);
  AddressSpace first_space("s1", first_root, lock), second_space("s2", second_root, lock),
      unconcerned("s3", first, lock);
  first.set_enabled(false);
  first.set_enabled(true);
  const auto before = std::pair(first_space.generation(), second_space.generation());
  ByteDevice a("a", 16), b("b", 16);
  {
    const MemoryTransaction transaction;
    shared.add(0, a.region);
    shared.add(16, b.region);
  }
  EXPECT_EQ(first_space.generation(), before.first + 1);
  EXPECT_EQ(second_space.generation(), before.second + 1);
}

TEST(MemoryTransaction, ChangesThatCancelOutAreNotTold) {
  MemoryWorld world;
  ByteDevice device("device", 16);
  world.root.add(0, device.region);
  ModelListener listener(world.space);
  listener.forget_counts();
  const auto generation = world.space.generation();
  {
    const MemoryTransaction transaction;
    device.region.set_enabled(false);
    device.region.set_offset(0x100);
    device.region.set_offset(0);
    device.region.set_enabled(true);
  }
  EXPECT_EQ(listener.begins, 0);
  EXPECT_EQ(world.space.generation(), generation);
}

TEST(MemoryTransaction, ARegionDestroyedInsideDoesNotAnswerAnyMore) {
  MemoryWorld world;
  auto mapped = std::make_unique<ByteDevice>("mapped", 16);
  auto removed = std::make_unique<ByteDevice>("removed", 16);
  world.root.add(0, mapped->region);
  world.root.add(0x100, removed->region);
  {
    const MachineLock::Guard guard(world.lock);
    const MemoryTransaction transaction;
    EXPECT_EQ(world.space.load(2, 1), 2U);
    mapped.reset();
    world.root.remove(removed->region);
    EXPECT_EQ(world.space.load(0x102, 1), 2U) << "alive, and visible until the end";
    removed.reset();
    EXPECT_EQ(world.space.load(2, 1), 0xffU);
    EXPECT_EQ(world.space.load(0x102, 1), 0xffU);
    world.space.store(2, 1, 0);
  }
  EXPECT_TRUE(world.space.view()->ranges().empty());
}

TEST(MemoryTransaction, SpaceDestroyedInsideIsForgotten) {
  MachineLock lock;
  ContainerRegion root("root", 0x1000);
  ByteDevice device("device", 16);
  const MemoryTransaction transaction;
  {
    AddressSpace space("short-lived", root, lock);
    root.add(0, device.region);
  }
}

TEST(MemoryTransaction, WhatAListenerChangesIsToldNext) {
  struct Reactor final : MemoryListener {
    void commit() override {
      ++commits;
      if (commits == 2) window->set_enabled(true);  // 1 was the replay
    }
    MemoryRegion* window = nullptr;
    int commits = 0;
  };
  MemoryWorld world;
  ByteDevice device("device", 16), window("window", 16);
  window.region.set_enabled(false);
  world.root.add(0x100, window.region);
  Reactor reactor;
  reactor.window = &window.region;
  world.space.add_listener(reactor);
  const ModelListener model(world.space);
  world.root.add(0, device.region);
  EXPECT_EQ(reactor.commits, 3);
  EXPECT_EQ(who(world.space, 0x100), "window");
  EXPECT_EQ(model.ranges.size(), 2U);
  world.space.remove_listener(reactor);
}

}  // namespace
}  // namespace machina
