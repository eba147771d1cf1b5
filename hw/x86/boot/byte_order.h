#pragma once
/// Little-endian fields of boot structures.

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace machina::boot {

/// The field at `offset`; bytes beyond the end read as zero.
template <class T>
T load_le(std::span<const std::uint8_t> bytes, std::size_t offset) {
  static_assert(std::is_unsigned_v<T>);
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T) && offset + i < bytes.size(); ++i)
    value = static_cast<T>(value | static_cast<T>(static_cast<T>(bytes[offset + i]) << (8 * i)));
  return value;
}

/// The field lies within `bytes`.
template <class T>
void store_le(std::span<std::uint8_t> bytes, std::size_t offset, T value) {
  static_assert(std::is_unsigned_v<T>);
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

}  // namespace machina::boot
