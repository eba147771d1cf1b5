#include "hw/acpi/acpi_sdt.h"

#include "core/byte_order.h"
#include "hw/base/byte_writer.h"

namespace machina {

void append_text(aml::Code& code, std::string_view text, std::size_t size, char fill) {
  for (std::size_t i = 0; i < size; ++i) code.u8(static_cast<unsigned char>(i < text.size() ? text[i] : fill));
}

Sdt::Sdt(std::string_view signature, std::uint8_t revision, const SdtIdentity& identity) {
  append_text(body_, signature, 4);
  body_.u32(0).u8(revision).u8(0);
  append_text(body_, identity.oem_id, 6);
  append_text(body_, identity.oem_table_id, 8);
  body_.u32(identity.oem_revision);
  append_text(body_, identity.creator_id, 4);
  body_.u32(identity.creator_revision);
}

Sdt& Sdt::zeros(unsigned count) {
  while (count-- > 0) body_.u8(0);
  return *this;
}

Sdt& Sdt::ports(std::uint16_t base, unsigned bytes) {
  if (bytes == 0) return zeros(12);
  constexpr unsigned kSystemIo = 1;
  body_.u8(kSystemIo).u8(8 * bytes).u8(0).u8(0).u64(base);  // bit offset 0; access size: as the block's rules say
  return *this;
}

Sdt& Sdt::memory(std::uint64_t address) {
  constexpr unsigned kSystemMemory = 0;
  body_.u8(kSystemMemory).u8(0).u8(0).u8(0).u64(address);
  return *this;
}

std::vector<std::uint8_t> Sdt::finish() const {
  std::vector<std::uint8_t> bytes = body_.bytes();
  store_le(bytes, kSdtLength, bytes.size(), 4);
  bytes[kSdtChecksum] = 0;
  bytes[kSdtChecksum] = checksum_of(bytes);
  return bytes;
}

}  // namespace machina
