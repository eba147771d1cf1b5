// Intel 6300ESB datasheet, chapter 16: the watchdog's two stages, its lock and its sequence.

#include "hw/watchdog/i6300esb.h"

#include <gtest/gtest.h>

#include "core/units.h"
#include "hw/pci-host/i440fx.h"
#include "tests/support/pci_config.h"

namespace machina::test {
namespace {

constexpr std::uint64_t kBar = 0xfe000000;
constexpr std::uint64_t kPreload1 = kBar, kPreload2 = kBar + 4, kIntStatus = kBar + 8, kReload = kBar + 12;
constexpr unsigned kConfig = 0x60, kLock = 0x68;

class I6300EsbTest : public testing::Test {
 protected:
  I6300EsbTest() {
    m.add<I440fxHost>("i440fx");
    chip = &m.add<I6300Esb>("watchdog", {{"addr", "4"}});
    m.start();
    set_up();
  }
  void set_up() {
    config.l(0x10, kBar);
    config.w(0x04, 2);
  }
  void write(std::uint64_t reg, std::uint32_t value) {
    m.write(kReload, 2, 0x80);
    m.write(kReload, 2, 0x86);
    m.write(reg, reg == kReload ? 2 : 4, value);
  }
  unsigned expiries() { return m.object().expiries; }
  bool intx() { return config.w(0x06) & 8; }
  /// The time of a preload at 1 kHz.
  static std::int64_t slow(std::int64_t preload) { return (preload << 15) * 30; }

