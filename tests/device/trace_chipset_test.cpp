// Trace events of the devices on the board: each family says what its guest does with it.

#include <gmock/gmock.h>

#include "core/units.h"
#include "hw/dma/i8237.h"
#include "hw/input/i8042.h"
#include "hw/intc/gsi.h"
#include "hw/intc/i8259.h"
#include "hw/misc/debug_exit.h"
#include "hw/misc/debugcon.h"
#include "hw/misc/port92.h"
#include "hw/misc/pvpanic.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/rtc/mc146818rtc.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"
#include "hw/watchdog/ib700.h"
#include "tests/device/apic_fixture.h"
#include "tests/support/test_chardev.h"
#include "tests/support/trace_capture.h"

namespace machina::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsSupersetOf;

TEST(TraceDevices, InterruptController) {
  TestMachine m;
  m.add_isa_bus();
  auto& pic = m.add<I8259>("pic");
  IrqOut wire;
  wire.connect(*pic.input("ir", 9));
  m.start();
  TraceCapture trace({"pic_*"});
  m.outb(0x20, 0x11);
  EXPECT_EQ(trace.take(), std::vector<std::string>{"pic_ioport_write master=1 addr=0 value=0x11"});
  for (const unsigned v : {0x08, 0x04, 0x01}) m.outb(0x21, static_cast<std::uint8_t>(v));
  m.outb(0xa0, 0x11);
  for (const unsigned v : {0x70, 0x02, 0x01}) m.outb(0xa1, static_cast<std::uint8_t>(v));
  trace.take();
  wire.raise();
  EXPECT_THAT(trace.take(), ElementsAre("pic_set_irq irq=9 level=1", "pic_update_irq level=1"));
  EXPECT_EQ(pic.acknowledge(), 0x71);
  EXPECT_THAT(trace.take(), ElementsAre("pic_interrupt irq=9 vector=0x71", "pic_update_irq level=0"));
  EXPECT_EQ(m.inb(0xa1), 0);
  EXPECT_THAT(trace.take(), ElementsAre("pic_ioport_read master=0 addr=1 value=0x00"));
  m.outb(0x4d1, 0x0e);
  EXPECT_THAT(trace.take(), Contains("pic_elcr_write chip=1 value=0x0e"));
  wire.lower();
}

TEST(TraceDevices, SystemTimer) {
  TestMachine m;
  m.add_isa_bus();
  m.add<I8254>("pit");
  m.start();
  TraceCapture trace({"pit_*"});
  m.outb(0x43, 0x34);
  m.outb(0x40, 0x10);
  (void)m.inb(0x40);
  EXPECT_THAT(trace.take(), ElementsAre("pit_ioport_write addr=3 value=0x34", "pit_ioport_write addr=0 value=0x10",
                                        testing::StartsWith("pit_ioport_read addr=0 value=")));
}

TEST(TraceDevices, Clock) {
  TestMachine m;
  m.add_isa_bus();
  m.add<Mc146818Rtc>("rtc");
  m.start();
  TraceCapture trace({"rtc_*"});
  m.outb(0x70, 0x0b);
  m.outb(0x71, 0x12);  // the update-ended interrupt
  m.outb(0x70, 0x0d);
  EXPECT_EQ(m.inb(0x71), 0x80);
  EXPECT_THAT(trace.take(), ElementsAre("rtc_write index=0x0b value=0x12", "rtc_read index=0x0d value=0x80"));
  m.step(2 * kNsPerSecond);
  EXPECT_THAT(trace.take(), Contains(testing::StartsWith("rtc_set_irq level=1 flags=0x")));
}

TEST(TraceDevices, HighPrecisionTimer) {
  TestMachine m;
  m.add_isa_bus();
  m.add<Gsi>("gsi");
  m.add<Hpet>("hpet", {{"irqs", "gsi.hpet"}, {"legacy", "gsi.legacy"}});
  m.start();
  TraceCapture trace({"hpet_*"});
  m.write(hpet::kBase + hpet::kTimers, 4, hpet::kIntEnbCnf);
  m.write(hpet::kBase + hpet::kTimers + hpet::kTimerComparator, 8, 100);
  m.write(hpet::kBase + hpet::kGenConf, 4, hpet::kEnableCnf);
  EXPECT_THAT(trace.take(),
              ElementsAre("hpet_ram_write addr=0x100 size=4 value=0x4", "hpet_ram_write addr=0x108 size=8 value=0x64",
                          "hpet_ram_write addr=0x010 size=4 value=0x1"));
  m.step(kNsPerMs);
  EXPECT_THAT(trace.take(), ElementsAre("hpet_match timer=0"));
}

TEST(TraceDevices, KeyboardController) {
  TestMachine m;
  m.add_isa_bus();
  m.add<I8042>("kbd");
  m.start();
  TraceCapture trace({"pckbd_*"});
  m.outb(0x64, 0xaa);
  EXPECT_EQ(m.inb(0x64) & 1, 1);
  EXPECT_EQ(m.inb(0x60), 0x55);
  m.outb(0x60, 0xed);
  EXPECT_THAT(trace.take(), IsSupersetOf({"pckbd_kbd_write_command value=0xaa", "pckbd_answer source=8042 value=0x55",
                                          "pckbd_kbd_read_status value=0x1d", "pckbd_kbd_read_data value=0x55",
                                          "pckbd_kbd_write_data value=0xed"}));
}

