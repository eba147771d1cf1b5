#include "hw/display/vga_render.h"

#include <algorithm>
#include <cstring>

namespace machina {

using namespace vga;  // NOLINT(google-build-using-namespace): the registers of this one chip

namespace {

/// The address counter as the CRTC puts it on the memory: byte, word or doubleword mode, and row scan bits in place of
/// address bits for the modes of older adapters.
std::uint32_t crtc_address(const VgaCore::State& s, std::uint32_t counter, unsigned row_scan) {
  const std::uint8_t mode = s.cr[kCrMode];
  counter &= 0xffff;
  std::uint32_t address = counter;
  if (s.cr[kCrUnderline] & kUnderlineDoubleword) {
    address = counter << 2 | (counter >> 14 & 3);
  } else if (!(mode & kModeByte)) {
    address = counter << 1 | (counter >> (mode & kModeAddressWrap ? 15 : 13) & 1);
  }
  if (!(mode & kModeA13)) address = (address & ~0x2000U) | (row_scan & 1) << 13;
  if (!(mode & kModeA14)) address = (address & ~0x4000U) | (row_scan >> 1 & 1) << 14;
  return address & 0xffff;
}

/// A line of the screen: which row of memory, and which line of that row.
struct ScanLine {
  std::uint32_t counter;  // address counter of its first column
  unsigned row_scan;
  unsigned row;      // of text
  unsigned panning;  // pixels
  bool split;        // below the line compare
};

class Geometry {
 public:
  explicit Geometry(const VgaCore& vga) : s_(vga.state()), compare_(vga.line_compare()) {
    start_ =
        static_cast<std::uint32_t>(s_.cr[kCrStartHigh] << 8 | s_.cr[kCrStartLow]) + (s_.cr[kCrPresetRowScan] >> 5 & 3U);
    row_height_ = (s_.cr[kCrMaximumScanLine] & 0x1fU) + 1;
    doubled_ = s_.cr[kCrMaximumScanLine] & kScanDouble ? 2 : 1;
    pitch_ = s_.cr[kCrOffset] * 2U;
  }
  unsigned row_height() const { return row_height_; }
  unsigned doubled() const { return doubled_; }
  std::uint32_t start() const { return start_; }
  std::uint32_t pitch() const { return pitch_; }

  /// `line` counts what the monitor draws, from the top.
  ScanLine at(unsigned line) const {
    ScanLine r{};
    r.split = line > compare_;
    unsigned scan = r.split ? line - compare_ - 1 : line;
    scan /= doubled_;
    if (!r.split) scan += s_.cr[kCrPresetRowScan] & 0x1fU;
    r.row = scan / row_height_;
    r.row_scan = scan % row_height_;
    r.counter = (r.split ? 0 : start_) + r.row * pitch_;
    const bool reset_panning = r.split && (s_.ar[kArMode] & kArModePanningCompat);
    r.panning = reset_panning ? 0 : s_.ar[kArPanning] & 0x0fU;
    return r;
  }

