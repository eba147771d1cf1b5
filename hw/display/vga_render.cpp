#include "hw/display/vga_render.h"

#include <algorithm>
#include <span>

namespace machina {

using namespace vga;  // NOLINT(google-build-using-namespace): the registers of this one chip

namespace {

/// Does the row of memory that a line comes from depend on which line of the row it is?
bool row_scan_in_address(const VgaCore::State& s) {
  return (s.gr[kGrMisc] & kGrMiscGraphics) && (s.cr[kCrMode] & (kModeA13 | kModeA14)) != (kModeA13 | kModeA14);
}

/// The address counter as the CRTC puts it on the memory: byte, word or doubleword mode, and row scan bits in place of
/// address bits for the graphics modes of older adapters (CRTC 17h, bits 0 and 1). In text the row scan goes to the
/// font's address instead, and the codes of a row stay where they are: GRUB as a PC's firmware leaves 17h at 0.
std::uint32_t crtc_address(const VgaCore::State& s, std::uint32_t counter, unsigned row_scan) {
  const std::uint8_t mode = s.cr[kCrMode];
  counter &= 0xffff;
  std::uint32_t address = counter;
  if (s.cr[kCrUnderline] & kUnderlineDoubleword) {
    address = counter << 2 | (counter >> 14 & 3);
  } else if (!(mode & kModeByte)) {
    address = counter << 1 | (counter >> (mode & kModeAddressWrap ? 15 : 13) & 1);
  }
  if (row_scan_in_address(s)) {
    if (!(mode & kModeA13)) address = (address & ~0x2000U) | (row_scan & 1) << 13;
    if (!(mode & kModeA14)) address = (address & ~0x4000U) | (row_scan >> 1 & 1) << 14;
  }
  return address & 0xffff;
}

/// Character clocks for each step of the address counter.
unsigned clocks_per_count(const VgaCore::State& s) {
  if (s.cr[kCrUnderline] & kUnderlineCountBy4) return 4;
  return s.cr[kCrMode] & kModeCountBy2 ? 2 : 1;
}

/// A line of the screen: which row of memory, and which line of that row.
struct ScanLine {
  std::uint32_t counter;  // address counter of its first column
  unsigned row_scan;
  unsigned panning;  // dots
  friend bool operator==(const ScanLine&, const ScanLine&) = default;
};

class Geometry {
 public:
  explicit Geometry(const VgaCore& vga) : s_(vga.state()), compare_(vga.line_compare()) {
    byte_panning_ = s_.cr[kCrPresetRowScan] >> 5 & 3U;
    start_ = static_cast<std::uint32_t>(s_.cr[kCrStartHigh] << 8 | s_.cr[kCrStartLow]);
    row_height_ = (s_.cr[kCrMaximumScanLine] & 0x1fU) + 1;
    doubled_ = s_.cr[kCrMaximumScanLine] & kScanDouble ? 2 : 1;
    pitch_ = s_.cr[kCrOffset] * 2U;
  }
  unsigned row_height() const { return row_height_; }
  unsigned doubled() const { return doubled_; }

  /// `line` counts what the monitor draws, from the top.
  ScanLine at(unsigned line) const {
    // Below the line compare memory is shown from address 0; panning stays, unless the attribute controller ends it.
    const bool split = line > compare_;
    unsigned scan = (split ? line - compare_ - 1 : line) / doubled_;
    if (!split) scan += s_.cr[kCrPresetRowScan] & 0x1fU;
    const bool pans = !split || !(s_.ar[kArMode] & kArModePanningCompat);
    ScanLine r{};
    r.row_scan = scan % row_height_;
    r.counter = (split ? 0 : start_) + scan / row_height_ * pitch_ + (pans ? byte_panning_ : 0);
    r.panning = pans ? s_.ar[kArPanning] & 0x0fU : 0;
    return r;
  }

