#pragma once
/// What a VGA shows at a moment, drawn from its registers and memory.
///
/// The picture has the dots that the monitor gets: 720x400 in text, 640x400 in the modes of 200 lines and of 320
/// columns, since the chip doubles both. The border (overscan) is left out.

#include <optional>
#include <vector>

#include "core/display/display.h"
#include "hw/display/vga_core.h"

namespace machina {

/// Empty in a graphics mode.
TextScreen vga_text_screen(const VgaCore& vga);

/// Keeps a surface up to date, drawing the lines whose registers or memory changed.
class VgaRenderer {
 public:
  explicit VgaRenderer(const VgaCore& vga) : vga_(vga) {}

  /// `log_complete`: the dirty log of the memory knows all writes, also those that went past the core. If not, a linear
  /// mode is drawn whole.
  void refresh(ScreenSurface& surface, std::int64_t now, bool log_complete);
  /// Draw everything next time.
  void forget() { drawn_.reset(); }

 private:
  /// What the last picture depended on, other than memory.
  struct Drawn {
    std::uint64_t changes;
    bool log_complete;
    bool cursor_on;
    std::uint32_t cursor;  // address
    unsigned cursor_first, cursor_last;
    bool blink_phase;
  };
  using Line = std::vector<std::uint32_t>;

  void draw_text(ScreenSurface& surface, const Drawn& as);
  void draw_graphics(ScreenSurface& surface, const Drawn& as);
  void draw_dispi(ScreenSurface& surface, const Drawn& as);
  void fill(ScreenSurface& surface, std::uint32_t colour);
  /// Takes the dirty bits of bytes [offset, offset + length).
  void take_dirty(std::uint64_t offset, std::uint64_t length);
  bool dirty(std::uint64_t offset, std::uint64_t length) const;
  /// Was memory changed that columns from `counter` on are drawn from?
  bool row_dirty(std::uint32_t counter, unsigned row_scan) const;

  const VgaCore& vga_;
  std::optional<Drawn> drawn_;
  std::vector<bool> dirty_;  // pages, from dirty_from_ on
  std::uint64_t dirty_from_ = 0;
  bool any_dirty_ = false;
  Line line_;
};

}  // namespace machina
