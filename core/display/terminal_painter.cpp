#include "core/display/terminal_painter.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/display/cp437.h"

namespace machina {
namespace {

/// The PC counts colours in bits blue, green, red; terminals the other way round.
constexpr unsigned kAnsi[8] = {0, 4, 2, 6, 1, 5, 3, 7};

std::string go_to(unsigned column, unsigned row) { return fmt::format("\x1b[{};{}H", row + 1, column + 1); }

}  // namespace

void TerminalPainter::set_size(unsigned columns, unsigned rows) {
  if (columns == columns_ && rows == rows_) return;
  columns_ = columns;
  rows_ = rows;
  forget();
}

std::string TerminalPainter::clear() {
  // Erasing fills with the colours that are set, so that light terminals are dark, too.
  std::string out = "\x1b[?25l";
  attribute_ = -1;
  set_attribute(out, 0x07);
  return out + "\x1b[2J";
}

void TerminalPainter::set_attribute(std::string& out, std::uint8_t attribute) {
  if (attribute == attribute_) return;
  attribute_ = attribute;
  const unsigned ink = attribute & 0x0f, paper = attribute >> 4 & 7;
  // Attribute bit 7 blinks, as the VGA's modes come up.
  out += fmt::format("\x1b[0;{}{};{}m", attribute & 0x80 ? "5;" : "", (ink & 8 ? 90 : 30) + kAnsi[ink & 7],
                     40 + kAnsi[paper]);
}

std::string TerminalPainter::paint(const TextScreen& screen) {
  const bool same_shape =
      message_.empty() && shown_.columns == screen.columns && shown_.rows == screen.rows && !shown_.cells.empty();
  if (same_shape && shown_ == screen) return {};
  std::string out;
  if (!same_shape) out = clear();
  message_.clear();
  const unsigned columns = std::min(screen.columns, columns_), rows = std::min(screen.rows, rows_);
  bool drawn = !same_shape;
  for (unsigned row = 0; row < rows; ++row) {
    unsigned at = columns;  // where the terminal's cursor is in this row; columns: elsewhere
    for (unsigned column = 0; column < columns; ++column) {
      const std::size_t i = std::size_t{row} * screen.columns + column;
      const TextScreen::Cell& cell = screen.cells[i];
      // What clear() leaves.
      const TextScreen::Cell before = same_shape ? shown_.cells[i] : TextScreen::Cell{' ', 0x07};
      if (cell == before) continue;
      if (!drawn) out += "\x1b[?25l";
      drawn = true;
      if (at != column) out += go_to(column, row);
      set_attribute(out, cell.attribute);
      out += cp437_to_utf8(cell.glyph);
      at = column + 1;
    }
  }
  const bool cursor = screen.cursor_visible && screen.cursor_column < columns && screen.cursor_row < rows;
  if (cursor) {
    out += go_to(screen.cursor_column, screen.cursor_row) + "\x1b[?25h";
  } else if (shown_.cursor_visible) {
    out += "\x1b[?25l";
  }
  shown_ = screen;
  return out;
}

std::string TerminalPainter::paint_message(std::string_view message) {
  if (message == message_) return {};
  std::string out = clear();
  const std::string_view fits = message.substr(0, columns_);
  out += go_to((columns_ - static_cast<unsigned>(fits.size())) / 2, rows_ / 2);
  out += fits;
  forget();
  message_ = message;
  return out;
}

}  // namespace machina
