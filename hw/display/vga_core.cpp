#include "hw/display/vga_core.h"

#include <algorithm>
#include <cstring>

#include "core/units.h"

namespace machina {

using namespace vga;  // NOLINT(google-build-using-namespace): the registers of this one chip

namespace {

// Bits that exist; the others read as 0.
constexpr std::array<std::uint8_t, 8> kSeqMask{0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0x00, 0x00, 0x00};
constexpr std::array<std::uint8_t, 9> kGrMask{0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
constexpr std::array<std::uint8_t, 5> kArMask{0xef, 0xff, 0x3f, 0x0f, 0x0f};
constexpr std::uint8_t kLastCrtc = 0x18;

/// A bit for each plane, as a mask over their four bytes.
constexpr std::uint32_t spread(unsigned planes) {
  std::uint32_t mask = 0;
  for (unsigned p = 0; p < 4; ++p)
    if (planes >> p & 1) mask |= 0xffU << (8 * p);
  return mask;
}
constexpr std::uint32_t all_planes(std::uint8_t byte) { return byte * 0x01010101U; }

}  // namespace

unsigned VgaCore::displayed_lines() const {
  const unsigned overflow = state_.cr[kCrOverflow];
  return (state_.cr[kCrVerticalDisplayEnd] | (overflow & 0x02) << 7 | (overflow & 0x40) << 3) + 1;
}

unsigned VgaCore::line_compare() const {
  return state_.cr[kCrLineCompare] | (state_.cr[kCrOverflow] & 0x10U) << 4 |
         (state_.cr[kCrMaximumScanLine] & 0x40U) << 3;
}

namespace {

struct Frame {
  std::int64_t line_ns;
  std::int64_t display_ns;  // of a line
  unsigned total, displayed, retrace_start, retrace_end;
};

Frame frame_of(const VgaCore::State& s, unsigned displayed, unsigned character_width) {
  static constexpr std::uint64_t kClocks[] = {25'175'000, 28'322'000, 25'175'000, 25'175'000};
  const unsigned overflow = s.cr[kCrOverflow];
  const unsigned total = (s.cr[kCrVerticalTotal] | (overflow & 0x01) << 8 | (overflow & 0x20) << 4) + 2;
  const unsigned horizontal = s.cr[kCrHorizontalTotal] + 5U;
  const unsigned columns = s.cr[kCrHorizontalDisplayEnd] + 1U;
  if (s.cr[kCrHorizontalTotal] == 0 || total <= displayed || horizontal <= columns) {
    // Not programmed, or by nonsense: something that a program can wait for.
    return {31'778, 25'422, 525, 480, 490, 492};
  }
  std::uint64_t clock = kClocks[s.misc >> kMiscClockShift & 3];
  if (s.seq[kSeqClocking] & kClockingHalf) clock /= 2;
  const auto ns = [&](unsigned characters) {
    return static_cast<std::int64_t>(mul_div(characters * character_width, kNsPerSecond, clock));
  };
  const unsigned start = s.cr[kCrRetraceStart] | (overflow & 0x04) << 6 | (overflow & 0x80) << 2;
  // The end is compared by its four low bits.
  const unsigned length = ((s.cr[kCrRetraceEnd] - start) & 0x0f) ? (s.cr[kCrRetraceEnd] - start) & 0x0f : 16;
  return {ns(horizontal), ns(columns), total, displayed, start, start + length};
}

}  // namespace

std::int64_t VgaCore::frame_ns() const {
  const Frame f = frame_of(state_, displayed_lines(), character_width());
  return f.line_ns * f.total;
}

std::uint8_t VgaCore::input_status1(std::int64_t now) const {
  const Frame f = frame_of(state_, displayed_lines(), character_width());
  const std::int64_t in_frame = now % (f.line_ns * f.total);
  const auto line = static_cast<unsigned>(in_frame / f.line_ns);
  unsigned status = 0;
  if (line >= f.displayed || in_frame % f.line_ns >= f.display_ns) status |= kStatus1Blank;
  if (line >= f.retrace_start && line < f.retrace_end) status |= kStatus1VerticalRetrace | kStatus1Blank;
  return static_cast<std::uint8_t>(status);
}

bool VgaCore::decode_port(std::uint16_t& port) const {
  if (port >= 0x3c0 && port < 0x3d0) return true;
  const bool colour = (state_.misc & kMiscColour) != 0;
  if ((port >= 0x3d0) != colour) return false;
  if (!colour) port = static_cast<std::uint16_t>(port + kMonoToColour);
  return true;
}

bool VgaCore::read_port(std::uint16_t port, std::int64_t now, std::uint8_t& value) {
  if (!decode_port(port)) return false;
  switch (port) {
    case kAttributeIndex:
      value = state_.ar_index;
      return true;
    case kAttributeRead:
      value = state_.ar[state_.ar_index & 0x1f];
      return true;
    case kMiscWrite:
      value = 0x10;  // input status 0: the sense pin
      return true;
    case kVgaEnable:
      value = state_.enable;
      return true;
    case kSequencerIndex:
      value = state_.seq_index;
      return true;
    case kSequencerData:
      value = state_.seq[state_.seq_index];
      return true;
    case kDacMask:
      value = state_.dac_mask;
      return true;
    case kDacReadIndex:
      value = state_.dac_reading ? 0x03 : 0x00;
      return true;
    case kDacWriteIndex:
      value = state_.dac_index;
      return true;
    case kDacData:
      value = state_.dac[state_.dac_index * 3U + state_.dac_component];
      if (++state_.dac_component == 3) {
        state_.dac_component = 0;
        ++state_.dac_index;
      }
      return true;
    case kFeatureRead:
      value = state_.feature;
      return true;
    case kMiscRead:
      value = state_.misc;
      return true;
    case kGraphicsIndex:
      value = state_.gr_index;
      return true;
    case kGraphicsData:
      value = state_.gr[state_.gr_index];
      return true;
    case kCrtcIndex:
      value = state_.cr_index;
      return true;
    case kCrtcData:
      value = state_.cr[state_.cr_index];
      return true;
    case kInputStatus1:
      state_.ar_data_next = false;
      value = input_status1(now);
      return true;
    default:
      return false;
  }
}

bool VgaCore::write_port(std::uint16_t port, std::uint8_t value) {
  if (!decode_port(port)) return false;
  switch (port) {
    case kAttributeIndex:
      write_attribute(value);
      return true;
    case kMiscWrite:
      state_.misc = value & 0xef;
      return true;
    case kVgaEnable:
      state_.enable = value & 1;
      return true;
    case kSequencerIndex:
      state_.seq_index = value & 7;
      return true;
    case kSequencerData:
      state_.seq[state_.seq_index] = value & kSeqMask[state_.seq_index];
      return true;
    case kDacMask:
      state_.dac_mask = value;
      return true;
    case kDacReadIndex:
      state_.dac_index = value;
      state_.dac_component = 0;
      state_.dac_reading = true;
      return true;
    case kDacWriteIndex:
      state_.dac_index = value;
      state_.dac_component = 0;
      state_.dac_reading = false;
      return true;
    case kDacData: {
      const bool eight_bits = (state_.dispi[kDispiEnable] & kDispi8BitDac) != 0;
      state_.dac_cache[state_.dac_component] = eight_bits ? value : value & 0x3f;
      if (++state_.dac_component == 3) {
        // A colour changes as a whole, with its third component.
        std::copy(state_.dac_cache.begin(), state_.dac_cache.end(), state_.dac.begin() + state_.dac_index * 3);
        state_.dac_component = 0;
        ++state_.dac_index;
      }
      return true;
    }
    case kGraphicsIndex:
      state_.gr_index = value & 0x0f;
      return true;
    case kGraphicsData:
      if (state_.gr_index < kGrMask.size()) state_.gr[state_.gr_index] = value & kGrMask[state_.gr_index];
      return true;
    case kCrtcIndex:
      state_.cr_index = value;
      return true;
    case kCrtcData:
      write_crtc(value);
      return true;
    case kInputStatus1:
      state_.feature = value & 0x08;
      return true;
    default:
      return port <= 0x3cf;  // read-only ones take writes without effect
  }
}

void VgaCore::write_attribute(std::uint8_t value) {
  if (!state_.ar_data_next) {
    state_.ar_index = value & 0x3f;
  } else {
    const std::uint8_t index = state_.ar_index & 0x1f;
    if (index < kArMode) {
      // The palette belongs to the screen while that is on.
      if (!(state_.ar_index & kAttributeAddressSource)) state_.ar[index] = value & 0x3f;
    } else if (index - kArMode < static_cast<int>(kArMask.size())) {
      state_.ar[index] = value & kArMask[index - kArMode];
    }
  }
  state_.ar_data_next = !state_.ar_data_next;
}

void VgaCore::write_crtc(std::uint8_t value) {
  const std::uint8_t index = state_.cr_index;
  if (index > kLastCrtc) return;
  if (index <= kCrOverflow && (state_.cr[kCrRetraceEnd] & kCrtcProtect)) {
    if (index == kCrOverflow)
      state_.cr[index] =
          static_cast<std::uint8_t>((state_.cr[index] & ~kOverflowLineCompare) | (value & kOverflowLineCompare));
    return;
  }
  state_.cr[index] = value;
}

// --- video memory ---

std::uint8_t* VgaCore::word(std::uint32_t address) const {
  // A VGA has 64K words and wraps; dispi's planar modes use all of the memory.
  const std::uint64_t words = vram_->size() / 4;
  return vram_->host() + (dispi_enabled() ? address % words : address & 0xffff) * 4;
}

std::uint32_t VgaCore::planes(std::uint32_t address) const {
  std::uint32_t value = 0;
  std::memcpy(&value, word(address), 4);
  return value;
}

/// Graphics register 06h says where memory shows. In linear dispi modes it is the first half.
bool VgaCore::window_offset(std::uint32_t& offset) const {
  if (!(state_.misc & kMiscRamEnable) && !dispi_enabled()) return false;
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
  const bool odd_even =
      write ? !(state_.seq[kSeqMemoryMode] & kMemorySequential) : (state_.gr[kGrMode] & kGrModeOddEven) != 0;
  if (odd_even) {
    // Address bit 0 chooses the planes; in its place comes bit 16, which only the 128 KiB window has.
    std::uint32_t address = offset & ~1U;
    if (state_.gr[kGrMisc] & kGrMiscChainOddEven) address |= offset >> 16 & 1;
    return {bank + address, static_cast<std::uint8_t>(offset & 1 ? 0x0a : 0x05),
            (state_.gr[kGrReadMap] & 2U) | (offset & 1)};
  }
  return {bank + offset, 0x0f, state_.gr[kGrReadMap]};
}

bool VgaCore::read_window(std::uint32_t offset, std::uint8_t& value) {
  if (!window_offset(offset)) return false;
  if (linear()) {
    const std::uint64_t at = state_.dispi[kDispiBank] * std::uint64_t{0x10000} + offset;
    value = at < vram_->size() ? vram_->host()[at] : 0xff;
    return true;
  }
  const Access access = decode(offset, false);
  state_.latches = planes(access.address);
  if (state_.gr[kGrMode] & kGrModeReadCompare) {
    // Read mode 1: a bit is set where all planes that matter have the colour.
    const std::uint32_t differs =
        (state_.latches ^ spread(state_.gr[kGrColourCompare])) & spread(state_.gr[kGrColourDontCare]);
    const std::uint32_t folded = differs | differs >> 16;
    value = static_cast<std::uint8_t>(~(folded | folded >> 8));
  } else {
    value = static_cast<std::uint8_t>(state_.latches >> (8 * access.read_plane));
  }
  return true;
}

bool VgaCore::write_window(std::uint32_t offset, std::uint8_t value) {
  if (!window_offset(offset)) return false;
  if (linear()) {
    const std::uint64_t at = state_.dispi[kDispiBank] * std::uint64_t{0x10000} + offset;
    if (at < vram_->size()) vram_->host()[at] = value;
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
  const std::uint32_t result = (planes(access.address) & ~write) | (data & write);
  std::memcpy(word(access.address), &result, 4);
  return true;
}

std::uint32_t VgaCore::colour(std::uint8_t index) const {
  const std::uint8_t* rgb = &state_.dac[static_cast<std::size_t>(index & state_.dac_mask) * 3];
  const bool eight_bits = (state_.dispi[kDispiEnable] & kDispi8BitDac) != 0;
  // Six bits to eight such that full intensity is full.
  const auto level = [&](std::uint8_t v) -> std::uint32_t {
    return eight_bits ? v : (v & 0x3fU) << 2 | (v & 0x3f) >> 4;
  };
  return level(rgb[0]) << 16 | level(rgb[1]) << 8 | level(rgb[2]);
}

// --- Bochs display interface ---

std::uint32_t VgaCore::dispi_pitch(unsigned width) const {
  const unsigned bpp = state_.dispi[kDispiBpp];
  if (bpp == 4) return width / 8 * 4;  // a byte of each plane for eight pixels
  return width * ((bpp + 7) / 8);
}

std::uint16_t VgaCore::read_dispi(std::uint16_t index) const {
  if (index >= kDispiRegisters) return 0;
  if (index == kDispiMemory64k) return static_cast<std::uint16_t>(vram_->size() / (64 * KiB));
  if (state_.dispi[kDispiEnable] & kDispiGetCaps) {
    if (index == kDispiXRes) return kDispiMaxX;
    if (index == kDispiYRes) return kDispiMaxY;
    if (index == kDispiBpp) return kDispiMaxBpp;
  }
  return state_.dispi[index];
}

void VgaCore::write_dispi(std::uint16_t index, std::uint16_t value) {
  auto& regs = state_.dispi;
  switch (index) {
    case kDispiId:
      if (value >= kDispiIdFirst && value <= kDispiIdLast) regs[index] = value;
      break;
    case kDispiXRes:
      if (!dispi_enabled() && value <= kDispiMaxX) regs[index] = value & 0xfff8;
      break;
    case kDispiYRes:
      if (!dispi_enabled() && value <= kDispiMaxY) regs[index] = value;
      break;
    case kDispiBpp: {
      if (value == 0) value = 8;  // version B0C0h had no other
      const bool known = value == 4 || value == 8 || value == 15 || value == 16 || value == 24 || value == 32;
      if (!dispi_enabled() && known) regs[index] = value;
      break;
    }
    case kDispiEnable:
      enable_dispi(value);
      break;
    case kDispiBank:
      if (value < vram_->size() / (64 * KiB)) regs[index] = value;
      break;
    case kDispiVirtWidth: {
      const std::uint32_t pitch = dispi_pitch(value & 0xfff8U);
      if (!dispi_enabled() || pitch < dispi_pitch(regs[kDispiXRes])) break;
      const std::uint64_t lines = vram_->size() / pitch;
      if (lines < regs[kDispiYRes]) break;  // the screen has to fit
      regs[index] = value & 0xfff8;
      regs[kDispiVirtHeight] = static_cast<std::uint16_t>(std::min<std::uint64_t>(lines, 0xffff));
      regs[kDispiXOffset] = regs[kDispiYOffset] = 0;
      break;
    }
    case kDispiXOffset:
      if (value + regs[kDispiXRes] <= regs[kDispiVirtWidth]) regs[index] = value;
      break;
    case kDispiYOffset:
      if (value + regs[kDispiYRes] <= regs[kDispiVirtHeight]) regs[index] = value;
      break;
    default:  // the virtual height follows from the width, the size of memory is what it is
      break;
  }
}

void VgaCore::enable_dispi(std::uint16_t value) {
  auto& regs = state_.dispi;
  const bool was_eight = (regs[kDispiEnable] & kDispi8BitDac) != 0;
  const bool eight = (value & kDispi8BitDac) != 0;
  if (was_eight != eight) {
    for (std::uint8_t& v : state_.dac) v = static_cast<std::uint8_t>(eight ? v << 2 : v >> 2);
  }
  if ((value & kDispiEnabled) && !dispi_enabled()) {
    const std::uint32_t pitch = dispi_pitch(regs[kDispiXRes]);
    const std::uint64_t size = std::uint64_t{pitch} * regs[kDispiYRes];
    if (size == 0 || size > vram_->size()) {
      value = static_cast<std::uint16_t>(value & ~kDispiEnabled);  // a mode that is none, or does not fit
    } else {
      regs[kDispiVirtWidth] = regs[kDispiXRes];
      regs[kDispiVirtHeight] = static_cast<std::uint16_t>(std::min<std::uint64_t>(vram_->size() / pitch, 0xffff));
      regs[kDispiXOffset] = regs[kDispiYOffset] = 0;
      regs[kDispiBank] = 0;
      if (!(value & kDispiNoClear)) std::memset(vram_->host(), 0, size);
    }
  }
  if (!(value & kDispiEnabled)) regs[kDispiBank] = 0;
  regs[kDispiEnable] = value & (kDispiEnabled | kDispiGetCaps | kDispi8BitDac | kDispiLinear | kDispiNoClear);
}

}  // namespace machina
