#pragma once
/// Sectors of a CD as they are on the medium: "Data interchange on read-only 120 mm optical data disks" (ECMA-130, 2nd
/// edition), clause 14 and annex A. Pure functions.

#include <array>
#include <cstdint>
#include <span>

namespace machina {

inline constexpr unsigned kRawSectorSize = 2352;
inline constexpr unsigned kSyncSize = 12, kHeaderSize = 4, kCdUserData = 2048, kEdcEccSize = 288;

/// Minutes, seconds and frames (sectors, 75 a second) from the start of the disc; data begins at 00:02:00.
struct Msf {
  std::uint8_t minute = 0, second = 0, frame = 0;
  bool operator==(const Msf&) const = default;
};
/// MMC-3, table 12. What is beyond the form's reach is FF:3B:4A: DVDs have more sectors than it can name.
Msf msf_of(std::uint64_t lba);
/// Negative before 00:02:00.
std::int64_t lba_of(Msf at);

/// Sync pattern, header, `user_data`, error detection and correction codes of the mode 1 sector at `lba`.
std::array<std::uint8_t, kRawSectorSize> mode1_sector(std::uint64_t lba, std::span<const std::uint8_t> user_data);

}  // namespace machina
