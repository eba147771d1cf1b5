// The panic notifiers, by QEMU's docs/specs/pvpanic.

#include "hw/misc/pvpanic.h"

#include <gtest/gtest.h>

#include "hw/pci-host/i440fx.h"
#include "tests/support/pci_config.h"

namespace machina::test {
namespace {

TEST(PvPanic, TellsTheMachineWhatTheGuestSays) {
  TestMachine m;
  m.add_isa_bus();
  m.add<PvPanic>("panic");
  m.start();
  EXPECT_EQ(m.inb(0x505), 3) << "both events are understood";
  m.outb(0x505, 0x02);
  EXPECT_EQ(m.object().crash_loads, 1U);
  EXPECT_EQ(m.object().panics, 0U);
  m.outb(0x505, 0x01);
  EXPECT_EQ(m.object().panics, 1U);
  m.outb(0x505, 0xfc);
  m.outb(0x505, 0x00);
  EXPECT_EQ(m.object().panics + m.object().crash_loads, 2U) << "events that there are not";
  m.outb(0x505, 0xff);
  EXPECT_EQ(m.object().panics, 2U) << "of several the worst";
  EXPECT_EQ(m.object().crash_loads, 1U);
}

TEST(PvPanic, OffersWhatTheUserWants) {
  TestMachine m;
  m.add_isa_bus();
  m.add<PvPanic>("panic", {{"ioport", "0x600"}, {"events", "1"}});
  m.start();
  EXPECT_EQ(m.inb(0x600), 1);
  EXPECT_EQ(m.inb(0x505), 0xff);
  m.outb(0x600, 0x02);
  EXPECT_EQ(m.object().crash_loads, 0U);
  m.outb(0x600, 0x01);
  EXPECT_EQ(m.object().panics, 1U);
}

TEST(PvPanicPci, HasItsRegisterInMemory) {
  TestMachine m{2 << 20};
  m.add<I440fxHost>("i440fx");
  m.add<PvPanicPci>("panic", {{"addr", "4"}});
  m.start();
  PciConfig config(m, 4, 0);
  EXPECT_EQ(config.l(0x00), 0x00111b36U);
  EXPECT_EQ(config.l(0x08), 0x08800001U);
  config.l(0x10, 0xffffffff);
  EXPECT_EQ(config.l(0x10), 0xfffffff0U);
  config.l(0x10, 0xfe000000);
  EXPECT_EQ(m.read(0xfe000000, 1), 0xffU) << "not decoded yet";
  config.w(0x04, 2);
  EXPECT_EQ(m.read(0xfe000000, 1), 3U);
  EXPECT_EQ(m.read(0xfe000001, 1), 0U);
  m.write(0xfe000001, 1, 1);
  EXPECT_EQ(m.object().panics, 0U);
  m.write(0xfe000000, 1, 1);
  EXPECT_EQ(m.object().panics, 1U);
}

}  // namespace
}  // namespace machina::test
