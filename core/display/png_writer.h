#pragma once
/// Pictures of a screen as PNG, by libpng.

#include <cstdint>
#include <string>
#include <vector>

#include "core/display/display.h"

namespace machina {

/// Eight bits a colour, no transparency. Throws Error for a picture without pixels.
std::vector<std::uint8_t> encode_png(const PixelScreen& screen);
/// Writes the file anew, all of it or nothing: what was there before stays when something fails. Throws Error.
void write_png(const PixelScreen& screen, const std::string& path);

}  // namespace machina
