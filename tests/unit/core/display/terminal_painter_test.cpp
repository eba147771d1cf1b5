#include "core/display/terminal_painter.h"

#include <gtest/gtest.h>

#include "core/display/cp437.h"

namespace machina {
namespace {

TextScreen screen(unsigned columns, unsigned rows) {
  TextScreen s;
  s.columns = columns;
  s.rows = rows;
  s.cells.resize(std::size_t{columns} * rows);
  return s;
}

const std::string kClear = "\x1b[?25l\x1b[0;37;40m\x1b[2J";

TEST(Cp437, MapsAsciiPicturesAndLines) {
  EXPECT_EQ(cp437_to_utf8('A'), "A");
  EXPECT_EQ(cp437_to_utf8('"'), "\"");
  EXPECT_EQ(cp437_to_utf8('\\'), "\\");
  EXPECT_EQ(cp437_to_utf8(0x01), "☺");
  EXPECT_EQ(cp437_to_utf8(0x1f), "▼");
  EXPECT_EQ(cp437_to_utf8(0x7f), "⌂");
  EXPECT_EQ(cp437_to_utf8(0x80), "Ç");
  EXPECT_EQ(cp437_to_utf8(0xc9), "╔");
  EXPECT_EQ(cp437_to_utf8(0xdb), "█");
  EXPECT_EQ(cp437_to_utf8(0xe1), "ß");
  EXPECT_EQ(cp437_to_utf8(0x00), " ");
  EXPECT_EQ(cp437_to_utf8(0xff), " ");
}

TEST(TerminalPainter, PaintsWhatDiffersFromBlank) {
  TerminalPainter p;
  TextScreen s = screen(4, 2);
  s.cells[1] = {'H', 0x07};
  s.cells[2] = {'i', 0x07};
  s.cells[7] = {0xdb, 0x1e};
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;2H\x1b[0;37;40mHi\x1b[2;4H\x1b[0;93;44m█");
  EXPECT_EQ(p.paint(s), "");
}

TEST(TerminalPainter, PaintsOnlyChanges) {
  TerminalPainter p;
  TextScreen s = screen(80, 25);
  (void)p.paint(s);
  s.cells[80 * 3 + 10] = {'x', 0x07};
  EXPECT_EQ(p.paint(s), "\x1b[?25l\x1b[4;11H\x1b[0;37;40mx");
  s.cells[80 * 3 + 10] = {'x', 0x87};  // blinks
  EXPECT_EQ(p.paint(s), "\x1b[?25l\x1b[4;11H\x1b[0;5;37;40mx");
  p.forget();
  EXPECT_EQ(p.paint(s), kClear + "\x1b[4;11H\x1b[0;5;37;40mx");
}

TEST(TerminalPainter, ColoursAreTranslated) {
  // Black, blue, green, cyan, red, magenta, brown, grey.
  const char* const ink[] = {"30", "34", "32", "36", "31", "35", "33", "37"};
  for (unsigned c = 0; c < 8; ++c) {
    TerminalPainter p;
    TextScreen s = screen(1, 1);
    s.cells[0] = {'x', static_cast<std::uint8_t>(c | 8 | 0x40)};
    const std::string bright = std::to_string(std::stoi(ink[c]) + 60);
    EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1H\x1b[0;" + bright + ";41mx");
  }
}

TEST(TerminalPainter, MovesShowsAndHidesTheCursor) {
  TerminalPainter p;
  TextScreen s = screen(80, 25);
  s.cursor_visible = true;
  EXPECT_EQ(p.paint(s), kClear + "\x1b[3 q\x1b[1;1H\x1b[?25h");
  s.cursor_column = 5;
  s.cursor_row = 2;
  EXPECT_EQ(p.paint(s), "\x1b[3;6H\x1b[?25h");
  s.cells[0] = {'x', 0x07};
  EXPECT_EQ(p.paint(s), "\x1b[?25l\x1b[1;1H\x1b[0;37;40mx\x1b[3;6H\x1b[?25h");
  s.cursor_first = 0;  // a block
  EXPECT_EQ(p.paint(s), "\x1b[1 q\x1b[3;6H\x1b[?25h");
  s.cursor_visible = false;
  EXPECT_EQ(p.paint(s), "\x1b[?25l");
}

TEST(TerminalPainter, ASmallTerminalFollowsTheCursor) {
  TerminalPainter p;
  p.set_size(2, 2);
  TextScreen s = screen(3, 5);
  for (unsigned i = 0; i < 15; ++i) s.cells[i] = {static_cast<std::uint8_t>('a' + i), 0x07};
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1H\x1b[0;37;40mab\x1b[2;1Hde");
  s.cursor_visible = true;
  s.cursor_row = 3;
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1H\x1b[0;37;40mgh\x1b[2;1Hjk\x1b[3 q\x1b[2;1H\x1b[?25h");
  s.cursor_row = 2;  // still there: nothing moves
  EXPECT_EQ(p.paint(s), "\x1b[1;1H\x1b[?25h");
  s.cursor_row = 4;
  s.cursor_column = 2;
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1H\x1b[0;37;40mkl\x1b[2;1Hno\x1b[2;2H\x1b[?25h");
  p.set_size(3, 5);  // a new size paints all again
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1H\x1b[0;37;40mabc\x1b[2;1Hdef\x1b[3;1Hghi\x1b[4;1Hjkl\x1b[5;1Hmno" +
                            "\x1b[3 q\x1b[5;3H\x1b[?25h");
}

TEST(TerminalPainter, TrueColoursAreTheGuestsPalette) {
  TerminalPainter p;
  p.set_true_colours(true);
  TextScreen s = screen(2, 1);
  s.cells[0] = {'x', 0x1e};
  s.cells[1] = {'y', 0x1e};
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1H\x1b[0;38;2;255;255;85;48;2;0;0;170mxy");
  s.palette[14] = 0x123456;
  EXPECT_EQ(p.paint(s), "\x1b[?25l\x1b[1;1H\x1b[0;38;2;18;52;86;48;2;0;0;170mxy");
  EXPECT_EQ(p.paint(s), "");
  p.set_true_colours(false);
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1H\x1b[0;93;44mxy");
}

TEST(TerminalPainter, BrightBackgroundsWhereNothingBlinks) {
  TerminalPainter p;
  TextScreen s = screen(1, 1);
  s.cells[0] = {'x', 0x97};
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1H\x1b[0;5;37;44mx");
  s.blinking = false;
  EXPECT_EQ(p.paint(s), "\x1b[?25l\x1b[1;1H\x1b[0;37;104mx");
}

TEST(TerminalPainter, MessagesReplaceTheScreenAndBack) {
  TerminalPainter p;
  p.set_size(20, 5);
  TextScreen s = screen(1, 1);
  s.cells[0] = {'x', 0x07};
  (void)p.paint(s);
  EXPECT_EQ(p.paint_message("hello!"), kClear + "\x1b[3;8Hhello!");
  EXPECT_EQ(p.paint_message("hello!"), "");
  EXPECT_EQ(p.paint_message(std::string(30, 'y')), kClear + "\x1b[3;1H" + std::string(20, 'y'));
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1H\x1b[0;37;40mx");
}

}  // namespace
}  // namespace machina
