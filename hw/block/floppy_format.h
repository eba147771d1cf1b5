#pragma once
/// Formats of floppy disks: what an image of some size is a picture of, and which drives read it. Pure functions.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "hw/rtc/cmos_layout.h"

namespace machina {

struct FloppyFormat {
  std::uint16_t kib;
  std::uint8_t cylinders, heads, sectors;  ///< sectors of 512 bytes on a track
  bool five_inch;
  std::uint16_t kbps;  ///< data rate in a drive that turns at 300 rpm, or at 360 for what only such drives read

  std::uint32_t total_sectors() const { return std::uint32_t{cylinders} * heads * sectors; }
};

/// By size, smallest first.
std::span<const FloppyFormat> floppy_formats();

/// The format of an image: of this very size, or else the 3.5-inch one of 1.44 or 2.88 MB that holds it; the sectors
/// that the image lacks are blank. Null when it is too large for a floppy.
const FloppyFormat* floppy_format_of(std::uint64_t bytes);

/// A drive that a disk of this format belongs into.
FloppyType floppy_drive_for(const FloppyFormat& format);

/// The rate at which `drive` reads such a disk; nothing when it cannot.
std::optional<unsigned> floppy_rate(FloppyType drive, const FloppyFormat& format);
/// Whether the head of `drive` takes two steps from one track of the disk to the next.
bool floppy_double_steps(FloppyType drive, const FloppyFormat& format);

/// Tracks that the head of a drive can reach.
unsigned floppy_cylinders(FloppyType drive);
/// "1.44M", as users write drive types.
const char* floppy_type_name(FloppyType drive);

}  // namespace machina
