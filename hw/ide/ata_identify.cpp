#include "hw/ide/ata_identify.h"

#include <algorithm>
#include <numeric>

namespace machina {

namespace {

class Words {
 public:
  void set(unsigned n, std::uint32_t value) {
    data[2 * n] = static_cast<std::uint8_t>(value);
    data[2 * n + 1] = static_cast<std::uint8_t>(value >> 8);
  }
  void set32(unsigned n, std::uint64_t value) {
    set(n, static_cast<std::uint32_t>(value & 0xffff));
    set(n + 1, static_cast<std::uint32_t>(value >> 16 & 0xffff));
  }
  /// 8.15.10: the first character is in the high byte of the first word; filled up with spaces.
  void text(unsigned n, unsigned words, const std::string& s) {
    for (unsigned i = 0; i < 2 * words; ++i)
      data[2 * n + (i ^ 1)] = static_cast<std::uint8_t>(i < s.size() ? s[i] : ' ');
  }
  // --- words that disks and drives for packets have alike ---
  void dma_modes(std::uint8_t transfer_mode) {
    const unsigned mode = transfer_mode & 0x07;
    const bool mwdma = (transfer_mode & 0xf8) == 0x20;
    const bool udma = (transfer_mode & 0xf8) == 0x40;
    set(63, ((1U << (kMaxMwdma + 1)) - 1) | (mwdma ? 0x100U << mode : 0U));
    set(88, ((1U << (kMaxUdma + 1)) - 1) | (udma ? 0x100U << mode : 0U));
  }
  void timings() {
    set(64, 0x0003);                                  // PIO modes 3 and 4
    for (unsigned n = 65; n <= 68; ++n) set(n, 120);  // cycle times in nanoseconds
  }
  /// An 80-conductor cable; the drive's number came from its jumper and it passed its diagnostics.
  void reset_result(unsigned unit) { set(93, unit == 0 ? 0x600b : 0x6b00); }
  /// 8.15.64: with the signature A5h, all 512 bytes add up to zero.
  void checksum() {
    data[510] = 0xa5;
    data[511] = static_cast<std::uint8_t>(-std::accumulate(data.begin(), data.end() - 1, 0U));
  }

  IdentifyData data{};
};

constexpr std::uint32_t kLba28Limit = 0x0fffffff;

}  // namespace

IdentifyData identify_data(const DiskIdentity& d) {
  Words w;
  w.set(0, 0x0040);  // a fixed ATA device
  w.set(1, d.native.cylinders);
  w.set(3, d.native.heads);
  w.set(6, d.native.sectors);
  w.text(10, 10, d.serial);
  w.text(23, 4, d.version);
  w.text(27, 20, d.model);
  w.set(47, 0x8000 | d.max_multiple);
  w.set(49, 0x0a00 | (d.dma ? 0x0100U : 0U));  // LBA, IORDY, DMA
  w.set(50, 0x4000);
  w.set(51, 0x0200);                           // PIO timing mode 2
  w.set(53, 0x0003 | (d.dma ? 0x0004U : 0U));  // words 54-58, 64-70 and 88 are valid
  w.set(54, d.current.cylinders);
  w.set(55, d.current.heads);
  w.set(56, d.current.sectors);
  w.set32(57, d.current.total());
  w.set(59, d.multiple ? 0x0100 | d.multiple : 0);
  w.set32(60, std::min<std::uint64_t>(d.sectors, kLba28Limit));
  if (d.dma) w.dma_modes(d.transfer_mode);
  w.timings();
  w.set(80, 0x0078);  // ATA-3 to ATA/ATAPI-6
  // NOP, write cache, look-ahead, power management; FLUSH CACHE and its EXT, 48-bit addresses.
  const std::uint32_t supported = 1U << 14 | 1U << 6 | 1U << 5 | 1U << 3;
  const std::uint32_t disabled = (d.write_cache ? 0U : 1U << 5) | (d.look_ahead ? 0U : 1U << 6);
  w.set(82, supported);
  w.set(83, 1U << 14 | 1U << 13 | 1U << 12 | 1U << 10);
  w.set(84, 1U << 14);
  w.set(85, supported & ~disabled);
  w.set(86, 1U << 13 | 1U << 12 | 1U << 10);
  w.set(87, 1U << 14);
  w.reset_result(d.unit);
  w.set32(100, d.sectors);
  w.set32(102, d.sectors >> 32);
  w.checksum();
  return w.data;
}

IdentifyData identify_data(const PacketIdentity& d) {
  Words w;
  // For packets of 12 bytes, a CD-ROM, removable, DRQ within 50 us of the command without an interrupt.
  w.set(0, 0x85c0);
  w.text(10, 10, d.serial);
  w.text(23, 4, d.version);
  w.text(27, 20, d.model);
  w.set(49, 0x0a00 | (d.dma ? 0x0100U : 0U));  // LBA, IORDY, DMA; no overlap
  w.set(50, 0x4000);
  w.set(51, 0x0200);                           // PIO timing mode 2
  w.set(53, 0x0002 | (d.dma ? 0x0004U : 0U));  // words 64-70 and 88 are valid
  if (d.dma) w.dma_modes(d.transfer_mode);
  w.timings();
  w.set(80, 0x0070);  // ATA/ATAPI-4 to ATA/ATAPI-6
  // NOP, DEVICE RESET, PACKET, power management.
  const std::uint32_t supported = 1U << 14 | 1U << 9 | 1U << 4 | 1U << 3;
  w.set(82, supported);
  w.set(83, 1U << 14);
  w.set(84, 1U << 14);
  w.set(85, supported);
  w.set(87, 1U << 14);
  w.reset_result(d.unit);
  // Word 125 stays 0: a byte count limit of 0 aborts the command.
  w.checksum();
  return w.data;
}

}  // namespace machina
