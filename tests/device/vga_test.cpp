/// VGA, from the IBM PS/2 Video Subsystem reference, and its Bochs display interface.

#include "core/display/png_writer.h"
#include "core/units.h"
#include "hw/display/isa_vga.h"
#include "hw/nvram/fw_cfg.h"
#include "tests/support/test_machine.h"
#include "tests/support/vga_modes.h"

namespace machina::test {
namespace {

class Vga : public testing::Test {
 protected:
  Vga() {
    m.add_isa_bus();
    vga = &m.add<IsaVga>("vga", {{"romfile", ""}});
    m.start();
  }

  void seq(std::uint8_t index, std::uint8_t value) { m.outw(0x3c4, static_cast<std::uint16_t>(index | value << 8)); }
  void gr(std::uint8_t index, std::uint8_t value) { m.outw(0x3ce, static_cast<std::uint16_t>(index | value << 8)); }
  void crtc(std::uint8_t index, std::uint8_t value) { m.outw(0x3d4, static_cast<std::uint16_t>(index | value << 8)); }
  std::uint8_t crtc(std::uint8_t index) {
    m.outb(0x3d4, index);
    return m.inb(0x3d5);
  }
  void dispi(std::uint16_t index, std::uint16_t value) {
    m.outw(0x1ce, index);
    m.outw(0x1cf, value);
  }
  std::uint16_t dispi(std::uint16_t index) {
    m.outw(0x1ce, index);
    return m.inw(0x1cf);
  }
  void poke(std::uint32_t address, std::uint8_t value) { m.write(address, 1, value); }
  std::uint8_t peek(std::uint32_t address) { return static_cast<std::uint8_t>(m.read(address, 1)); }
  /// The four planes at an address of a planar mode.
  std::uint32_t planes(std::uint32_t address) {
    std::uint32_t all = 0;
    gr(5, 0);
    for (std::uint8_t p = 0; p < 4; ++p) {
      gr(4, p);
      all |= static_cast<std::uint32_t>(peek(address)) << (8 * p);
    }
    return all;
  }
  void dac(std::initializer_list<std::uint8_t> components) {
    for (const std::uint8_t v : components) m.outb(0x3c9, v);
  }
  /// The attribute controller shows its palette.
  void screen_on() {
    m.outb(0x3c2, 0x63);
    (void)m.inb(0x3da);
    m.outb(0x3c0, 0x20);
  }
  void planar() {
    set_mode(m, kMode12);
    set_ega_palette(m);
  }
  PixelScreen pixels() {
    const MachineLock::Guard guard(m.system().lock);
    return vga->pixel_screen();
  }
  TextScreen text() {
    const MachineLock::Guard guard(m.system().lock);
    return vga->text_screen();
  }
  std::uint32_t pixel(unsigned x, unsigned y) {
    const PixelScreen s = pixels();
    return s.pixels.at(std::size_t{y} * s.width + x);
  }
  /// Writes a glyph of eight by 16 into the font in plane 2.
  void glyph(std::uint8_t code, std::uint32_t font, std::initializer_list<std::uint8_t> lines) {
    seq(2, 0x04);
    seq(4, 0x06);
    gr(5, 0x00);
    gr(6, 0x04);
    std::uint32_t at = 0xa0000 + font + code * 32U;
    for (const std::uint8_t l : lines) poke(at++, l);
    seq(2, 0x03);
    seq(4, 0x02);
    gr(5, 0x10);
    gr(6, 0x0e);
  }
  void put(unsigned column, unsigned row, char c, std::uint8_t attribute) {
    m.write(0xb8000 + (row * 80 + column) * 2, 2, static_cast<std::uint8_t>(c) | unsigned{attribute} << 8);
  }

