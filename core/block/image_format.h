#pragma once
/// Which format an image has, by its first bytes; Machina reads raw images only and names what it refuses.

#include <span>
#include <string>

namespace machina {

/// The first bytes of an image that image_format() looks at.
inline constexpr std::size_t kFormatProbeBytes = 512;

/// "qcow2", "vmdk", …; "raw" when nothing known is recognised.
std::string image_format(std::span<const unsigned char> head);

/// Formats that a user may have heard of; "raw" is the first.
std::span<const char* const> known_image_formats();

}  // namespace machina
