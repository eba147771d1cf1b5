// From the Intel SDM vol. 3A (325384-083), 11.5.4.

#include "tests/device/apic_fixture.h"

namespace machina::test {
namespace {

using namespace apic;  // NOLINT(google-build-using-namespace): the chip's own register names

class ApicTimerTest : public ApicTest {};

TEST_F(ApicTimerTest, OneShotTimer) {
  start();
  put(apic(), TimerDivide, 0x3);  // by 16
  put(apic(), LvtTimer, 0x40);
  put(apic(), TimerInitial, 1000);
  EXPECT_EQ(get(apic(), TimerCurrent), 1000U);
  machine_.step(16 * 400);
  EXPECT_EQ(get(apic(), TimerCurrent), 600U);
  machine_.step(16 * 600 - 1);
  EXPECT_EQ(get(apic(), TimerCurrent), 1U);
  EXPECT_FALSE(cpus_[0].intr);
  machine_.step(1);
  EXPECT_EQ(get(apic(), TimerCurrent), 0U);
  EXPECT_EQ(apic().acknowledge(), 0x40);
  eoi();
  machine_.step(1'000'000);
  EXPECT_FALSE(cpus_[0].intr);
  EXPECT_EQ(get(apic(), TimerInitial), 1000U);
}

TEST_F(ApicTimerTest, DividersOfTheTimer) {
  start();
  const std::pair<std::uint32_t, unsigned> dividers[] = {{0x0, 2},  {0x1, 4},  {0x2, 8},   {0x3, 16},
                                                         {0x8, 32}, {0x9, 64}, {0xa, 128}, {0xb, 1}};
  for (const auto& [code, divider] : dividers) {
    put(apic(), TimerDivide, code);
    put(apic(), TimerInitial, 1'000'000);
    machine_.step(1280);
    EXPECT_EQ(get(apic(), TimerCurrent), 1'000'000 - 1280 / divider) << divider;
  }
}

TEST_F(ApicTimerTest, DividerChangesOnTheRun) {
  start();
  put(apic(), TimerDivide, 0x3);
  put(apic(), LvtTimer, 0x40);
  put(apic(), TimerInitial, 1000);
  machine_.step(16 * 500);
  put(apic(), TimerDivide, 0xb);
  EXPECT_EQ(get(apic(), TimerCurrent), 500U);
  machine_.step(499);
  EXPECT_FALSE(cpus_[0].intr);
  machine_.step(1);
  EXPECT_TRUE(cpus_[0].intr);
}

TEST_F(ApicTimerTest, ADividerDoesNotReviveACountThatIsOver) {
  start();
  put(apic(), TimerDivide, 0xb);
  put(apic(), LvtTimer, 0x40);
  put(apic(), TimerInitial, 1000);
  machine_.step(1500);
  EXPECT_EQ(apic().acknowledge(), 0x40);
  eoi();
  put(apic(), TimerDivide, 0xa);  // by 128: 1000 counts would last until 128000
  EXPECT_EQ(get(apic(), TimerCurrent), 0U);
  machine_.step(1'000'000);
  EXPECT_FALSE(cpus_[0].intr);
}

TEST_F(ApicTimerTest, ModeChangesOnTheRun) {
  start();
  put(apic(), TimerDivide, 0xb);
  put(apic(), LvtTimer, 0x20040);
  put(apic(), TimerInitial, 20'000);
  machine_.step(46'000);  // in the third period
  EXPECT_EQ(apic().acknowledge(), 0x40);
  eoi();
  put(apic(), LvtTimer, 0x40);  // one shot: what is being counted is the last
  EXPECT_EQ(get(apic(), TimerCurrent), 14'000U);
  machine_.step(13'999);
  EXPECT_FALSE(cpus_[0].intr);
  machine_.step(1);
  EXPECT_EQ(apic().acknowledge(), 0x40);
  eoi();
  machine_.step(100'000);
  EXPECT_FALSE(cpus_[0].intr);
  EXPECT_EQ(get(apic(), TimerCurrent), 0U);
  put(apic(), TimerInitial, 20'000);
  machine_.step(8'000);
  put(apic(), LvtTimer, 0x20040);  // periodic: it will be loaded again
  EXPECT_EQ(get(apic(), TimerCurrent), 12'000U);
  for (const std::int64_t step : {12'000, 20'000, 20'000}) {
    EXPECT_EQ(machine_.step_to_next_timer(), step);
    EXPECT_EQ(apic().acknowledge(), 0x40);
    eoi();
  }
}

TEST_F(ApicTimerTest, ACountThatIsOverStaysSoInPeriodicMode) {
  start();
  put(apic(), TimerDivide, 0xb);
  put(apic(), LvtTimer, 0x40);
  put(apic(), TimerInitial, 20'000);
  machine_.step(20'000);
  EXPECT_EQ(apic().acknowledge(), 0x40);
  eoi();
  put(apic(), LvtTimer, 0x20040);
  EXPECT_EQ(get(apic(), TimerCurrent), 0U);
  EXPECT_EQ(get(apic(), TimerInitial), 20'000U);
  machine_.step(100'000);
  EXPECT_EQ(get(apic(), TimerCurrent), 0U);
  EXPECT_FALSE(cpus_[0].intr);
  const ApicPage page = apic().registers();  // a saved state says it, too
  apic().set_registers(page);
  EXPECT_EQ(get(apic(), TimerCurrent), 0U);
  put(apic(), TimerInitial, 20'000);
  machine_.step(25'000);
  EXPECT_EQ(apic().acknowledge(), 0x40);
  EXPECT_EQ(get(apic(), TimerCurrent), 15'000U);
}

TEST_F(ApicTimerTest, PeriodicTimerDoesNotDrift) {
  start();
  put(apic(), TimerDivide, 0xb);
  put(apic(), LvtTimer, 0x20040);
  put(apic(), TimerInitial, 1'000'003);
  unsigned taken = 0;
  const std::int64_t begin = machine_.now();
  while (machine_.now() < begin + kNsPerSecond) {
    const std::int64_t step = machine_.step_to_next_timer();
    ASSERT_EQ(step, 1'000'003);
    ASSERT_EQ(get(apic(), TimerCurrent), 1'000'003U) << "loaded again";
    ASSERT_EQ(apic().acknowledge(), 0x40);
    eoi();
    ++taken;
  }
  EXPECT_EQ(taken, 1000U);
  put(apic(), TimerInitial, 0);
  EXPECT_EQ(machine_.step_to_next_timer(), 0) << "stopped";
  EXPECT_EQ(get(apic(), TimerCurrent), 0U);
}

TEST_F(ApicTimerTest, FrequencyIsAProperty) {
  start(1, {{"frequency", "100000000"}});
  put(apic(), TimerDivide, 0xb);
  put(apic(), TimerInitial, 1000);
  machine_.step(5000);
  EXPECT_EQ(get(apic(), TimerCurrent), 500U);
}

TEST_F(ApicTimerTest, TinyPeriodCannotStopTheClock) {
  start();
  put(apic(), TimerDivide, 0xb);
  put(apic(), LvtTimer, 0x20040);
  put(apic(), TimerInitial, 1);
  machine_.step(kNsPerSecond);  // returns at all: at most one tick each kMinPeriodNs
  EXPECT_EQ(apic().acknowledge(), 0x40);
}

TEST_F(ApicTimerTest, MaskedTimerCountsSilently) {
  start();
  put(apic(), TimerDivide, 0xb);
  put(apic(), LvtTimer, 0x30040);
  put(apic(), TimerInitial, 20'000);
  EXPECT_EQ(machine_.step_to_next_timer(), 0) << "and costs nothing";
  machine_.step(108'000);
  EXPECT_FALSE(cpus_[0].intr);
  EXPECT_EQ(get(apic(), TimerCurrent), 12'000U);
  put(apic(), LvtTimer, 0x20040);
  EXPECT_FALSE(cpus_[0].intr) << "what expired behind the mask is lost";
  EXPECT_EQ(machine_.step_to_next_timer(), 12'000);
  EXPECT_EQ(apic().acknowledge(), 0x40);
  eoi();
  put(apic(), LvtTimer, 0x10040);  // one shot, masked
  put(apic(), TimerInitial, 100);
  machine_.step(200);
  put(apic(), LvtTimer, 0x40);
  machine_.step(1000);
  EXPECT_FALSE(cpus_[0].intr);
}

TEST_F(ApicTimerTest, ADeadlineFollowsTheTsc) {
  start();
  put(apic(), LvtTimer, 0x40040);
  EXPECT_TRUE(apic().msr_write(0x6e0, cpus_[0].apic_tsc() + 5'000'000));  // 2 ms
  cpus_[0].tsc_offset = 2'500'000;
  apic().tsc_changed();
  machine_.step(999'999);
  EXPECT_FALSE(cpus_[0].intr);
  machine_.step(1);
  EXPECT_EQ(apic().acknowledge(), 0x40);
  eoi();
  EXPECT_TRUE(apic().msr_write(0x6e0, cpus_[0].apic_tsc() + 2'500'000));
  cpus_[0].tsc_offset += 2'500'000;
  apic().tsc_changed();
  EXPECT_EQ(apic().acknowledge(), 0x40) << "reached by the write";
}

TEST_F(ApicTimerTest, TscDeadline) {
  start();
  std::uint64_t value = 1;
  EXPECT_TRUE(apic().msr_write(0x6e0, 12345));
  EXPECT_TRUE(apic().msr_read(0x6e0, value));
  EXPECT_EQ(value, 0U) << "not in this mode";
  put(apic(), LvtTimer, 0x40040);
  put(apic(), TimerInitial, 500);
  EXPECT_EQ(get(apic(), TimerInitial), 0U) << "ignored in deadline mode";
  const std::uint64_t deadline = cpus_[0].apic_tsc() + 2'500'000;  // 1 ms
  EXPECT_TRUE(apic().msr_write(0x6e0, deadline));
  EXPECT_TRUE(apic().msr_read(0x6e0, value));
  EXPECT_EQ(value, deadline);
  machine_.step(999'999);
  EXPECT_FALSE(cpus_[0].intr);
  machine_.step(1);
  EXPECT_EQ(apic().acknowledge(), 0x40);
  eoi();
  EXPECT_TRUE(apic().msr_read(0x6e0, value));
  EXPECT_EQ(value, 0U) << "it disarms itself";
  EXPECT_TRUE(apic().msr_write(0x6e0, deadline));  // in the past: at once
  EXPECT_TRUE(apic().msr_read(0x6e0, value));
  EXPECT_EQ(value, 0U);
  EXPECT_EQ(apic().acknowledge(), 0x40);
  eoi();
  EXPECT_TRUE(apic().msr_write(0x6e0, cpus_[0].apic_tsc() + 2'500'000));
  EXPECT_TRUE(apic().msr_write(0x6e0, 0));
  EXPECT_EQ(machine_.step_to_next_timer(), 0) << "0 disarms";
  EXPECT_TRUE(apic().msr_write(0x6e0, ~std::uint64_t{0}));
  put(apic(), LvtTimer, 0x40);
  EXPECT_EQ(machine_.step_to_next_timer(), 0) << "so does leaving the mode";
}

}  // namespace
}  // namespace machina::test
