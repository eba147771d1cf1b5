#pragma once
/// What firmware expects in the CMOS memory: sizes, boot order, drives. A pure function; the machine writes the result
/// into the clock (Mc146818Rtc::set_cmos) when it is built.
///
/// Sources: IBM PC/AT Technical Reference (6280070), "Real-time clock/CMOS RAM"; the bytes above 33h as SeaBIOS reads
/// them (its src/hw/rtc.h): 34h, 35h, 38h, 3Dh, 5Bh-5Dh, 5Fh.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace machina {

/// Type codes of byte 10h.
enum class FloppyType : std::uint8_t { None = 0, K360 = 1, M1_2 = 2, K720 = 3, M1_44 = 4, M2_88 = 5 };

/// How the firmware shows a disk's geometry to old programs; codes of byte 39h.
enum class DiskTranslation : std::uint8_t { None = 0, Lba = 1, Large = 2, RevisedEchs = 3 };

struct CmosDisk {
  bool present = false;
  std::uint16_t cylinders = 0;
  std::uint8_t heads = 0;
  std::uint8_t sectors = 0;
  DiskTranslation translation = DiskTranslation::None;
};

struct CmosConfig {
  std::uint64_t ram_below_4g = 0;  ///< bytes
  std::uint64_t ram_above_4g = 0;
  unsigned cpus = 1;  ///< 1 to 256
  /// a, b floppy; c disk; d CD-ROM; n to p network. The first three count.
  std::string boot_order = "cda";
  bool floppy_signature_check = true;  ///< a floppy boots only with 55AAh in its first sector
  std::array<FloppyType, 2> floppies{};
  std::array<CmosDisk, 2> disks{};            ///< first and second of the primary IDE channel
  std::array<CmosDisk, 2> secondary_disks{};  ///< their translation only
  bool ps2_mouse = true;
};

struct CmosByte {
  std::uint8_t index;
  std::uint8_t value;
};

/// In order of the index, each index once. Throws Error for a boot letter that is none.
std::vector<CmosByte> cmos_layout(const CmosConfig& config);

/// Of these the two that hold the boot order; not part of the checksum.
std::vector<CmosByte> cmos_boot_order(const CmosConfig& config);

/// Index 2Eh-2Fh: sum of 10h to 2Dh, high byte first.
inline constexpr unsigned kCmosChecksumFirst = 0x10, kCmosChecksumLast = 0x2d;

}  // namespace machina