 private:
  const VgaCore::State& s_;
  unsigned compare_;
  std::uint32_t start_ = 0, byte_panning_ = 0;
  unsigned row_height_ = 1, doubled_ = 1;
  std::uint32_t pitch_ = 0;
};

/// A palette register of the attribute controller to an entry of the DAC.
std::uint8_t palette_to_dac(const VgaCore::State& s, unsigned index) {
  unsigned colour = s.ar[index & 0x0f] & 0x3fU;
  if (s.ar[kArMode] & kArModePalette54) colour = (colour & 0x0f) | (s.ar[kArColourSelect] & 3U) << 4;
  return static_cast<std::uint8_t>(colour | (s.ar[kArColourSelect] & 0x0cU) << 4);
}

/// Four bits of the planes to colours. Characters have theirs whether or not planes are enabled (attribute 12h), which
/// GRUB as a PC's firmware never does.
std::array<std::uint32_t, 16> attribute_colours(const VgaCore& vga, unsigned invert = 0) {
  const VgaCore::State& s = vga.state();
  std::array<std::uint32_t, 16> colours{};
  const unsigned enabled = vga.text_mode() ? 0x0fU : s.ar[kArPlaneEnable];
  for (unsigned i = 0; i < 16; ++i) colours[i] = vga.colour(palette_to_dac(s, (i & enabled) ^ invert));
  return colours;
}

bool screen_off(const VgaCore::State& s) {
  return (s.seq[kSeqClocking] & kClockingScreenOff) || !(s.ar_index & kAttributeAddressSource);
}

/// The sequencer blanks; the attribute controller without its palette shows the border's colour.
std::uint32_t off_colour(const VgaCore& vga) {
  return vga.state().seq[kSeqClocking] & kClockingScreenOff ? 0 : vga.colour(vga.state().ar[kArOverscan]);
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
  const auto address =
      static_cast<std::uint32_t>(s.cr[kCrCursorHigh] << 8 | s.cr[kCrCursorLow]) + (s.cr[kCrCursorEnd] >> 5 & 3U);
  return {!(s.cr[kCrCursorStart] & kCursorOff) && first <= last, address & 0xffff, first, last};
}

/// A dot of a mode whose dot clock is halved is two of the monitor's.
unsigned dots(const VgaCore::State& s) { return s.seq[kSeqClocking] & kClockingHalf ? 2 : 1; }

/// The first `pixels` of a line, each `by` times; a power of two.
void widen(std::vector<std::uint32_t>& line, std::size_t pixels, unsigned by) {
  for (; by > 1; by /= 2, pixels *= 2)
    for (std::size_t x = pixels; x-- > 0;) line[2 * x] = line[2 * x + 1] = line[x];
}

std::uint32_t rgb(unsigned r, unsigned g, unsigned b, unsigned green_bits) {
  const auto level = [](unsigned v, unsigned bits) { return v << (8 - bits) | v >> (2 * bits - 8); };
  return level(r, 5) << 16 | level(g, green_bits) << 8 | level(b, 5);
}

/// A line of a linear mode, of as many pixels as `from` holds.
void linear_line(std::span<const std::uint8_t> from, unsigned bpp, bool big_endian,
                 const std::array<std::uint32_t, 256>& palette, std::vector<std::uint32_t>& line) {
  line.clear();
  const auto word = [&](std::size_t at) {
    const unsigned a = from[at], b = from[at + 1];
    return big_endian ? a << 8 | b : b << 8 | a;
  };
  switch (bpp) {
    case 8:
      for (const std::uint8_t v : from) line.push_back(palette[v]);
      break;
    case 15:
      for (std::size_t at = 0; at < from.size(); at += 2) {
        const unsigned v = word(at);
        line.push_back(rgb(v >> 10 & 31, v >> 5 & 31, v & 31, 5));
      }
      break;
    case 16:
      for (std::size_t at = 0; at < from.size(); at += 2) {
        const unsigned v = word(at);
        line.push_back(rgb(v >> 11, v >> 5 & 63, v & 31, 6));
      }
      break;
    default: {
      const std::size_t bytes = bpp / 8;
      for (std::size_t at = 0; at < from.size(); at += bytes) {
        if (big_endian) {
          const std::size_t red = at + bytes - 3;
          line.push_back(unsigned{from[red]} << 16 | unsigned{from[red + 1]} << 8 | from[red + 2]);
        } else {
          line.push_back(unsigned{from[at + 2]} << 16 | unsigned{from[at + 1]} << 8 | from[at]);
        }
      }
    }
  }
}

/// A line of `width` pixels of the planar mode, from pixel `first` on; `from` is the whole line.
void planar_line(std::span<const std::uint8_t> from, unsigned first, unsigned width,
                 const std::array<std::uint32_t, 256>& palette, std::vector<std::uint32_t>& line) {
  line.clear();
  for (unsigned x = first; x < first + width; ++x) {
    const std::size_t at = x / 8 * 4;
    if (at + 4 > from.size()) return;
    unsigned value = 0;
    for (unsigned p = 0; p < 4; ++p) value |= (from[at + p] >> (7 - x % 8) & 1U) << p;
    line.push_back(palette[value]);
  }
}

// A size for what is no mode yet.
constexpr unsigned kBlankWidth = 640, kBlankHeight = 480;

}  // namespace

// --- what changed ---

void VgaRenderer::take_dirty(std::uint64_t offset, std::uint64_t length) {
  RamBlock& vram = vga_.vram();
  dirty_from_ = offset / RamBlock::kPageSize;
  const std::uint64_t end = std::min(offset + length, vram.size());
  const std::uint64_t pages = end > offset ? (end - 1) / RamBlock::kPageSize + 1 - dirty_from_ : 0;
  dirty_.assign(pages, false);
  any_dirty_ = false;
  for (std::uint64_t page = 0; page < pages; ++page) {
    dirty_[page] = vram.test_and_clear_dirty((dirty_from_ + page) * RamBlock::kPageSize, RamBlock::kPageSize);
    any_dirty_ |= dirty_[page];
  }
}

bool VgaRenderer::dirty(std::uint64_t offset, std::uint64_t length) const {
  for (std::uint64_t page = offset / RamBlock::kPageSize; page <= (offset + length - 1) / RamBlock::kPageSize; ++page) {
    const std::uint64_t at = page - dirty_from_;
    if (page >= dirty_from_ && at < dirty_.size() && dirty_[at]) return true;
  }
  return false;
}

bool VgaRenderer::row_dirty(std::uint32_t counter, unsigned row_scan) const {
  if (!any_dirty_) return false;
  const unsigned last = vga_.columns() / clocks_per_count(vga_.state());
  for (unsigned i = 0; i <= last; ++i)
    if (dirty(vga_.word(crtc_address(vga_.state(), counter + i, row_scan)), 4)) return true;
  return false;
}

void VgaRenderer::refresh(ScreenSurface& surface, std::int64_t now, bool log_complete) {
  surface.begin();
  const Cursor cursor = cursor_of(vga_.state());
  const Drawn as{vga_.picture_changes(),
                 log_complete,
                 vga_.text_mode() && cursor.visible && blink_on(vga_, now, 8),
                 cursor.address,
                 cursor.first,
                 cursor.last,
                 !(vga_.state().ar[kArMode] & kArModeBlink) || blink_on(vga_, now, 16)};
  if (drawn_ && (drawn_->changes != as.changes || !drawn_->log_complete || !log_complete)) drawn_.reset();
  if (vga_.dispi_enabled()) {
    draw_dispi(surface, as);
  } else if (!vga_.has_picture()) {
    surface.resize(kBlankWidth, kBlankHeight);
    fill(surface, 0);
  } else if (vga_.text_mode()) {
    draw_text(surface, as);
  } else {
    draw_graphics(surface, as);
  }
  drawn_ = as;
}

void VgaRenderer::fill(ScreenSurface& surface, std::uint32_t colour) {
  line_.assign(surface.screen().width, colour);
  for (unsigned y = 0; y < surface.screen().height; ++y) surface.put_line(y, line_);
}

// --- alphanumeric modes ---

void VgaRenderer::draw_text(ScreenSurface& surface, const Drawn& as) {
  const VgaCore::State& s = vga_.state();
  const Geometry geometry(vga_);
  const unsigned columns = vga_.columns(), cell = vga_.character_width(), wide = dots(s);
  const unsigned width = columns * cell * wide, height = vga_.displayed_lines();
  surface.resize(width, height);
  if (screen_off(s)) return fill(surface, off_colour(vga_));
  take_dirty(0, 0x10000 * 4);
  const bool all = !drawn_ || drawn_->blink_phase != as.blink_phase;
  const bool cursor_changed = all || drawn_->cursor_on != as.cursor_on || drawn_->cursor != as.cursor ||
                              drawn_->cursor_first != as.cursor_first || drawn_->cursor_last != as.cursor_last;
  if (!all && !cursor_changed && !any_dirty_) return;

  // Sequencer 03h: attribute bit 3 chooses between two of eight fonts of 8 KiB in plane 2; with 64 KiB there is one.
  const auto font_at = [](unsigned map) { return (map & 3) * 0x4000U + (map & 4 ? 0x2000U : 0U); };
  const unsigned char_map = s.seq[kSeqMemoryMode] & kMemoryExtended ? s.seq[kSeqCharMap] : 0;
  const std::uint32_t fonts[2] = {font_at((char_map & 3) | (char_map >> 2 & 4)),
                                  font_at((char_map >> 2 & 3) | (char_map >> 3 & 4))};
  const bool blinking = (s.ar[kArMode] & kArModeBlink) != 0;
  const unsigned underline = s.cr[kCrUnderline] & 0x1fU;
  const std::array<std::uint32_t, 16> colours = attribute_colours(vga_);
  const unsigned per_count = clocks_per_count(s);

  const auto holds = [&](std::uint32_t counter, std::uint32_t cursor) {
    return ((cursor - counter) & 0xffff) <= columns / per_count;
  };
  line_.resize(std::size_t{columns + 1} * cell * 2);
  std::optional<ScanLine> before;
  bool changed = false;
  for (unsigned y = 0; y < height; ++y) {
    const ScanLine scan = geometry.at(y);
    if (before != scan) {
      const bool same_row = before && before->counter == scan.counter;
      if (!same_row) {
        changed = all || row_dirty(scan.counter, scan.row_scan) ||
                  (cursor_changed && (holds(scan.counter, as.cursor) || holds(scan.counter, drawn_->cursor)));
      }
      before = scan;
      if (changed) {
        for (unsigned column = 0; column <= columns; ++column) {
          const std::uint32_t counter = scan.counter + column / per_count;
          const std::uint32_t word = vga_.planes(crtc_address(s, counter, scan.row_scan));
          const auto glyph = static_cast<std::uint8_t>(word);
          const auto attribute = static_cast<std::uint8_t>(word >> 8);
          unsigned bits = vga_.planes(fonts[attribute >> 3 & 1] + glyph * 32U + scan.row_scan) >> 16 & 0xff;
          // The ninth dot is background, but for the characters that draw lines.
          const bool joins = (s.ar[kArMode] & kArModeLineGraphics) && glyph >= 0xc0 && glyph <= 0xdf;
          bits = bits << 1 | (joins ? bits & 1 : 0);
          unsigned background = attribute >> 4;
          if (blinking) {
            background &= 7;
            if ((attribute & 0x80) && !as.blink_phase) bits = 0;
          }
          if (scan.row_scan == underline && (attribute & 0x77) == 0x01) bits = 0x1ff;
          if (as.cursor_on && (counter & 0xffff) == as.cursor && scan.row_scan >= as.cursor_first &&
              scan.row_scan <= as.cursor_last)
            bits = 0x1ff;
          const std::uint32_t ink = colours[attribute & 0x0f], paper = colours[background];
          std::uint32_t* const to = &line_[std::size_t{column} * cell];
          for (unsigned x = 0; x < cell; ++x) to[x] = bits & (0x100U >> x) ? ink : paper;
        }
        // With nine dots a panning of 8 is none, and 0 is one dot.
        unsigned panning = cell == 9 ? scan.panning + 1 : scan.panning & 7;
        if (panning > 8) panning = 0;
        line_.erase(line_.begin(), line_.begin() + panning);
        line_.resize(std::size_t{columns + 1} * cell * 2);
        widen(line_, std::size_t{columns} * cell, wide);
      }
    }
    if (changed) surface.put_line(y, std::span(line_).first(width));
  }
}

// --- graphics modes of the VGA ---

void VgaRenderer::draw_graphics(ScreenSurface& surface, const Drawn& as) {
  const VgaCore::State& s = vga_.state();
  const Geometry geometry(vga_);
  const unsigned columns = vga_.columns();
  const bool colours_256 = (s.gr[kGrMode] & kGrMode256) != 0;
  const bool interleave = (s.gr[kGrMode] & kGrModeInterleave) != 0;
  // A column is eight dots. With 256 colours the attribute controller puts two together.
  const unsigned per_column = colours_256 ? 4 : 8, wide = dots(s) * (colours_256 ? 2 : 1);
  const unsigned width = columns * per_column * wide, height = vga_.displayed_lines();
  surface.resize(width, height);
  if (screen_off(s)) return fill(surface, off_colour(vga_));
  take_dirty(0, 0x10000 * 4);
  const bool all = !drawn_ || drawn_->blink_phase != as.blink_phase;
  if (!all && !any_dirty_) return;

  std::array<std::uint32_t, 256> palette{};
  if (colours_256) {
    for (unsigned i = 0; i < 256; ++i) palette[i] = vga_.colour(static_cast<std::uint8_t>(i));
  } else {
    // Blinking (attribute 10h bit 3) inverts the fourth bit of all pixels half of the time: mode 0Fh has its palette
    // arranged so that one of its colours blinks.
    const std::array<std::uint32_t, 16> colours = attribute_colours(vga_, as.blink_phase ? 0 : 8);
    std::copy(colours.begin(), colours.end(), palette.begin());
  }

  const unsigned per_count = clocks_per_count(s);
  line_.resize(std::size_t{columns + 1} * per_column * 4);
  std::optional<ScanLine> before;
  bool changed = false;
  for (unsigned y = 0; y < height; ++y) {
    const ScanLine scan = geometry.at(y);
    if (before != scan) {
      const bool same_row = before && before->counter == scan.counter && !row_scan_in_address(s);
      if (!same_row) changed = all || row_dirty(scan.counter, scan.row_scan);
      if (same_row && before->panning == scan.panning) {
        // Only the row scan moved, which takes no part in the address: the line as it is.
        before = scan;
        if (changed) surface.put_line(y, std::span(line_).first(width));
        continue;
      }
      before = scan;
      if (changed) {
        for (unsigned column = 0; column <= columns; ++column) {
          const std::uint32_t word = vga_.planes(crtc_address(s, scan.counter + column / per_count, scan.row_scan));
          std::uint32_t* const to = &line_[std::size_t{column} * per_column];
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
        const unsigned panning = colours_256 ? (scan.panning & 7) / 2 : scan.panning & 7;
        line_.erase(line_.begin(), line_.begin() + panning);
        line_.resize(std::size_t{columns + 1} * per_column * 4);
        widen(line_, std::size_t{columns} * per_column, wide);
      }
    }
    if (changed) surface.put_line(y, std::span(line_).first(width));
  }
}

// --- modes of the Bochs display interface ---

void VgaRenderer::draw_dispi(ScreenSurface& surface, const Drawn&) {
  const VgaCore::State& s = vga_.state();
  const unsigned width = s.dispi[kDispiXRes], height = s.dispi[kDispiYRes], bpp = s.dispi[kDispiBpp];
  surface.resize(width, height);
  if (screen_off(s)) return fill(surface, 0);
  const std::span<const std::uint8_t> vram = vga_.vram().bytes();
  const std::uint64_t pitch = vga_.dispi_pitch(), first = s.dispi[kDispiYOffset] * pitch;
  const std::uint64_t from_x = std::uint64_t{s.dispi[kDispiXOffset]} * bpp / 8;
  take_dirty(first, height * pitch + from_x);
  if (drawn_ && !any_dirty_) return;

  std::array<std::uint32_t, 256> palette{};
  if (bpp == 4) {
    const std::array<std::uint32_t, 16> colours = attribute_colours(vga_);
    std::copy(colours.begin(), colours.end(), palette.begin());
  } else if (bpp == 8) {
    for (unsigned i = 0; i < 256; ++i) palette[i] = vga_.colour(static_cast<std::uint8_t>(i));
  }
  const std::uint64_t bytes = bpp == 4 ? pitch : std::uint64_t{width} * ((bpp + 7) / 8);
  for (unsigned y = 0; y < height; ++y) {
    const std::uint64_t row = first + y * pitch + (bpp == 4 ? 0 : s.dispi[kDispiXOffset] * ((bpp + 7) / 8));
    if (row + bytes > vram.size()) break;
    if (drawn_ && !dirty(row, bytes)) continue;
    if (bpp == 4) {
      planar_line(vram.subspan(row, bytes), s.dispi[kDispiXOffset], width, palette, line_);
    } else {
      linear_line(vram.subspan(row, bytes), bpp, s.big_endian, palette, line_);
    }
    surface.put_line(y, line_);
  }
}

// --- text as cells ---

TextScreen vga_text_screen(const VgaCore& vga) {
  TextScreen out;
  if (!vga.text_mode()) return out;
  const VgaCore::State& s = vga.state();
  const Geometry geometry(vga);
  out.columns = vga.columns();
  const unsigned row_lines = geometry.row_height() * geometry.doubled();
  out.rows = std::max(vga.displayed_lines() / row_lines, 1U);
  out.cells.resize(std::size_t{out.columns} * out.rows);
  if (screen_off(s)) return out;
  out.palette = attribute_colours(vga);
  out.blinking = (s.ar[kArMode] & kArModeBlink) != 0;
  const Cursor cursor = cursor_of(s);
  out.cell_height = geometry.row_height();
  out.cursor_first = cursor.first;
  out.cursor_last = std::min(cursor.last, out.cell_height - 1);
  const unsigned per_count = clocks_per_count(s);
  for (unsigned row = 0; row < out.rows; ++row) {
    // A line in the middle of the row, as scrolling by lines and a split may move its edges.
    const ScanLine scan = geometry.at(row * row_lines + row_lines / 2);
    for (unsigned column = 0; column < out.columns; ++column) {
      const std::uint32_t counter = scan.counter + column / per_count;
      const std::uint32_t word = vga.planes(crtc_address(s, counter, 0));
      out.cells[std::size_t{row} * out.columns + column] = {static_cast<std::uint8_t>(word),
                                                            static_cast<std::uint8_t>(word >> 8)};
      if (cursor.visible && cursor.first < out.cell_height && (counter & 0xffff) == cursor.address) {
        out.cursor_visible = true;
        out.cursor_column = column;
        out.cursor_row = row;
      }
    }
  }
  return out;
}

}  // namespace machina
