#include "hw/acpi/acpi_timer.h"

#include <gtest/gtest.h>

#include <limits>

namespace machina::acpi_timer {
namespace {

TEST(AcpiTimerTest, TimeOfIsTheFirstNanosecondOfATick) {
  for (const std::uint64_t n : {1ULL, 2ULL, 3ULL, 1000003ULL, 1ULL << 23, 1ULL << 24, 0x123456789aULL, 1ULL << 44}) {
    const std::int64_t at = time_of(0, n);
    EXPECT_EQ(ticks(0, at), n);
    EXPECT_EQ(ticks(0, at - 1), n - 1) << n;
  }
}

TEST(AcpiTimerTest, CountsFromItsStart) {
  EXPECT_EQ(ticks(5'000'000'000, 5'000'000'000), 0U);
  EXPECT_EQ(ticks(5'000'000'000, 6'000'000'000), 3579545U);
  EXPECT_EQ(time_of(5'000'000'000, 3579545), 6'000'000'000);
}

TEST(AcpiTimerTest, TheTopBitChangesTwiceAWrap) {
  EXPECT_EQ(next_change(0), 1U << 23);
  EXPECT_EQ(next_change((1U << 23) - 1), 1U << 23);
  EXPECT_EQ(next_change(1U << 23), 1U << 24);
  EXPECT_EQ(next_change((1U << 24) + 5), 3U << 23);
  EXPECT_EQ(value((1U << 24) + 5), 5U);
}

TEST(AcpiTimerTest, TheEndOfTimeDoesNotOverflow) {
  constexpr auto kEnd = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(ticks(0, kEnd), static_cast<std::uint64_t>(static_cast<__int128>(kEnd) * 3579545 / 1'000'000'000));
}

}  // namespace
}  // namespace machina::acpi_timer
