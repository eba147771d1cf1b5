#pragma once
/// A picture that is drawn line by line and remembers which part changed when, so that any number of lookers, each at
/// its own pace, get no more than what is new to them.
///
/// Changes are counted by tiles of 64 by 16 pixels; a line that is put as it was changes nothing. Under the machine
/// lock.

#include <cstdint>
#include <span>
#include <vector>

#include "core/display/picture.h"

namespace machina {

class ScreenSurface {
 public:
  static constexpr unsigned kTileWidth = 64, kTileHeight = 16;

  const PixelScreen& screen() const { return screen_; }

  /// Who draws: before the first line of each drawing.
  void begin() { ++generation_; }
  /// Another size: all black, all changed. The same size changes nothing.
  void resize(unsigned width, unsigned height);
  /// `pixels` may be shorter or longer than the line: the rest stays, or is left out.
  void put_line(unsigned y, std::span<const std::uint32_t> pixels);

  /// Who looks: the number of the last drawing. 0 is before all of them.
  std::uint64_t generation() const { return generation_; }
  /// What changed after the drawing `seen`; the whole picture where its size did.
  std::vector<ScreenRect> changes_since(std::uint64_t seen) const;

 private:
  PixelScreen screen_;
  unsigned columns_ = 0;              // of tiles
  std::vector<std::uint64_t> tiles_;  // the drawing that changed each, row by row
  std::uint64_t generation_ = 0;
  std::uint64_t resized_ = 0;  // the drawing that changed the size
};

}  // namespace machina
