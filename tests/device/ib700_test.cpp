// The IB700's watchdog: ports 441h and 443h, and its table of times.

#include "hw/watchdog/ib700.h"

#include <gtest/gtest.h>

#include "core/units.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

class Ib700Test : public testing::Test {
 protected:
  Ib700Test() {
    m.add_isa_bus();
    m.add<Ib700>("watchdog");
    m.start();
  }
  unsigned expiries() { return m.object().expiries; }
  TestMachine m;
};

TEST_F(Ib700Test, TimesAreThoseOfItsTable) {
  for (unsigned value = 0; value < 16; ++value) {
    const unsigned before = expiries();
    const std::int64_t seconds = 30 - 2 * static_cast<int>(value);
    m.outb(0x443, static_cast<std::uint8_t>(value));
    if (seconds > 0) m.step(seconds * kNsPerSecond - 1);
    EXPECT_EQ(expiries(), before) << value;
    m.step(1);
    EXPECT_EQ(expiries(), before + 1) << value;
    m.step(100 * kNsPerSecond);
    EXPECT_EQ(expiries(), before + 1) << "once";
  }
}

TEST_F(Ib700Test, FeedingStartsItAgain) {
  m.outb(0x443, 0x0e);  // 2 s
  for (int i = 0; i < 10; ++i) {
    m.step(1'999'999'999);
    m.outb(0x443, 0xfe);  // the high digit says nothing
  }
  EXPECT_EQ(expiries(), 0U);
  m.step(2 * kNsPerSecond);
  EXPECT_EQ(expiries(), 1U);
}

TEST_F(Ib700Test, AnyWriteToTheOtherPortStopsIt) {
  m.outb(0x443, 0x0e);
  m.step(kNsPerSecond);
  m.outb(0x441, 0x55);
  m.step(100 * kNsPerSecond);
  EXPECT_EQ(expiries(), 0U);
}

TEST_F(Ib700Test, ResetStopsIt) {
  m.outb(0x443, 0x0e);
  m.reset();
  m.step(100 * kNsPerSecond);
  EXPECT_EQ(expiries(), 0U);
}

TEST_F(Ib700Test, PortsAreWriteOnlyAndAlone) {
  m.outb(0x443, 0);
  EXPECT_EQ(m.inb(0x443), 0xff);
  EXPECT_EQ(m.inb(0x441), 0xff);
  m.outb(0x442, 0x0f);
  m.outb(0x440, 0x0f);
  m.step(kNsPerSecond);
  EXPECT_EQ(expiries(), 0U);
}

}  // namespace
}  // namespace machina::test