 private:
  const VgaCore::State& s_;
  unsigned compare_;
  std::uint32_t start_ = 0;
  unsigned row_height_ = 1, doubled_ = 1;
  std::uint32_t pitch_ = 0;
};

/// Four bits of the planes to an entry of the DAC.
std::uint8_t attribute_to_dac(const VgaCore::State& s, unsigned value) {
  unsigned colour = s.ar[value & s.ar[kArPlaneEnable] & 0x0f] & 0x3fU;
  if (s.ar[kArMode] & kArModePalette54) colour = (colour & 0x0f) | (s.ar[kArColourSelect] & 3U) << 4;
  return static_cast<std::uint8_t>(colour | (s.ar[kArColourSelect] & 0x0cU) << 4);
}

bool screen_off(const VgaCore::State& s) {
  return (s.seq[kSeqClocking] & kClockingScreenOff) || !(s.ar_index & kAttributeAddressSource);
}

/// Blinking counts frames: characters 16 on and 16 off, the cursor twice as fast.
bool blink_on(const VgaCore& vga, std::int64_t now, unsigned frames) {
  return (now / vga.frame_ns() / frames) % 2 == 0;
}

struct Cursor {
  bool visible;
  std::uint32_t address;
  unsigned first, last;
};
Cursor cursor_of(const VgaCore::State& s) {
  const unsigned first = s.cr[kCrCursorStart] & 0x1fU, last = s.cr[kCrCursorEnd] & 0x1fU;
  return {!(s.cr[kCrCursorStart] & kCursorOff) && first <= last,
          static_cast<std::uint32_t>(s.cr[kCrCursorHigh] << 8 | s.cr[kCrCursorLow]) + (s.cr[kCrCursorEnd] >> 5 & 3U),
          first, last};
}

PixelScreen blank(unsigned width, unsigned height) {
  return {width, height, std::vector<std::uint32_t>(std::size_t{width} * height, 0)};
}

PixelScreen draw_text(const VgaCore& vga, std::int64_t now) {
  const VgaCore::State& s = vga.state();
  const Geometry geometry(vga);
  const unsigned columns = vga.columns();
  const unsigned cell = vga.character_width();
  const unsigned height = vga.displayed_lines() / geometry.doubled();
  PixelScreen out = blank(columns * cell, height);
  if (screen_off(s)) return out;

  // Sequencer 03h: attribute bit 3 chooses between two of eight fonts of 8 KiB in plane 2.
  const auto font_at = [](unsigned map) { return (map & 3) * 0x4000U + (map & 4 ? 0x2000U : 0U); };
  const unsigned char_map = s.seq[kSeqCharMap];
  const std::uint32_t fonts[2] = {font_at((char_map & 3) | (char_map >> 2 & 4)),
                                  font_at((char_map >> 2 & 3) | (char_map >> 3 & 4))};
  const Cursor cursor = cursor_of(s);
  const bool cursor_on = cursor.visible && blink_on(vga, now, 8);
  const bool blinking = (s.ar[kArMode] & kArModeBlink) != 0;
  const bool blink_phase = blink_on(vga, now, 16);
  const unsigned underline = s.cr[kCrUnderline] & 0x1fU;

  std::vector<std::uint32_t> line((columns + 1) * cell);
  for (unsigned y = 0; y < height; ++y) {
    const ScanLine scan = geometry.at(y * geometry.doubled());
    for (unsigned column = 0; column <= columns; ++column) {
      const std::uint32_t counter = scan.counter + column;
      const std::uint32_t word = vga.planes(crtc_address(s, counter, scan.row_scan));
      const auto glyph = static_cast<std::uint8_t>(word);
      const auto attribute = static_cast<std::uint8_t>(word >> 8);
      const std::uint32_t font = fonts[attribute >> 3 & 1] + glyph * 32U + scan.row_scan;
      unsigned bits = vga.planes(font) >> 16 & 0xff;
      unsigned background = attribute >> 4;
      if (blinking) {
        background &= 7;
        if ((attribute & 0x80) && !blink_phase) bits = 0;
      }
      if (scan.row_scan == underline && (attribute & 0x07) == 1) bits = 0xff;
      const bool in_cursor = cursor_on && !scan.split && (counter & 0xffff) == (cursor.address & 0xffff) &&
                             scan.row_scan >= cursor.first && scan.row_scan <= cursor.last;
      if (in_cursor) bits = 0xff;
      const std::uint32_t ink = vga.colour(attribute_to_dac(s, attribute & 0x0f));
      const std::uint32_t paper = vga.colour(attribute_to_dac(s, background));
      std::uint32_t* to = &line[std::size_t{column} * cell];
      for (unsigned x = 0; x < 8; ++x) to[x] = bits & (0x80U >> x) ? ink : paper;
      if (cell == 9) {
        // The ninth column is background, but for the characters that draw lines.
        const bool joins = (s.ar[kArMode] & kArModeLineGraphics) && glyph >= 0xc0 && glyph <= 0xdf;
        to[8] = ((joins && (bits & 1)) || in_cursor) ? ink : paper;
      }
    }
    // With nine dots a panning of 8 is none, and 0 is one dot.
    unsigned panning = scan.panning & 0x0f;
    if (cell == 9) panning = panning >= 8 ? 0 : panning + 1;
    panning = std::min(panning, cell);
    std::copy_n(line.begin() + panning, out.width, out.pixels.begin() + static_cast<std::ptrdiff_t>(y) * out.width);
  }
  return out;
}

PixelScreen draw_graphics(const VgaCore& vga) {
  const VgaCore::State& s = vga.state();
  const Geometry geometry(vga);
  const unsigned columns = vga.columns();
  const bool colours_256 = (s.gr[kGrMode] & kGrMode256) != 0;
  const bool interleave = (s.gr[kGrMode] & kGrModeInterleave) != 0;
  const unsigned per_column = colours_256 ? 4 : 8;
  // Lines that repeat a row are left out, unless the row scan counter takes part in the address.
  const bool row_scan_matters = (s.cr[kCrMode] & (kModeA13 | kModeA14)) != (kModeA13 | kModeA14);
  const unsigned repeat = geometry.doubled() * (row_scan_matters ? 1 : geometry.row_height());
  const unsigned height = std::max(vga.displayed_lines() / repeat, 1U);
  PixelScreen out = blank(columns * per_column, height);
  if (screen_off(s)) return out;

  std::array<std::uint32_t, 256> palette{};
  for (unsigned i = 0; i < 256; ++i)
    palette[i] = vga.colour(colours_256 ? static_cast<std::uint8_t>(i) : attribute_to_dac(s, i & 0x0f));

  std::vector<std::uint32_t> line((columns + 1) * per_column);
  for (unsigned y = 0; y < height; ++y) {
    const ScanLine scan = geometry.at(y * repeat);
    for (unsigned column = 0; column <= columns; ++column) {
      const std::uint32_t word = vga.planes(crtc_address(s, scan.counter + column, scan.row_scan));
      std::uint32_t* to = &line[std::size_t{column} * per_column];
      if (colours_256) {
        for (unsigned p = 0; p < 4; ++p) to[p] = palette[word >> (8 * p) & 0xff];
      } else if (interleave) {
        // Pairs of bits: planes 0 and 2 give four pixels, then planes 1 and 3.
        for (unsigned x = 0; x < 8; ++x) {
          const unsigned shift = 6 - 2 * (x & 3), plane = x >> 2;
          const unsigned low = word >> (8 * plane) >> shift & 3, high = word >> (8 * (plane + 2)) >> shift & 3;
          to[x] = palette[low | high << 2];
        }
      } else {
        for (unsigned x = 0; x < 8; ++x) {
          unsigned value = 0;
          for (unsigned p = 0; p < 4; ++p) value |= (word >> (8 * p) >> (7 - x) & 1) << p;
          to[x] = palette[value];
        }
      }
    }
    // With 256 colours a pixel is two dots.
    const unsigned panning = std::min(colours_256 ? (scan.panning & 7) / 2 : scan.panning & 7, per_column);
    std::copy_n(line.begin() + panning, out.width, out.pixels.begin() + static_cast<std::ptrdiff_t>(y) * out.width);
  }
  return out;
}

std::uint32_t rgb(unsigned r, unsigned g, unsigned b, unsigned green_bits) {
  const auto widen = [](unsigned v, unsigned bits) { return v << (8 - bits) | v >> (2 * bits - 8); };
  return widen(r, 5) << 16 | widen(g, green_bits) << 8 | widen(b, 5);
}

PixelScreen draw_dispi(const VgaCore& vga) {
  const VgaCore::State& s = vga.state();
  const unsigned width = s.dispi[kDispiXRes], height = s.dispi[kDispiYRes], bpp = s.dispi[kDispiBpp];
  PixelScreen out = blank(width, height);
  const std::span<const std::uint8_t> vram = vga.vram();
  std::array<std::uint32_t, 256> palette{};
  for (unsigned i = 0; i < 256; ++i)
    palette[i] = vga.colour(bpp == 4 ? attribute_to_dac(s, i & 0x0f) : static_cast<std::uint8_t>(i));
  const unsigned bytes = (bpp + 7) / 8;
  for (unsigned y = 0; y < height; ++y) {
    const std::uint64_t row = std::uint64_t{y + s.dispi[kDispiYOffset]} * vga.dispi_pitch();
    for (unsigned x = 0; x < width; ++x) {
      const unsigned at_x = x + s.dispi[kDispiXOffset];
      std::uint32_t& pixel = out.pixels[std::size_t{y} * width + x];
      if (bpp == 4) {
        const std::uint64_t at = row + at_x / 8 * 4;
        if (at + 4 > vram.size()) continue;
        unsigned value = 0;
        for (unsigned p = 0; p < 4; ++p) value |= (vram[at + p] >> (7 - at_x % 8) & 1U) << p;
        pixel = palette[value];
        continue;
      }
      const std::uint64_t at = row + std::uint64_t{at_x} * bytes;
      if (at + bytes > vram.size()) continue;
      std::uint32_t raw = 0;
      std::memcpy(&raw, &vram[at], bytes);
      switch (bpp) {
        case 8:
          pixel = palette[raw];
          break;
        case 15:
          pixel = rgb(raw >> 10 & 31, raw >> 5 & 31, raw & 31, 5);
          break;
        case 16:
          pixel = rgb(raw >> 11 & 31, raw >> 5 & 63, raw & 31, 6);
          break;
        default:
          pixel = raw & 0xffffff;
          break;
      }
    }
  }
  return out;
}

}  // namespace

bool vga_text_mode(const VgaCore& vga) { return !vga.dispi_enabled() && !(vga.state().gr[kGrMisc] & kGrMiscGraphics); }

TextScreen vga_text_screen(const VgaCore& vga) {
  TextScreen out;
  if (!vga_text_mode(vga)) return out;
  const VgaCore::State& s = vga.state();
  const Geometry geometry(vga);
  out.columns = vga.columns();
  out.rows = std::max(vga.displayed_lines() / (geometry.row_height() * geometry.doubled()), 1U);
  out.cells.resize(std::size_t{out.columns} * out.rows);
  if (screen_off(s)) return out;
  const Cursor cursor = cursor_of(s);
  for (unsigned row = 0; row < out.rows; ++row) {
    const ScanLine scan = geometry.at(row * geometry.row_height() * geometry.doubled());
    for (unsigned column = 0; column < out.columns; ++column) {
      const std::uint32_t counter = scan.counter + column;
      const std::uint32_t word = vga.planes(crtc_address(s, counter, 0));
      out.cells[std::size_t{row} * out.columns + column] = {static_cast<std::uint8_t>(word),
                                                            static_cast<std::uint8_t>(word >> 8)};
      if (cursor.visible && !scan.split && (counter & 0xffff) == (cursor.address & 0xffff)) {
        out.cursor_visible = true;
        out.cursor_column = column;
        out.cursor_row = row;
      }
    }
  }
  return out;
}

PixelScreen vga_pixel_screen(const VgaCore& vga, std::int64_t now) {
  if (vga.dispi_enabled()) return draw_dispi(vga);
  return vga_text_mode(vga) ? draw_text(vga, now) : draw_graphics(vga);
}

}  // namespace machina
