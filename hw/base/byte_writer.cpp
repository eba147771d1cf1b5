#include "hw/base/byte_writer.h"

#include "core/byte_order.h"

namespace machina {

ByteWriter& ByteWriter::put(std::uint64_t value, unsigned size) {
  append_le(bytes_, value, size);
  return *this;
}

ByteWriter& ByteWriter::text(std::string_view characters) {
  bytes_.insert(bytes_.end(), characters.begin(), characters.end());
  return *this;
}

ByteWriter& ByteWriter::text(std::string_view characters, std::size_t size) {
  const std::size_t end = bytes_.size() + size;
  text(characters.substr(0, size));
  bytes_.resize(end, ' ');
  return *this;
}

ByteWriter& ByteWriter::append(std::span<const std::uint8_t> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return *this;
}

std::uint8_t checksum_of(std::span<const std::uint8_t> bytes) {
  unsigned sum = 0;
  for (const std::uint8_t byte : bytes) sum += byte;
  return static_cast<std::uint8_t>(0U - sum);
}

}  // namespace machina
