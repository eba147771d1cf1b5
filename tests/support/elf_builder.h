#pragma once
/// ELF files of a few bytes for tests of loaders.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "core/byte_order.h"

namespace machina::test {

struct ElfSegment {
  std::uint32_t type = 1;  ///< PT_LOAD
  std::vector<std::uint8_t> bytes;
  std::uint64_t physical = 0, virtual_address = 0, memory_size = 0;
  std::uint64_t align = 4;
};

inline std::vector<std::uint8_t> make_elf(bool is_64bit, std::uint64_t entry, const std::vector<ElfSegment>& segments) {
  const std::size_t header = is_64bit ? 64 : 52, program = is_64bit ? 56 : 32;
  std::vector<std::uint8_t> f(header + program * segments.size());
  const auto word = [&](std::size_t at, std::uint64_t value) {
    if (is_64bit) {
      store_le<std::uint64_t>(f, at, value);
    } else {
      store_le<std::uint32_t>(f, at, static_cast<std::uint32_t>(value));
    }
  };
  store_le<std::uint32_t>(f, 0, 0x464c457f);
  f[4] = is_64bit ? 2 : 1;
  f[5] = f[6] = 1;
  store_le<std::uint16_t>(f, 16, 2);
  store_le<std::uint16_t>(f, 18, is_64bit ? 62 : 3);
  word(24, entry);
  word(is_64bit ? 32 : 28, header);
  store_le<std::uint16_t>(f, is_64bit ? 54 : 42, static_cast<std::uint16_t>(program));
  store_le<std::uint16_t>(f, is_64bit ? 56 : 44, static_cast<std::uint16_t>(segments.size()));
  std::size_t at = header;
  for (const ElfSegment& s : segments) {
    store_le<std::uint32_t>(f, at, s.type);
    word(at + (is_64bit ? 8 : 4), f.size());
    word(at + (is_64bit ? 16 : 8), s.virtual_address);
    word(at + (is_64bit ? 24 : 12), s.physical);
    word(at + (is_64bit ? 32 : 16), s.bytes.size());
    word(at + (is_64bit ? 40 : 20), s.memory_size);
    word(at + (is_64bit ? 48 : 28), s.align);
    f.insert(f.end(), s.bytes.begin(), s.bytes.end());
    at += program;
  }
  return f;
}

/// A note as its segment holds it, padded to `align`.
inline std::vector<std::uint8_t> make_note(const std::string& name, std::uint32_t type,
                                           const std::vector<std::uint8_t>& data, std::size_t align = 4) {
  constexpr std::size_t kHeader = 12;
  const auto padded = [&](std::size_t size) { return (size + align - 1) / align * align; };
  const std::size_t data_at = padded(kHeader + name.size() + 1);
  std::vector<std::uint8_t> n(padded(data_at + data.size()));
  store_le<std::uint32_t>(n, 0, static_cast<std::uint32_t>(name.size() + 1));
  store_le<std::uint32_t>(n, 4, static_cast<std::uint32_t>(data.size()));
  store_le<std::uint32_t>(n, 8, type);
  std::copy(name.begin(), name.end(), n.begin() + kHeader);
  std::copy(data.begin(), data.end(), n.begin() + static_cast<std::ptrdiff_t>(data_at));
  return n;
}

}  // namespace machina::test
