// Serial presence detect, read as JEDEC Standard 21-C says that a reader does.

#include "hw/i2c/spd.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/units.h"

namespace machina::spd {
namespace {

struct Read {
  std::uint64_t by_geometry = 0, by_density = 0;
};

/// The size of a module, found in the two ways that there are.
Read size_of(const std::array<std::uint8_t, 256>& b) {
  const bool ddr2 = b[2] == 8;
  const unsigned ranks = ddr2 ? (b[5] & 7) + 1U : b[5];
  Read r;
  r.by_geometry = (std::uint64_t{1} << (b[3] + b[4])) * b[17] * (b[6] / 8U) * ranks;
  // Byte 31 of SDR: 4 MiB to 512 MiB. Of DDR: 1, 2, 4 GiB, 32 MiB to 512 MiB. Of DDR2: 1 to 16 GiB, 128 to 512 MiB.
  static constexpr std::uint64_t kMib[3][8] = {{4, 8, 16, 32, 64, 128, 256, 512},
                                               {1024, 2048, 4096, 32, 64, 128, 256, 512},
                                               {1024, 2048, 4096, 8192, 16384, 128, 256, 512}};
  const unsigned row = b[2] == 4 ? 0 : b[2] == 7 ? 1 : 2;
  for (unsigned bit = 0; bit < 8; ++bit)
    if (b[31] == 1U << bit) r.by_density = kMib[row][bit] * MiB * ranks;
  return r;
}

TEST(Spd, EachModuleTellsItsSizeInBothWays) {
  for (const Kind kind : {Kind::Sdr, Kind::Ddr, Kind::Ddr2}) {
    const std::uint64_t first = kind == Kind::Sdr ? 4 : kind == Kind::Ddr ? 32 : 128;
    const std::uint64_t last = kind == Kind::Sdr ? 512 : kind == Kind::Ddr ? 4096 : 131072;
    for (std::uint64_t mib = first; mib <= last; mib *= 2) {
      const auto bytes = content({kind, mib * MiB});
      EXPECT_EQ(bytes[2], static_cast<unsigned>(kind));
      EXPECT_EQ(size_of(bytes).by_geometry, mib * MiB) << mib << " MiB of kind " << static_cast<unsigned>(kind);
      EXPECT_EQ(size_of(bytes).by_density, mib * MiB) << mib << " MiB of kind " << static_cast<unsigned>(kind);
      EXPECT_EQ(std::accumulate(bytes.begin(), bytes.begin() + 63, 0U) & 0xff, bytes[63]) << mib;
      EXPECT_EQ(bytes[0], 128) << "bytes used";
      EXPECT_EQ(1U << bytes[1], 256U) << "bytes there";
    }
  }
}

TEST(Spd, MemoryIsMadeOfModulesOfOneKind) {
  using Modules = std::vector<Module>;
  EXPECT_EQ(modules_of(128 * MiB), (Modules{{Kind::Sdr, 128 * MiB}}));
  EXPECT_EQ(modules_of(300 * MiB),
            (Modules{{Kind::Sdr, 256 * MiB}, {Kind::Sdr, 32 * MiB}, {Kind::Sdr, 8 * MiB}, {Kind::Sdr, 4 * MiB}}));
  EXPECT_EQ(modules_of(1 * GiB), (Modules{{Kind::Ddr, 1 * GiB}}));
  EXPECT_EQ(modules_of(6 * GiB), (Modules{{Kind::Ddr, 4 * GiB}, {Kind::Ddr, 2 * GiB}}));
  EXPECT_EQ(modules_of(8 * GiB), (Modules{{Kind::Ddr2, 8 * GiB}}));
  EXPECT_EQ(modules_of(1 * TiB), Modules(8, {Kind::Ddr2, 128 * GiB}));
}

TEST(Spd, WhatIsTooSmallOrTooMuchIsLeftOut) {
  EXPECT_TRUE(modules_of(0).empty());
  EXPECT_TRUE(modules_of(3 * MiB).empty());
  EXPECT_EQ(modules_of(1 * GiB + 16 * MiB), (std::vector<Module>{{Kind::Ddr, 1 * GiB}}));
  EXPECT_EQ(modules_of(1023 * MiB).size(), kSlots) << "512 to 4 MiB; three more have no socket";
  EXPECT_EQ(modules_of(4 * TiB).size(), kSlots);
}

}  // namespace
}  // namespace machina::spd
