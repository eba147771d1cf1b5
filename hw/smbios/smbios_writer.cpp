#include "hw/smbios/smbios_writer.h"

#include <algorithm>

#include "hw/smbios/smbios.h"

namespace machina {

SmbiosWriter& SmbiosWriter::begin(unsigned type, unsigned handle) {
  type_ = type;
  handle_ = handle;
  fields_ = {};
  strings_.clear();
  return *this;
}

SmbiosWriter& SmbiosWriter::string(const std::string& text) {
  if (text.empty()) return u8(0);
  strings_.push_back(text);
  return u8(strings_.size());
}

void SmbiosWriter::end() {
  constexpr std::size_t kHeader = 4;
  ByteWriter w;
  w.u8(type_).u8(kHeader + fields_.bytes().size()).u16(handle_);
  std::vector<std::uint8_t> bytes = w.bytes();
  bytes.insert(bytes.end(), fields_.bytes().begin(), fields_.bytes().end());
  for (const std::string& s : strings_) {
    bytes.insert(bytes.end(), s.begin(), s.end());
    bytes.push_back(0);
  }
  // An empty string ends the list, and two stand for an empty list.
  if (strings_.empty()) bytes.push_back(0);
  bytes.push_back(0);
  whole(bytes);
}

void SmbiosWriter::whole(std::span<const std::uint8_t> bytes) {
  all_.insert(all_.end(), bytes.begin(), bytes.end());
  largest_ = std::max(largest_, bytes.size());
  ++count_;
}

SmbiosTables SmbiosWriter::take() const {
  return {all_, static_cast<std::uint16_t>(count_),
          static_cast<std::uint16_t>(std::min<std::size_t>(largest_, 0xffff))};
}

}  // namespace machina
