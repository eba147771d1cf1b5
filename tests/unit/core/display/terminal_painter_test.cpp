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
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;2HHi\x1b[2;4H\x1b[0;93;44m█");
  EXPECT_EQ(p.paint(s), "");
}

TEST(TerminalPainter, PaintsOnlyChanges) {
  TerminalPainter p;
  TextScreen s = screen(80, 25);
  (void)p.paint(s);
  s.cells[80 * 3 + 10] = {'x', 0x07};
  EXPECT_EQ(p.paint(s), "\x1b[?25l\x1b[4;11Hx");
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
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1H\x1b[?25h");
  s.cursor_column = 5;
  s.cursor_row = 2;
  EXPECT_EQ(p.paint(s), "\x1b[3;6H\x1b[?25h");
  s.cells[0] = {'x', 0x07};
  EXPECT_EQ(p.paint(s), "\x1b[?25l\x1b[1;1Hx\x1b[3;6H\x1b[?25h");
  s.cursor_visible = false;
  EXPECT_EQ(p.paint(s), "\x1b[?25l");
}

TEST(TerminalPainter, ASmallTerminalShowsTheTopLeft) {
  TerminalPainter p;
  p.set_size(2, 1);
  TextScreen s = screen(3, 2);
  for (auto& cell : s.cells) cell = {'x', 0x07};
  s.cursor_visible = true;
  s.cursor_row = 1;  // outside
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1Hxx");
  p.set_size(3, 2);  // a new size paints all again
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1Hxxx\x1b[2;1Hxxx\x1b[2;1H\x1b[?25h");
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
  EXPECT_EQ(p.paint(s), kClear + "\x1b[1;1Hx");
}

}  // namespace
}  // namespace machina
