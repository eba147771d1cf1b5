#pragma once
/// What the virtual monitor says of itself: a base block of VESA Enhanced EDID, release A, revision 2 (version 1.4).

#include <array>
#include <cstdint>

namespace machina {

inline constexpr std::size_t kEdidSize = 128;

/// A monitor that prefers `width` x `height` pixels (8 to 4095 each) at 60 Hz, or slower where that needs more than the
/// 655.35 MHz that a timing can name.
std::array<std::uint8_t, kEdidSize> make_edid(unsigned width, unsigned height);

}  // namespace machina
