#include "core/memory/flat_view.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <random>

#include "core/error.h"
#include "core/units.h"
#include "tests/unit/core/memory/memory_world.h"

namespace machina {
namespace {

using test::ByteDevice;
using test::ModelListener;

constexpr std::uint64_t kTop = ~std::uint64_t{0};

std::string render(const MemoryRegion& root) { return FlatView::render(root).describe(); }

TEST(FlatView, HigherPriorityHidesLower) {
  ContainerRegion root("root", 0x1000);
  ByteDevice low("low", 0x100), high("high", 0x10), negative("negative", 0x1000);
  root.add(0, negative.region, -5);
  root.add(0x100, low.region, 0);
  root.add(0x140, high.region, 1);
  EXPECT_EQ(render(root),
            "0000000000000000-00000000000000ff i/o negative +0x0\n"
            "0000000000000100-000000000000013f i/o low +0x0\n"
            "0000000000000140-000000000000014f i/o high +0x0\n"
            "0000000000000150-00000000000001ff i/o low +0x50\n"
            "0000000000000200-0000000000000fff i/o negative +0x200\n");
}

TEST(FlatView, AmongEqualsTheLastAddedWins) {
  ContainerRegion root("root", 0x100);
  ByteDevice first("first", 0x20), second("second", 0x20);
  root.add(0, first.region);
  root.add(0x10, second.region);
  EXPECT_EQ(render(root),
            "0000000000000000-000000000000000f i/o first +0x0\n"
            "0000000000000010-000000000000002f i/o second +0x0\n");
}

// A priority counts among the children of one container only.
TEST(FlatView, PriorityOfAContainerCoversItsChildren) {
  ContainerRegion root("root", 0x100), pci("pci", 0x100);
  ByteDevice board("board", 0x10), bar("bar", 0x20);
  pci.add(0, bar.region, 100);
  root.add(0, pci, -1);
  root.add(0, board.region, 0);
  EXPECT_EQ(render(root),
            "0000000000000000-000000000000000f i/o board +0x0\n"
            "0000000000000010-000000000000001f i/o bar +0x10\n");
}

TEST(FlatView, ContainersAreTransparentAndClip) {
  ContainerRegion root("root", 0x100), inner("inner", 0x20);
  ByteDevice below("below", 0x100), child("child", 0x20);
  root.add(0, below.region, -1);
  root.add(0x80, inner);
  inner.add(0x10, child.region);
  EXPECT_EQ(render(root),
            "0000000000000000-000000000000008f i/o below +0x0\n"
            "0000000000000090-000000000000009f i/o child +0x0\n"
            "00000000000000a0-00000000000000ff i/o below +0xa0\n");
}

TEST(FlatView, AliasShowsAWindowClippedAtBothEnds) {
  ContainerRegion root("root", 0x1000), target("target", 0x100);
  ByteDevice device("device", 0x40);
  target.add(0x40, device.region);
  AliasRegion inside("inside", target, 0x50, 0x10), whole("whole", target, 0, 0x100),
      beyond("beyond", target, 0x70, 0x800);
  root.add(0, inside);
  root.add(0x100, whole);
  root.add(0x400, beyond);
  EXPECT_EQ(render(root),
            "0000000000000000-000000000000000f i/o device +0x10\n"
            "0000000000000140-000000000000017f i/o device +0x0\n"
            "0000000000000400-000000000000040f i/o device +0x30\n");
}

TEST(FlatView, AliasesNest) {
  ContainerRegion root("root", 0x1000);
  const auto block = RamBlock::create("block", 0x4000);
  RamRegion ram("ram", block);
  AliasRegion one("one", ram, 0x1000, 0x2000), two("two", one, 0x800, 0x400), three("three", two, 0x100, 0x1000);
  root.add(0x200, three);
  EXPECT_EQ(render(root), "0000000000000200-00000000000004ff ram ram +0x1900\n");
  const auto view = FlatView::render(root);
  EXPECT_EQ(view.ranges().at(0).host, block->host() + 0x1900);
  EXPECT_EQ(view.ranges().at(0).ram, block);
}

TEST(FlatView, AliasOfARegionThatIsMappedElsewhere) {
  ContainerRegion root("root", 0x1000), elsewhere("elsewhere", 0x1000);
  ByteDevice device("device", 0x10);
  elsewhere.add(0x500, device.region);
  AliasRegion alias("alias", device.region, 0, 0x10);
  root.add(0x20, alias);
  EXPECT_EQ(render(root), "0000000000000020-000000000000002f i/o device +0x0\n");
}

TEST(FlatView, DisabledTargetsAliasesAndContainersShowNothing) {
  ContainerRegion root("root", 0x100), container("container", 0x10);
  ByteDevice device("device", 0x10);
  AliasRegion alias("alias", container, 0, 0x10);
  container.add(0, device.region);
  root.add(0, alias);
  for (MemoryRegion* region : {static_cast<MemoryRegion*>(&device.region), static_cast<MemoryRegion*>(&container),
                               static_cast<MemoryRegion*>(&alias), static_cast<MemoryRegion*>(&root)}) {
    EXPECT_EQ(FlatView::render(root).ranges().size(), 1U);
    region->set_enabled(false);
    EXPECT_TRUE(FlatView::render(root).ranges().empty()) << region->name();
    region->set_enabled(true);
  }
}

TEST(FlatView, ReadonlyIsInheritedByRamAndNotByRegisters) {
  ContainerRegion root("root", 0x4000), inner("inner", 0x2000);
  const auto block = RamBlock::create("block", 0x1000);
  RamRegion ram("ram", block);
  ByteDevice device("device", 0x10);
  inner.add(0, ram);
  inner.add(0x1000, device.region);
  AliasRegion alias("alias", inner, 0, 0x2000);
  root.add(0, inner);
  root.add(0x2000, alias);
  alias.set_readonly(true);
  const auto view = FlatView::render(root);
  EXPECT_FALSE(view.find(0)->readonly);
  EXPECT_TRUE(view.find(0x2000)->readonly);
  EXPECT_FALSE(view.find(0x3000)->readonly);
  EXPECT_TRUE(RamRegion("rom", block, true).readonly());
}

TEST(FlatView, NeighboursOfOneBlockAreMerged) {
  ContainerRegion root("root", 0x10000);
  const auto block = RamBlock::create("block", 0x4000);
  RamRegion low("low", block, 0, 0x1000), high("high", block, 0x1000, 0x3000);
  root.add(0, low);
  root.add(0x1000, high);
  EXPECT_EQ(render(root), "0000000000000000-0000000000003fff ram low +0x0\n");
  high.set_readonly(true);
  EXPECT_EQ(FlatView::render(root).ranges().size(), 2U);
  high.set_readonly(false);
  high.set_dirty_log(true);
  EXPECT_EQ(FlatView::render(root).ranges().size(), 2U);
  high.set_dirty_log(false);
  high.set_offset(0x1001);
  EXPECT_EQ(FlatView::render(root).ranges().size(), 2U) << "a hole between";
  {
    const MemoryTransaction transaction;
    low.set_offset(0x4000);
    high.set_offset(0x1000);
  }
  EXPECT_EQ(FlatView::render(root).ranges().size(), 2U) << "neighbours, but not in the block";
}

TEST(FlatView, PiecesOfOneDeviceAreMergedToo) {
  ContainerRegion root("root", 0x100);
  ByteDevice device("device", 0x20), other("other", 0x20);
  AliasRegion first("first", device.region, 0, 0x10), second("second", device.region, 0x10, 0x10);
  root.add(0, first);
  root.add(0x10, second);
  root.add(0x20, other.region);
  EXPECT_EQ(render(root),
            "0000000000000000-000000000000001f i/o device +0x0\n"
            "0000000000000020-000000000000003f i/o other +0x0\n");
}

TEST(FlatView, TheTopOfTheSpaceIsPartOfIt) {
  ContainerRegion root("root", MemoryRegion::kWholeSpace);
  ByteDevice whole("whole", MemoryRegion::kWholeSpace), top("top", 0x10);
  root.add(0, whole.region, -1);
  EXPECT_EQ(render(root), "0000000000000000-ffffffffffffffff i/o whole +0x0\n");
  EXPECT_EQ(FlatView::render(root).ranges().at(0).size(), MemoryRegion::kWholeSpace);
  root.add(kTop - 15, top.region);
  EXPECT_EQ(render(root),
            "0000000000000000-ffffffffffffffef i/o whole +0x0\n"
            "fffffffffffffff0-ffffffffffffffff i/o top +0x0\n");
  const auto view = FlatView::render(root);
  EXPECT_EQ(view.find(kTop)->region, &top.region);
  EXPECT_EQ(view.find(0)->region, &whole.region);
  // Moved beyond the top, as a BAR can be: what sticks out is cut off, nothing wraps around to 0.
  top.region.set_offset(kTop - 3);
  EXPECT_EQ(render(root),
            "0000000000000000-fffffffffffffffb i/o whole +0x0\n"
            "fffffffffffffffc-ffffffffffffffff i/o top +0x0\n");
}

TEST(FlatView, AliasWindowsBeyondTheTopDoNotWrap) {
  ContainerRegion root("root", 0x1000), target("target", MemoryRegion::kWholeSpace);
  ByteDevice bottom("bottom", 0x10), top("top", 0x10);
  target.add(0, bottom.region);
  target.add(kTop - 15, top.region);
  AliasRegion alias("alias", target, kTop - 15, 0x100);
  root.add(0x10, alias);
  EXPECT_EQ(render(root), "0000000000000010-000000000000001f i/o top +0x0\n");
}

TEST(FlatView, EmptyRegionsShowNothing) {
  ContainerRegion root("root", 0x100);
  ByteDevice device("device", 0), other("other", 0x10);
  AliasRegion alias("alias", other.region, 0x10, 0x10);
  root.add(0, device.region);
  root.add(0, alias);
  EXPECT_TRUE(FlatView::render(root).ranges().empty());
  EXPECT_EQ(FlatView::render(root).find(0), nullptr);
}

TEST(FlatView, KnowsWhereNothingIs) {
  ContainerRegion root("root", MemoryRegion::kWholeSpace);
  ByteDevice device("device", 0x10);
  root.add(0x100, device.region);
  const auto view = FlatView::render(root);
  EXPECT_TRUE(view.is_empty(0, 0x100));
  EXPECT_FALSE(view.is_empty(0, 0x101));
  EXPECT_FALSE(view.is_empty(0x10f, 1));
  EXPECT_TRUE(view.is_empty(0x110, kTop));
  EXPECT_TRUE(view.is_empty(kTop, 8));
  EXPECT_FALSE(view.is_empty(0xff, 2));
}

TEST(FlatView, EventFdsAreFoundThroughAliasesAndClips) {
  ContainerRegion root("root", 0x1000);
  ByteDevice device("device", 0x20), over("over", 4);
  device.region.add_eventfd({.offset = 0x10, .width = 4, .fd = 7});
  device.region.add_eventfd({.offset = 0x12, .width = 2, .match = true, .value = 5, .fd = 8});
  AliasRegion alias("alias", device.region, 0x10, 0x10), cut("cut", device.region, 0, 0x12);
  root.add(0x100, device.region);
  root.add(0x200, alias);
  root.add(0x300, cut);
  const auto addresses = [&] {
    std::vector<std::pair<std::uint64_t, int>> found;
    const FlatView view = FlatView::render(root);
    for (const FlatEventFd& event : view.eventfds()) {
      found.emplace_back(event.address, event.event.fd);
    }
    return found;
  };
  using Found = std::vector<std::pair<std::uint64_t, int>>;
  EXPECT_EQ(addresses(), (Found{{0x110, 7}, {0x112, 8}, {0x200, 7}, {0x202, 8}})) << "none that is cut off";
  root.add(0x200, over.region, 1);
  EXPECT_EQ(addresses(), (Found{{0x110, 7}, {0x112, 8}})) << "none that is hidden";
  const FlatView view = FlatView::render(root);
  EXPECT_EQ(view.find_eventfd(0x110, 4, 99)->event.fd, 7);
  EXPECT_EQ(view.find_eventfd(0x110, 2, 99), nullptr);
  EXPECT_EQ(view.find_eventfd(0x112, 2, 5)->event.fd, 8);
  EXPECT_EQ(view.find_eventfd(0x112, 2, 6), nullptr);
  EXPECT_EQ(view.find_eventfd(0x10f, 4, 99), nullptr);
}

// The worked example of docs/memory.md: keep both the same.
TEST(FlatView, WorkedExampleOfTheDocumentation) {
  const auto block = RamBlock::create("pc.ram", 4 * GiB + 512 * MiB);
  const auto firmware = RamBlock::create("pc.bios", 256 * KiB);
  RamRegion ram("pc.ram", block);
  RamRegion bios("pc.bios", firmware, true);
  ContainerRegion system("system", MemoryRegion::kWholeSpace), pci("pci", MemoryRegion::kWholeSpace);
  AliasRegion below_4g("ram-below-4g", ram, 0, 3584 * MiB);
  AliasRegion above_4g("ram-above-4g", ram, 3584 * MiB, 1 * GiB);
  AliasRegion isa_bios("isa-bios", bios, 128 * KiB, 128 * KiB);
  AliasRegion segment_ram("pam-f0000-ram", ram, 0xf0000, 64 * KiB);
  AliasRegion segment_pci("pam-f0000-pci", pci, 0xf0000, 64 * KiB);
  ByteDevice vga("vga-lowmem", 128 * KiB);

  system.add(0, below_4g);
  system.add(4 * GiB, above_4g);
  system.add(0, pci, -1);
  pci.add(0xa0000, vga.region, 1);
  pci.add(4 * GiB - 256 * KiB, bios);
  pci.add(0xe0000, isa_bios, 1);
  AliasRegion smram("smram-region", pci, 0xa0000, 128 * KiB);
  system.add(0xa0000, smram, 1);
  system.add(0xf0000, segment_ram, 1);
  system.add(0xf0000, segment_pci, 1);
  segment_ram.set_readonly(true);

  segment_ram.set_enabled(false);  // PAM0 = 00b: reads and writes go to PCI
  EXPECT_EQ(render(system),
            "0000000000000000-000000000009ffff ram pc.ram +0x0\n"
            "00000000000a0000-00000000000bffff i/o vga-lowmem +0x0\n"
            "00000000000c0000-00000000000effff ram pc.ram +0xc0000\n"
            "00000000000f0000-00000000000fffff rom pc.bios +0x30000\n"
            "0000000000100000-00000000dfffffff ram pc.ram +0x100000\n"
            "00000000fffc0000-00000000ffffffff rom pc.bios +0x0\n"
            "0000000100000000-000000013fffffff ram pc.ram +0xe0000000\n");

  {
    const MemoryTransaction transaction;  // PAM0 = 01b: reads from RAM, writes are dropped
    segment_pci.set_enabled(false);
    segment_ram.set_enabled(true);
  }
  EXPECT_EQ(render(system),
            "0000000000000000-000000000009ffff ram pc.ram +0x0\n"
            "00000000000a0000-00000000000bffff i/o vga-lowmem +0x0\n"
            "00000000000c0000-00000000000effff ram pc.ram +0xc0000\n"
            "00000000000f0000-00000000000fffff rom pc.ram +0xf0000\n"
            "0000000000100000-00000000dfffffff ram pc.ram +0x100000\n"
            "00000000fffc0000-00000000ffffffff rom pc.bios +0x0\n"
            "0000000100000000-000000013fffffff ram pc.ram +0xe0000000\n");

  segment_ram.set_readonly(false);  // PAM0 = 11b: RAM
  EXPECT_EQ(render(system),
            "0000000000000000-000000000009ffff ram pc.ram +0x0\n"
            "00000000000a0000-00000000000bffff i/o vga-lowmem +0x0\n"
            "00000000000c0000-00000000dfffffff ram pc.ram +0xc0000\n"
            "00000000fffc0000-00000000ffffffff rom pc.bios +0x0\n"
            "0000000100000000-000000013fffffff ram pc.ram +0xe0000000\n");
}

// --- a naive renderer, one byte at a time, as the referee
// -------------------------------------------------------------

using Wide = __int128;

struct Byte {
  const MemoryRegion* leaf;
  Offset offset;
  bool readonly;
  bool dirty_log;
};

/// Random graphs of containers, aliases, RAM and registers, at both ends of the space.
class RandomGraph {
 public:
  explicit RandomGraph(unsigned seed) : random_(seed) {
    for (int i = 0; i < 4; ++i) {
      containers_.push_back(std::make_unique<ContainerRegion>("c" + std::to_string(i), some_size()));
      regions_.push_back(containers_.back().get());
    }
    for (int i = 0; i < 4; ++i) {
      const std::uint64_t size = pick(1, 64);
      rams_.push_back(std::make_unique<RamRegion>("m" + std::to_string(i), block_, pick(0, 64), size));
      regions_.push_back(rams_.back().get());
    }
    for (int i = 0; i < 4; ++i) {
      devices_.push_back(std::make_unique<ByteDevice>("d" + std::to_string(i), pick(0, 40)));
      regions_.push_back(&devices_.back()->region);
    }
    for (int i = 0; i < 6; ++i) {
      MemoryRegion& target = *regions_[pick(0, regions_.size() - 1)];
      aliases_.push_back(std::make_unique<AliasRegion>("a" + std::to_string(i), target, some_offset(), some_size()));
      regions_.push_back(aliases_.back().get());
    }
    for (MemoryRegion* region : regions_) toggle_mapping(*region);
  }

