#include "accel/jit/kvmclock.h"

#include <gtest/gtest.h>

#include "accel/jit/msr.h"
#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

/// As a guest reads it: Linux Documentation/virt/kvm/x86/msr.rst.
std::uint64_t guest_clock(const BareMachine& m, std::uint64_t page, std::uint64_t tsc) {
  EXPECT_EQ(m.get<std::uint32_t>(page) & 1, 0U) << "an odd version: being written";
  const std::uint64_t delta = tsc - m.get<std::uint64_t>(page + 8);
  const auto mul = m.get<std::uint32_t>(page + 24);
  const auto shift = m.get<std::int8_t>(page + 28);
  const std::uint64_t shifted = shift < 0 ? delta >> -shift : delta << shift;
  return m.get<std::uint64_t>(page + 16) +
         static_cast<std::uint64_t>(static_cast<unsigned __int128>(shifted) * mul >> 32);
}

TEST(JitKvmclock, ScalesAnyFrequency) {
  for (const std::uint64_t khz : {1000ULL, 999999ULL, 1000000ULL, 2445430ULL, 4000000ULL, 100000000ULL}) {
    const KvmclockScale s = kvmclock_scale(khz);
    EXPECT_TRUE(s.multiplier & 0x80000000) << khz;
    const std::uint64_t hour = khz * 1000 * 3600;
    const std::uint64_t shifted = s.shift < 0 ? hour >> -s.shift : hour << s.shift;
    const auto ns = static_cast<double>(static_cast<unsigned __int128>(shifted) * s.multiplier >> 32);
    EXPECT_NEAR(ns, 3600e9, 2000) << khz;  // 2^-31 of an hour
  }
}

struct JitKvmclockPage : testing::Test {
  JitKvmclockPage() {
    m.long_64();
    m.cpu().tsc_khz = 2000000;
    write(0x4b564d01, kPage | 1);
  }
  bool write(std::uint32_t index, std::uint64_t value) { return write_msr(m.cpu(), index, value, MsrOrigin::Guest); }
  static constexpr std::uint64_t kPage = 0x20040;
  BareMachine m;
};

TEST_F(JitKvmclockPage, TellsTheTime) {
  EXPECT_EQ(m.get<std::uint8_t>(kPage + 29), 1) << "flag: stable on all CPUs";
  EXPECT_NEAR(static_cast<double>(guest_clock(m, kPage, 2'000'000'000)), 1e9, 1);
}

TEST_F(JitKvmclockPage, AChangeOfTheTscDoesNotMoveIt) {
  m.time_stamp = 4'000'000'000;
  const auto version = m.get<std::uint32_t>(kPage);
  EXPECT_TRUE(write(0x10, 0));
  EXPECT_NE(m.get<std::uint32_t>(kPage), version);
  EXPECT_NEAR(static_cast<double>(guest_clock(m, kPage, m.time_stamp)), 2e9, 1);
}

TEST_F(JitKvmclockPage, IsWrittenOnlyWhileEnabled) {
  m.put<std::uint64_t>(kPage + 8, 77);
  EXPECT_TRUE(write(0x4b564d01, kPage));
  EXPECT_EQ(m.get<std::uint64_t>(kPage + 8), 77U);
}

class WallMachine : public BareMachine {
 public:
  std::uint64_t wall_clock() override { return 1'700'000'000'500'000'000; }
};

TEST(JitKvmclock, WallClockIsThatOfClockZero) {
  WallMachine m;
  m.long_64();
  m.cpu().tsc_khz = 1000000;
  m.time_stamp = 1'000'000'000;
  EXPECT_TRUE(write_msr(m.cpu(), 0x4b564d00, 0x20100, MsrOrigin::Guest));
  EXPECT_EQ(m.get<std::uint32_t>(0x20100) & 1, 0U);
  EXPECT_EQ(m.get<std::uint32_t>(0x20104), 1'699'999'999U);
  EXPECT_NEAR(m.get<std::uint32_t>(0x20108), 500'000'000, 2);
}

TEST(JitKvmclock, IsThereOnlyWithItsFeature) {
  BareMachine m;
  m.long_64();
  std::uint64_t value = 0;
  EXPECT_FALSE(read_msr(m.cpu(), 0x4b564d01, value, MsrOrigin::Guest)) << "no frequency known";
  m.cpu().tsc_khz = 1;
  EXPECT_TRUE(read_msr(m.cpu(), 0x4b564d01, value, MsrOrigin::Guest));
  set_feature(m.cpu().features, "kvmclock", false);
  EXPECT_FALSE(read_msr(m.cpu(), 0x4b564d01, value, MsrOrigin::Guest));
  EXPECT_FALSE(read_msr(m.cpu(), 0x12, value, MsrOrigin::Guest));
}

}  // namespace
}  // namespace machina::jit
