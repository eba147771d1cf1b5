#pragma once
/// Base64 with the alphabet and padding of RFC 4648, section 4: how protocols of text carry bytes.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace machina {

std::string base64_encode(std::span<const std::uint8_t> bytes);
/// Nothing when the text is not base64: a character of another alphabet, a wrong length, bits after the end.
std::optional<std::vector<std::uint8_t>> base64_decode(std::string_view text);

}  // namespace machina