  std::optional<Byte> resolve(const MemoryRegion& region, Wide offset, bool readonly = false) const {
    const Wide size = region.size() == MemoryRegion::kWholeSpace ? Wide{1} << 64 : Wide{region.size()};
    if (!region.enabled() || offset < 0 || offset >= size) return {};
    readonly = readonly || region.readonly();
    if (region.kind() == MemoryRegion::Kind::Alias) {
      const auto& alias = static_cast<const AliasRegion&>(region);
      return resolve(alias.target(), offset + alias.target_offset(), readonly);
    }
    if (region.kind() == MemoryRegion::Kind::Container) {
      // By the book of memory_region.h, from our own record of who was added when.
      std::vector<std::pair<int, std::size_t>> order;
      for (std::size_t i = 0; i < added_.size(); ++i) {
        if (added_[i]->container() == &region) order.emplace_back(added_[i]->priority(), i);
      }
      std::sort(order.rbegin(), order.rend());
      for (const auto& [priority, i] : order) {
        if (const auto byte = resolve(*added_[i], offset - added_[i]->offset(), readonly)) return byte;
      }
      return {};
    }
    if (region.kind() == MemoryRegion::Kind::Io) return Byte{&region, static_cast<Offset>(offset), false, false};
    return Byte{&region, static_cast<Offset>(offset), readonly, static_cast<const RamRegion&>(region).dirty_log()};
  }

