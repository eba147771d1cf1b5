#include "hw/block/floppy_format.h"

#include <algorithm>
#include <array>

#include "core/units.h"

namespace machina {

namespace {

// ECMA-66, -70, -99, -100 and -125 with the fillings that PC and later systems gave them; the 21-sector ones are
// Microsoft's DMF and its kin.
constexpr std::array<FloppyFormat, 11> kFormats{{
    {160, 40, 1, 8, true, 250},
    {180, 40, 1, 9, true, 250},
    {320, 40, 2, 8, true, 250},
    {360, 40, 2, 9, true, 250},
    {720, 80, 2, 9, false, 250},
    {1200, 80, 2, 15, true, 500},
    {1440, 80, 2, 18, false, 500},
    {1600, 80, 2, 20, false, 500},
    {1680, 80, 2, 21, false, 500},
    {1722, 82, 2, 21, false, 500},
    {2880, 80, 2, 36, false, 1000},
}};

const FloppyFormat& by_size(unsigned kib) {
  return *std::find_if(kFormats.begin(), kFormats.end(), [kib](const FloppyFormat& f) { return f.kib == kib; });
}

}  // namespace

std::span<const FloppyFormat> floppy_formats() { return kFormats; }

const FloppyFormat* floppy_format_of(std::uint64_t bytes) {
  for (const FloppyFormat& f : kFormats)
    if (bytes == f.kib * KiB) return &f;
  for (const unsigned kib : {1440U, 2880U})
    if (bytes < kib * KiB) return &by_size(kib);
  return nullptr;
}

FloppyType floppy_drive_for(const FloppyFormat& f) {
  if (f.five_inch) return f.kbps == 250 ? FloppyType::K360 : FloppyType::M1_2;
  return f.kbps == 1000 ? FloppyType::M2_88 : FloppyType::M1_44;
}

std::optional<unsigned> floppy_rate(FloppyType drive, const FloppyFormat& f) {
  switch (drive) {
    case FloppyType::K360:
      if (f.five_inch && f.kbps == 250) return f.kbps;
      break;
    case FloppyType::M1_2:
      // It always turns at 360 rpm, so slow disks come by a fifth faster.
      if (f.five_inch) return f.kbps == 250 ? 300 : f.kbps;
      break;
    case FloppyType::K720:
      if (!f.five_inch && f.kbps == 250) return f.kbps;
      break;
    case FloppyType::M1_44:
      if (!f.five_inch && f.kbps <= 500) return f.kbps;
      break;
    case FloppyType::M2_88:
      if (!f.five_inch) return f.kbps;
      break;
    case FloppyType::None:
      break;
  }
  return std::nullopt;
}

bool floppy_double_steps(FloppyType drive, const FloppyFormat& f) {
  return f.cylinders == 40 && floppy_cylinders(drive) > 80;
}

unsigned floppy_cylinders(FloppyType drive) {
  // A few more than are used: the stop of the head is not exactly there.
  return drive == FloppyType::K360 ? 42 : 84;
}

const char* floppy_type_name(FloppyType drive) {
  switch (drive) {
    case FloppyType::K360:
      return "360K";
    case FloppyType::M1_2:
      return "1.2M";
    case FloppyType::K720:
      return "720K";
    case FloppyType::M1_44:
      return "1.44M";
    case FloppyType::M2_88:
      return "2.88M";
    case FloppyType::None:
      break;
  }
  return "no";
}

}  // namespace machina
