/// Standard VGA on PCI: its function, its BARs and the registers in BAR 2 (QEMU's docs/specs/standard-vga), its EDID
/// (VESA Enhanced EDID, release A, revision 2).

#include "hw/display/vga_pci.h"

#include <numeric>

#include "core/units.h"
#include "hw/pci-host/i440fx.h"
#include "tests/support/pci_config.h"
#include "tests/support/vga_modes.h"

namespace machina::test {
namespace {

constexpr std::uint32_t kFrame = 0xfd000000, kMmio = 0xfebf0000;

class VgaPciTest : public testing::Test {
 protected:
  VgaPciTest() : config(m, 2, 0) {
    m.add<I440fxHost>("i440fx");
    vga = &m.add<VgaPci>("vga", {{"addr", "2"}, {"romfile", ""}, {"xres", "1600"}, {"yres", "900"}});
    m.start();
    config.l(0x10, kFrame);
    config.l(0x18, kMmio);
    config.w(0x04, 0x0003);
  }

  TestMachine m{4 * MiB};
  PciConfig config;
  VgaPci* vga = nullptr;
};

TEST_F(VgaPciTest, Identity) {
  EXPECT_EQ(config.l(0x00), 0x11111234U);
  EXPECT_EQ(config.l(0x08), 0x03000002U);
  EXPECT_EQ(config.w(0x04) & 3, 3);
  config.l(0x10, 0xffffffff);
  EXPECT_EQ(config.l(0x10), 0xff000008U);  // 16 MiB, prefetchable
  config.l(0x18, 0xffffffff);
  EXPECT_EQ(config.l(0x18), 0xfffff000U);
  EXPECT_EQ(config.b(0x3d), 0);
}

TEST_F(VgaPciTest, LegacyWindowLiesBehindTheBridge) {
  set_mode(m, kMode03);
  m.write(0xb8000, 4, 0x1f421f41);
  EXPECT_EQ(m.read(0xb8000, 4), 0x1f421f41U);
  const MachineLock::Guard guard(m.system().lock);
  EXPECT_EQ(vga->text_screen().cells[1], (TextScreen::Cell{'B', 0x1f}));
  EXPECT_EQ(m.system().ram->host()[0xb8000], 0);  // not in RAM
}

TEST_F(VgaPciTest, MmioMirrorsPorts) {
  m.write(kMmio + 0x402, 1, 0x63);  // misc: colour
  EXPECT_EQ(m.inb(0x3cc), 0x63);
  m.write(kMmio + 0x404, 2, 0x0f02);  // an index and its data at once
  m.outb(0x3c4, 0x02);
  EXPECT_EQ(m.inb(0x3c5), 0x0f);
  EXPECT_EQ(m.read(kMmio + 0x404, 2), 0x0f02U);
  EXPECT_EQ(m.read(kMmio + 0x404, 4), 0xffffffffU);
}

TEST_F(VgaPciTest, MmioHasTheDispiRegistersFlat) {
  EXPECT_EQ(m.read(kMmio + 0x500, 2), 0xb0c5U);
  m.write(kMmio + 0x502, 2, 640);
  m.write(kMmio + 0x504, 2, 480);
  m.write(kMmio + 0x506, 2, 32);
  m.write(kMmio + 0x508, 2, 0x41);
  m.write(kMmio + 0x402, 1, 0x63);
  m.write(kMmio + 0x400, 1, 0x20);  // the screen is on, as bochs-drm does it
  EXPECT_EQ(m.read(kMmio + 0x514, 2), 256U);
  EXPECT_EQ(m.read(kMmio + 0x516, 2), 0xffffU);
  m.write(kFrame + (479 * 640 + 639) * 4, 4, 0x00c0ffee);
  const MachineLock::Guard guard(m.system().lock);
  const PixelScreen s = vga->pixel_screen();
  EXPECT_EQ(s.width, 640U);
  EXPECT_EQ(s.pixels.back(), 0xc0ffeeU);
}

TEST_F(VgaPciTest, ExtendedRegistersSetTheByteOrder) {
  EXPECT_EQ(m.read(kMmio + 0x600, 4), 8U);
  EXPECT_EQ(m.read(kMmio + 0x604, 4), 0x1e1e1e1eU);
  EXPECT_EQ(m.read(kMmio + 0x700, 4), 0xffffffffU);
  m.write(kMmio + 0x604, 4, 0x12345678);  // neither: ignored
  EXPECT_EQ(m.read(kMmio + 0x604, 4), 0x1e1e1e1eU);

  m.write(kMmio + 0x402, 1, 0x63);
  m.write(kMmio + 0x400, 1, 0x20);
  m.write(kMmio + 0x502, 2, 640);
  m.write(kMmio + 0x504, 2, 480);
  m.write(kMmio + 0x506, 2, 32);
  m.write(kMmio + 0x508, 2, 0x41);
  m.write(kFrame, 4, 0x11223344);
  const auto first = [&] {
    const MachineLock::Guard guard(m.system().lock);
    return vga->pixel_screen().pixels[0];
  };
  EXPECT_EQ(first(), 0x223344U);
  m.write(kMmio + 0x604, 4, 0xbebebebe);
  EXPECT_EQ(m.read(kMmio + 0x604, 4), 0xbebebebeU);
  EXPECT_EQ(first(), 0x332211U);
  m.write(kMmio + 0x508, 2, 0);
  m.write(kMmio + 0x506, 2, 16);
  m.write(kMmio + 0x508, 2, 0x41);
  m.write(kFrame, 2, 0x00f8);
  EXPECT_EQ(first(), 0xff0000U);
  m.reset();
  config.l(0x18, kMmio);
  config.w(0x04, 0x0003);
  EXPECT_EQ(m.read(kMmio + 0x604, 4), 0x1e1e1e1eU);
}

TEST_F(VgaPciTest, EdidIsWellFormedAndNamesThePreferredMode) {
  std::array<unsigned, 128> edid{};
  for (unsigned i = 0; i < 128; ++i) edid[i] = static_cast<unsigned>(m.read(kMmio + i, 1));
  EXPECT_EQ(m.read(kMmio, 4), 0xffffff00U);
  EXPECT_EQ(std::accumulate(edid.begin(), edid.end(), 0U) % 256, 0U);
  EXPECT_EQ(edid[18], 1U);
  EXPECT_EQ(edid[19], 4U);
  EXPECT_EQ(edid[56] | (edid[58] & 0xf0) << 4, 1600U);
  EXPECT_EQ(edid[59] | (edid[61] & 0xf0) << 4, 900U);
  EXPECT_EQ(edid[126], 0U);
}

TEST_F(VgaPciTest, ResetGoesBackToText) {
  m.outw(0x1ce, 4);
  m.outw(0x1cf, 0x02);
  m.reset();
  m.outw(0x1ce, 4);
  EXPECT_EQ(m.inw(0x1cf), 0);
  EXPECT_EQ(config.l(0x10), 0x00000008U);
}

TEST(VgaPciSettings, MemoryIsAPowerOfTwo) {
  TestMachine m{4 * MiB};
  m.add<I440fxHost>("i440fx");
  m.add<VgaPci>("vga", {{"vgamem_mb", "24"}, {"romfile", ""}});
  EXPECT_THROW(m.start(), Error);
}

// A timing's clock has 16 bits, of 10 kHz.
TEST(Edid, ModesThatNeedMoreThanATimingCanSayComeSlower) {
  const auto clock = [](const auto& edid) { return edid[54] | edid[55] << 8; };
  const auto uhd = make_edid(3840, 2160), largest = make_edid(4095, 4095);
  EXPECT_EQ(clock(uhd), (3840 + 160) * (2160 + 77) * 60 / 10'000);
  EXPECT_EQ(clock(largest), 0xffff);
  for (const auto& edid : {uhd, largest}) {
    EXPECT_GE(edid[72 + 9] * 1000, clock(edid)) << "within the limits that it names";
    EXPECT_EQ(std::accumulate(edid.begin(), edid.end(), 0U) % 256, 0U);
  }
}

}  // namespace
}  // namespace machina::test
