#include "hw/display/edid.h"

#include <algorithm>
#include <numeric>
#include <string_view>

namespace machina {
namespace {

using Block = std::array<std::uint8_t, kEdidSize>;

/// Section 3.10.3: a text descriptor of 18 bytes; 13 characters, ended by a line feed, filled with spaces.
void put_text(Block& edid, std::size_t at, std::uint8_t tag, std::string_view text) {
  edid[at + 3] = tag;
  std::fill_n(edid.begin() + static_cast<std::ptrdiff_t>(at) + 5, 13, std::uint8_t{' '});
  std::copy(text.begin(), text.end(), edid.begin() + static_cast<std::ptrdiff_t>(at) + 5);
  edid[at + 5 + text.size()] = '\n';
}

/// Section 3.10.2: a detailed timing, with the blanking that fixed-pixel displays are content with. Pixels that come
/// faster than its clock field can say come slower. Returns the clock, in units of 10 kHz.
unsigned put_timing(Block& edid, std::size_t at, unsigned width, unsigned height, unsigned width_mm,
                    unsigned height_mm) {
  const unsigned h_blank = 160, h_front = 48, h_sync = 32;
  const unsigned v_blank = std::max(height / 28, 9U), v_front = 3, v_sync = 5;
  constexpr unsigned kFastest = 0xffff;
  const unsigned clock_10khz = std::min((width + h_blank) * (height + v_blank) * 60 / 10'000, kFastest);
  const auto byte = [](unsigned v) { return static_cast<std::uint8_t>(v); };
  edid[at + 0] = byte(clock_10khz);
  edid[at + 1] = byte(clock_10khz >> 8);
  edid[at + 2] = byte(width);
  edid[at + 3] = byte(h_blank);
  edid[at + 4] = byte((width >> 8) << 4 | h_blank >> 8);
  edid[at + 5] = byte(height);
  edid[at + 6] = byte(v_blank);
  edid[at + 7] = byte((height >> 8) << 4 | v_blank >> 8);
  edid[at + 8] = byte(h_front);
  edid[at + 9] = byte(h_sync);
  edid[at + 10] = byte(v_front << 4 | v_sync);
  edid[at + 12] = byte(width_mm);
  edid[at + 13] = byte(height_mm);
  edid[at + 14] = byte((width_mm >> 8) << 4 | height_mm >> 8);
  edid[at + 17] = 0x18;  // digital, separate syncs
  return clock_10khz;
}

}  // namespace

Block make_edid(unsigned width, unsigned height) {
  width = std::clamp(width, 8U, 4095U);
  height = std::clamp(height, 8U, 4095U);
  Block edid{0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00};
  // 3.4: three letters of five bits, 'A' being 1.
  const unsigned id = ('M' - '@') << 10 | ('C' - '@') << 5 | ('H' - '@');
  edid[8] = static_cast<std::uint8_t>(id >> 8);
  edid[9] = static_cast<std::uint8_t>(id);
  edid[10] = 0x01;  // product code
  edid[16] = 0xff;  // model year follows
  edid[17] = 2024 - 1990;
  edid[18] = 1;  // version 1.4
  edid[19] = 4;
  edid[20] = 0xa5;  // 3.6.1: digital, 8 bits a colour, DisplayPort
  const unsigned width_mm = width * 254 / 960, height_mm = height * 254 / 960;  // 96 dots an inch
  edid[21] = static_cast<std::uint8_t>(std::min(width_mm / 10, 255U));
  edid[22] = static_cast<std::uint8_t>(std::min(height_mm / 10, 255U));
  edid[23] = 120;   // gamma 2.2
  edid[24] = 0x06;  // 3.6.4: sRGB is the default, the first timing is the native one
  // 3.7: chromaticity of sRGB.
  static constexpr std::uint8_t kSrgb[10] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};
  std::copy(std::begin(kSrgb), std::end(kSrgb), edid.begin() + 25);
  edid[35] = 0x21;                                         // 3.8: 640x480 and 800x600 at 60 Hz
  edid[36] = 0x08;                                         // 1024x768 at 60 Hz
  std::fill_n(edid.begin() + 38, 16, std::uint8_t{0x01});  // 3.9: no standard timings
  const unsigned clock_10khz = put_timing(edid, 54, width, height, width_mm, height_mm);
  // 3.10.3.3: range limits: 30 to 125 Hz, 30 to 160 kHz, 400 MHz at most unless the mode above has more; no timing
  // formula.
  edid[72 + 3] = 0xfd;
  const auto fastest = static_cast<std::uint8_t>(std::max((clock_10khz + 999) / 1'000, 40U));
  const std::uint8_t range[] = {30, 125, 30, 160, fastest, 0x01, '\n', ' ', ' ', ' ', ' ', ' ', ' '};
  std::copy(std::begin(range), std::end(range), edid.begin() + 77);
  put_text(edid, 90, 0xfc, "Machina");
  edid[108 + 3] = 0x10;  // no fourth descriptor
  edid[127] = static_cast<std::uint8_t>(-std::accumulate(edid.begin(), edid.end() - 1, 0));
  return edid;
}

}  // namespace machina