  void compare(const FlatView& view) const {
    for (std::uint64_t i = 0; i < 400; ++i) {
      compare_at(view, i);
      compare_at(view, kTop - i);
    }
    for (std::size_t i = 1; i < view.ranges().size(); ++i) {
      const FlatRange& before = view.ranges()[i - 1];
      const FlatRange& after = view.ranges()[i];
      ASSERT_LT(before.last, after.first);
      const bool mergeable = before.last + 1 == after.first && before.is_ram() && after.is_ram() &&
                             before.ram == after.ram && before.host + before.size() == after.host &&
                             before.readonly == after.readonly && before.dirty_log == after.dirty_log;
      ASSERT_FALSE(mergeable);
    }
  }

  void change_something() {
    MemoryRegion& region = *regions_[pick(0, regions_.size() - 1)];
    switch (pick(0, 9)) {
      case 0:
      case 1:
        toggle_mapping(region);
        break;
      case 2:
      case 3:
        region.set_enabled(true);
        break;
      case 4:
        region.set_enabled(!region.enabled());
        break;
      case 5:
        region.set_offset(some_offset());
        break;
      case 6:
        if (region.kind() != MemoryRegion::Kind::Ram) region.set_size(some_size());
        break;
      case 7:
        region.set_readonly(!region.readonly());
        break;
      case 8: {
        AliasRegion& alias = *aliases_[pick(0, aliases_.size() - 1)];
        alias.set_target_offset(some_offset());
        break;
      }
      default: {
        RamRegion& ram = *rams_[pick(0, rams_.size() - 1)];
        ram.set_dirty_log(!ram.dirty_log());
      }
    }
  }

