/// VGA: its registers, and the ways to its memory, from the IBM PS/2 Video Subsystem reference.

#include "tests/device/vga_fixture.h"

namespace machina::test {
namespace {

// --- registers ---

TEST_F(Vga, IndexedRegistersKeepTheBitsTheyHave) {
  m.outb(0x3c2, 0x63);
  const std::uint8_t seq_masks[] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
  for (std::uint8_t i = 0; i < 5; ++i) {
    seq(i, 0xff);
    m.outb(0x3c4, i);
    EXPECT_EQ(m.inb(0x3c5), seq_masks[i]) << unsigned{i};
  }
  const std::uint8_t gr_masks[] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff, 0x00};
  for (std::uint8_t i = 0; i < 10; ++i) {
    gr(i, 0xff);
    m.outb(0x3ce, i);
    EXPECT_EQ(m.inb(0x3cf), gr_masks[i]) << unsigned{i};
  }
  EXPECT_EQ(m.inb(0x3cc), 0x63);
}

TEST_F(Vga, MiscChoosesColourOrMonochromeAddresses) {
  m.outb(0x3c2, 0x00);
  EXPECT_EQ(m.inb(0x3d4), 0xff);
  m.outb(0x3b4, 0x0f);
  m.outb(0x3b5, 0x42);
  EXPECT_EQ(m.inb(0x3b5), 0x42);
  m.outb(0x3c2, 0x01);
  EXPECT_EQ(m.inb(0x3b5), 0xff);
  EXPECT_EQ(m.inb(0x3d5), 0x42);
}

TEST_F(Vga, CrtcProtectLocksTheTimingButNotLineCompare) {
  m.outb(0x3c2, 0x63);
  crtc(0x00, 0x5f);
  crtc(0x07, 0x00);
  crtc(0x11, 0x80);
  crtc(0x00, 0x12);
  crtc(0x07, 0xff);
  crtc(0x08, 0x03);  // not among the protected
  EXPECT_EQ(crtc(0x00), 0x5f);
  EXPECT_EQ(crtc(0x07), 0x10);
  EXPECT_EQ(crtc(0x08), 0x03);
  crtc(0x11, 0x00);
  crtc(0x07, 0xff);
  EXPECT_EQ(crtc(0x07), 0xff);
  crtc(0x30, 0x55);
  EXPECT_EQ(crtc(0x30), 0x00);
}

TEST_F(Vga, AttributeFlipFlopAndPaletteLock) {
  m.outb(0x3c2, 0x63);
  (void)m.inb(0x3da);
  m.outb(0x3c0, 0x05);
  m.outb(0x3c0, 0x7f);  // six bits
  m.outb(0x3c0, 0x05);
  EXPECT_EQ(m.inb(0x3c1), 0x3f);
  EXPECT_EQ(m.inb(0x3c0), 0x05);
  (void)m.inb(0x3da);  // the next write is an index again
  m.outb(0x3c0, 0x06);
  EXPECT_EQ(m.inb(0x3c0), 0x06);
  m.outb(0x3c0, 0x11);
  m.outb(0x3c0, 0x25);  // with the screen on the palette is locked
  m.outb(0x3c0, 0x00);
  EXPECT_EQ(m.inb(0x3c1), 0x3f);
  m.outb(0x3c0, 0x30);  // the others are not
  m.outb(0x3c0, 0x0c);
  m.outb(0x3c0, 0x30);
  EXPECT_EQ(m.inb(0x3c1), 0x0c);
}

// The status port of the other kind of monitor does not answer, but the flip-flop minds it: SeaBIOS programs a colour
// mode while the adapter is still a monochrome one.
TEST_F(Vga, EitherStatusPortResetsTheFlipFlop) {
  for (const std::uint8_t misc : std::initializer_list<std::uint8_t>{0x62, 0x63}) {
    m.outb(0x3c2, misc);
    for (const std::uint16_t status : std::initializer_list<std::uint16_t>{0x3ba, 0x3da}) {
      m.outb(0x3c0, 0x01);
      const bool answers = m.inb(status) != 0xff;
      EXPECT_EQ(answers, (status == 0x3da) == (misc & 1));
      m.outb(0x3c0, 0x13);
      EXPECT_EQ(m.inb(0x3c0), 0x13);
      (void)m.inb(status);
    }
  }
}

TEST_F(Vga, DacTakesThreeComponentsAndCounts) {
  m.outb(0x3c8, 0xfe);
  EXPECT_EQ(m.inb(0x3c7), 0x00);
  dac({1, 2, 3, 4, 5, 6, 0x7f, 8, 9});
  EXPECT_EQ(m.inb(0x3c8), 0x01);  // wrapped
  m.outb(0x3c9, 0x3f);            // two of three: nothing changes
  m.outb(0x3c9, 0x3f);
  m.outb(0x3c7, 0xfe);
  EXPECT_EQ(m.inb(0x3c7), 0x03);
  for (const unsigned v : {1U, 2U, 3U, 4U, 5U, 6U, 0x3fU, 8U, 9U, 0U, 0U, 0U}) EXPECT_EQ(m.inb(0x3c9), v);
}

TEST_F(Vga, RetraceFollowsTheProgrammedTiming) {
  set_mode(m, kMode03);
  // 900 dots of 28.322 MHz a line, 449 lines, retrace from line 412 on for two; 70 Hz.
  const std::int64_t line = 900 * 1'000'000'000LL / 28'322'000;
  std::int64_t first = -1, last = -1, blank = 0;
  const std::int64_t start = m.now();
  for (int i = 0; i < 449; ++i) {
    const std::uint8_t status = m.inb(0x3da);
    if (status & 0x08) {
      if (first < 0) first = i;
      last = i;
      EXPECT_TRUE(status & 0x01);
    }
    if (status & 0x01) ++blank;
    m.step(line);
  }
  EXPECT_EQ(first, 412);
  EXPECT_EQ(last, 413);
  EXPECT_EQ(blank, 49);
  EXPECT_EQ(m.now() - start, 449 * line);
  // Within a line: 720 of 900 dots are shown.
  m.step(line * 79 / 100);
  EXPECT_FALSE(m.inb(0x3da) & 0x01);
  m.step(line * 2 / 100);
  EXPECT_TRUE(m.inb(0x3da) & 0x01);
}

TEST_F(Vga, StatusChangesAlsoBeforeAModeIsSet) {
  m.outb(0x3c2, 0x01);
  bool seen[2] = {};
  for (int i = 0; i < 600; ++i) {
    seen[(m.inb(0x3da) & 0x08) != 0] = true;
    m.step(32'000);
  }
  EXPECT_TRUE(seen[0] && seen[1]);
}

// --- the window and the planes ---

TEST_F(Vga, MemoryMapSelectsWhereMemoryShows) {
  planar();
  const struct {
    std::uint8_t map;
    std::uint32_t base, size;
  } maps[] = {{0, 0xa0000, 0x20000}, {1, 0xa0000, 0x10000}, {2, 0xb0000, 0x8000}, {3, 0xb8000, 0x8000}};
  for (const auto& w : maps) {
    gr(6, static_cast<std::uint8_t>(w.map << 2 | 1));
    for (std::uint32_t at = 0xa0000; at < 0xc0000; at += 0x4000) {
      const bool inside = at >= w.base && at < w.base + w.size;
      poke(at, 0x5a);
      EXPECT_EQ(peek(at), inside ? 0x5a : 0xff) << unsigned{w.map} << " " << at;
    }
  }
  gr(6, 0x05);
  poke(0xa0000, 0x33);
  m.outb(0x3c2, 0xe1);  // memory off: for another adapter, of which there is none
  EXPECT_EQ(peek(0xa0000), 0x33);
}

TEST_F(Vga, WriteMode0RotatesSetsAndMasks) {
  planar();
  seq(2, 0x0f);
  poke(0xa0000, 0xc1);
  EXPECT_EQ(planes(0xa0000), 0xc1c1c1c1U);
  seq(2, 0x05);
  poke(0xa0000, 0x00);
  EXPECT_EQ(planes(0xa0000), 0xc100c100U);
  seq(2, 0x0f);
  gr(3, 0x03);  // rotate right by three
  poke(0xa0001, 0x81);
  EXPECT_EQ(planes(0xa0001), 0x30303030U);
  gr(3, 0x00);
  gr(0, 0x09);  // planes 3 and 0 set, 2 and 1 reset
  gr(1, 0x03);  // but only 1 and 0 take it
  poke(0xa0002, 0x3c);
  EXPECT_EQ(planes(0xa0002), 0x3c3c00ffU);
}

// A monitor's view of the window: what a guest would read, and the latches stay those of the guest's last read.
TEST_F(Vga, ALookFromOutsideLatchesNothing) {
  planar();
  poke(0xa0010, 0xaa);
  poke(0xa0020, 0x0f);
  (void)peek(0xa0010);
  {
    const MachineLock::Guard guard(m.system().lock);
    const FlatRange window = *m.system().memory.view()->find(0xa0000);
    std::array<std::uint8_t, 2> seen{};
    EXPECT_TRUE(vga->peek(*window.region, 0x20, seen));
    EXPECT_EQ(seen[0], 0x0f);
    EXPECT_FALSE(vga->peek(*window.region, 0xffff, seen)) << "only A0000h to AFFFFh are memory in this mode";
    EXPECT_FALSE(vga->peek(m.system().io_root, 0x20, seen)) << "not its own";
  }
  gr(8, 0x0f);
  poke(0xa0011, 0x55);
  gr(8, 0xff);
  EXPECT_EQ(planes(0xa0011), 0xa5a5a5a5U);
}

TEST_F(Vga, BitMaskTakesTheRestFromTheLatches) {
  planar();
  poke(0xa0010, 0xaa);
  (void)peek(0xa0010);
  gr(8, 0x0f);
  poke(0xa0011, 0x55);  // the latches are those of the last read, wherever that was
  gr(8, 0xff);
  EXPECT_EQ(planes(0xa0011), 0xa5a5a5a5U);
}

TEST_F(Vga, LogicalFunctionsUseTheLatches) {
  planar();
  const std::pair<std::uint8_t, std::uint8_t> cases[] = {{0x08, 0x0c & 0x0a}, {0x10, 0x0c | 0x0a}, {0x18, 0x0c ^ 0x0a}};
  for (const auto& [function, result] : cases) {
    gr(3, 0);
    poke(0xa0020, 0x0c);
    (void)peek(0xa0020);
    gr(3, function);
    poke(0xa0020, 0x0a);
    EXPECT_EQ(peek(0xa0020), result) << unsigned{function};
  }
}

TEST_F(Vga, WriteMode1CopiesLatches) {
  planar();
  seq(2, 0x05);
  poke(0xa0000, 0x99);
  seq(2, 0x0f);
  gr(5, 0x01);
  gr(8, 0x00);  // does not count
  (void)peek(0xa0000);
  poke(0xa0100, 0x12);
  EXPECT_EQ(planes(0xa0100), 0x00990099U);
  seq(2, 0x01);  // the map mask does
  gr(5, 0x01);
  (void)peek(0xa0000);
  poke(0xa0101, 0x12);
  EXPECT_EQ(planes(0xa0101), 0x00000099U);
}

TEST_F(Vga, WriteMode2WritesAColour) {
  planar();
  poke(0xa0000, 0xff);
  gr(5, 0x02);
  gr(8, 0xf0);
  (void)peek(0xa0000);
  poke(0xa0000, 0x06);
  gr(8, 0xff);
  EXPECT_EQ(planes(0xa0000), 0x0fffff0fU);
}

TEST_F(Vga, WriteMode3MasksSetResetWithTheData) {
  planar();
  poke(0xa0000, 0x00);
  gr(0, 0x0a);
  gr(5, 0x03);
  gr(8, 0x7e);
  (void)peek(0xa0000);
  poke(0xa0000, 0xf0);
  gr(8, 0xff);
  gr(0, 0x00);
  EXPECT_EQ(planes(0xa0000), 0x70007000U);
}

TEST_F(Vga, ReadMode1ComparesColours) {
  planar();
  gr(5, 0x02);
  const std::uint8_t colours[] = {5, 5, 0, 7, 13, 5, 15, 4};
  for (unsigned i = 0; i < 8; ++i) {
    gr(8, static_cast<std::uint8_t>(0x80 >> i));
    (void)peek(0xa0000);
    poke(0xa0000, colours[i]);
  }
  gr(5, 0x08);
  gr(2, 0x05);
  gr(7, 0x0f);
  EXPECT_EQ(peek(0xa0000), 0xc4);
  gr(7, 0x07);  // plane 3 does not matter
  EXPECT_EQ(peek(0xa0000), 0xcc);
  gr(7, 0x00);
  EXPECT_EQ(peek(0xa0000), 0xff);
}

TEST_F(Vga, OddEvenSplitsTextAndAttributes) {
  set_mode(m, kMode03);
  put(0, 0, 'A', 0x1e);
  EXPECT_EQ(m.read(0xb8000, 2), 0x1e41U);
  seq(4, 0x06);
  gr(6, 0x04);
  EXPECT_EQ(planes(0xa0000), 0x00001e41U);
  EXPECT_EQ(planes(0xa0001), 0x00000000U);  // odd addresses of the planes stay free
}

TEST_F(Vga, OddEvenNeedsNoChainBit) {
  set_mode(m, kMode03);
  gr(6, 0x0c);
  put(0, 0, 'A', 0x1e);
  EXPECT_EQ(m.read(0xb8000, 2), 0x1e41U);
  gr(6, 0x0e);
  EXPECT_EQ(m.read(0xb8000, 2), 0x1e41U) << "at the same address";
}

// What GRUB as a PC's firmware sets (grub-firmware-qemu): no timing, no memory, no planes, a split below the first
// line.
TEST_F(Vga, TextNeedsNoTiming) {
  m.outb(0x3c2, 0x01);
  for (const std::uint8_t i : {std::uint8_t{0x01}, std::uint8_t{0x02}}) seq(i, i == 1 ? 0x01 : 0x03);
  gr(8, 0xff);
  gr(6, 0x00);
  seq(4, 0x00);
  seq(2, 0x04);
  gr(5, 0x00);
  poke(0xa0000 + 'G' * 32 + 1, 0x80);  // to an odd address, by graphics 05h alone
  seq(2, 0x03);
  gr(5, 0x10);
  gr(6, 0x0c);
  crtc(0x01, 79), crtc(0x07, 0x02), crtc(0x09, 15), crtc(0x12, 0x90), crtc(0x13, 40);
  crtc(0x0a, 0x20);
  for (std::uint8_t i = 0; i < 16; ++i) {
    (void)m.inb(0x3da);
    m.outb(0x3c0, i);
    m.outb(0x3c0, i);
  }
  m.outb(0x3c0, 0x20);
  m.outb(0x3c8, 7);
  for (int i = 0; i < 3; ++i) m.outb(0x3c9, 0x3f);
  put(0, 0, 'G', 0x07);
  put(79, 24, 'G', 0x07);
  const TextScreen t = text();
  ASSERT_EQ(t.columns, 80U);
  ASSERT_EQ(t.rows, 25U);
  EXPECT_EQ(t.cells[0].glyph, 'G');
  EXPECT_EQ(t.cells[80].glyph, 0) << "once";
  EXPECT_EQ(t.cells.back().glyph, 'G');
  const MachineLock::Guard guard(m.system().lock);
  const PixelScreen s = vga->pixel_screen();
  ASSERT_EQ(s.width, 640U);
  ASSERT_EQ(s.height, 401U) << "400 and the one above the split";
  EXPECT_EQ(s.pixels[2 * 640], 0xffffffU);
  EXPECT_EQ(s.pixels[(1 + 384 + 1) * 640 + 632], 0xffffffU);
}

TEST_F(Vga, Chain4PutsFourPixelsIntoOneWord) {
  set_mode(m, kMode13);
  m.write(0xa0000, 8, 0x8877665544332211);
  EXPECT_EQ(m.read(0xa0000, 8), 0x8877665544332211U);
  seq(4, 0x06);  // unchained, as tweaked modes do it
  EXPECT_EQ(planes(0xa0000), 0x44332211U);
  EXPECT_EQ(planes(0xa0004), 0x88776655U);
  EXPECT_EQ(planes(0xa0001), 0U);
}

}  // namespace
}  // namespace machina::test
