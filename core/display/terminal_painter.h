#pragma once
/// A text screen as what makes a terminal show it: ECMA-48 sequences, UTF-8, and only for the cells that changed.
///
/// Colours are the terminal's 16, or those of the guest's palette where the terminal knows 24 bits (the `38;2;R;G;B` of
/// ISO 8613-6). The cursor is a block or a line, after the lines that it covers (xterm's DECSCUSR). A terminal that is
/// too small shows the part with the cursor.

#include <string>
#include <string_view>

#include "core/display/display.h"

namespace machina {

class TerminalPainter {
 public:
  /// Size of the terminal: what does not fit is not shown. A change repaints everything.
  void set_size(unsigned columns, unsigned rows);
  /// 24-bit colours. A change repaints everything.
  void set_true_colours(bool on);
  /// Bytes for the terminal; empty when nothing changed.
  std::string paint(const TextScreen& screen);
  /// Instead of a screen: a line of text in the middle.
  std::string paint_message(std::string_view message);
  /// The terminal shows something else: paint everything next time.
  void forget() { shown_ = {}, message_.clear(), attribute_ = -1, cursor_style_ = 0; }

 private:
  std::string clear();
  void set_attribute(std::string& out, std::uint8_t attribute, const TextScreen& screen);
  void show_cursor(std::string& out, const TextScreen& screen, unsigned left, unsigned top);

  unsigned columns_ = 80, rows_ = 25;
  TextScreen shown_;
  std::string message_;
  bool true_colours_ = false;
  unsigned left_ = 0, top_ = 0;  // the first cell that is shown
  int attribute_ = -1;           // that the terminal writes with; -1: unknown
  unsigned cursor_style_ = 0;    // of DECSCUSR; 0: the terminal's own
};

}  // namespace machina
