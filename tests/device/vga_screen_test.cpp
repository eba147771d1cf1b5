/// What a VGA shows after a mode is set as firmware sets it: text, fonts, cursor, palettes, split screen.

#include "tests/device/vga_fixture.h"

namespace machina::test {
namespace {

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

}  // namespace
}  // namespace machina::test
