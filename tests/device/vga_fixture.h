#pragma once
/// An isa-vga on its bus, and what the tests of its registers, its screens and its display interface do to it.

#include <gtest/gtest.h>

#include <vector>

#include "core/units.h"
#include "hw/display/isa_vga.h"
#include "tests/support/test_machine.h"
#include "tests/support/vga_modes.h"

namespace machina::test {

class Vga : public testing::Test {
 protected:
  explicit Vga(TestMachine::Properties properties = {{"romfile", ""}}) {
    m.add_isa_bus();
    vga = &m.add<IsaVga>("vga", properties);
    m.start();
  }

  void seq(std::uint8_t index, std::uint8_t value) { m.outw(0x3c4, static_cast<std::uint16_t>(index | value << 8)); }
  void gr(std::uint8_t index, std::uint8_t value) { m.outw(0x3ce, static_cast<std::uint16_t>(index | value << 8)); }
  void crtc(std::uint8_t index, std::uint8_t value) { m.outw(0x3d4, static_cast<std::uint16_t>(index | value << 8)); }
  std::uint8_t crtc(std::uint8_t index) {
    m.outb(0x3d4, index);
    return m.inb(0x3d5);
  }
  void dispi(std::uint16_t index, std::uint16_t value) {
    m.outw(0x1ce, index);
    m.outw(0x1cf, value);
  }
  std::uint16_t dispi(std::uint16_t index) {
    m.outw(0x1ce, index);
    return m.inw(0x1cf);
  }
  void poke(std::uint32_t address, std::uint8_t value) { m.write(address, 1, value); }
  std::uint8_t peek(std::uint32_t address) { return static_cast<std::uint8_t>(m.read(address, 1)); }
  /// The four planes at an address of a planar mode.
  std::uint32_t planes(std::uint32_t address) {
    std::uint32_t all = 0;
    gr(5, 0);
    for (std::uint8_t p = 0; p < 4; ++p) {
      gr(4, p);
      all |= static_cast<std::uint32_t>(peek(address)) << (8 * p);
    }
    return all;
  }
  void dac(std::initializer_list<std::uint8_t> components) {
    for (const std::uint8_t v : components) m.outb(0x3c9, v);
  }
  /// The attribute controller shows its palette.
  void screen_on() {
    m.outb(0x3c2, 0x63);
    (void)m.inb(0x3da);
    m.outb(0x3c0, 0x20);
  }
  void planar() {
    set_mode(m, kMode12);
    set_ega_palette(m);
  }
  PixelScreen pixels() {
    const MachineLock::Guard guard(m.system().lock);
    return vga->pixel_screen();
  }
  TextScreen text() {
    const MachineLock::Guard guard(m.system().lock);
    return vga->text_screen();
  }
  std::uint32_t pixel(unsigned x, unsigned y) {
    const PixelScreen s = pixels();
    return s.pixels.at(std::size_t{y} * s.width + x);
  }
  /// Writes a glyph of eight by 16 into the font in plane 2.
  void glyph(std::uint8_t code, std::uint32_t font, const std::vector<std::uint8_t>& lines) {
    seq(2, 0x04);
    seq(4, 0x06);
    gr(5, 0x00);
    gr(6, 0x04);
    std::uint32_t at = 0xa0000 + font + code * 32U;
    for (const std::uint8_t l : lines) poke(at++, l);
    seq(2, 0x03);
    seq(4, 0x02);
    gr(5, 0x10);
    gr(6, 0x0e);
  }
  void put(unsigned column, unsigned row, char c, std::uint8_t attribute) {
    m.write(0xb8000 + (row * 80 + column) * 2, 2, static_cast<std::uint8_t>(c) | unsigned{attribute} << 8);
  }

  TestMachine m{2 * MiB};
  IsaVga* vga = nullptr;
};

}  // namespace machina::test
