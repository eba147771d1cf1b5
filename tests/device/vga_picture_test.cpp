/// What a VGA shows in each family of modes, dot by dot: every mode is drawn into the way its documentation says, and
/// the picture compared with what was drawn. Then what moves and splits a picture, and what a refresh draws anew.

#include <functional>
#include <map>

#include "tests/device/vga_fixture.h"

namespace machina::test {
namespace {

class VgaPicture : public Vga {
 protected:
  VgaPicture() : Vga({{"romfile", ""}, {"irq", "9"}}) {}

  void attribute(std::uint8_t index, std::uint8_t value) {
    (void)m.inb(0x3da);
    m.outb(0x3c0, index);  // off, so that the palette is writable
    m.outb(0x3c0, value);
    m.outb(0x3c0, 0x20);
  }
  void poke(std::uint32_t address, unsigned value) { m.write(address, 1, value & 0xff); }
  unsigned peek(std::uint32_t address) { return static_cast<unsigned>(m.read(address, 1)); }
  void put(unsigned cell, char c, std::uint8_t attribute) {
    m.write(0xb8000 + cell * 2, 2, static_cast<std::uint8_t>(c) | unsigned{attribute} << 8);
  }
  /// A DAC with 256 colours that are all different, as they come out.
  std::vector<std::uint32_t> rainbow() {
    std::vector<std::uint32_t> colours;
    m.outb(0x3c8, 0);
    for (unsigned i = 0; i < 256; ++i) {
      const unsigned rgb[3] = {i & 0x3f, (i * 5 + 3) & 0x3f, (i >> 2) & 0x3f};
      std::uint32_t colour = 0;
      for (const unsigned v : rgb) {
        m.outb(0x3c9, static_cast<std::uint8_t>(v));
        colour = colour << 8 | v << 2 | v >> 4;
      }
      colours.push_back(colour);
    }
    return colours;
  }
  /// Every pixel `scale_x` by `scale_y` dots of the colour that `expected` says.
  void expect_picture(unsigned width, unsigned height, unsigned scale_x, unsigned scale_y,
                      const std::function<std::uint32_t(unsigned, unsigned)>& expected) {
    const PixelScreen s = pixels();
    ASSERT_EQ(s.width, width * scale_x);
    ASSERT_EQ(s.height, height * scale_y);
    unsigned wrong = 0;
    for (unsigned y = 0; y < s.height; ++y) {
      for (unsigned x = 0; x < s.width; ++x) {
        const std::uint32_t want = expected(x / scale_x, y / scale_y);
        const std::uint32_t is = s.pixels[std::size_t{y} * s.width + x];
        if (is != want && ++wrong < 5)
          ADD_FAILURE() << "at " << x << "," << y << ": " << std::hex << is << " for " << want;
      }
    }
    EXPECT_EQ(wrong, 0U);
  }
};

/// Something that differs between neighbours, lines, planes and banks.
unsigned pattern(unsigned x, unsigned y) { return x * 7 + (x >> 4) * 3 + y * 5 + (y >> 3) + (x ^ y); }

// Mode 4: two bits a pixel, four pixels a byte from the left, even lines at 0, odd ones at 2000h.
TEST_F(VgaPicture, Mode04HasFourColoursInTwoBanks) {
  set_mode(m, kMode04);
  const auto dac = rainbow();
  for (unsigned y = 0; y < 200; ++y) {
    for (unsigned x = 0; x < 320; x += 4) {
      unsigned byte = 0;
      for (unsigned i = 0; i < 4; ++i) byte = byte << 2 | (pattern(x + i, y) & 3);
      poke(0xb8000 + (y & 1) * 0x2000 + y / 2 * 80 + x / 4, byte);
    }
  }
  const unsigned palette[] = {0x00, 0x13, 0x15, 0x17};
  expect_picture(320, 200, 2, 2, [&](unsigned x, unsigned y) { return dac[palette[pattern(x, y) & 3]]; });
}

// Mode 6: a bit a pixel, the same banks.
TEST_F(VgaPicture, Mode06HasTwoColoursInTwoBanks) {
  set_mode(m, kMode06);
  const auto dac = rainbow();
  for (unsigned y = 0; y < 200; ++y) {
    for (unsigned x = 0; x < 640; x += 8) {
      unsigned byte = 0;
      for (unsigned i = 0; i < 8; ++i) byte = byte << 1 | (pattern(x + i, y) & 1);
      poke(0xb8000 + (y & 1) * 0x2000 + y / 2 * 80 + x / 8, byte);
    }
  }
  expect_picture(640, 200, 1, 2, [&](unsigned x, unsigned y) { return dac[pattern(x, y) & 1 ? 0x17 : 0x00]; });
}

struct Planar {
  const char* name;
  const VgaMode& mode;
  unsigned width, height, scale_x, scale_y;
};

class VgaPlanar : public VgaPicture, public testing::WithParamInterface<Planar> {};

// A bit of each of four planes a pixel, lines one after the other.
TEST_P(VgaPlanar, HasABitOfEachPlaneForEachPixel) {
  const Planar& p = GetParam();
  set_mode(m, p.mode);
  const auto dac = rainbow();
  for (unsigned plane = 0; plane < 4; ++plane) {
    seq(2, static_cast<std::uint8_t>(1U << plane));
    for (unsigned y = 0; y < p.height; ++y) {
      for (unsigned x = 0; x < p.width; x += 8) {
        unsigned byte = 0;
        for (unsigned i = 0; i < 8; ++i) byte = byte << 1 | (pattern(x + i, y) >> plane & 1);
        poke(0xa0000 + (y * p.width + x) / 8, byte);
      }
    }
  }
  expect_picture(p.width, p.height, p.scale_x, p.scale_y, [&](unsigned x, unsigned y) {
    return dac[p.mode.attribute[pattern(x, y) & p.mode.attribute[0x12] & 15]];
  });
}

INSTANTIATE_TEST_SUITE_P(Modes, VgaPlanar,
                         testing::Values(Planar{"0Dh", kMode0d, 320, 200, 2, 2}, Planar{"0Eh", kMode0e, 640, 200, 1, 2},
                                         Planar{"0Fh", kMode0f, 640, 350, 1, 1}, Planar{"10h", kMode10, 640, 350, 1, 1},
                                         Planar{"11h", kMode11, 640, 480, 1, 1},
                                         Planar{"12h", kMode12, 640, 480, 1, 1}),
                         [](const auto& tested) { return tested.param.name; });

TEST_F(VgaPicture, Mode13HasAByteForEachPixel) {
  set_mode(m, kMode13);
  const auto dac = rainbow();
  for (unsigned y = 0; y < 200; ++y)
    for (unsigned x = 0; x < 320; ++x) poke(0xa0000 + y * 320 + x, pattern(x, y));
  expect_picture(320, 200, 2, 2, [&](unsigned x, unsigned y) { return dac[pattern(x, y) & 0xff]; });
}

// 320x240 unchained, "mode X": the timing of 480 lines, and four pixels at an address, one in each plane.
TEST_F(VgaPicture, ModeXHas240LinesInFourPlanes) {
  set_mode(m, kMode13);
  const auto dac = rainbow();
  seq(4, 0x06);
  m.outb(0x3c2, 0xe3);
  crtc(0x11, 0x2c);
  const std::pair<std::uint8_t, std::uint8_t> timing[] = {{0x06, 0x0d}, {0x07, 0x3e}, {0x09, 0x41}, {0x10, 0xea},
                                                          {0x11, 0xac}, {0x12, 0xdf}, {0x14, 0x00}, {0x15, 0xe7},
                                                          {0x16, 0x06}, {0x17, 0xe3}};
  for (const auto& [index, value] : timing) crtc(index, value);
  for (unsigned plane = 0; plane < 4; ++plane) {
    seq(2, static_cast<std::uint8_t>(1U << plane));
    for (unsigned y = 0; y < 240; ++y)
      for (unsigned x = plane; x < 320; x += 4) poke(0xa0000 + y * 80 + x / 4, pattern(x, y));
  }
  expect_picture(320, 240, 2, 2, [&](unsigned x, unsigned y) { return dac[pattern(x, y) & 0xff]; });
}

// --- text ---

TEST_F(VgaPicture, FortyColumnsAreTwiceAsWide) {
  set_mode(m, kMode01);
  set_ega_palette(m);
  glyph('A', 0, {0xc1});
  crtc(0x0a, 0x20);
  put(39, 'A', 0x0e);
  const PixelScreen s = pixels();
  ASSERT_EQ(s.width, 720U);
  ASSERT_EQ(s.height, 400U);
  const unsigned at = 39 * 18;
  for (unsigned x = 0; x < 18; ++x) EXPECT_EQ(s.pixels[at + x], x < 4 || (x >= 14 && x < 16) ? 0xffff55U : 0U) << x;
}

TEST_F(VgaPicture, EightDotsAndFiftyRows) {
  set_mode(m, kMode03);
  set_ega_palette(m);
  seq(1, 0x01);
  crtc(0x09, 0x47);
  crtc(0x0a, 0x20);
  glyph('B', 0, {0, 0, 0, 0, 0, 0, 0, 0x81});
  put(49 * 80 + 79, 'B', 0x0a);
  const PixelScreen s = pixels();
  ASSERT_EQ(s.width, 640U);
  ASSERT_EQ(s.height, 400U);
  EXPECT_EQ(s.pixels[399 * 640 + 639], 0x55ff55U);
  EXPECT_EQ(s.pixels[399 * 640 + 632], 0x55ff55U);
  EXPECT_EQ(s.pixels[399 * 640 + 633], 0U);
  const MachineLock::Guard guard(m.system().lock);
  const TextScreen text = vga->text_screen();
  EXPECT_EQ(text.rows, 50U);
  EXPECT_EQ(text.cell_height, 8U);
  EXPECT_EQ(text.cells.back().glyph, 'B');
}

// GRUB as a PC's firmware leaves the mode control at 0, which in graphics puts the row scan into the address.
TEST_F(VgaPicture, TextOfARowStaysThereWhateverTheLine) {
  set_mode(m, kMode03);
  set_ega_palette(m);
  crtc(0x0a, 0x20);
  glyph('G', 0, {0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01});
  put(0, 'G', 0x07);
  put(24 * 80 + 79, 'G', 0x0e);
  for (const unsigned mode : {0xa3U, 0xa2U, 0xa1U, 0x00U}) {
    crtc(0x17, static_cast<std::uint8_t>(mode));
    const PixelScreen s = pixels();
    for (unsigned line = 0; line < 8; ++line) {
      for (unsigned x = 0; x < 9; ++x) {
        EXPECT_EQ(s.pixels[line * 720 + x], x == line ? 0xaaaaaaU : 0U) << mode << " " << line << " " << x;
        EXPECT_EQ(s.pixels[(384 + line) * 720 + 711 + x], x == line ? 0xffff55U : 0U) << mode << " " << line;
      }
    }
    const MachineLock::Guard guard(m.system().lock);
    EXPECT_EQ(vga->text_screen().cells.back().glyph, 'G') << mode;
  }
}

TEST_F(VgaPicture, MonochromeTextUnderlines) {
  set_mode(m, kMode07);
  const auto dac = rainbow();
  m.outw(0x3b4, 0x200a);
  m.write(0xb0000, 8, 0x7000'0900'0100'0700);  // blank ones: normal, underlined, underlined and bright, reverse
  const PixelScreen s = pixels();
  ASSERT_EQ(s.width, 720U);
  const auto at = [&](unsigned x, unsigned y) { return s.pixels[y * 720 + x]; };
  EXPECT_EQ(at(4, 13), dac[0x00]);
  for (unsigned x = 9; x < 18; ++x) EXPECT_EQ(at(x, 13), dac[0x08]) << x;  // also in the ninth dot
  EXPECT_EQ(at(9, 12), dac[0x00]);
  EXPECT_EQ(at(9, 14), dac[0x00]);
  EXPECT_EQ(at(18, 13), dac[0x18]);
  EXPECT_EQ(at(27, 5), dac[0x08]);
  EXPECT_EQ(at(27, 13), dac[0x08]);
}

TEST_F(VgaPicture, EachOfEightFontsCanBeEither) {
  set_mode(m, kMode03);
  set_ega_palette(m);
  crtc(0x0a, 0x20);
  const std::uint32_t fonts[8] = {0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000};
  for (unsigned i = 0; i < 8; ++i) glyph('F', fonts[i], {static_cast<std::uint8_t>(0x80 >> i)});
  put(0, 'F', 0x07);  // bit 3 clear: map B
  put(1, 'F', 0x0f);  // set: map A
  for (unsigned i = 0; i < 8; ++i) {
    const unsigned other = 7 - i;
    seq(3, static_cast<std::uint8_t>((i & 3) | (i & 4) << 2 | (other & 3) << 2 | (other & 4) << 3));
    const PixelScreen s = pixels();
    for (unsigned x = 0; x < 8; ++x) {
      EXPECT_EQ(s.pixels[x], x == i ? 0xaaaaaaU : 0U) << i << " " << x;
      EXPECT_EQ(s.pixels[9 + x], x == other ? 0xffffffU : 0U) << i << " " << x;
    }
  }
  seq(4, 0x00);  // 64 KiB: one font
  EXPECT_EQ(pixel(0, 0), 0xaaaaaaU);
  EXPECT_EQ(pixel(9, 0), 0xffffffU);
}

TEST_F(VgaPicture, CursorHasAShapeAndASkew) {
  set_mode(m, kMode03);
  set_ega_palette(m);
  for (unsigned i = 0; i < 80; ++i) put(i, ' ', 0x07);
  crtc(0x0e, 0);
  crtc(0x0f, 3);
  crtc(0x0a, 0x05);
  crtc(0x0b, 0x08);
  const auto covered = [&](unsigned column) {
    const PixelScreen s = pixels();
    std::string lines;
    for (unsigned y = 0; y < 16; ++y) lines += s.pixels[y * 720 + column * 9 + 8] ? '#' : '.';
    return lines;
  };
  EXPECT_EQ(covered(3), ".....####.......");
  EXPECT_EQ(covered(4), "................");
  crtc(0x0b, 0x08 | 1 << 5);  // a character later
  EXPECT_EQ(covered(3), "................");
  EXPECT_EQ(covered(4), ".....####.......");
  crtc(0x0b, 0x04);  // ends before it starts: none
  EXPECT_EQ(covered(3), "................");
  crtc(0x0a, 0x00);
  crtc(0x0b, 0x1f);
  EXPECT_EQ(covered(3), "################");
  const MachineLock::Guard guard(m.system().lock);
  const TextScreen text = vga->text_screen();
  EXPECT_EQ(text.cursor_first, 0U);
  EXPECT_EQ(text.cursor_last, 15U);
}

// Mode 0Fh: plane 2 alone blinks, planes 0 and 2 together are bright.
TEST_F(VgaPicture, GraphicsBlinkByTheirFourthBit) {
  set_mode(m, kMode0f);
  set_ega_palette(m);
  seq(2, 0x01);
  poke(0xa0000, 0x50);
  seq(2, 0x04);
  poke(0xa0000, 0x30);  // pixels: nothing, video, blinking, bright
  const auto look = [&] {
    const PixelScreen s = pixels();
    return std::vector<std::uint32_t>(s.pixels.begin(), s.pixels.begin() + 4);
  };
  const std::uint32_t bright = look()[3], video = look()[1];
  EXPECT_GT(bright, video);
  EXPECT_EQ(look(), (std::vector<std::uint32_t>{0, video, bright, bright}));
  // 366 lines of 800 dots at 25.175 MHz a frame (the clock select of the table is 28.322 MHz and 800 dots)
  std::map<std::uint32_t, int> seen;
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(look()[1], video);
    EXPECT_EQ(look()[3], bright);
    ++seen[look()[2]];
    m.step(8 * kNsPerMs);
  }
  EXPECT_EQ(seen.size(), 2U);
  EXPECT_GT(seen[0], 8);
  EXPECT_GT(seen[bright], 8);
}

// --- moving and splitting ---

class VgaScroll : public VgaPicture {
 protected:
  /// Mode 12h with a picture in which each place is told from each other: two pages of 480 lines.
  void draw() {
    set_mode(m, kMode12);
    set_ega_palette(m);
    for (unsigned plane = 0; plane < 4; ++plane) {
      seq(2, static_cast<std::uint8_t>(1U << plane));
      for (unsigned y = 0; y < 800; ++y) {
        for (unsigned x = 0; x < 640; x += 8) {
          unsigned byte = 0;
          for (unsigned i = 0; i < 8; ++i) byte = byte << 1 | (pattern(x + i, y) >> plane & 1);
          poke(0xa0000 + (y * 640 + x) / 8, byte);
        }
      }
    }
    plain = pixels();
  }
  /// Line `y` of the screen is line `of` of the memory, from pixel `x` on.
  void expect_line(unsigned y, unsigned of, unsigned x) {
    const PixelScreen s = pixels();
    for (unsigned i = 0; i + x < 640; ++i)
      ASSERT_EQ(s.pixels[y * 640 + i], plain.pixels[of * 640 + i + x]) << y << " " << i;
  }
  PixelScreen plain;
};

TEST_F(VgaScroll, PansByPixelsAndBytes) {
  draw();
  for (std::uint8_t by = 0; by < 8; ++by) {
    attribute(0x13, by);
    expect_line(0, 0, by);
    expect_line(479, 479, by);
  }
  attribute(0x13, 3);
  crtc(0x08, 2 << 5);  // and two bytes
  expect_line(100, 100, 19);
  attribute(0x13, 0);
  crtc(0x0d, 81);  // the start address: a line and a byte, and the byte panning
  expect_line(100, 101, 24);
}

TEST_F(VgaScroll, SplitScreenStartsAtAddressZero) {
  draw();
  crtc(0x0c, 80 * 200 >> 8);
  crtc(0x0d, 80 * 200 & 0xff);
  crtc(0x07, 0x2e);  // without bit 8 of line compare
  crtc(0x09, 0x00);  // and without bit 9
  crtc(0x18, 150);
  attribute(0x13, 5);
  crtc(0x08, 1 << 5);
  expect_line(0, 200, 13);
  expect_line(150, 350, 13);
  expect_line(151, 0, 13);  // panned as well
  expect_line(479, 328, 13);
  attribute(0x10, 0x21);  // unless the attribute controller stops at the line compare
  expect_line(150, 350, 13);
  expect_line(151, 0, 0);
  expect_line(479, 328, 0);
}

TEST_F(VgaPicture, PresetRowScanMovesTextByLines) {
  set_mode(m, kMode03);
  set_ega_palette(m);
  crtc(0x0a, 0x20);
  std::vector<std::uint8_t> lines;
  for (unsigned i = 0; i < 16; ++i) lines.push_back(static_cast<std::uint8_t>(i * 16 + 9));
  glyph('A', 0, lines);
  for (unsigned row = 0; row < 26; ++row) put(row * 80, 'A', static_cast<std::uint8_t>(row % 15 + 1));
  const PixelScreen plain = pixels();
  crtc(0x08, 5);
  const PixelScreen moved = pixels();
  for (unsigned y = 0; y < 395; ++y)
    for (unsigned x = 0; x < 9; ++x) ASSERT_EQ(moved.pixels[y * 720 + x], plain.pixels[(y + 5) * 720 + x]) << y;
}

// CRTC 17h bit 3 and 14h bit 5: the address moves on every second or fourth character only.
TEST_F(VgaPicture, AddressesMayCountSlower) {
  set_mode(m, kMode12);
  set_ega_palette(m);
  for (unsigned x = 0; x < 80; ++x) poke(0xa0000 + x, x);
  const auto byte_at = [&](unsigned column) {
    const PixelScreen s = pixels();
    unsigned byte = 0;
    for (unsigned i = 0; i < 8; ++i) byte = byte << 1 | (s.pixels[column * 8 + i] ? 1 : 0);
    return byte;
  };
  EXPECT_EQ(byte_at(7), 7U);
  crtc(0x17, 0xeb);
  EXPECT_EQ(byte_at(7), 3U);
  crtc(0x14, 0x20);
  EXPECT_EQ(byte_at(7), 1U);
}

TEST_F(VgaPicture, ColourSelectExtendsThePalette) {
  set_mode(m, kMode12);
  const auto dac = rainbow();
  poke(0xa0000, 0x80);  // colour 15, palette 3Fh
  EXPECT_EQ(pixel(0, 0), dac[0x3f]);
  attribute(0x14, 0x08);  // bits 7 and 6
  EXPECT_EQ(pixel(0, 0), dac[0xbf]);
  attribute(0x10, 0x81);  // bits 5 and 4 as well
  attribute(0x14, 0x09);
  EXPECT_EQ(pixel(0, 0), dac[0x9f]);
  m.outb(0x3c6, 0x0f);
  EXPECT_EQ(pixel(0, 0), dac[0x0f]);
}

// --- memory ---

TEST_F(VgaPicture, MemoryWithoutItsExtensionIs64KiB) {
  set_mode(m, kMode12);
  poke(0xa0000, 0x11);
  poke(0xa4000, 0x22);
  EXPECT_EQ(peek(0xa0000), 0x11U);
  seq(4, 0x04);
  EXPECT_EQ(peek(0xa4000), 0x11U);
  poke(0xac000, 0x33);
  EXPECT_EQ(peek(0xa0000), 0x33U);
  seq(4, 0x06);
  EXPECT_EQ(peek(0xa4000), 0x22U);
}

// Graphics 06h bit 1: in odd/even modes a higher bit takes the place of address bit 0.
TEST_F(VgaPicture, PageBitSelectsTheAddressBehindOddAndEven) {
  set_mode(m, kMode03);
  m.write(0xb8000, 2, 0x2211);
  m.outb(0x3c2, 0x47);  // page bit clear: the addresses between those that are shown
  m.write(0xb8000, 2, 0x4433);
  EXPECT_EQ(m.read(0xb8000, 2), 0x4433U);
  m.outb(0x3c2, 0x67);
  EXPECT_EQ(m.read(0xb8000, 2), 0x2211U);
  gr(6, 0x02);  // the whole window: bit 16
  EXPECT_EQ(m.read(0xa0000, 2), 0x2211U);
  EXPECT_EQ(m.read(0xb0000, 2), 0x4433U);
}

// --- the vertical interrupt ---

TEST_F(VgaPicture, VerticalInterruptComesWithTheRetrace) {
  set_mode(m, kMode03);
  const auto pending = [&] { return (m.inb(0x3c2) & 0x80) != 0; };
  const std::int64_t line = 900 * 1'000'000'000LL / 28'322'000, frame = 449 * line;
  crtc(0x11, 0x2e);  // held clear, disabled
  m.step(2 * frame);
  EXPECT_FALSE(pending());
  crtc(0x11, 0x3e);  // runs, disabled
  m.step(frame);
  EXPECT_TRUE(pending());
  EXPECT_FALSE(m.line(9));
  crtc(0x11, 0x1e);  // enabled
  EXPECT_TRUE(m.line(9));
  crtc(0x11, 0x0e);  // acknowledged
  EXPECT_FALSE(pending());
  EXPECT_FALSE(m.line(9));
  crtc(0x11, 0x1e);
  EXPECT_FALSE(m.line(9));
  const unsigned before = m.rises(9);
  for (int i = 0; i < 5; ++i) {
    m.step(frame);
    EXPECT_TRUE(m.line(9));
    EXPECT_EQ(m.inb(0x3da) & 0x01, m.inb(0x3da) & 0x01);
    crtc(0x11, 0x0e);
    crtc(0x11, 0x1e);
  }
  EXPECT_EQ(m.rises(9), before + 5);
  // It is the start of the retrace: line 412.
  const std::int64_t next = m.step_to_next_timer();
  EXPECT_GT(next, 0);
  EXPECT_TRUE(m.inb(0x3da) & 0x08);
  m.reset();
  EXPECT_FALSE(m.line(9));
}

// --- what a refresh draws ---

class VgaRefresh : public VgaPicture {
 protected:
  ~VgaRefresh() override { watch(false); }
  void watch(bool on) {
    const MachineLock::Guard guard(m.system().lock);
    if (on == watching) return;
    watching = on;
    if (on) {
      vga->watch();
    } else {
      vga->unwatch();
    }
  }
  /// What changed since the last call.
  std::vector<ScreenRect> changes() {
    const MachineLock::Guard guard(m.system().lock);
    const ScreenSurface& surface = vga->refresh();
    std::vector<ScreenRect> out = surface.changes_since(seen);
    seen = surface.generation();
    return out;
  }
  std::vector<ScreenRect> rects(std::initializer_list<ScreenRect> list) { return list; }
  std::uint64_t seen = 0;
  bool watching = false;
};

TEST_F(VgaRefresh, DrawsCharactersThatChanged) {
  set_mode(m, kMode03);
  set_ega_palette(m);
  crtc(0x0a, 0x20);
  glyph('X', 0, {0xff, 0xff, 0xff, 0xff});
  watch(true);
  EXPECT_EQ(changes(), rects({{0, 0, 720, 400}}));
  EXPECT_EQ(changes(), rects({}));
  put(3 * 80 + 40, 'X', 0x07);  // dots 360 to 368 of lines 48 to 63
  EXPECT_EQ(changes(), rects({{320, 48, 64, 16}}));
  put(3 * 80 + 40, 'X', 0x07);
  EXPECT_EQ(changes(), rects({}));
  glyph('X', 0, {0xff, 0x81});  // another font
  EXPECT_EQ(changes(), rects({{320, 48, 64, 16}}));
  m.outb(0x3c8, 7);  // another colour 7: grey of the palette
  for (const int v : {1, 2, 3}) m.outb(0x3c9, static_cast<std::uint8_t>(v));
  EXPECT_EQ(changes(), rects({{320, 48, 64, 16}}));
  set_mode(m, kMode13);
  EXPECT_EQ(changes(), rects({{0, 0, 640, 400}}));
}

TEST_F(VgaRefresh, DrawsTheCursorWhereItWasAndIs) {
  set_mode(m, kMode03);
  set_ega_palette(m);
  for (unsigned i = 0; i < 2000; ++i) put(i, ' ', 0x07);
  crtc(0x0a, 0x0d), crtc(0x0b, 0x0e);
  crtc(0x0e, 0), crtc(0x0f, 0);
  watch(true);
  (void)changes();
  crtc(0x0f, 160);  // row 2
  EXPECT_EQ(changes(), rects({{0, 0, 64, 16}, {0, 32, 64, 16}}));
  m.step(200 * kNsPerMs);  // off
  EXPECT_EQ(changes(), rects({{0, 32, 64, 16}}));
}

TEST_F(VgaRefresh, DrawsPlanarAndChainedPixelsThatChanged) {
  set_mode(m, kMode12);
  set_ega_palette(m);
  watch(true);
  (void)changes();
  poke(0xa0000 + 479 * 80 + 79, 0x01);
  EXPECT_EQ(changes(), rects({{576, 464, 64, 16}}));
  set_mode(m, kMode13);
  (void)rainbow();
  (void)changes();
  poke(0xa0000 + 100 * 320 + 32, 0x01);
  EXPECT_EQ(changes(), rects({{64, 192, 64, 16}}));
}

TEST_F(VgaRefresh, DrawsPagesThatWereWrittenInLinearModes) {
  m.outb(0x3c2, 0x63);
  (void)m.inb(0x3da);
  m.outb(0x3c0, 0x20);
  dispi(1, 1024), dispi(2, 768), dispi(3, 32), dispi(4, 0x41);
  watch(true);
  EXPECT_EQ(changes(), rects({{0, 0, 1024, 768}}));
  EXPECT_EQ(changes(), rects({}));
  m.write(0xe0000000 + (767 * 1024 + 1023) * 4, 4, 0x00abcdef);
  m.write(0xe0000000 + (64 * 1024 + 10) * 4, 4, 0x00abcdef);
  EXPECT_EQ(changes(), rects({{0, 64, 64, 16}, {960, 752, 64, 16}}));
  m.write(0xa0000, 4, 0x00123456);  // through the window of banks
  EXPECT_EQ(changes(), rects({{0, 0, 64, 16}}));
  // Two who look, each at his own pace.
  const std::uint64_t other = seen;
  m.write(0xe0000000, 4, 1);
  EXPECT_EQ(changes().size(), 1U);
  m.write(0xe0000000 + 4 * 512, 4, 1);
  EXPECT_EQ(changes(), rects({{512, 0, 64, 16}}));
  seen = other;
  EXPECT_EQ(changes(), rects({{0, 0, 64, 16}, {512, 0, 64, 16}}));
  dispi(6, 2048);
  dispi(8, 512);
  EXPECT_NE(changes(), rects({}));
}

// Nobody watches: writes past the log are seen all the same.
TEST_F(VgaRefresh, LooksAtEverythingWhileNobodyWatches) {
  m.outb(0x3c2, 0x63);
  (void)m.inb(0x3da);
  m.outb(0x3c0, 0x20);
  dispi(1, 640), dispi(2, 480), dispi(3, 32), dispi(4, 0x41);
  (void)changes();
  {
    const MachineLock::Guard guard(m.system().lock);
    const auto span = m.system().memory.map(0xe0000000, 4096, true);
    span.bytes[0] = 0x55;  // as a CPU writes
  }
  EXPECT_EQ(changes(), rects({{0, 0, 64, 16}}));
  EXPECT_EQ(pixel(0, 0), 0x55U);
}

}  // namespace
}  // namespace machina::test
