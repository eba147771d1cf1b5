#include "core/display/screen_surface.h"

#include <algorithm>
#include <cstring>

namespace machina {

void ScreenSurface::resize(unsigned width, unsigned height) {
  if (width == screen_.width && height == screen_.height) return;
  screen_.width = width;
  screen_.height = height;
  screen_.pixels.assign(std::size_t{width} * height, 0);
  columns_ = (width + kTileWidth - 1) / kTileWidth;
  tiles_.assign(std::size_t{columns_} * ((height + kTileHeight - 1) / kTileHeight), generation_);
  resized_ = generation_;
}

void ScreenSurface::put_line(unsigned y, std::span<const std::uint32_t> pixels) {
  if (y >= screen_.height) return;
  const std::size_t width = std::min<std::size_t>(pixels.size(), screen_.width);
  std::uint32_t* const line = &screen_.pixels[std::size_t{y} * screen_.width];
  std::uint64_t* const tiles = &tiles_[std::size_t{y / kTileHeight} * columns_];
  for (std::size_t x = 0, tile = 0; x < width; x += kTileWidth, ++tile) {
    const std::size_t bytes = std::min<std::size_t>(kTileWidth, width - x) * sizeof(std::uint32_t);
    if (std::memcmp(line + x, pixels.data() + x, bytes) == 0) continue;
    std::memcpy(line + x, pixels.data() + x, bytes);
    tiles[tile] = generation_;
  }
}

std::vector<ScreenRect> ScreenSurface::changes_since(std::uint64_t seen) const {
  if (screen_.pixels.empty() || seen >= generation_) return {};
  if (seen < resized_) return {{0, 0, screen_.width, screen_.height}};
  std::vector<ScreenRect> out;
  const std::size_t rows = tiles_.size() / columns_;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto y = static_cast<unsigned>(row) * kTileHeight;
    for (unsigned first = 0; first < columns_; ++first) {
      if (tiles_[row * columns_ + first] <= seen) continue;
      unsigned end = first + 1;
      while (end < columns_ && tiles_[row * columns_ + end] > seen) ++end;
      const unsigned x = first * kTileWidth;
      const ScreenRect rect{x, y, std::min(end * kTileWidth, screen_.width) - x,
                            std::min(kTileHeight, screen_.height - y)};
      // Below another of the same width, as where a screen scrolls: one piece.
      if (!out.empty() && out.back().x == rect.x && out.back().width == rect.width &&
          out.back().y + out.back().height == rect.y) {
        out.back().height += rect.height;
      } else {
        out.push_back(rect);
      }
      first = end;
    }
  }
  return out;
}

}  // namespace machina
