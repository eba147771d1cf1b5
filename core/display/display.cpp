#include "core/display/display.h"

#include <span>

namespace machina {

const ScreenSurface& DisplaySource::refresh() {
  const PixelScreen now = pixel_screen();
  surface_.begin();
  surface_.resize(now.width, now.height);
  for (unsigned y = 0; y < now.height; ++y)
    surface_.put_line(y, std::span(now.pixels).subspan(std::size_t{y} * now.width, now.width));
  return surface_;
}

void DisplaySource::watch() {
  if (watchers_++ == 0) watched_changed();
}

void DisplaySource::unwatch() {
  if (--watchers_ == 0) watched_changed();
}

MACHINA_INTERFACE(DisplaySource);

}  // namespace machina
