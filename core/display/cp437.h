#pragma once
/// Code page 437, the character set of the PC's text screen, as Unicode.

#include <cstdint>
#include <string_view>

namespace machina {

/// The glyph as UTF-8: also the pictures that codes 01h to 1fh and 7fh show on a screen; 00h and ffh are blank.
std::string_view cp437_to_utf8(std::uint8_t glyph);

}  // namespace machina
