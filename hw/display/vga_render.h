#pragma once
/// What a VGA shows at a moment, drawn from its registers and memory.

#include "core/display/display.h"
#include "hw/display/vga_core.h"

namespace machina {

/// An alphanumeric mode is set and no dispi mode.
bool vga_text_mode(const VgaCore& vga);
TextScreen vga_text_screen(const VgaCore& vga);
PixelScreen vga_pixel_screen(const VgaCore& vga, std::int64_t now);

}  // namespace machina
