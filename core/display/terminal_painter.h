#pragma once
/// A text screen as what makes a terminal show it: ECMA-48 sequences, UTF-8, and only for the cells that changed.

#include <string>
#include <string_view>

#include "core/display/display.h"

namespace machina {

class TerminalPainter {
 public:
  /// Size of the terminal: what does not fit is not shown. A change repaints everything.
  void set_size(unsigned columns, unsigned rows);
  /// Bytes for the terminal; empty when nothing changed.
  std::string paint(const TextScreen& screen);
  /// Instead of a screen: a line of text in the middle.
  std::string paint_message(std::string_view message);
  /// The terminal shows something else: paint everything next time.
  void forget() { shown_ = {}, message_.clear(), attribute_ = -1; }

 private:
  std::string clear();
  void set_attribute(std::string& out, std::uint8_t attribute);

  unsigned columns_ = 80, rows_ = 25;
  TextScreen shown_;
  std::string message_;
  int attribute_ = -1;  // that the terminal writes with; -1: unknown
};

}  // namespace machina