  TestMachine m{2 * MiB};
  IsaVga* vga = nullptr;
};

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

// --- what is shown ---

TEST_F(Vga, TextScreenHasCellsAndCursor) {
  set_mode(m, kMode03);
  put(0, 0, 'H', 0x07);
  put(79, 24, '!', 0x4f);
  crtc(0x0e, 0x00);
  crtc(0x0f, 81);
  const TextScreen s = text();
  ASSERT_EQ(s.columns, 80U);
  ASSERT_EQ(s.rows, 25U);
  EXPECT_EQ(s.cells[0], (TextScreen::Cell{'H', 0x07}));
  EXPECT_EQ(s.cells[80 * 25 - 1], (TextScreen::Cell{'!', 0x4f}));
  EXPECT_TRUE(s.cursor_visible);
  EXPECT_EQ(s.cursor_column, 1U);
  EXPECT_EQ(s.cursor_row, 1U);
  crtc(0x0a, 0x2d);
  EXPECT_FALSE(text().cursor_visible);
  crtc(0x0d, 80);  // scrolled by a row
  EXPECT_EQ(text().cells[80 * 24 - 1], (TextScreen::Cell{'!', 0x4f}));
  EXPECT_TRUE(vga->text_mode());
}

TEST_F(Vga, LineCompareSplitsTheTextScreen) {
  set_mode(m, kMode03);
  put(0, 0, 'T', 0x07);
  put(0, 1, 'U', 0x07);
  put(0, 40, 'S', 0x07);
  crtc(0x0c, 3200 >> 8);  // row 40 at the top
  crtc(0x0d, 3200 & 0xff);
  crtc(0x18, 319 - 256);  // 20 rows of 16 lines, then address 0; bit 8 is in 07h
  crtc(0x09, 0x0f);
  const TextScreen s = text();
  EXPECT_EQ(s.cells[0].glyph, 'S');
  EXPECT_EQ(s.cells[19 * 80].glyph, 0);
  EXPECT_EQ(s.cells[20 * 80].glyph, 'T');
  EXPECT_EQ(s.cells[21 * 80].glyph, 'U');
}

TEST_F(Vga, TextIsDrawnWithTheFontInPlane2) {
  set_mode(m, kMode03);
  set_ega_palette(m);
  glyph('A', 0, {0x80, 0x01});
  glyph(0xc4, 0, {0x00, 0xff});
  crtc(0x0a, 0x20);
  put(0, 0, 'A', 0x1e);
  put(1, 0, 'A', 0x1e);
  put(0, 1, static_cast<char>(0xc4), 0x07);
  put(1, 1, static_cast<char>(0xc4), 0x07);
  const PixelScreen s = pixels();
  ASSERT_EQ(s.width, 720U);
  ASSERT_EQ(s.height, 400U);
  const auto at = [&](unsigned x, unsigned y) { return s.pixels[y * 720 + x]; };
  EXPECT_EQ(at(0, 0), 0xffff55U);  // yellow on blue
  EXPECT_EQ(at(1, 0), 0x0000aaU);
  EXPECT_EQ(at(7, 1), 0xffff55U);
  EXPECT_EQ(at(8, 1), 0x0000aaU);  // the ninth column
  EXPECT_EQ(at(9, 0), 0xffff55U);
  EXPECT_EQ(at(8, 17), 0xaaaaaaU);  // lines join in it
  EXPECT_EQ(at(0, 16), 0x000000U);
  EXPECT_EQ(at(17, 17), 0xaaaaaaU);
}

TEST_F(Vga, AttributeBit3ChoosesTheSecondFont) {
  set_mode(m, kMode03);
  set_ega_palette(m);
  glyph('A', 0x0000, {0xff});
  glyph('A', 0x4000, {0x00});  // font 1
  crtc(0x0a, 0x20);
  put(0, 0, 'A', 0x07);
  put(1, 0, 'A', 0x0f);
  EXPECT_EQ(pixel(9, 0), 0xffffffU);  // both are font 0
  seq(3, 0x04);                       // with bit 3 set: font 1
  EXPECT_EQ(pixel(0, 0), 0xaaaaaaU);
  EXPECT_EQ(pixel(9, 0), 0x000000U);
}

TEST_F(Vga, CursorAndBlinkingCharactersFollowTheFrames) {
  set_mode(m, kMode03);
  set_ega_palette(m);
  glyph('A', 0, {0xff, 0xff});
  put(2, 0, 'A', 0x87);
  crtc(0x0f, 0);
  crtc(0x0a, 0x0e);
  crtc(0x0b, 0x0f);
  put(0, 0, ' ', 0x07);
  const std::int64_t frame = 449 * (900 * 1'000'000'000LL / 28'322'000);
  EXPECT_EQ(pixel(0, 14), 0xaaaaaaU);
  EXPECT_EQ(pixel(0, 13), 0x000000U);
  EXPECT_EQ(pixel(18, 0), 0xaaaaaaU);
  m.step(8 * frame);
  EXPECT_EQ(pixel(0, 14), 0x000000U);
  EXPECT_EQ(pixel(18, 0), 0xaaaaaaU);
  m.step(8 * frame);
  EXPECT_EQ(pixel(0, 14), 0xaaaaaaU);
  EXPECT_EQ(pixel(18, 0), 0x000000U);
  (void)m.inb(0x3da);
  m.outb(0x3c0, 0x30);  // bit 7 as intensity of the background instead
  m.outb(0x3c0, 0x04);
  EXPECT_EQ(pixel(18, 0), 0xaaaaaaU);
  EXPECT_EQ(pixel(18, 4), 0x555555U);
}

TEST_F(Vga, Mode13IsAByteAPixel) {
  set_mode(m, kMode13);
  m.outb(0x3c8, 0x42);
  dac({0x3f, 0x00, 0x20});
  poke(0xa0000 + 199 * 320 + 319, 0x42);
  const PixelScreen s = pixels();
  ASSERT_EQ(s.width, 640U);  // the monitor's dots: two by two a pixel
  ASSERT_EQ(s.height, 400U);
  EXPECT_EQ(s.pixels.back(), 0xff0082U);
  EXPECT_EQ(s.pixels.front(), 0x000000U);
  m.outb(0x3c6, 0x0f);  // the DAC's mask
  EXPECT_EQ(pixel(639, 399), 0x000000U);
  EXPECT_FALSE(vga->text_mode());
  EXPECT_EQ(text().columns, 0U);
}

TEST_F(Vga, Mode12IsFourPlanes) {
  planar();
  gr(0, 0x0c);
  gr(1, 0x0f);
  gr(8, 0x01);
  (void)peek(0xa0000 + 479 * 80 + 79);
  poke(0xa0000 + 479 * 80 + 79, 0xff);
  const PixelScreen s = pixels();
  ASSERT_EQ(s.width, 640U);
  ASSERT_EQ(s.height, 480U);
  EXPECT_EQ(s.pixels.back(), 0xff5555U);  // 12: light red
  EXPECT_EQ(s.pixels[s.pixels.size() - 2], 0x000000U);
  (void)m.inb(0x3da);
  m.outb(0x3c0, 0x32);  // without plane 3: red
  m.outb(0x3c0, 0x07);
  EXPECT_EQ(pixel(639, 479), 0xaa0000U);
}

TEST_F(Vga, ModeXIsUnchained) {
  set_mode(m, kMode13);
  seq(4, 0x06);
  crtc(0x14, 0x00);
  crtc(0x17, 0xe3);
  m.outb(0x3c8, 0x01);
  dac({0x3f, 0x3f, 0x3f});
  seq(2, 0x02);  // plane 1: pixels 1, 5, 9, ...
  poke(0xa0000 + 80, 0x01);
  EXPECT_EQ(pixel(2, 2), 0xffffffU);
  EXPECT_EQ(pixel(3, 3), 0xffffffU);
  EXPECT_EQ(pixel(1, 2), 0x000000U);
  crtc(0x0d, 80);  // the next page starts a line down
  EXPECT_EQ(pixel(2, 0), 0xffffffU);
  (void)m.inb(0x3da);
  m.outb(0x3c0, 0x33);  // panned by one pixel, two dots
  m.outb(0x3c0, 0x02);
  EXPECT_EQ(pixel(0, 0), 0xffffffU);
}

TEST_F(Vga, CgaModesInterleaveLines) {
  set_mode(m, kMode04);
  set_cga_palette(m);
  poke(0xb8000, 0x1b);           // pixels 0 1 2 3 of line 0
  poke(0xb8001, 0xc0);           // pixel 4
  poke(0xb8000 + 0x2000, 0xe4);  // line 1
  const PixelScreen s = pixels();
  ASSERT_EQ(s.width, 640U);
  ASSERT_EQ(s.height, 400U);
  // The palette of mode 4: black, light cyan, light magenta, white.
  const std::uint32_t colours[] = {0x000000, 0x55ffff, 0xff55ff, 0xffffff};
  for (unsigned x = 0; x < 8; ++x) {
    EXPECT_EQ(s.pixels[x], colours[x / 2]);
    EXPECT_EQ(s.pixels[640 + x], colours[x / 2]);
    EXPECT_EQ(s.pixels[2 * 640 + x], colours[3 - x / 2]);
  }
  EXPECT_EQ(s.pixels[8], 0xffffffU);
  EXPECT_EQ(s.pixels[4 * 640], 0x000000U);

  set_mode(m, kMode06);
  for (std::uint32_t at = 0; at < 0x4000; ++at) poke(0xb8000 + at, 0);
  poke(0xb8000 + 0x2000 + 80, 0x80);
  const PixelScreen t = pixels();
  ASSERT_EQ(t.width, 640U);
  ASSERT_EQ(t.height, 400U);
  EXPECT_EQ(t.pixels[6 * 640], 0xffffffU);
  EXPECT_EQ(t.pixels[7 * 640], 0xffffffU);
  EXPECT_EQ(t.pixels[6 * 640 + 1], 0x000000U);
}

TEST_F(Vga, Mode0dDoublesLinesAndDots) {
  set_mode(m, kMode0d);
  set_cga_palette(m);
  poke(0xa0000 + 40, 0x80);
  const PixelScreen s = pixels();
  ASSERT_EQ(s.width, 640U);
  ASSERT_EQ(s.height, 400U);
  EXPECT_NE(s.pixels[2 * 640], 0U);
  EXPECT_NE(s.pixels[3 * 640 + 1], 0U);
  EXPECT_EQ(s.pixels[2 * 640 + 2], 0U);
  EXPECT_EQ(s.pixels[640], 0U);
  EXPECT_EQ(s.pixels[4 * 640], 0U);
}

TEST_F(Vga, AScreenThatIsOffIsBlackOrBorder) {
  set_mode(m, kMode13);
  m.outb(0x3c8, 0x00);
  dac({0x3f, 0x3f, 0x3f});
  EXPECT_EQ(pixel(0, 0), 0xffffffU);
  seq(1, 0x21);
  EXPECT_EQ(pixel(0, 0), 0x000000U);
  seq(1, 0x01);
  (void)m.inb(0x3da);
  m.outb(0x3c0, 0x11);  // the palette off: the border's colour
  m.outb(0x3c0, 0x05);
  EXPECT_EQ(pixel(0, 0), 0x000000U);
  m.outb(0x3c8, 0x05);
  dac({0x3f, 0x00, 0x00});
  EXPECT_EQ(pixel(0, 0), 0xff0000U);
}

// --- Bochs display interface ---

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
