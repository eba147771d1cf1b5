// A guest that writes anything anywhere: interrupt controllers, timers, clock, keyboard, serial port, firmware
// configuration and screen under accesses that no datasheet describes. What is tested is that the machine survives,
// takes a bounded time, and works once reset; the same sequence each time. The chipset has a test of its own.

#include <gtest/gtest.h>

#include <random>

#include "core/units.h"
#include "hw/char/isa_serial.h"
#include "hw/display/isa_vga.h"
#include "hw/input/i8042.h"
#include "hw/misc/port92.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/rtc/mc146818rtc.h"
#include "hw/timer/i8254.h"
#include "hw/timer/pcspk.h"
#include "tests/device/apic_fixture.h"
#include "tests/support/test_chardev.h"

namespace machina::test {
namespace {

class PcDevicesHostileTest : public testing::Test {
 protected:
  PcDevicesHostileTest() {
    m.add_isa_bus();
    m.add<I8259>("pic", {{"out", "apic.lint.0"}});
    m.add<ApicBus>("apic-bus", {{"pic", "pic"}});
    ioapic = &m.add<Ioapic>("ioapic");
    apic = &m.add<Apic>("apic", {{"bus", "apic-bus"}, {"bootstrap", "on"}});
    cpu.clock = &m.system().clock;
    apic->connect(cpu);
    m.add<I8254>("pit", {{"irq", "pic.0:ioapic.2"}});
    m.add<PcSpeaker>("pcspk", {{"pit", "pit"}});
    m.add<Mc146818Rtc>("rtc", {{"irq", "pic.8:ioapic.8"}});
    keyboard = &m.add<I8042>("kbc", {{"kbd-irq", "pic.1"}, {"mouse-irq", "pic.12"}});
    m.add<Port92>("port92");
    line = &TestChardev::add(m, "line");
    m.add<IsaSerial>("serial", {{"index", "0"}, {"chardev", "line"}, {"irq", "pic.4:ioapic.4"}});
    fw_cfg = &m.add<FwCfg>("fw_cfg");
    vga = &m.add<IsaVga>("vga", {{"romfile", ""}, {"vgamem_mb", "1"}});
    m.start();
    fw_cfg->add_writable_file("scratch", std::vector<std::uint8_t>(64));
  }

  void any_port() {
    static constexpr std::uint16_t kBases[] = {0x20,  0x40,  0x60,  0x61,  0x64,  0x70,  0x71,  0x92,  0xa0,
                                               0x1ce, 0x3b4, 0x3c0, 0x3c4, 0x3ce, 0x3d4, 0x3f8, 0x4d0, 0x510};
    const auto port = static_cast<std::uint16_t>(kBases[random() % std::size(kBases)] + random() % 4);
    const std::uint32_t value = random() % 4 ? random() & 0xff : random();
    switch (random() % 6) {
      case 0:
        return void(m.inb(port));
      case 1:
        return void(m.inw(port));
      case 2:
        return m.outw(port, static_cast<std::uint16_t>(value));
      default:
        return m.outb(port, static_cast<std::uint8_t>(value));
    }
  }
  void any_memory() {
    const std::uint64_t places[] = {0xa0000 + random() % 0x20000, 0xfec00000 + random() % 0x50,
                                    0xfee00000 + random() % 0x100000};
    const std::uint64_t at = places[random() % 3];
    const Width width = 1U << random() % 3;
    if (random() % 4 == 0) {
      m.read(at, width);
    } else {
      m.write(at, width, random());
    }
  }
  /// What the CPU does with its own APIC.
  void any_apic() {
    std::uint64_t value = random() % 3 ? random() & 0x700ff : random();
    switch (random() % 8) {
      case 0:
        return void(apic->acknowledge());
      case 1:
        return void(apic->msr_write(0x1b, 0xfee00100 | (value & 0xc00)));
      case 2:
        return void(apic->msr_write(0x6e0, cpu.apic_tsc() + value));
      case 3:
        return void(apic->msr_write(0x800 + random() % 0x40, value));
      case 4:
        return void(apic->msr_read(0x800 + random() % 0x40, value));
      case 5:
        return void(apic->mmio_read(random() % 0x400, 4));
      default:
        return apic->mmio_write((random() % 0x40) * 16, 4, value);
    }
  }
  /// A DMA descriptor of the firmware configuration; lengths that are served at once, and some that memory refuses.
  void any_dma() {
    m.write(0x1000, 4, __builtin_bswap32(random() & 0x3f001f));
    m.write(0x1004, 4, __builtin_bswap32(random() % 8 ? random() % 0x200 : 0x100000));
    m.write(0x1008, 8,
            __builtin_bswap64(random() % 4 ? random() % 0x200000 : std::uint64_t{random()} << 32 | random()));
    m.outl(0x514, 0);
    m.outl(0x518, __builtin_bswap32(0x1000));
  }
  void any_input() {
    const MachineLock::Guard guard(m.system().lock);
    switch (random() % 4) {
      case 0:
        return keyboard->key(static_cast<QKeyCode>(random() % 120), random() % 2);
      case 1:
        return keyboard->mouse_move(static_cast<int>(random()), static_cast<int>(random() % 64), 1);
      case 2:
        return keyboard->mouse_button(MouseButton::Left, random() % 2);
      default:
        if (line->queued() < 64) line->send("x");
    }
  }
  void look_at_the_screen() {
    const MachineLock::Guard guard(m.system().lock);
    const TextScreen text = vga->text_screen();
    EXPECT_EQ(text.cells.size(), std::size_t{text.columns} * text.rows);
    const PixelScreen pixels = vga->pixel_screen();
    EXPECT_EQ(pixels.pixels.size(), std::size_t{pixels.width} * pixels.height);
  }

