/// The device of test guests: what its ports and its memory keep, and the lines that it drives.

#include "hw/misc/pc_testdev.h"

#include "hw/intc/gsi.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

TEST(PcTestdev, PortsKeepBytesInAnyWidth) {
  TestMachine m;
  m.add_isa_bus();
  m.add("pc-testdev", "testdev", {{"irqs", ""}});
  m.start();
  m.outl(0xe0, 0x12345678);
  EXPECT_EQ(m.inl(0xe0), 0x12345678U);
  EXPECT_EQ(m.inb(0xe0), 0x78);
  EXPECT_EQ(m.inb(0xe3), 0x12);
  EXPECT_EQ(m.inw(0xe1), 0x3456);
  m.outw(0xe1, 0xabcd);
  EXPECT_EQ(m.inl(0xe0), 0x12abcd78U);
  m.outb(0xe3, 0xff);
  EXPECT_EQ(m.inl(0xe0), 0xffabcd78U);
}

TEST(PcTestdev, TheBytePortsAreTheSameBytes) {
  TestMachine m;
  m.add_isa_bus();
  m.add("pc-testdev", "testdev", {{"irqs", ""}});
  m.start();
  m.outl(0xe8, 0x44332211);  // four accesses of a byte
  EXPECT_EQ(m.inl(0xe0), 0x44332211U);
  m.outw(0xe0, 0xbbaa);
  EXPECT_EQ(m.inl(0xe8), 0x4433bbaaU);
  EXPECT_EQ(m.inb(0xeb), 0x44);
}

TEST(PcTestdev, AFlushHasNoEffectOnThem) {
  TestMachine m;
  m.add_isa_bus();
  m.add("pc-testdev", "testdev", {{"irqs", ""}});
  m.start();
  m.outl(0xe0, 0x01020304);
  m.outl(0xe4, 0x00100000);
  EXPECT_EQ(m.inl(0xe0), 0x01020304U);
  EXPECT_EQ(m.inl(0xe4), 0xffffffffU) << "write only";
}

TEST(PcTestdev, MemoryKeepsBytesInAnyWidthAcrossItsWholeSize) {
  TestMachine m;
  m.add_isa_bus();
  m.add("pc-testdev", "testdev", {{"irqs", ""}});
  m.start();
  m.write(0xff000000, 8, 0x1122334455667788);
  EXPECT_EQ(m.read(0xff000000, 8), 0x1122334455667788U);
  EXPECT_EQ(m.read(0xff000003, 2), 0x4455U);
  m.write(0xff000001, 4, 0xdeadbeef);
  EXPECT_EQ(m.read(0xff000000, 8), 0x112233deadbeef88U);
  m.write(0xff00ffff, 1, 0x5a);
  EXPECT_EQ(m.read(0xff00ffff, 1), 0x5aU);
  EXPECT_EQ(m.read(0xff010000, 1), 0xffU) << "beyond";
  m.reset();
  EXPECT_EQ(m.read(0xff000000, 8), 0U);
  EXPECT_EQ(m.inl(0xe0), 0U);
}

// One port each; any value but zero is high, and a reset lowers them.
TEST(PcTestdev, PortsDriveInterruptLines) {
  TestMachine m;
  m.add_isa_bus();
  auto& gsi = m.add<Gsi>("gsi");
  m.add("pc-testdev", "testdev");
  m.start();
  const auto high = [&gsi] {
    std::string list;
    for (unsigned n = 0; n < Gsi::kCount; ++n)
      if (gsi.input("gsi", n)->level()) list += std::to_string(n) + " ";
    return list;
  };
  m.outb(0x2005, 1);
  EXPECT_EQ(high(), "5 ");
  m.outb(0x2000, 0x80);
  m.outb(0x2017, 1);
  EXPECT_EQ(high(), "0 5 23 ");
  m.outb(0x2018, 1);  // beyond
  m.outw(0x200a, 0x0101);
  EXPECT_EQ(high(), "0 5 10 11 23 ");
  m.outb(0x2005, 0);
  EXPECT_EQ(high(), "0 10 11 23 ");
  EXPECT_EQ(m.inb(0x200a), 0xff) << "write only";
  m.reset();
  EXPECT_EQ(high(), "");
}

}  // namespace
}  // namespace machina::test
