#pragma once
/// What a display adapter shows, and who looks at it. The adapter is asked; it never pushes pixels.

#include <array>
#include <cstdint>
#include <vector>

#include "core/display/screen_surface.h"
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
  /// Lines of a cell, and those from first to last that the cursor covers.
  unsigned cell_height = 16, cursor_first = 14, cursor_last = 15;
  bool blinking = true;  ///< attribute bit 7 blinks; else it is the fourth bit of the background
  /// What the 16 attributes are as colours, 0x00RRGGBB; those of a PC at first.
  std::array<std::uint32_t, 16> palette{0x000000, 0x0000aa, 0x00aa00, 0x00aaaa, 0xaa0000, 0xaa00aa, 0xaa5500, 0xaaaaaa,
                                        0x555555, 0x5555ff, 0x55ff55, 0x55ffff, 0xff5555, 0xff55ff, 0xffff55, 0xffffff};
  friend bool operator==(const TextScreen&, const TextScreen&) = default;
};

/// Interface of a display adapter. Under the machine lock.
class DisplaySource {
 public:
  static constexpr const char* kType = "display-source";
  virtual ~DisplaySource() = default;
  virtual bool text_mode() const = 0;
  virtual TextScreen text_screen() = 0;    ///< in a graphics mode: empty (0 columns)
  virtual PixelScreen pixel_screen() = 0;  ///< any mode, text drawn with the adapter's font

  /// Draws what changed since it was last called, for whomever, and returns the picture with its history of changes.
  virtual const ScreenSurface& refresh();

  /// Somebody looks again and again, or no more; counted. While nobody does, an adapter need not keep track of what the
  /// guest writes, and refresh() looks at everything.
  void watch();
  void unwatch();

 protected:
  ScreenSurface surface_;
  bool watched() const { return watchers_ > 0; }
  /// The first looker came, or the last one went.
  virtual void watched_changed() {}

 private:
  unsigned watchers_ = 0;
};

}  // namespace machina
