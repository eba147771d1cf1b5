/// The Bochs display interface of a VGA, and its firmware.

#include "hw/nvram/fw_cfg.h"
#include "tests/device/vga_fixture.h"

namespace machina::test {
namespace {

TEST_F(Vga, DispiIdentifiesItself) {
  EXPECT_EQ(dispi(0), 0xb0c5);
  dispi(0, 0xb0c2);
  EXPECT_EQ(dispi(0), 0xb0c2);
  dispi(0, 0x1234);
  EXPECT_EQ(dispi(0), 0xb0c2);
  EXPECT_EQ(dispi(10), 8 * 1024 / 64);
  m.outw(0x1ce, 0);
  EXPECT_EQ(m.inw(0x1d0), 0xb0c2);  // the aligned data port
  EXPECT_EQ(m.inb(0x1ce), 0xff);
  dispi(4, 0x02);
  EXPECT_EQ(dispi(1), 16000);
  EXPECT_EQ(dispi(2), 12000);
  EXPECT_EQ(dispi(3), 32);
  EXPECT_EQ(dispi(100), 0);
}

TEST_F(Vga, DispiModesAreLinear) {
  screen_on();
  const struct {
    std::uint16_t bpp;
    std::uint32_t value, colour;
  } depths[] = {{8, 0x21, 0x082030},
                {15, 0x7c1f, 0xff00ff},
                {16, 0x07e0, 0x00ff00},
                {24, 0x123456, 0x123456},
                {32, 0xff123456, 0x123456}};
  m.outb(0x3c8, 0x21);
  dac({0x02, 0x08, 0x0c});
  for (const auto& d : depths) {
    dispi(4, 0);
    dispi(1, 800);
    dispi(2, 600);
    dispi(3, d.bpp);
    dispi(4, 0x41);
    const unsigned bytes = (d.bpp + 7U) / 8;
    const std::uint32_t at = 0xe0000000 + (599 * 800 + 799) * bytes;
    for (unsigned i = 0; i < bytes; ++i) poke(at + i, static_cast<std::uint8_t>(d.value >> (8 * i)));
    const PixelScreen s = pixels();
    ASSERT_EQ(s.width, 800U);
    ASSERT_EQ(s.height, 600U);
    EXPECT_EQ(s.pixels.back(), d.colour) << d.bpp;
    EXPECT_EQ(s.pixels.front(), 0U);
    EXPECT_FALSE(vga->text_mode());
  }
}

TEST_F(Vga, DispiVirtualScreenAndOffsets) {
  screen_on();
  dispi(1, 640);
  dispi(2, 480);
  dispi(3, 32);
  dispi(4, 0x41);
  EXPECT_EQ(dispi(6), 640);
  EXPECT_EQ(dispi(7), 8 * MiB / (640 * 4));
  dispi(6, 1024);
  EXPECT_EQ(dispi(7), 2048);
  dispi(6, 320);  // narrower than the screen
  EXPECT_EQ(dispi(6), 1024);
  dispi(8, 384);
  dispi(9, 2048 - 480);
  EXPECT_EQ(dispi(8), 384);
  EXPECT_EQ(dispi(9), 2048 - 480);
  dispi(8, 385);  // beyond the edges
  dispi(9, 2048 - 479);
  EXPECT_EQ(dispi(8), 384);
  EXPECT_EQ(dispi(9), 2048 - 480);
  m.write(0xe0000000 + 8 * MiB - 4, 4, 0xabcdef);
  EXPECT_EQ(pixel(639, 479), 0xabcdefU);
}

TEST_F(Vga, DispiRefusesWhatDoesNotFit) {
  dispi(1, 16000);
  dispi(2, 12000);
  dispi(3, 32);
  dispi(4, 1);
  EXPECT_EQ(dispi(4) & 1, 0);
  dispi(1, 0);
  dispi(4, 1);
  EXPECT_EQ(dispi(4) & 1, 0);
  dispi(3, 7);
  EXPECT_EQ(dispi(3), 32);
  dispi(1, 1023);  // multiples of eight
  EXPECT_EQ(dispi(1), 1016);
  dispi(2, 768);
  dispi(4, 1);
  dispi(1, 640);  // not while it is enabled
  EXPECT_EQ(dispi(1), 1016);
}

TEST_F(Vga, DispiClearsMemoryUnlessToldNotTo) {
  poke(0xe0000010, 0x77);
  dispi(1, 640);
  dispi(2, 480);
  dispi(3, 8);
  dispi(4, 0xc1);
  EXPECT_EQ(peek(0xe0000010), 0x77);
  dispi(4, 0);
  dispi(4, 0x41);
  EXPECT_EQ(peek(0xe0000010), 0x00);
}

TEST_F(Vga, DispiBanksShowInTheWindow) {
  dispi(1, 1024);
  dispi(2, 768);
  dispi(3, 8);
  dispi(4, 0x01);
  dispi(5, 3);
  m.write(0xa0004, 4, 0x44332211);
  EXPECT_EQ(m.read(0xe0030004, 4), 0x44332211U);
  dispi(5, 8 * 16);  // beyond the memory
  EXPECT_EQ(dispi(5), 3);
  EXPECT_EQ(peek(0xb8000), 0xff);
}

TEST_F(Vga, DispiEightBitDac) {
  screen_on();
  dispi(1, 640);
  dispi(2, 480);
  dispi(3, 8);
  dispi(4, 0x61);
  m.outb(0x3c8, 0);
  dac({0xfe, 0x81, 0x03});
  EXPECT_EQ(pixel(0, 0), 0xfe8103U);
}

TEST_F(Vga, DispiPlanarMode) {
  set_mode(m, kMode12);
  set_ega_palette(m);
  dispi(1, 800);
  dispi(2, 600);
  dispi(3, 4);
  dispi(4, 0x01);
  seq(2, 0x05);
  poke(0xa0000 + 599 * 100 + 99, 0x01);
  EXPECT_EQ(pixel(799, 599), 0xaa00aaU);
  EXPECT_EQ(pixel(798, 599), 0x000000U);
}

TEST_F(Vga, ResetLeavesTheDispiMode) {
  dispi(1, 640);
  dispi(2, 480);
  dispi(3, 32);
  dispi(4, 0x41);
  m.reset();
  EXPECT_EQ(dispi(4), 0);
  EXPECT_EQ(m.inb(0x3cc), 0);
  EXPECT_TRUE(vga->text_mode());
}

// --- the card ---

TEST(IsaVgaBios, IsAFirmwareFileOrARom) {
  TestMachine m{2 * MiB};
  m.add_isa_bus();
  auto& cfg = m.add<FwCfg>("fw_cfg");
  m.add("isa-vga", "vga");
  try {
    m.start();
  } catch (const Error& e) {
    if (e.message().find("no such firmware file") != std::string::npos) GTEST_SKIP() << e.what();
    throw;
  }
  const auto* bios = cfg.file("vgaroms/vgabios.bin");
  ASSERT_NE(bios, nullptr);
  EXPECT_EQ((*bios)[0], 0x55);
  EXPECT_EQ((*bios)[1], 0xaa);
  EXPECT_EQ(m.read(0xc0000, 2), 0U);

  TestMachine bare{2 * MiB};
  bare.add_isa_bus();
  bare.add("isa-vga", "vga");
  bare.start();
  EXPECT_EQ(bare.read(0xc0000, 2), 0xaa55U);
}

}  // namespace
}  // namespace machina::test
