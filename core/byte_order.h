#pragma once
/// Little-endian fields within bytes: files, tables, boot structures.

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace machina {

/// The field of `size` bytes (0 to 8) at `offset`; bytes beyond the end read as zero.
inline std::uint64_t load_le(std::span<const std::uint8_t> bytes, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size && offset + i < bytes.size(); ++i)
    value |= std::uint64_t{bytes[offset + i]} << (8 * i);
  return value;
}
template <class T>
T load_le(std::span<const std::uint8_t> bytes, std::size_t offset) {
  static_assert(std::is_unsigned_v<T>);
  return static_cast<T>(load_le(bytes, offset, sizeof(T)));
}

/// The lowest `size` bytes (0 to 8) of `value`. The field lies within `bytes`.
inline void store_le(std::span<std::uint8_t> bytes, std::size_t offset, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}
template <class T>
void store_le(std::span<std::uint8_t> bytes, std::size_t offset, T value) {
  static_assert(std::is_unsigned_v<T>);
  store_le(bytes, offset, value, sizeof(T));
}

inline void append_le(std::vector<std::uint8_t>& bytes, std::uint64_t value, std::size_t size) {
  bytes.resize(bytes.size() + size);
  store_le(bytes, bytes.size() - size, value, size);
}
template <class T>
void append_le(std::vector<std::uint8_t>& bytes, T value) {
  static_assert(std::is_unsigned_v<T>);
  append_le(bytes, value, sizeof(T));
}

}  // namespace machina
