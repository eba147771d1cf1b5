#pragma once
/// What a display adapter shows, and who looks at it. The adapter is asked; it never pushes pixels.

#include <cstdint>
#include <vector>

#include "qom/object.h"

namespace machina {

/// Text screen as cells of the adapter: what a terminal can show.
struct TextScreen {
  struct Cell {
    std::uint8_t glyph = ' ';  ///< code page 437
    std::uint8_t attribute = 7;
    friend bool operator==(const Cell&, const Cell&) = default;
  };
  unsigned columns = 0, rows = 0;
  std::vector<Cell> cells;  ///< row by row
  bool cursor_visible = false;
  unsigned cursor_column = 0, cursor_row = 0;
  friend bool operator==(const TextScreen&, const TextScreen&) = default;
};

/// Pixels as 0x00RRGGBB.
struct PixelScreen {
  unsigned width = 0, height = 0;
  std::vector<std::uint32_t> pixels;  ///< row by row
};

/// Interface of a display adapter. Under the machine lock.
class DisplaySource {
 public:
  static constexpr const char* kType = "display-source";
  virtual ~DisplaySource() = default;
  virtual bool text_mode() const = 0;
  virtual TextScreen text_screen() = 0;    ///< in a graphics mode: empty (0 columns)
  virtual PixelScreen pixel_screen() = 0;  ///< any mode, text drawn with the adapter's font
};

}  // namespace machina
