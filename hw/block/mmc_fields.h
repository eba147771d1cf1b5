#pragma once
/// Big-endian fields of packets and replies.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace machina::mmc {

inline std::uint32_t load_be(std::span<const std::uint8_t> bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | bytes[at + i];
  return value;
}

inline void append_be(std::vector<std::uint8_t>& bytes, std::uint64_t value, std::size_t size) {
  while (size-- > 0) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * size)));
}

inline void append(std::vector<std::uint8_t>& bytes, std::initializer_list<unsigned> values) {
  for (const unsigned v : values) bytes.push_back(static_cast<std::uint8_t>(v));
}

/// Text in a field of `size` bytes, filled up with spaces.
inline void append_text(std::vector<std::uint8_t>& bytes, std::string_view text, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(i < text.size() ? text[i] : ' '));
}

/// The length field of `size` bytes at `at`: the number of bytes behind it.
inline void set_length(std::vector<std::uint8_t>& bytes, std::size_t at, std::size_t size) {
  const std::size_t length = bytes.size() - at - size;
  for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<std::uint8_t>(length >> (8 * (size - 1 - i)));
}

}  // namespace machina::mmc
