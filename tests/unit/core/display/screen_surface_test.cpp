#include "core/display/screen_surface.h"

#include <gtest/gtest.h>

namespace machina {
namespace {

using Rects = std::vector<ScreenRect>;

void put(ScreenSurface& s, unsigned y, unsigned x, std::uint32_t colour) {
  std::vector<std::uint32_t> line(s.screen().pixels.begin() + static_cast<std::ptrdiff_t>(y * s.screen().width),
                                  s.screen().pixels.begin() + static_cast<std::ptrdiff_t>((y + 1) * s.screen().width));
  line[x] = colour;
  s.put_line(y, line);
}

TEST(ScreenSurface, StartsEmpty) {
  const ScreenSurface s;
  EXPECT_EQ(s.generation(), 0U);
  EXPECT_EQ(s.changes_since(0), Rects{});
}

TEST(ScreenSurface, ANewSizeIsAllChanged) {
  ScreenSurface s;
  s.begin();
  s.resize(100, 50);
  EXPECT_EQ(s.changes_since(0), (Rects{{0, 0, 100, 50}}));
  const std::uint64_t seen = s.generation();
  s.begin();
  s.resize(100, 50);
  EXPECT_EQ(s.changes_since(seen), Rects{});
  s.begin();
  s.resize(50, 100);
  EXPECT_EQ(s.changes_since(seen), (Rects{{0, 0, 50, 100}}));
  EXPECT_EQ(s.screen().pixels.size(), 5000U);
}

TEST(ScreenSurface, TilesThatChangedAreJoined) {
  ScreenSurface s;
  s.begin();
  s.resize(200, 40);
  std::uint64_t seen = s.generation();
  s.begin();
  put(s, 0, 0, 0);  // as it was
  EXPECT_EQ(s.changes_since(seen), Rects{});
  put(s, 3, 10, 1);
  put(s, 4, 70, 1);
  EXPECT_EQ(s.changes_since(seen), (Rects{{0, 0, 128, 16}}));
  put(s, 20, 5, 1), put(s, 20, 100, 1);
  EXPECT_EQ(s.changes_since(seen), (Rects{{0, 0, 128, 32}}));
  put(s, 39, 199, 1);  // the corner: tiles are cut off
  EXPECT_EQ(s.changes_since(seen), (Rects{{0, 0, 128, 32}, {192, 32, 8, 8}}));
  seen = s.generation();
  EXPECT_EQ(s.changes_since(seen), Rects{});
}

TEST(ScreenSurface, EachLookerGetsWhatIsNewToHim) {
  ScreenSurface s;
  s.begin();
  s.resize(128, 16);
  const std::uint64_t first = s.generation();
  s.begin();
  put(s, 0, 0, 1);
  const std::uint64_t second = s.generation();
  s.begin();
  put(s, 0, 64, 1);
  EXPECT_EQ(s.changes_since(first), (Rects{{0, 0, 128, 16}}));
  EXPECT_EQ(s.changes_since(second), (Rects{{64, 0, 64, 16}}));
}

TEST(ScreenSurface, LinesBeyondTheEndsAreLeftOut) {
  ScreenSurface s;
  s.begin();
  s.resize(10, 2);
  const std::vector<std::uint32_t> line(20, 7);
  s.put_line(2, line);
  s.put_line(1, line);
  s.put_line(0, std::span(line).first(3));
  EXPECT_EQ(s.screen().pixels[2], 7U);
  EXPECT_EQ(s.screen().pixels[3], 0U);
  EXPECT_EQ(s.screen().pixels[19], 7U);
}

}  // namespace
}  // namespace machina
