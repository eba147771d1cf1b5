/// The window A0000h to BFFFFh: how the graphics controller and the sequencer take accesses of the CPU to the planes.

#include <cstring>

#include "hw/display/vga_core.h"

namespace machina {

using namespace vga;  // NOLINT(google-build-using-namespace): the registers of this one chip

namespace {

/// A bit for each plane, as a mask over their four bytes.
constexpr std::uint32_t spread(unsigned planes) {
  std::uint32_t mask = 0;
  for (unsigned p = 0; p < 4; ++p)
    if (planes >> p & 1) mask |= 0xffU << (8 * p);
  return mask;
}
constexpr std::uint32_t all_planes(std::uint8_t byte) { return byte * 0x01010101U; }

}  // namespace

/// Where the word of an address is. A VGA has 64K words and wraps, or 16K where the rest of its memory is off; dispi's
/// planar modes use all there is.
std::uint32_t VgaCore::word(std::uint32_t address) const {
  if (dispi_enabled()) return static_cast<std::uint32_t>(address % (vram_->size() / 4) * 4);
  return (address & (state_.seq[kSeqMemoryMode] & kMemoryExtended ? 0xffffU : 0x3fffU)) * 4;
}

std::uint32_t VgaCore::planes(std::uint32_t address) const {
  std::uint32_t value = 0;
  std::memcpy(&value, vram_->host() + word(address), 4);
  return value;
}

/// Graphics register 06h says where memory shows. In linear dispi modes it is the first half. Misc bit 1, which takes
/// the memory away, makes room for another adapter's, of which there is none: GRUB as a PC's firmware leaves it clear.
bool VgaCore::window_offset(std::uint32_t& offset) const {
  switch (linear() ? 1 : state_.gr[kGrMisc] >> 2 & 3) {
    case 0:
      return true;
    case 1:
      return offset < 0x10000;
    case 2:
      offset -= 0x10000;
      return offset < 0x8000;
    default:
      offset -= 0x18000;
      return offset < 0x8000;
  }
}

VgaCore::Access VgaCore::decode(std::uint32_t offset, bool write) const {
  const std::uint32_t bank = dispi_enabled() ? state_.dispi[kDispiBank] * 0x10000U : 0;
  if (state_.seq[kSeqMemoryMode] & kMemoryChain4)
    return {bank + (offset & ~3U), static_cast<std::uint8_t>(1U << (offset & 3)), offset & 3};
  // Sequencer 04h is about writes, graphics 05h about reads, and programs set both alike; but GRUB as a PC's firmware,
  // which loads its font with graphics 05h alone set for it, as if that were enough.
  const bool odd_even =
      (state_.gr[kGrMode] & kGrModeOddEven) != 0 && !(write && (state_.seq[kSeqMemoryMode] & kMemorySequential));
  if (odd_even) {
    // Address bit 0 chooses the planes. Chained (graphics 06h bit 1), a higher bit comes in its place: bit 16 where the
    // window has it, else the page bit of Misc. All standard modes set that bit and show even addresses. So does what
    // leaves it clear (GRUB as a PC's firmware), though by IBM's words bit 0 would stay in the address then.
    const bool whole_window = (state_.gr[kGrMisc] >> 2 & 3) == 0;
    const bool odd = (state_.gr[kGrMisc] & kGrMiscChainOddEven) &&
                     (whole_window ? (offset >> 16 & 1) != 0 : !(state_.misc & kMiscPage));
    return {bank + (offset & ~1U) + (odd ? 1U : 0U), static_cast<std::uint8_t>(offset & 1 ? 0x0a : 0x05),
            (state_.gr[kGrReadMap] & 2U) | (offset & 1)};
  }
  return {bank + offset, 0x0f, state_.gr[kGrReadMap]};
}

bool VgaCore::peek_window(std::uint32_t offset, std::uint8_t& value) const {
  std::uint32_t latches = 0;
  return look(offset, value, latches);
}

bool VgaCore::look(std::uint32_t offset, std::uint8_t& value, std::uint32_t& latches) const {
  if (!window_offset(offset)) return false;
  if (linear()) {
    const std::uint64_t at = state_.dispi[kDispiBank] * std::uint64_t{0x10000} + offset;
    value = at < vram_->size() ? vram_->host()[at] : 0xff;
    return true;
  }
  const Access access = decode(offset, false);
  latches = planes(access.address);
  if (state_.gr[kGrMode] & kGrModeReadCompare) {
    // Read mode 1: a bit is set where all planes that matter have the colour.
    const std::uint32_t differs =
        (latches ^ spread(state_.gr[kGrColourCompare])) & spread(state_.gr[kGrColourDontCare]);
    const std::uint32_t folded = differs | differs >> 16;
    value = static_cast<std::uint8_t>(~(folded | folded >> 8));
  } else {
    value = static_cast<std::uint8_t>(latches >> (8 * access.read_plane));
  }
  return true;
}

bool VgaCore::write_window(std::uint32_t offset, std::uint8_t value) {
  if (!window_offset(offset)) return false;
  if (linear()) {
    const std::uint64_t at = state_.dispi[kDispiBank] * std::uint64_t{0x10000} + offset;
    if (at < vram_->size()) {
      vram_->host()[at] = value;
      vram_->mark_dirty(at, 1);
    }
    return true;
  }
  const Access access = decode(offset, true);
  const std::uint32_t set_reset = spread(state_.gr[kGrSetReset]);
  const unsigned rotate = state_.gr[kGrRotate] & 7;
  const auto rotated = static_cast<std::uint8_t>(value >> rotate | value << (8 - rotate));
  std::uint32_t bit_mask = all_planes(state_.gr[kGrBitMask]);
  std::uint32_t data = 0;
  bool alu = true;
  switch (state_.gr[kGrMode] & 3) {
    case 0: {
      const std::uint32_t enabled = spread(state_.gr[kGrEnableSetReset]);
      data = (all_planes(rotated) & ~enabled) | (set_reset & enabled);
      break;
    }
    case 1:  // the latches, as they are
      data = state_.latches;
      bit_mask = 0xffffffff;
      alu = false;
      break;
    case 2:  // a colour
      data = spread(value & 0x0f);
      break;
    default:  // the byte is a further bit mask, the colour is set/reset's
      data = set_reset;
      bit_mask &= all_planes(rotated);
      break;
  }
  if (alu) {
    switch (state_.gr[kGrRotate] >> 3 & 3) {
      case 1:
        data &= state_.latches;
        break;
      case 2:
        data |= state_.latches;
        break;
      case 3:
        data ^= state_.latches;
        break;
      default:
        break;
    }
    data = (data & bit_mask) | (state_.latches & ~bit_mask);
  }
  const std::uint32_t write = spread(access.planes & state_.seq[kSeqMapMask]);
  const std::uint32_t before = planes(access.address);
  const std::uint32_t result = (before & ~write) | (data & write);
  if (result == before) return true;
  const std::uint32_t at = word(access.address);
  std::memcpy(vram_->host() + at, &result, 4);
  vram_->mark_dirty(at, 4);
  // A font: any character may look different now.
  if (((result ^ before) & spread(1U << 2)) && text_mode()) ++picture_changes_;
  return true;
}

}  // namespace machina