  std::uint64_t pick(std::uint64_t low, std::uint64_t high) {
    return std::uniform_int_distribution<std::uint64_t>(low, high)(random_);
  }

  ContainerRegion root{"root", MemoryRegion::kWholeSpace};

 private:
  std::uint64_t some_offset() {
    const std::uint64_t near = pick(0, 200);
    return pick(0, 9) == 0 ? kTop - near : near;
  }
  std::uint64_t some_size() { return pick(0, 9) == 0 ? MemoryRegion::kWholeSpace : pick(0, 300); }

  void toggle_mapping(MemoryRegion& region) {
    if (region.container() != nullptr) {
      region.container()->remove(region);
      std::erase(added_, &region);
      return;
    }
    ContainerRegion& into = pick(0, 1) == 0 ? root : *containers_[pick(0, containers_.size() - 1)];
    try {
      into.add(some_offset(), region, static_cast<int>(pick(0, 4)) - 2);
      added_.push_back(&region);
    } catch (const Error&) {
      // a cycle, or beyond the top: refused, and nothing may have changed
      ASSERT_EQ(region.container(), nullptr);
    }
  }

  void compare_at(const FlatView& view, std::uint64_t address) const {
    const auto expected = resolve(root, address);
    const FlatRange* range = view.find(address);
    ASSERT_EQ(range != nullptr, expected.has_value()) << std::hex << address << "\n" << view.describe();
    if (range == nullptr) return;
    const Offset offset = range->offset + (address - range->first);
    if (expected->leaf->kind() == MemoryRegion::Kind::Io) {
      ASSERT_EQ(range->region, expected->leaf);
      ASSERT_EQ(offset, expected->offset);
      return;
    }
    const auto& ram = static_cast<const RamRegion&>(*expected->leaf);
    ASSERT_EQ(range->host + (address - range->first), block_->host() + ram.block_offset() + expected->offset);
    ASSERT_EQ(range->readonly, expected->readonly);
    ASSERT_EQ(range->dirty_log, expected->dirty_log);
  }