  void expect_alive() {
    m.reset();
    m.write(0x2000, 4, 0x12345678);
    EXPECT_EQ(m.read(0x2000, 4), 0x12345678U);
    // The keyboard answers, the clock ticks, the timer interrupts through the 8259.
    for (int i = 0; i < 20; ++i) m.step(I8042::kByteTimeNs), m.inb(0x60);
    m.outb(0x60, 0xee);
    EXPECT_EQ(m.inb(0x60), 0xee);
    for (const std::uint8_t icw : std::initializer_list<std::uint8_t>{0x11, 0x20, 0x04, 0x01, 0xfe})
      m.outb(icw == 0x11 ? 0x20 : 0x21, icw);
    m.outb(0x43, 0x34), m.outb(0x40, 0x9c), m.outb(0x40, 0x2e);
    m.step(25 * kNsPerMs);  // the middle of its third period
    m.outb(0x20, 0x0a);
    EXPECT_TRUE(m.inb(0x20) & 1);
    EXPECT_EQ(apic->acknowledge(), 0x20);
    for (const auto& [index, value] : {std::pair{0x0a, 0x26}, {0x0b, 0x82}, {0x00, 0x10}, {0x02, 0x20}, {0x0b, 0x02}})
      m.outb(0x70, static_cast<std::uint8_t>(index)), m.outb(0x71, static_cast<std::uint8_t>(value));
    m.step(2 * kNsPerSecond);
    m.outb(0x70, 0);
    EXPECT_EQ(m.inb(0x71), 0x12);
    m.outw(0x510, 0);
    EXPECT_EQ(m.inb(0x511), 'Q');
  }

  std::uint32_t random() { return static_cast<std::uint32_t>(engine_()); }

  FakeCpu cpu;
  TestMachine m{2 << 20};
  Ioapic* ioapic;
  Apic* apic;
  I8042* keyboard;
  TestChardev* line;
  FwCfg* fw_cfg;
  IsaVga* vga;

 private:
  std::mt19937 engine_{20261122};
};

TEST_F(PcDevicesHostileTest, RandomAccesses) {
  for (unsigned i = 0; i < 100'000; ++i) {
    switch (random() % 8) {
      case 0:
        any_memory();
        break;
      case 1:
        any_apic();
        break;
      case 2:
        any_input();
        break;
      default:
        any_port();
        break;
    }
    if (random() % 256 == 0) any_dma();
    if (random() % 64 == 0) m.step(1 + random() % 2'000'000);
    if (random() % 2048 == 0) look_at_the_screen();
    if (random() % 8192 == 0) m.reset();
  }
  expect_alive();
}

}  // namespace
}  // namespace machina::test
