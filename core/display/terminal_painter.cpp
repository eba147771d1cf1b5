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

void TerminalPainter::set_true_colours(bool on) {
  if (on != true_colours_) forget();
  true_colours_ = on;
}

std::string TerminalPainter::clear() {
  // Erasing fills with the colours that are set, so that light terminals are dark, too.
  attribute_ = -1;
  return "\x1b[?25l\x1b[0;37;40m\x1b[2J";
}

void TerminalPainter::set_attribute(std::string& out, std::uint8_t attribute, const TextScreen& screen) {
  if (attribute == attribute_) return;
  attribute_ = attribute;
  const bool blinks = screen.blinking && (attribute & 0x80);
  const unsigned ink = attribute & 0x0f, paper = attribute >> 4 & (screen.blinking ? 0x07U : 0x0fU);
  out += blinks ? "\x1b[0;5;" : "\x1b[0;";
  if (true_colours_) {
    const auto rgb = [](std::uint32_t c) { return fmt::format("{};{};{}", c >> 16 & 0xff, c >> 8 & 0xff, c & 0xff); };
    out += fmt::format("38;2;{};48;2;{}m", rgb(screen.palette[ink]), rgb(screen.palette[paper]));
  } else {
    out += fmt::format("{};{}m", (ink & 8 ? 90 : 30) + kAnsi[ink & 7], (paper & 8 ? 100 : 40) + kAnsi[paper & 7]);
  }
}

void TerminalPainter::show_cursor(std::string& out, const TextScreen& screen, unsigned left, unsigned top) {
  // A blinking block, or a blinking line.
  const unsigned covers = screen.cursor_last - screen.cursor_first + 1;
  const unsigned style = covers * 2 > screen.cell_height ? 1 : 3;
  if (style != cursor_style_) out += fmt::format("\x1b[{} q", style);
  cursor_style_ = style;
  out += go_to(screen.cursor_column - left, screen.cursor_row - top) + "\x1b[?25h";
}

std::string TerminalPainter::paint(const TextScreen& screen) {
  const unsigned columns = std::min(screen.columns, columns_), rows = std::min(screen.rows, rows_);
  // Where the terminal is too small it follows the cursor, by as little as it takes.
  const auto follow = [](unsigned first, unsigned shown, unsigned all, unsigned cursor, bool visible) {
    if (visible && cursor < all) first = std::clamp(first, cursor >= shown ? cursor - shown + 1 : 0, cursor);
    return std::min(first, all - shown);
  };
  const unsigned left = follow(left_, columns, screen.columns, screen.cursor_column, screen.cursor_visible);
  const unsigned top = follow(top_, rows, screen.rows, screen.cursor_row, screen.cursor_visible);

  const bool same_shape = message_.empty() && shown_.columns == screen.columns && shown_.rows == screen.rows &&
                          !shown_.cells.empty() && left == left_ && top == top_;
  if (same_shape && shown_ == screen) return {};
  // Cells that have the same attribute look different when these change.
  const bool same_look =
      same_shape && shown_.blinking == screen.blinking && (!true_colours_ || shown_.palette == screen.palette);
  std::string out;
  if (!same_shape) out = clear();
  if (!same_look) attribute_ = -1;
  message_.clear();
  left_ = left;
  top_ = top;
  bool drawn = !same_shape;
  for (unsigned row = 0; row < rows; ++row) {
    unsigned at = columns;  // where the terminal's cursor is in this row; columns: elsewhere
    for (unsigned column = 0; column < columns; ++column) {
      const std::size_t i = std::size_t{row + top} * screen.columns + column + left;
      const TextScreen::Cell& cell = screen.cells[i];
      if (same_look && cell == shown_.cells[i]) continue;
      // What clear() leaves.
      if (!same_shape && !true_colours_ && cell == TextScreen::Cell{' ', 0x07}) continue;
      if (!drawn) out += "\x1b[?25l";
      drawn = true;
      if (at != column) out += go_to(column, row);
      set_attribute(out, cell.attribute, screen);
      out += cp437_to_utf8(cell.glyph);
      at = column + 1;
    }
  }
  const bool cursor = screen.cursor_visible && screen.cursor_column - left < columns && screen.cursor_row - top < rows;
  if (cursor) {
    show_cursor(out, screen, left, top);
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
