#pragma once
/// A system description table while it is written: the header that all of them have (ACPI 6.4, 5.2.6), then fields.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hw/acpi/aml.h"

namespace machina {

inline constexpr std::size_t kSdtHeader = 36;
inline constexpr std::size_t kSdtLength = 4;    ///< offset of Length, 32 bits
inline constexpr std::size_t kSdtChecksum = 9;  ///< offset of Checksum

/// Who made the tables: fields of the header. Padded with blanks.
struct SdtIdentity {
  std::string oem_id = "MACHNA";         ///< six characters
  std::string oem_table_id = "MACHINA";  ///< eight
  std::uint32_t oem_revision = 1;
  std::string creator_id = "MACH";  ///< four
  std::uint32_t creator_revision = 1;
};

class Sdt {
 public:
  Sdt(std::string_view signature, std::uint8_t revision, const SdtIdentity& identity = {});

  Sdt& u8(unsigned v) { return body_.u8(v), *this; }
  Sdt& u16(unsigned v) { return body_.u16(v), *this; }
  Sdt& u32(std::uint32_t v) { return body_.u32(v), *this; }
  Sdt& u64(std::uint64_t v) { return body_.u64(v), *this; }
  Sdt& zeros(unsigned count);
  Sdt& append(const aml::Code& code) { return body_.append(code), *this; }
  /// Generic address structure (5.2.3.2) of `bytes` ports; all zero when there are none.
  Sdt& ports(std::uint16_t base, unsigned bytes);
  /// The same of registers in memory.
  Sdt& memory(std::uint64_t address);

  std::size_t size() const { return body_.size(); }
  /// With its length and checksum.
  std::vector<std::uint8_t> finish() const;

 private:
  aml::Code body_;
};

/// Text in a field of `size` bytes, padded with `fill`, cut off when it is longer.
void append_text(aml::Code& code, std::string_view text, std::size_t size, char fill = ' ');

}  // namespace machina
