#include "hw/display/vga_core.h"

#include <algorithm>

#include "core/clock.h"
#include "core/units.h"

namespace machina {

using namespace vga;  // NOLINT(google-build-using-namespace): the registers of this one chip

namespace {

// Bits that exist; the others read as 0.
constexpr std::array<std::uint8_t, 8> kSeqMask{0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0x00, 0x00, 0x00};
constexpr std::array<std::uint8_t, 9> kGrMask{0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
constexpr std::array<std::uint8_t, 5> kArMask{0xef, 0xff, 0x3f, 0x0f, 0x0f};
constexpr std::uint8_t kLastCrtc = 0x18;

// Bits that take part in the picture. The others say how the CPU gets to the memory, which programs change for each
// byte that they draw.
constexpr std::array<std::uint8_t, 8> kSeqShown{0x00, 0xff, 0x00, 0xff, kMemoryExtended, 0x00, 0x00, 0x00};
constexpr std::array<std::uint8_t, 9> kGrShown{0x00, 0x00, 0x00, 0x00, 0x00, 0x60, 0x01, 0x00, 0x00};

}  // namespace

VgaCore::VgaCore(std::shared_ptr<RamBlock> vram) : vram_(std::move(vram)) { vram_->enable_dirty_log(); }

void VgaCore::reset() {
  state_ = {};
  ++picture_changes_;
}

void VgaCore::set(std::uint8_t& reg, std::uint8_t value, std::uint8_t shown) {
  if ((reg ^ value) & shown) ++picture_changes_;
  reg = value;
}

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

/// How many retraces have begun since time 0, by the timing of now.
std::int64_t VgaCore::retraces(std::int64_t now) const {
  const Frame f = frame_of(state_, displayed_lines(), character_width());
  const std::int64_t length = f.line_ns * f.total;
  return (now - f.line_ns * f.retrace_start + length) / length;
}

bool VgaCore::interrupt_pending(std::int64_t now) const {
  if (!(state_.cr[kCrRetraceEnd] & kInterruptRun) || !runs()) return false;
  return retraces(now) > retraces(state_.interrupt_since);
}

bool VgaCore::interrupt_line(std::int64_t now) const {
  return !(state_.cr[kCrRetraceEnd] & kInterruptDisable) && interrupt_pending(now);
}

std::int64_t VgaCore::next_interrupt(std::int64_t now) const {
  const std::uint8_t control = state_.cr[kCrRetraceEnd];
  if (!runs() || !(control & kInterruptRun) || (control & kInterruptDisable) || interrupt_pending(now))
    return Clock::kNever;
  const Frame f = frame_of(state_, displayed_lines(), character_width());
  return retraces(now) * f.line_ns * f.total + f.line_ns * f.retrace_start;
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
  if (!decode_port(port)) {
    // Not ours, but SeaBIOS leaves mode 7 by way of 3DAh and would write its palette to the wrong registers.
    if (port == kInputStatus1 || port == kInputStatus1 - kMonoToColour) state_.ar_data_next = false;
    return false;
  }
  switch (port) {
    case kAttributeIndex:
      value = state_.ar_index;
      return true;
    case kAttributeRead:
      value = state_.ar[state_.ar_index & 0x1f];
      return true;
    case kMiscWrite:
      // Input status 0.
      value = kStatus0Sense;
      if (interrupt_pending(now)) value |= kStatus0Interrupt;
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

bool VgaCore::write_port(std::uint16_t port, std::int64_t now, std::uint8_t value) {
  if (!decode_port(port)) return false;
  switch (port) {
    case kAttributeIndex:
      write_attribute(value);
      return true;
    case kMiscWrite:
      set(state_.misc, value & 0xef, 3U << kMiscClockShift);
      return true;
    case kVgaEnable:
      state_.enable = value & 1;
      return true;
    case kSequencerIndex:
      state_.seq_index = value & 7;
      return true;
    case kSequencerData:
      write_sequencer(value);
      return true;
    case kDacMask:
      set(state_.dac_mask, value, 0xff);
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
    case kDacData:
      write_dac(value);
      return true;
    case kGraphicsIndex:
      state_.gr_index = value & 0x0f;
      return true;
    case kGraphicsData:
      write_graphics(value);
      return true;
    case kCrtcIndex:
      state_.cr_index = value;
      return true;
    case kCrtcData:
      write_crtc(value, now);
      return true;
    case kInputStatus1:
      state_.feature = value & 0x08;
      return true;
    default:
      return port <= 0x3cf;  // read-only ones take writes without effect
  }
}

void VgaCore::write_sequencer(std::uint8_t value) {
  const std::uint8_t index = state_.seq_index;
  set(state_.seq[index], value & kSeqMask[index], kSeqShown[index]);
}

void VgaCore::write_graphics(std::uint8_t value) {
  const std::uint8_t index = state_.gr_index;
  if (index < kGrMask.size()) set(state_.gr[index], value & kGrMask[index], kGrShown[index]);
}

void VgaCore::write_dac(std::uint8_t value) {
  const bool eight_bits = (state_.dispi[kDispiEnable] & kDispi8BitDac) != 0;
  state_.dac_cache[state_.dac_component] = eight_bits ? value : value & 0x3f;
  if (++state_.dac_component < 3) return;
  // A colour changes as a whole, with its third component.
  for (std::size_t i = 0; i < 3; ++i) set(state_.dac[state_.dac_index * 3U + i], state_.dac_cache[i], 0xff);
  state_.dac_component = 0;
  ++state_.dac_index;
}

void VgaCore::write_attribute(std::uint8_t value) {
  if (!state_.ar_data_next) {
    set(state_.ar_index, value & 0x3f, kAttributeAddressSource);
  } else {
    const std::uint8_t index = state_.ar_index & 0x1f;
    if (index < kArMode) {
      // The palette belongs to the screen while that is on.
      if (!(state_.ar_index & kAttributeAddressSource)) set(state_.ar[index], value & 0x3f, 0xff);
    } else if (index - kArMode < static_cast<int>(kArMask.size())) {
      set(state_.ar[index], value & kArMask[index - kArMode], 0xff);
    }
  }
  state_.ar_data_next = !state_.ar_data_next;
}

void VgaCore::write_crtc(std::uint8_t value, std::int64_t now) {
  const std::uint8_t index = state_.cr_index;
  std::uint8_t& reg = state_.cr[index];
  if (index > kLastCrtc) return;
  if (index <= kCrOverflow && (state_.cr[kCrRetraceEnd] & kCrtcProtect)) {
    if (index == kCrOverflow)
      set(reg, static_cast<std::uint8_t>((reg & ~kOverflowLineCompare) | (value & kOverflowLineCompare)), 0xff);
    return;
  }
  if (index == kCrRetraceEnd && (value & kInterruptRun) && !(reg & kInterruptRun)) state_.interrupt_since = now;
  const bool cursor =
      index == kCrCursorStart || index == kCrCursorEnd || index == kCrCursorHigh || index == kCrCursorLow;
  set(reg, value, cursor || index == kCrRetraceEnd ? 0x00 : 0xff);
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

}  // namespace machina