  TestMachine m{2 << 20};
  PciConfig config{m, 4, 0};
  I6300Esb* chip = nullptr;
};

TEST_F(I6300EsbTest, IdentityAndReset) {
  EXPECT_EQ(config.l(0x00), 0x25ab8086U);
  EXPECT_EQ(config.l(0x08) >> 8, 0x088000U);
  EXPECT_EQ(m.read(kPreload1, 4), 0xfffffU);
  EXPECT_EQ(m.read(kPreload2, 4), 0xfffffU);
  EXPECT_EQ(m.read(kReload, 2), 0U);
  config.w(kConfig, 0xffff);
  EXPECT_EQ(config.w(kConfig), 0x27);
}

TEST_F(I6300EsbTest, TwoStagesOneAfterTheOther) {
  write(kPreload1, 100);
  write(kPreload2, 200);
  config.b(kLock, 2);
  m.step(slow(100) - 1);
  EXPECT_FALSE(intx());
  m.step(1);
  EXPECT_TRUE(intx());
  EXPECT_EQ(m.read(kIntStatus, 4), 1U);
  m.write(kIntStatus, 4, 1);
  EXPECT_FALSE(intx());
  EXPECT_EQ(expiries(), 0U);
  m.step(slow(200) - 1);
  EXPECT_EQ(expiries(), 0U);
  m.step(1);
  EXPECT_EQ(expiries(), 1U);
  EXPECT_EQ(m.read(kReload, 2), 0x200U);
  m.step(slow(10'000));
  EXPECT_EQ(expiries(), 1U) << "once";
}

TEST_F(I6300EsbTest, ReloadStartsTheFirstStageAgain) {
  write(kPreload1, 100);
  write(kPreload2, 1);
  config.b(kLock, 2);
  for (int i = 0; i < 10; ++i) {
    m.step(slow(100) - 1);
    write(kReload, 0x100);
  }
  EXPECT_FALSE(intx());
  m.write(kReload, 2, 0x100);  // without the sequence
  m.step(slow(101));
  EXPECT_EQ(expiries(), 1U);
}

TEST_F(I6300EsbTest, WritesNeedTheirSequenceEachTime) {
  m.write(kPreload1, 4, 5);
  EXPECT_EQ(m.read(kPreload1, 4), 0xfffffU);
  m.write(kReload, 2, 0x86);
  m.write(kReload, 2, 0x80);
  m.write(kPreload1, 4, 5);
  EXPECT_EQ(m.read(kPreload1, 4), 0xfffffU);
  write(kPreload1, 0xfff12345);
  EXPECT_EQ(m.read(kPreload1, 4), 0x12345U);
  m.write(kPreload2, 4, 5);
  EXPECT_EQ(m.read(kPreload2, 4), 0xfffffU) << "for one write";
}

TEST_F(I6300EsbTest, LockKeepsItRunning) {
  write(kPreload1, 1);
  write(kPreload2, 1);
  config.b(kLock, 3);
  config.b(kLock, 0);
  EXPECT_EQ(config.b(kLock), 3);
  m.step(slow(2));
  EXPECT_EQ(expiries(), 1U);
  m.reset();
  EXPECT_EQ(config.b(kLock), 0);
}

TEST_F(I6300EsbTest, NotEnabledItStands) {
  write(kPreload1, 10);
  write(kPreload2, 10);
  config.b(kLock, 2);
  m.step(slow(5));
  config.b(kLock, 0);
  m.step(slow(1000));
  write(kReload, 0x100);
  m.step(slow(1000));
  EXPECT_FALSE(intx());
  config.b(kLock, 2);
  m.step(slow(10));
  EXPECT_TRUE(intx()) << "from the beginning";
}

TEST_F(I6300EsbTest, ConfigurationChoosesClockInterruptAndOutput) {
  config.w(kConfig, 0x27);  // 1 us, no interrupt, no output
  write(kPreload1, 1000);
  write(kPreload2, 1000);
  config.b(kLock, 2);
  m.step(1000 * 32 * 30);
  EXPECT_FALSE(intx());
  m.step(1000 * 32 * 30);
  EXPECT_EQ(expiries(), 0U);
  EXPECT_EQ(m.read(kReload, 2), 0x200U) << "but it has timed out";
}

TEST_F(I6300EsbTest, FreeRunningHasTheSecondStageOnly) {
  write(kPreload1, 0xfffff);
  write(kPreload2, 100);
  config.b(kLock, 6);
  m.step(slow(1000));
  EXPECT_EQ(expiries(), 10U);
  EXPECT_FALSE(intx());
  write(kPreload2, 0);
  m.step(slow(100));
  const unsigned before = expiries();
  m.step(kNsPerSecond);
  EXPECT_LE(expiries() - before, 1001U) << "no flood";
}

TEST_F(I6300EsbTest, TimeoutSurvivesAResetUntilItIsCleared) {
  write(kPreload1, 1);
  write(kPreload2, 1);
  config.b(kLock, 2);
  m.step(slow(2));
  m.reset();
  set_up();
  EXPECT_EQ(m.read(kReload, 2), 0x200U);
  write(kReload, 0x200);
  EXPECT_EQ(m.read(kReload, 2), 0U);
  m.step(slow(0x200000));
  EXPECT_EQ(expiries(), 1U) << "reset has stopped it";
}

TEST_F(I6300EsbTest, PartsOfRegistersAreParts) {
  write(kPreload1, 0x12345);
  EXPECT_EQ(m.read(kPreload1, 2), 0x2345U);
  EXPECT_EQ(m.read(kPreload1 + 1, 1), 0x23U);
  EXPECT_EQ(m.read(kPreload1 + 2, 2), 0x1U);
  const auto unlock = [&] { m.write(kReload, 1, 0x80), m.write(kReload, 1, 0x86); };
  unlock();
  m.write(kPreload1, 2, 0x10);
  EXPECT_EQ(m.read(kPreload1, 4), 0x10010U) << "the other half stays";
  unlock();
  m.write(kPreload1 + 2, 1, 0);
  EXPECT_EQ(m.read(kPreload1, 4), 0x10U);
  config.b(kLock, 2);
  m.step(slow(0x10) - 1);
  unlock();
  m.write(kReload + 1, 1, 1);  // WDT_RELOAD in the byte that has it
  m.step(slow(0x10) - 1);
  EXPECT_FALSE(intx());
  m.step(1);
  EXPECT_TRUE(intx());
  m.write(kIntStatus + 1, 1, 1);  // not the byte with the status
  EXPECT_TRUE(intx());
  m.write(kReload + 1, 1, 0x80);  // nor the one with the sequence
  m.write(kReload + 1, 1, 0x86);
  m.write(kPreload2, 4, 5);
  EXPECT_EQ(m.read(kPreload2, 4), 0xfffffU);
}

}  // namespace
}  // namespace machina::test
