#pragma once
/// What the tables are written with that tell a guest of its machine.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace machina {

/// Little-endian fields, one after the other.
class ByteWriter {
 public:
  ByteWriter& u8(std::uint64_t v) { return put(v, 1); }
  ByteWriter& u16(std::uint64_t v) { return put(v, 2); }
  ByteWriter& u32(std::uint64_t v) { return put(v, 4); }
  ByteWriter& u64(std::uint64_t v) { return put(v, 8); }
  ByteWriter& text(std::string_view characters);
  /// Text in a field of `size` bytes, padded with blanks, cut off when it is longer.
  ByteWriter& text(std::string_view characters, std::size_t size);
  ByteWriter& append(std::span<const std::uint8_t> bytes);

  const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }

 private:
  ByteWriter& put(std::uint64_t value, unsigned size);
  std::vector<std::uint8_t> bytes_;
};

/// What a byte must be for it and `bytes` to add up to 0.
std::uint8_t checksum_of(std::span<const std::uint8_t> bytes);

}  // namespace machina