TEST(TraceDevices, SerialAndParallelPorts) {
  TestMachine m;
  m.add_isa_bus();
  auto& line = TestChardev::add(m, "line");
  auto& printer = TestChardev::add(m, "printer");
  m.add("isa-serial", "serial", {{"chardev", "line"}});
  m.add("isa-parallel", "lpt", {{"chardev", "printer"}});
  m.start();
  TraceCapture trace({"serial_*", "parallel_*"});
  m.outb(0x3fc, 0x08);
  m.outb(0x3f9, 0x01);
  {
    const MachineLock::Guard guard(m.system().lock);
    line.send("x");
  }
  EXPECT_EQ(m.inb(0x3f8), 'x');
  EXPECT_THAT(trace.take(),
              ElementsAre("serial_write port=0x3f8 addr=4 value=0x08", "serial_write port=0x3f8 addr=1 value=0x01",
                          "serial_receive port=0x3f8 bytes=1", "serial_set_irq port=0x3f8 level=1",
                          "serial_read port=0x3f8 addr=0 value=0x78", "serial_set_irq port=0x3f8 level=0"));
  m.outb(0x378, 'A');
  m.outb(0x37a, 0x0d);
  EXPECT_EQ(printer.written, "A");
  EXPECT_THAT(trace.take(), IsSupersetOf({"parallel_ioport_write port=0x378 addr=0 value=0x41",
                                          "parallel_print port=0x378 value=0x41"}));
}

TEST(TraceDevices, DmaController) {
  TestMachine m(1 * MiB);
  m.add_isa_bus();
  m.add<I8237>("dma");
  m.start();
  TraceCapture trace({"i8237_*"});
  m.outb(0x81, 0x01);
  m.outb(0x0b, 0x46);
  EXPECT_THAT(trace.take(),
              ElementsAre("i8237_write_page addr=1 value=0x01", "i8237_write controller=0 addr=11 value=0x46"));
}

TEST(TraceDevices, SmallPorts) {
  TestMachine m;
  m.add_isa_bus();
  m.add<PvPanic>("panic");
  m.add<DebugCon>("con");
  m.add<DebugExit>("exit");
  m.add<Port92>("port92");
  m.add<Ib700>("watchdog");
  m.start();
  TraceCapture trace({"pvpanic_*", "debugcon_*", "debug_exit_*", "port92_*", "ib700_*"});
  m.outb(0x505, 1);
  m.outb(0xe9, 'x');
  m.outb(0x501, 5);
  m.outb(0x92, 2);
  m.outb(0x443, 0x0e);
  m.step(2 * kNsPerSecond);
  m.outb(0x441, 0);
  EXPECT_THAT(trace.take(), ElementsAre("pvpanic_write events=0x1", "debugcon_write port=0xe9 value=0x78",
                                        "debug_exit_write value=0x5 status=11", "port92_write value=0x02",
                                        "ib700_enable seconds=2", "ib700_timer_expired", "ib700_disable"));
}

TEST(TraceDevices, FirmwareConfiguration) {
  TestMachine m;
  m.add_isa_bus();
  m.add<FwCfg>("fw_cfg");
  m.start();
  TraceCapture trace({"fw_cfg_*"});
  m.outw(0x510, 0);
  EXPECT_EQ(m.inb(0x511), 'Q');
  m.outw(0x510, 0x1234);
  EXPECT_THAT(trace.take(),
              ElementsAre("fw_cfg_select key=0x0000 found=1 bytes=4", "fw_cfg_read key=0x0000 offset=0 value=0x51",
                          "fw_cfg_select key=0x1234 found=0 bytes=0"));
}

TEST(TraceDevices, ResetNamesWhatItResets) {
  TestMachine m;
  m.add_isa_bus();
  m.add<Port92>("port92");
  m.start();
  TraceCapture trace({"machine_reset", "device_reset"});
  m.reset();
  EXPECT_THAT(trace.take(), Contains("device_reset path=/machine/port92"));
}

// Registers of a device without events of its own.
TEST(TraceDevices, AnyRegion) {
  TestMachine m;
  m.add_isa_bus();
  m.add<Port92>("port92");
  m.start();
  TraceCapture trace({"memory_region_ops_*"});
  m.outb(0x92, 2);
  EXPECT_EQ(m.inb(0x92), 2);
  const std::vector<std::string> lines = trace.take();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0].starts_with("memory_region_ops_write addr=0x0 value=0x2 size=1 name=")) << lines[0];
  EXPECT_TRUE(lines[1].starts_with("memory_region_ops_read addr=0x0 value=0x2 size=1 name=")) << lines[1];
}

TEST_F(ApicTest, TraceFollowsAnInterruptFromThePinToItsEnd) {
  start();
  TraceCapture trace({"ioapic_*", "apic_*"});
  machine_.write(0xfec00000, 4, 0x10 + 2 * 5);
  machine_.write(0xfec00010, 4, 0x8041);  // level triggered, vector 41h
  IrqOut wire;
  wire.connect(*ioapic_->input("in", 5));
  wire.raise();
  EXPECT_EQ(apic().acknowledge(), 0x41);
  put(apic(), apic::Eoi, 0);
  wire.lower();
  EXPECT_THAT(trace.take(),
              IsSupersetOf({"ioapic_mem_write addr=0x10 regsel=0x1a value=0x8041", "ioapic_set_irq pin=5 level=1",
                            "apic_deliver_irq dest=0x0 logical=0 delivery=0 vector=0x41 level=1",
                            "apic_accept apic=0 vector=0x41 level=1", "apic_acknowledge apic=0 vector=0x41",
                            "apic_register_write apic=0 reg=0x0b0 value=0x0", "apic_eoi apic=0 vector=0x41",
                            "ioapic_eoi_broadcast vector=0x41", "ioapic_clear_remote_irr pin=5 vector=0x41"}));
}

}  // namespace
}  // namespace machina::test
