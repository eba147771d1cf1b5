#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/unit/core/memory/memory_world.h"

namespace machina {
namespace {

using test::ByteDevice;
using Access = ByteDevice::Access;

std::uint64_t ones(Width width) { return ~std::uint64_t{0} >> (64 - 8 * width); }

/// The value of a ByteDevice nobody wrote to.
std::uint64_t pattern(Offset offset, Width width) {
  std::uint64_t value = 0;
  for (Width i = 0; i < width; ++i) value |= ((offset + i) & 0xff) << (8 * i);
  return value;
}

struct WidthCase {
  Widths widths;
  Offset offset;
  Width width;
};

std::vector<WidthCase> every_combination() {
  std::vector<WidthCase> cases;
  for (const Width min : {1U, 2U, 4U, 8U}) {
    for (const Width max : {1U, 2U, 4U, 8U}) {
      if (min > max) continue;
      for (const bool unaligned : {false, true}) {
        for (const Width width : {1U, 2U, 4U, 8U}) {
          for (Offset offset = 0; offset + width <= 32; ++offset)
            cases.push_back({{min, max, unaligned}, offset, width});
        }
      }
    }
  }
  return cases;
}

TEST(IoRegion, ReadsOfEachWidthGiveTheBytesAskedFor) {
  for (const auto& [widths, offset, width] : every_combination()) {
    ByteDevice device("d", 32, widths);
    const IoResult answer = device.region.read(offset, width);
    ASSERT_TRUE(answer.ok());
    ASSERT_EQ(answer.value(), pattern(offset, width))
        << widths.min << ".." << widths.max << " width " << width << " at " << offset;
    for (const Access& access : device.log) {
      ASSERT_GE(access.width, widths.min);
      ASSERT_LE(access.width, widths.max);
      if (!widths.unaligned) {
        ASSERT_EQ(access.offset % access.width, 0U);
      }
    }
  }
}

// The handler is given accesses it implements, each byte once, in ascending order; only bytes of a register that is
// wider than what is left of the access are refused.
TEST(IoRegion, WritesOfEachWidthReachTheBytesOrAreRefused) {
  constexpr std::uint64_t kValue = 0x8877665544332211;
  for (const auto& [widths, offset, width] : every_combination()) {
    ByteDevice device("d", 32, widths);
    const IoResult answer = device.region.write(offset, width, kValue);
    Offset next = offset;
    unsigned written = 0;
    for (const Access& access : device.log) {
      ASSERT_TRUE(access.write);
      ASSERT_GE(access.offset, next);
      next = access.offset + access.width;
      written += access.width;
      ASSERT_GE(access.width, widths.min);
      ASSERT_LE(access.width, widths.max);
      if (!widths.unaligned) {
        ASSERT_EQ(access.offset % access.width, 0U);
      }
      ASSERT_EQ(access.value, (kValue >> (8 * (access.offset - offset))) & ones(access.width));
    }
    ASSERT_LE(next, offset + width);
    if (widths.min == 1) {
      ASSERT_EQ(written, width);
    }
    if (width >= widths.min && offset % width == 0) {
      ASSERT_EQ(written, width);
    }
    if (width < widths.min) {
      ASSERT_EQ(written, 0U);
    }
    ASSERT_EQ(answer.status(), written == width ? IoStatus::Ok : IoStatus::BadSize)
        << widths.min << ".." << widths.max << " width " << width << " at " << offset;
  }
}

TEST(IoRegion, WideAccessIsSplitLowestAddressFirst) {
  ByteDevice device("pit", 4, Widths::only(1));
  EXPECT_EQ(device.region.read(0, 4).value(), 0x03020100U);
  EXPECT_EQ(device.log, (std::vector<Access>{{false, 0, 1, 0}, {false, 1, 1, 0}, {false, 2, 1, 0}, {false, 3, 1, 0}}));
  device.log.clear();
  EXPECT_TRUE(device.region.write(1, 2, 0xbbaa).ok());
  EXPECT_EQ(device.log, (std::vector<Access>{{true, 1, 1, 0xaa}, {true, 2, 1, 0xbb}}));
}

TEST(IoRegion, UnalignedAccessIsSplitIntoAlignedParts) {
  ByteDevice device("d", 16, {1, 4, false});
  EXPECT_EQ(device.region.read(1, 4).value(), 0x04030201U);
  EXPECT_EQ(device.log, (std::vector<Access>{{false, 1, 1, 0}, {false, 2, 2, 0}, {false, 4, 1, 0}}));
}

TEST(IoRegion, NarrowReadIsCutOutOfARegister) {
  ByteDevice device("ioapic", 32, Widths::only(4));
  EXPECT_EQ(device.region.read(6, 1).value(), 6U);
  EXPECT_EQ(device.log, (std::vector<Access>{{false, 4, 4, 0}}));
  device.log.clear();
  EXPECT_EQ(device.region.read(3, 2).value(), 0x0403U);  // across two registers
  EXPECT_EQ(device.log, (std::vector<Access>{{false, 0, 4, 0}, {false, 4, 4, 0}}));
}

TEST(IoRegion, RegisterThatIsCutOffByTheEndIsRefused) {
  ByteDevice device("odd", 6, Widths::only(4));
  const IoResult answer = device.region.read(4, 2);
  EXPECT_EQ(answer.status(), IoStatus::BadSize);
  EXPECT_EQ(answer.value(), 0xffffU);
  EXPECT_TRUE(device.log.empty());
}

TEST(IoRegion, RefusedPartsReadAsOnesAndTheOthersAsTheyAre) {
  IoRegion region(
      "d", 4, Widths::only(1),
      [](Offset offset, Width) -> IoResult {
        if (offset == 1) return IoStatus::BadRegister;
        if (offset == 2) return IoStatus::NoResponse;
        return std::uint64_t{0x10} + offset;
      },
      nullptr);
  const IoResult answer = region.read(0, 4);
  EXPECT_EQ(answer.value(), 0x13ffff10U);
  EXPECT_EQ(answer.status(), IoStatus::BadRegister) << "the first refusal is told";
  EXPECT_EQ(region.write(0, 1, 0).status(), IoStatus::NoResponse) << "no handler, no answer";
}

TEST(IoRegion, HandlerValuesAreCutToTheWidth) {
  std::uint64_t written = 0;
  IoRegion region(
      "d", 8, {1, 8, false}, [](Offset, Width) { return IoResult(0x1122334455667788U); },
      [&](Offset, Width, std::uint64_t value) { return written = value, io_ok(); });
  EXPECT_EQ(region.read(0, 1).value(), 0x88U);
  EXPECT_EQ(region.read(0, 4).value(), 0x55667788U);
  EXPECT_EQ(region.read(0, 8).value(), 0x1122334455667788U);
  EXPECT_TRUE(region.write(0, 2, 0xaabbccdd).ok());
  EXPECT_EQ(written, 0xccddU);
}

TEST(IoRegion, NothingAnswersBeyondTheEnd) {
  ByteDevice device("d", 4);
  for (const auto& [offset, width] :
       {std::pair<Offset, Width>{4, 1}, {3, 2}, {0, 8}, {~Offset{0}, 1}, {~Offset{0}, 8}}) {
    EXPECT_EQ(device.region.read(offset, width).status(), IoStatus::NoResponse);
    EXPECT_EQ(device.region.read(offset, width).value(), ones(width));
    EXPECT_EQ(device.region.write(offset, width, 0).status(), IoStatus::NoResponse);
  }
  EXPECT_TRUE(device.log.empty());

  ByteDevice whole("whole", MemoryRegion::kWholeSpace);
  EXPECT_EQ(whole.region.read(~Offset{0}, 1).value(), 0xffU);
  EXPECT_TRUE(whole.region.read(~Offset{0}, 1).ok());
  EXPECT_EQ(whole.region.read(~Offset{0}, 2).status(), IoStatus::NoResponse);
}

TEST(IoRegion, ReachingItselfIsRefused) {
  test::MemoryWorld world;
  IoResult inner = io_ok();
  IoRegion* self = nullptr;
  int calls = 0;
  IoRegion region(
      "dma", 8, Widths::only(1),
      [&](Offset, Width) -> IoResult {
        ++calls;
        inner = self->read(0, 1);
        EXPECT_EQ(self->write(0, 1, 0).status(), IoStatus::NoResponse);
        EXPECT_EQ(world.space.load(0x1000, 1), 0xffU);
        return 5;
      },
      nullptr);
  self = &region;
  world.root.add(0x1000, region);
  EXPECT_EQ(world.space.load(0x1000, 1), 5U);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(inner.status(), IoStatus::NoResponse);
  EXPECT_EQ(inner.value(), 0xffU);
  EXPECT_EQ(region.read(0, 1).value(), 5U) << "free again afterwards";
}

TEST(IoRegion, AHandlerThatThrowsLeavesItFree) {
  IoRegion region(
      "d", 1, Widths::only(1), [](Offset offset, Width) -> IoResult { return offset == 0 ? throw 1 : IoResult(0U); },
      nullptr);
  EXPECT_THROW((void)region.read(0, 1), int);
  EXPECT_THROW((void)region.read(0, 1), int) << "not refused as busy";
}

TEST(IoRegion, SenselessWidthsAreAnError) {
  EXPECT_THROW(IoRegion("d", 4, Widths{0, 4}, nullptr, nullptr), Error);
  EXPECT_THROW(IoRegion("d", 4, Widths{1, 3}, nullptr, nullptr), Error);
  EXPECT_THROW(IoRegion("d", 4, Widths{4, 2}, nullptr, nullptr), Error);
  EXPECT_THROW(IoRegion("d", 4, Widths{1, 16}, nullptr, nullptr), Error);
}

TEST(IoRegion, EventFdsMustFitAndBeNew) {
  ByteDevice device("d", 4);
  device.region.add_eventfd({.offset = 2, .width = 2, .fd = 3});
  EXPECT_THROW(device.region.add_eventfd({.offset = 2, .width = 2, .fd = 3}), Error);
  EXPECT_THROW(device.region.add_eventfd({.offset = 3, .width = 2, .fd = 3}), Error);
  EXPECT_THROW(device.region.add_eventfd({.offset = 4, .width = 0, .fd = 3}), Error);
  device.region.remove_eventfd({.offset = 2, .width = 2, .fd = 4});
  EXPECT_EQ(device.region.eventfds().size(), 1U);
  device.region.remove_eventfd({.offset = 2, .width = 2, .fd = 3});
  EXPECT_TRUE(device.region.eventfds().empty());
}

}  // namespace
}  // namespace machina
