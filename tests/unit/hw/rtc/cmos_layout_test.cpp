#include "hw/rtc/cmos_layout.h"

#include <gtest/gtest.h>

#include <map>

#include "core/error.h"
#include "core/units.h"

namespace machina {
namespace {

std::map<unsigned, unsigned> layout(const CmosConfig& config) {
  std::map<unsigned, unsigned> bytes;
  unsigned last = 0;
  for (const CmosByte& b : cmos_layout(config)) {
    EXPECT_GT(b.index, last) << "in order, each once";
    EXPECT_GE(b.index, 0x0e) << "memory, not registers";
    EXPECT_LT(b.index, 0x80);
    last = b.index;
    bytes[b.index] = b.value;
  }
  return bytes;
}
unsigned word(const std::map<unsigned, unsigned>& bytes, unsigned index) {
  return bytes.at(index) | bytes.at(index + 1) << 8;
}

TEST(CmosLayout, SmallMemory) {
  const auto m = layout({.ram_below_4g = 8 * MiB});
  EXPECT_EQ(word(m, 0x15), 640U);
  EXPECT_EQ(word(m, 0x17), 7168U);
  EXPECT_EQ(word(m, 0x30), 7168U);
  EXPECT_EQ(word(m, 0x34), 0U);
  EXPECT_EQ(m.at(0x5b) | m.at(0x5c) | m.at(0x5d), 0U);
}

TEST(CmosLayout, TinyMemory) {
  const auto m = layout({.ram_below_4g = 512 * KiB});
  EXPECT_EQ(word(m, 0x15), 512U);
  EXPECT_EQ(word(m, 0x17), 0U);
}

TEST(CmosLayout, SizesSaturate) {
  const auto m = layout({.ram_below_4g = 3584 * MiB, .ram_above_4g = 512 * MiB});
  EXPECT_EQ(word(m, 0x17), 0xffffU);
  EXPECT_EQ(word(m, 0x30), 0xffffU);
  EXPECT_EQ(word(m, 0x34), (3584U - 16) * 16);
  EXPECT_EQ(word(m, 0x5b) | m.at(0x5d) << 16, 512U * 16);
  const auto huge = layout({.ram_below_4g = 3584 * MiB, .ram_above_4g = 2 * TiB});
  EXPECT_EQ(word(huge, 0x5b) | huge.at(0x5d) << 16, 0xffffffU);
}

TEST(CmosLayout, BootOrder) {
  const auto m = layout({.boot_order = "dca"});
  EXPECT_EQ(m.at(0x3d), 0x23U);
  EXPECT_EQ(m.at(0x38), 0x10U);
  const auto one = layout({.boot_order = "n", .floppy_signature_check = false});
  EXPECT_EQ(one.at(0x3d), 0x04U);
  EXPECT_EQ(one.at(0x38), 0x01U);
  EXPECT_EQ(layout({.boot_order = "abcd"}).at(0x38), 0x20U) << "a fourth is not stored";
  EXPECT_THROW(layout({.boot_order = "cx"}), Error);
}

TEST(CmosLayout, FloppiesAndEquipment) {
  EXPECT_EQ(layout({}).at(0x14), 0x06U) << "FPU and mouse";
  EXPECT_EQ(layout({.ps2_mouse = false}).at(0x14), 0x02U);
  const auto one = layout({.floppies = {FloppyType::M1_44, FloppyType::None}});
  EXPECT_EQ(one.at(0x10), 0x40U);
  EXPECT_EQ(one.at(0x14), 0x07U);
  const auto two = layout({.floppies = {FloppyType::M1_44, FloppyType::M2_88}});
  EXPECT_EQ(two.at(0x10), 0x45U);
  EXPECT_EQ(two.at(0x14), 0x47U);
}

TEST(CmosLayout, Cpus) {
  EXPECT_EQ(layout({.cpus = 1}).at(0x5f), 0U);
  EXPECT_EQ(layout({.cpus = 4}).at(0x5f), 3U);
  EXPECT_EQ(layout({.cpus = 256}).at(0x5f), 255U);
}

TEST(CmosLayout, Disks) {
  CmosConfig config;
  config.disks[1] = {true, 1023, 16, 63, DiskTranslation::Lba};
  config.secondary_disks[1] = {true, 20, 2, 17, DiskTranslation::RevisedEchs};
  const auto m = layout(config);
  EXPECT_EQ(m.at(0x12), 0x0fU);
  EXPECT_EQ(m.count(0x19), 0U);
  EXPECT_EQ(m.at(0x1a), 47U);
  EXPECT_EQ(word(m, 0x24), 1023U);
  EXPECT_EQ(m.at(0x26), 16U);
  EXPECT_EQ(word(m, 0x27), 0xffffU);
  EXPECT_EQ(m.at(0x29), 0xc8U);
  EXPECT_EQ(word(m, 0x2a), 1023U);
  EXPECT_EQ(m.at(0x2c), 63U);
  EXPECT_EQ(m.at(0x39), 0xc4U);
}

TEST(CmosLayout, ChecksumCoversTheOldBytes) {
  CmosConfig config{.ram_below_4g = 64 * MiB, .cpus = 7, .floppies = {FloppyType::M1_44, FloppyType::None}};
  config.disks[0] = {true, 500, 4, 17, DiskTranslation::None};
  const auto m = layout(config);
  unsigned sum = 0;
  for (const auto& [index, value] : m)
    if (index >= 0x10 && index <= 0x2d) sum += value;
  EXPECT_GT(sum, 0xffU);
  EXPECT_EQ(m.at(0x2e) << 8 | m.at(0x2f), sum);
}

}  // namespace
}  // namespace machina
