/// The Bochs display interface: modes that are set by numbers, and memory in one piece.

#include <algorithm>
#include <cstring>

#include "core/trace/trace_event.h"
#include "core/units.h"
#include "hw/display/vga_core.h"

namespace machina {

using namespace vga;  // NOLINT(google-build-using-namespace): the registers of this one chip
namespace {

const TraceEvent<unsigned, unsigned> vga_vbe_write{"vga_vbe_write", "index={} value={:#x}"};
const TraceEvent<unsigned, unsigned, unsigned, unsigned> vga_vbe_mode{"vga_vbe_mode",
                                                                      "width={} height={} bpp={} flags={:#x}"};

}  // namespace

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

void VgaCore::set_big_endian(bool on) {
  if (state_.big_endian != on) ++picture_changes_;
  state_.big_endian = on;
}

void VgaCore::write_dispi(std::uint16_t index, std::uint16_t value) {
  vga_vbe_write(index, value);
  auto& regs = state_.dispi;
  if (index != kDispiBank) ++picture_changes_;
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
      if (!(value & kDispiNoClear)) {
        std::memset(vram_->host(), 0, size);
        vram_->mark_dirty(0, size);
      }
    }
  }
  if (!(value & kDispiEnabled)) regs[kDispiBank] = 0;
  if (value & kDispiEnabled) vga_vbe_mode(regs[kDispiXRes], regs[kDispiYRes], regs[kDispiBpp], value);
  regs[kDispiEnable] = value & (kDispiEnabled | kDispiGetCaps | kDispi8BitDac | kDispiLinear | kDispiNoClear);
}

}  // namespace machina
