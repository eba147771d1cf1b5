#pragma once
/// Pixels of a screen, and parts of it.

#include <cstdint>
#include <vector>

namespace machina {

/// Pixels as 0x00RRGGBB.
struct PixelScreen {
  unsigned width = 0, height = 0;
  std::vector<std::uint32_t> pixels;  ///< row by row
};

struct ScreenRect {
  unsigned x = 0, y = 0, width = 0, height = 0;
  friend bool operator==(const ScreenRect&, const ScreenRect&) = default;
};

}  // namespace machina
