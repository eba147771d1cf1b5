#include "hw/acpi/aml_resource.h"

#include "core/error.h"

namespace machina::aml {

namespace {

// First bytes. Small items have their length in the lowest three bits.
constexpr unsigned kIrqNoFlags = 0x22;
constexpr unsigned kIrq = 0x23;
constexpr unsigned kDma = 0x2a;
constexpr unsigned kIo = 0x47;
constexpr unsigned kEndTag = 0x79;
constexpr unsigned kMemory32Fixed = 0x86;
constexpr unsigned kDWordSpace = 0x87;
constexpr unsigned kWordSpace = 0x88;
constexpr unsigned kExtendedInterrupt = 0x89;
constexpr unsigned kQWordSpace = 0x8a;

// 6.4.3.5: resource types and flags of address spaces.
constexpr unsigned kMemoryType = 0, kIoType = 1, kBusType = 2;
constexpr unsigned kFixedWindow = 0x0c;  // minimum and maximum are fixed; the bridge produces it, positive decode
constexpr unsigned kWholeIoRange = 3;    // ISA and non-ISA ports
constexpr unsigned kReadWrite = 1;

}  // namespace

Resources& Resources::io(std::uint16_t base, unsigned length) {
  if (length == 0 || length > 0xff || base + length > 0x10000) throw Error("no range of ports");
  constexpr unsigned kDecode16 = 1;
  descriptors_.u8(kIo).u8(kDecode16).u16(base).u16(base).u8(1).u8(length);
  return *this;
}

Resources& Resources::irq(unsigned line, IrqMode mode) {
  if (line > 15) throw Error("the 8259 pair has 16 lines");
  const unsigned mask = 1U << line;
  if (!mode.level && !mode.active_low && !mode.shared) {
    descriptors_.u8(kIrqNoFlags).u16(mask);
    return *this;
  }
  const unsigned flags = (mode.level ? 0U : 1U) | (mode.active_low ? 1U << 3 : 0U) | (mode.shared ? 1U << 4 : 0U);
  descriptors_.u8(kIrq).u16(mask).u8(flags);
  return *this;
}

Resources& Resources::dma(unsigned channel) {
  if (channel > 7) throw Error("there are eight DMA channels");
  // 6.4.2.2: compatibility timing, no bus master; 8 or 16 bits only.
  descriptors_.u8(kDma).u8(1U << channel).u8(channel < 4 ? 0 : 2);
  return *this;
}

Resources& Resources::memory32(std::uint32_t base, std::uint32_t length, bool writable) {
  descriptors_.u8(kMemory32Fixed).u16(9).u8(writable ? kReadWrite : 0).u32(base).u32(length);
  return *this;
}

Resources& Resources::interrupt(const std::vector<std::uint32_t>& gsi, IrqMode mode) {
  if (gsi.empty() || gsi.size() > 255) throw Error("no list of interrupts");
  constexpr unsigned kConsumer = 1;
  const unsigned flags =
      kConsumer | (mode.level ? 0U : 1U << 1) | (mode.active_low ? 1U << 2 : 0U) | (mode.shared ? 1U << 3 : 0U);
  descriptors_.u8(kExtendedInterrupt).u16(static_cast<unsigned>(2 + 4 * gsi.size()));
  descriptors_.u8(flags).u8(static_cast<unsigned>(gsi.size()));
  for (const std::uint32_t n : gsi) descriptors_.u32(n);
  return *this;
}

Resources& Resources::bus_window(unsigned first, unsigned last) {
  descriptors_.u8(kWordSpace).u16(0x0d).u8(kBusType).u8(kFixedWindow).u8(0);
  descriptors_.u16(0).u16(first).u16(last).u16(0).u16(last - first + 1);
  return *this;
}

Resources& Resources::io_window(unsigned first, unsigned last) {
  descriptors_.u8(kWordSpace).u16(0x0d).u8(kIoType).u8(kFixedWindow).u8(kWholeIoRange);
  descriptors_.u16(0).u16(first).u16(last).u16(0).u16(last - first + 1);
  return *this;
}

Resources& Resources::memory_window(std::uint64_t first, std::uint64_t last, Caching caching) {
  const unsigned flags = kReadWrite | static_cast<unsigned>(caching) << 1;
  if (last <= 0xffffffff) {
    descriptors_.u8(kDWordSpace).u16(0x17).u8(kMemoryType).u8(kFixedWindow).u8(flags);
    for (const std::uint64_t v : {std::uint64_t{0}, first, last, std::uint64_t{0}, last - first + 1})
      descriptors_.u32(static_cast<std::uint32_t>(v));
  } else {
    descriptors_.u8(kQWordSpace).u16(0x2b).u8(kMemoryType).u8(kFixedWindow).u8(flags);
    for (const std::uint64_t v : {std::uint64_t{0}, first, last, std::uint64_t{0}, last - first + 1})
      descriptors_.u64(v);
  }
  return *this;
}

std::vector<std::uint8_t> Resources::bytes() const {
  std::vector<std::uint8_t> all = descriptors_.bytes();
  all.push_back(kEndTag);
  all.push_back(0);  // 6.4.2.9: a checksum of 0 is as good as a right one
  return all;
}

}  // namespace machina::aml
