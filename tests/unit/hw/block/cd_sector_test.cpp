// ECMA-130, clause 14 and annex A: checked by what the codes must fulfil, not by how they are made.

#include "hw/block/cd_sector.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace machina {
namespace {

using Sector = std::array<std::uint8_t, kRawSectorSize>;

Sector sector(std::uint64_t lba, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> data(kCdUserData);
  for (auto& b : data) b = static_cast<std::uint8_t>(random());
  return mode1_sector(lba, data);
}

/// Product in GF(2^8) over x^8 + x^4 + x^3 + x^2 + 1.
unsigned times(unsigned a, unsigned b) {
  unsigned product = 0;
  for (; b; b >>= 1) {
    if (b & 1) product ^= a;
    a = a << 1 ^ (a & 0x80 ? 0x11d : 0);
  }
  return product;
}

/// The remainder of bytes 0 to 2067, each least significant bit first, divided by (x^16 + x^15 + x^2 + 1)(x^16 + x^2 +
/// x + 1).
std::uint64_t remainder(const Sector& s) {
  std::uint64_t polynomial = 0;
  const std::uint64_t a = 0x18005, b = 0x10007;
  for (unsigned bit = 0; bit <= 16; ++bit)
    if (b >> bit & 1) polynomial ^= a << bit;
  std::uint64_t rest = 0;
  for (unsigned at = 0; at < 2068; ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      rest = rest << 1 | (s[at] >> bit & 1U);
      if (rest >> 32 & 1) rest ^= polynomial;
    }
  }
  return rest;
}

TEST(CdSector, SyncHeaderAndData) {
  const std::vector<std::uint8_t> data(kCdUserData, 0x5a);
  const Sector s = mode1_sector(4500, data);  // 01:02:00
  const std::uint8_t head[] = {0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0x01, 0x02, 0x00, 0x01};
  EXPECT_TRUE(std::equal(std::begin(head), std::end(head), s.begin()));
  EXPECT_TRUE(std::all_of(s.begin() + 16, s.begin() + 2064, [](std::uint8_t b) { return b == 0x5a; }));
  EXPECT_TRUE(std::all_of(s.begin() + 2068, s.begin() + 2076, [](std::uint8_t b) { return b == 0; }));
  EXPECT_EQ(mode1_sector(59 * 75 + 74 + 12 * 4500 - 150, data)[13], 0x59) << "BCD";
}

TEST(CdSector, TheErrorDetectionCodeLeavesNoRemainder) {
  for (unsigned n = 0; n < 4; ++n) {
    Sector s = sector(n * 1000, n);
    EXPECT_EQ(remainder(s), 0U);
    s[100] ^= 1;
    EXPECT_NE(remainder(s), 0U);
  }
}

/// Both sums over a code word of the bytes at `where(n)` from the header on: A.3 and A.4.
template <class Where>
std::pair<unsigned, unsigned> syndromes(const Sector& s, unsigned length, Where where) {
  unsigned s0 = 0, s1 = 0;
  for (unsigned n = 0; n < length; ++n) {
    const unsigned byte = s[12 + where(n)];
    s0 ^= byte;
    s1 = times(s1, 2) ^ byte;
  }
  return {s0, s1};
}

TEST(CdSector, EveryWordOfBothErrorCorrectionCodesIsOne) {
  const std::pair<unsigned, unsigned> none{0, 0};
  const Sector s = sector(1234, 9);
  for (unsigned word = 0; word < 86; ++word)
    EXPECT_EQ(syndromes(s, 26, [&](unsigned n) { return word + n * 86; }), none) << "P " << word;
  for (unsigned word = 0; word < 52; ++word) {
    const auto where = [&](unsigned n) {
      if (n >= 43) return 2236 + word + (n - 43) * 52;  // the parity bytes
      return (word / 2 * 86 + word % 2 + n * 88) % 2236;
    };
    EXPECT_EQ(syndromes(s, 45, where), none) << "Q " << word;
  }
}

TEST(CdSector, MinutesSecondsFrames) {
  EXPECT_EQ(msf_of(0), (Msf{0, 2, 0}));
  EXPECT_EQ(msf_of(4350), (Msf{1, 0, 0}));
  EXPECT_EQ(lba_of({0, 0, 0}), -150);
  for (const std::uint64_t lba : {0ULL, 74ULL, 75ULL, 359999ULL, 1151849ULL})
    EXPECT_EQ(lba_of(msf_of(lba)), static_cast<std::int64_t>(lba));
  EXPECT_EQ(msf_of(1151849), (Msf{255, 59, 74}));
  EXPECT_EQ(msf_of(1151850), (Msf{255, 59, 74})) << "no further";
}

}  // namespace
}  // namespace machina
