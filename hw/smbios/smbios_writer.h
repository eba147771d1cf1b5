#pragma once
/// Writing SMBIOS structures: 6.1.2 (header), 6.1.3 (strings behind the fields, numbered from 1).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hw/base/byte_writer.h"

namespace machina {

struct SmbiosTables;

class SmbiosWriter {
 public:
  SmbiosWriter& begin(unsigned type, unsigned handle);
  SmbiosWriter& u8(std::uint64_t v) { return fields_.u8(v), *this; }
  SmbiosWriter& u16(std::uint64_t v) { return fields_.u16(v), *this; }
  SmbiosWriter& u32(std::uint64_t v) { return fields_.u32(v), *this; }
  SmbiosWriter& u64(std::uint64_t v) { return fields_.u64(v), *this; }
  /// A field that refers to a string; an empty one to none.
  SmbiosWriter& string(const std::string& text);
  /// A string that no field refers to.
  void add_string(const std::string& text) { strings_.push_back(text); }
  void end();
  /// A structure that is complete.
  void whole(std::span<const std::uint8_t> bytes);
  SmbiosTables take() const;

 private:
  unsigned type_ = 0, handle_ = 0;
  ByteWriter fields_;
  std::vector<std::string> strings_;
  std::vector<std::uint8_t> all_;
  std::size_t count_ = 0, largest_ = 0;
};

}  // namespace machina