  std::mt19937 random_;
  std::shared_ptr<RamBlock> block_ = RamBlock::create("block", 4096);
  std::vector<std::unique_ptr<ContainerRegion>> containers_;
  std::vector<std::unique_ptr<RamRegion>> rams_;
  std::vector<std::unique_ptr<ByteDevice>> devices_;
  std::vector<std::unique_ptr<AliasRegion>> aliases_;
  std::vector<MemoryRegion*> regions_;
  std::vector<MemoryRegion*> added_;  // oldest first
};

TEST(FlatView, RandomGraphsLookAsRenderedByteByByte) {
  std::size_t shown = 0;
  for (unsigned seed = 0; seed < 25; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomGraph graph(seed);
    MachineLock lock;
    AddressSpace space("memory", graph.root, lock);
    const ModelListener model(space);  // checks what is told against the view, and for overlaps
    for (int step = 0; step < 60; ++step) {
      {
        const MemoryTransaction transaction;
        for (std::uint64_t changes = graph.pick(1, 4); changes > 0; --changes) graph.change_something();
      }
      const auto view = space.view();
      graph.compare(*view);
      model.expect_as(*view);
      shown += view->ranges().size();
      if (testing::Test::HasFatalFailure() || testing::Test::HasNonfatalFailure()) return;
    }
  }
  EXPECT_GT(shown, 3000U) << "the graphs are not empty";
}

}  // namespace
}  // namespace machina
