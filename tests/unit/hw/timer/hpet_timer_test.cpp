// IA-PC HPET Specification 1.0a, 2.3.8 to 2.3.9.2: what a comparator does, tick by tick.

#include "hw/timer/hpet_timer.h"

#include <gtest/gtest.h>

#include <vector>

namespace machina {
namespace {

using namespace hpet;

constexpr std::uint64_t kAll = ~std::uint64_t{0}, kLow = 0xffffffff, kHigh = kAll << 32;
constexpr std::uint32_t kAllConfig = kIntTypeCnf | kIntEnbCnf | kTypeCnf | kValSetCnf | k32ModeCnf | kIntRouteCnf;

HpetTimer one_shot(std::uint64_t at, std::uint32_t config = 0) {
  HpetTimer t;
  t.write_config(config, kAllConfig);
  t.write_comparator(at, kAll);
  return t;
}

HpetTimer periodic(std::uint64_t first, std::uint64_t period, std::uint32_t config = 0) {
  HpetTimer t;
  t.write_config(kTypeCnf | kValSetCnf | config, kAllConfig);
  t.write_comparator(first, kAll);
  t.write_comparator(period, kAll);
  return t;
}

TEST(HpetTimer, ComparatorIsAllOnesAfterReset) {
  EXPECT_EQ(HpetTimer().comparator, kAll);
  EXPECT_EQ(HpetTimer().ticks_to_match(kAll - 3), 3U);
}

TEST(HpetTimer, MatchesWhenTheCounterBecomesEqual) {
  HpetTimer t = one_shot(100);
  EXPECT_EQ(t.ticks_to_match(99), 1U);
  EXPECT_EQ(t.ticks_to_match(100), 0U) << "2^64: equal already is no match";
  EXPECT_EQ(t.ticks_to_match(101), kAll);
  EXPECT_FALSE(t.advance(0, 99));
  EXPECT_TRUE(t.advance(0, 100));
  EXPECT_TRUE(t.advance(99, 1));
  EXPECT_FALSE(t.advance(100, 1'000'000)) << "it was there before";
  EXPECT_EQ(t.comparator, 100U) << "a one-shot comparator stays";
}

TEST(HpetTimer, In32BitModeTheLowHalvesAreComparedAndAOneShotComesWithEachWrap) {
  HpetTimer t = one_shot(0xabcdef0000000100, k32ModeCnf);
  EXPECT_EQ(t.comparator, 0x100U);
  EXPECT_EQ(t.ticks_to_match(0x5'0000'00ff), 1U);
  EXPECT_EQ(t.ticks_to_match(0x5'0000'0100), 0x1'0000'0000U);
  EXPECT_TRUE(t.advance(0x5'0000'0100, 0x1'0000'0000));
  EXPECT_FALSE(t.advance(0x5'0000'0100, 0xffffffff));
}

TEST(HpetTimer, GoingTo32BitModeCutsWhatIsThere) {
  HpetTimer t = periodic(0x1'0000'0010, 0x2'0000'0020);
  t.write_config(kTypeCnf | k32ModeCnf, kAllConfig);
  EXPECT_EQ(t.comparator, 0x10U);
  EXPECT_EQ(t.period, 0x20U);
  t.write_config(kTypeCnf, kAllConfig);
  EXPECT_EQ(t.comparator, 0x10U);
}

TEST(HpetTimer, PeriodicAccumulates) {
  HpetTimer t = periodic(50, 30);
  std::vector<std::uint64_t> matches;
  for (std::uint64_t c = 0; c < 200; ++c)
    if (t.advance(c, 1)) matches.push_back(c + 1);
  EXPECT_EQ(matches, (std::vector<std::uint64_t>{50, 80, 110, 140, 170, 200}));
  EXPECT_EQ(t.comparator, 230U) << "what is read is the next match";
}

TEST(HpetTimer, ManyPeriodsAtOnceAreAsManySingleOnes) {
  for (const std::uint64_t step : {1U, 7U, 29U, 30U, 31U, 89U, 90U, 1000U}) {
    HpetTimer big = periodic(50, 30), small = big;
    std::uint64_t counter = 0;
    for (int i = 0; i < 40; ++i) {
      bool any = false;
      for (std::uint64_t c = 0; c < step; ++c) any = small.advance(counter + c, 1) || any;
      EXPECT_EQ(big.advance(counter, step), any) << step << " at " << counter;
      EXPECT_EQ(big, small) << step << " at " << counter;
      counter += step;
    }
  }
}

TEST(HpetTimer, AccumulatorWrapsRound) {
  HpetTimer t = periodic(0xfffffff0, 0x20, k32ModeCnf);
  EXPECT_TRUE(t.advance(0x7'ffff'ffe0, 0x10));
  EXPECT_EQ(t.comparator, 0x10U);
  EXPECT_TRUE(t.advance(0x7'ffff'fff0, 0x20));
  EXPECT_EQ(t.comparator, 0x30U);
}

TEST(HpetTimer, WithoutValSetAWriteChangesTheRateOnly) {
  HpetTimer t = periodic(50, 30);
  t.write_comparator(1000, kAll);
  EXPECT_EQ(t.comparator, 50U);
  EXPECT_TRUE(t.advance(0, 50));
  EXPECT_EQ(t.comparator, 1050U);
}

TEST(HpetTimer, ValSetIsGoneAfterOneWriteAndReadsAsZero) {
  HpetTimer t;
  t.write_config(kTypeCnf | kValSetCnf, kAllConfig);
  EXPECT_EQ(t.config, kTypeCnf);
  // 2.3.9.2.2: each half of 64 bits needs its own VAL_SET.
  t.write_comparator(0x11112222, kLow);
  t.write_comparator(std::uint64_t{0x3333} << 32, kHigh);
  EXPECT_EQ(t.comparator, 0xffffffff11112222U);
  t.write_config(kTypeCnf | kValSetCnf, kAllConfig);
  t.write_comparator(std::uint64_t{0x3333} << 32, kHigh);
  EXPECT_EQ(t.comparator, 0x0000333311112222U);
  EXPECT_EQ(t.period, 0x0000333311112222U);
}

TEST(HpetTimer, ValSetMeansNothingToAOneShot) {
  HpetTimer t;
  t.write_config(kValSetCnf, kAllConfig);
  t.write_config(kTypeCnf, kAllConfig);
  t.write_comparator(5, kAll);
  EXPECT_EQ(t.comparator, kAll) << "it was not kept for later";
}

TEST(HpetTimer, PeriodZeroMatchesOnceARound) {
  HpetTimer t = periodic(50, 0);
  EXPECT_TRUE(t.advance(0, 1'000'000));
  EXPECT_EQ(t.comparator, 50U);
  EXPECT_FALSE(t.advance(1'000'000, 1'000'000));
}

TEST(HpetTimer, HalvesOfAOneShotAreWrittenAlone) {
  HpetTimer t = one_shot(0x1111111122222222);
  t.write_comparator(0x33333333, kLow);
  EXPECT_EQ(t.comparator, 0x1111111133333333U);
  t.write_comparator(std::uint64_t{0x44444444} << 32, kHigh);
  EXPECT_EQ(t.comparator, 0x4444444433333333U);
}

}  // namespace
}  // namespace machina
