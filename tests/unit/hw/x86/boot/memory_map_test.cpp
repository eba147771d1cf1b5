#include "hw/x86/boot/memory_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/units.h"

namespace machina {

static void PrintTo(const MemoryRange& r, std::ostream* out) {
  *out << std::hex << r.address << "+" << r.size << " type " << static_cast<unsigned>(r.type);
}

namespace {

using testing::ElementsAre;
constexpr auto kRam = MemoryType::Ram;
constexpr auto kReserved = MemoryType::Reserved;
constexpr auto kAcpi = MemoryType::Acpi;

TEST(MemoryMap, IsInOrderOfAddressAndWithoutEmptyRanges) {
  MemoryMap map;
  map.set({0x3000, 0x1000, kRam});
  map.set({0x1000, 0x1000, kReserved});
  map.set({0x8000, 0, kRam});
  EXPECT_THAT(map.ranges(), ElementsAre(MemoryRange{0x1000, 0x1000, kReserved}, MemoryRange{0x3000, 0x1000, kRam}));
}

TEST(MemoryMap, ALaterRangeCutsAHoleIntoEarlierOnes) {
  MemoryMap map;
  map.set({0, 0x10000, kRam});
  map.set({0x4000, 0x1000, kAcpi});
  EXPECT_THAT(map.ranges(), ElementsAre(MemoryRange{0, 0x4000, kRam}, MemoryRange{0x4000, 0x1000, kAcpi},
                                        MemoryRange{0x5000, 0xb000, kRam}));
  map.set({0x3000, 0x3000, kReserved});  // over the whole of one, and parts of two
  EXPECT_THAT(map.ranges(), ElementsAre(MemoryRange{0, 0x3000, kRam}, MemoryRange{0x3000, 0x3000, kReserved},
                                        MemoryRange{0x6000, 0xa000, kRam}));
}

TEST(MemoryMap, EndsAtTheEndOfTheAddressSpace) {
  MemoryMap map;
  map.set({~std::uint64_t{0} - 0xfff, 0x5000, kRam});
  EXPECT_THAT(map.ranges(), ElementsAre(MemoryRange{~std::uint64_t{0} - 0xfff, 0x1000, kRam}));
}

TEST(PcMemoryMap, HasTheHolesOfAPc) {
  EXPECT_THAT(pc_memory_map(3 * GiB, 5 * GiB).ranges(),
              ElementsAre(MemoryRange{0, 0x9fc00, kRam}, MemoryRange{0x9fc00, 0x400, kReserved},
                          MemoryRange{0xf0000, 0x10000, kReserved}, MemoryRange{MiB, 3 * GiB - MiB, kRam},
                          MemoryRange{4 * GiB, 5 * GiB, kRam}));
}

TEST(PcMemoryMap, OfLittleMemoryHasNothingAboveOneMebibyte) {
  EXPECT_THAT(pc_memory_map(512 * KiB, 0).ranges(),
              ElementsAre(MemoryRange{0, 512 * KiB, kRam}, MemoryRange{0x9fc00, 0x400, kReserved},
                          MemoryRange{0xf0000, 0x10000, kReserved}));
}

}  // namespace
}  // namespace machina
