#include "core/uuid.h"

#include <fmt/format.h>

#include <random>
#include <utility>

#include "core/error.h"

namespace machina {

namespace {

/// Where the groups of the text end: 8-4-4-4-12 digits.
constexpr bool is_dash(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }
constexpr std::size_t kTextLength = 36;

}  // namespace

Uuid parse_uuid(const std::string& text) {
  Uuid bytes{};
  std::size_t digits = 0;
  bool well = text.size() == kTextLength;
  for (std::size_t i = 0; i < text.size() && well; ++i) {
    const char c = text[i];
    if (is_dash(i)) {
      well = c == '-';
      continue;
    }
    const int v = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : -1;
    well = v >= 0;
    bytes[digits / 2] = static_cast<std::uint8_t>(bytes[digits / 2] << 4 | (v & 15));
    ++digits;
  }
  if (!well) {
    Error e(fmt::format("not a UUID: '{}'", text));
    throw e.hint("write it as 550e8400-e29b-41d4-a716-446655440000");
  }
  return bytes;
}

std::string format_uuid(const Uuid& uuid) {
  std::string text;
  for (const std::uint8_t byte : uuid) {
    if (is_dash(text.size())) text += '-';
    text += fmt::format("{:02x}", byte);
  }
  return text;
}

Uuid random_uuid() {
  std::random_device source;
  Uuid uuid{};
  for (std::uint8_t& byte : uuid) byte = static_cast<std::uint8_t>(source());
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0f) | 0x40);  // version
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3f) | 0x80);  // variant
  return uuid;
}

Uuid guid_bytes(const Uuid& uuid) {
  Uuid bytes = uuid;
  std::swap(bytes[0], bytes[3]);
  std::swap(bytes[1], bytes[2]);
  std::swap(bytes[4], bytes[5]);
  std::swap(bytes[6], bytes[7]);
  return bytes;
}

}  // namespace machina
