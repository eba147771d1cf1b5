/// The three small ports: debug console, debug exit, system control port A.

#include "hw/misc/debug_exit.h"
#include "hw/misc/debugcon.h"
#include "hw/misc/port92.h"
#include "tests/support/test_chardev.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

TEST(DebugCon, WritesGoToTheBackendAndReadsIdentifyThePort) {
  TestMachine m;
  m.add_isa_bus();
  auto& out = TestChardev::add(m, "out");
  m.add("isa-debugcon", "con", {{"iobase", "0x402"}, {"chardev", "out"}});
  m.start();
  EXPECT_EQ(m.inb(0x402), 0xe9);
  for (const char c : std::string("SeaBIOS\n")) m.outb(0x402, static_cast<std::uint8_t>(c));
  EXPECT_EQ(out.written, "SeaBIOS\n");
  // The neighbours of its one port are not answered.
  EXPECT_EQ(m.inb(0x401), 0xff);
  EXPECT_EQ(m.inb(0x403), 0xff);
  // A word is two ports, of which the second is not there.
  m.outw(0x402, 0x4241);
  EXPECT_EQ(out.written, "SeaBIOS\nA");
  EXPECT_EQ(m.inw(0x402), 0xffe9);
}

TEST(DebugCon, DropsWhatTheBackendDoesNotTake) {
  TestMachine m;
  m.add_isa_bus();
  auto& out = TestChardev::add(m, "out");
  m.add("isa-debugcon", "con", {{"readback", "0x5a"}, {"chardev", "out"}});
  m.start();
  out.allow(1);
  m.outb(0xe9, 'a');
  m.outb(0xe9, 'b');
  out.allow(10);
  m.outb(0xe9, 'c');
  EXPECT_EQ(out.written, "ac");
  EXPECT_EQ(m.inb(0xe9), 0x5a);
}

TEST(DebugCon, WithoutABackendItIsStillThere) {
  TestMachine m;
  m.add_isa_bus();
  m.add("isa-debugcon", "con");
  m.start();
  m.outb(0xe9, 'x');
  EXPECT_EQ(m.inb(0xe9), 0xe9);
}

TEST(DebugCon, NeedsItsPortForItself) {
  TestMachine two;
  two.add_isa_bus();
  TestChardev::add(two, "out");
  two.add("isa-debug-exit", "exit", {{"iobase", "0xe8"}});
  two.add("isa-debugcon", "con", {{"chardev", "out"}});
  EXPECT_THROW(two.start(), Error);
}

TEST(DebugExit, TheStatusIsTheValueTwicePlusOne) {
  TestMachine m;
  m.add_isa_bus();
  m.add("isa-debug-exit", "exit");
  m.start();
  m.outb(0x501, 0);
  m.outb(0x501, 0x10);
  m.outb(0x502, 0x80);  // a process's status has eight bits
  m.outw(0x501, 0x0003);
  m.outb(0x503, 1);  // beyond iosize
  const std::vector<std::pair<ShutdownCause, int>> expected{{ShutdownCause::GuestShutdown, 1},
                                                            {ShutdownCause::GuestShutdown, 0x21},
                                                            {ShutdownCause::GuestShutdown, 1},
                                                            {ShutdownCause::GuestShutdown, 7}};
  EXPECT_EQ(m.object().shutdowns, expected);
  EXPECT_EQ(m.inb(0x501), 0);
}

TEST(DebugExit, TakesADoublewordAtItsUsualPlace) {
  TestMachine m;
  m.add_isa_bus();
  m.add("isa-debug-exit", "exit", {{"iobase", "0xf4"}, {"iosize", "4"}});
  m.start();
  m.outl(0xf4, 0x21);
  ASSERT_EQ(m.object().shutdowns.size(), 1U);
  EXPECT_EQ(m.object().shutdowns[0].second, 0x43);
}

// IBM PS/2 Hardware Interface Technical Reference, System Control Port A.
TEST(Port92, GatesA20AndReadsBack) {
  TestMachine m;
  m.add_isa_bus();
  m.add("port92", "port92", {{"a20", "13"}});
  m.start();
  EXPECT_EQ(m.inb(0x92), 0);
  EXPECT_FALSE(m.line(13));
  m.outb(0x92, 0x02);
  EXPECT_TRUE(m.line(13));
  EXPECT_EQ(m.inb(0x92), 0x02);
  m.outb(0x92, 0xc0);
  EXPECT_FALSE(m.line(13));
  EXPECT_EQ(m.inb(0x92), 0xc0);
  EXPECT_TRUE(m.object().resets.empty());
  m.outb(0x92, 0x02);
  m.reset();
  EXPECT_FALSE(m.line(13));
}

TEST(Port92, ResetsOnTheChangeOfBit0Only) {
  TestMachine m;
  m.add_isa_bus();
  m.add("port92", "port92", {{"a20", "13"}});
  m.start();
  m.outb(0x92, 0x03);
  m.outb(0x92, 0x01);
  EXPECT_EQ(m.object().resets, std::vector{ShutdownCause::GuestReset});
  m.outb(0x92, 0x00);
  m.outb(0x92, 0x01);
  EXPECT_EQ(m.object().resets.size(), 2U);
}

}  // namespace
}  // namespace machina::test
