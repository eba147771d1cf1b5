// Intel 82371SB (PIIX3) datasheet: 2.2 (configuration), 2.2.10 (PIRQ route control), 2.5.1.2 (reset control).

#include "hw/isa/piix3.h"

#include <gtest/gtest.h>

#include "hw/isa/isabus_bridge.h"
#include "hw/pci-host/i440fx.h"
#include "tests/support/pci_config.h"

namespace machina {

/// A function that does nothing but drive its pin.
class PinCard final : public PciDevice {
 public:
  static constexpr const char* kType = "test-pin-card";
  static void class_init(PciDeviceClass& c) { c.description = "pin"; }
  using PciDevice::set_intx;

 private:
  void realize() override { use_interrupt_pin(1); }
};
/// Where the interrupt lines of a test end.
class LineSink final : public Device {
 public:
  static constexpr const char* kType = "test-line-sink";
  static void class_init(DeviceClass& c) { c.inputs(&LineSink::in, "in"); }
  std::array<bool, 16> level{};
  std::array<unsigned, 16> rises{};
  IrqInBank in{"in", 16, [this](unsigned n, bool up) {
                 level[n] = up;
                 rises[n] += up ? 1 : 0;
               }};
};
MACHINA_TYPE(PinCard, PciDevice);
MACHINA_TYPE(LineSink, Device);

}  // namespace machina

namespace machina::test {
namespace {

class Piix3Test : public testing::Test {
 protected:
  Piix3Test()
      : sink(m.add<LineSink>("sink")),
        host(m.add<I440fxHost>("i440fx")),
        piix(m.add<Piix3>("piix3", {{"addr", "1"}, {"isa-irqs", "sink"}})),
        a(m.add<PinCard>("a", {{"addr", "2"}})),
        b(m.add<PinCard>("b", {{"addr", "6"}})),
        config(m, 1, 0) {
    m.start();
  }
  IrqIn& isa(unsigned n) { return *dynamic_cast<IsaBus&>(*piix.child("isa.0")).irq_line(n); }

  TestMachine m{2 << 20};
  LineSink& sink;
  I440fxHost& host;
  Piix3& piix;
  PinCard& a;  // slot 2: INTA# is PIRQB#
  PinCard& b;  // slot 6: the same
  PciConfig config;
};

TEST_F(Piix3Test, IdentityAndResetValues) {
  EXPECT_EQ(config.l(0x00), 0x70008086U);
  EXPECT_EQ(config.w(0x04), 0x0007);
  EXPECT_EQ(config.w(0x06), 0x0200);
  EXPECT_EQ(config.l(0x08) >> 8, 0x060100U);
  EXPECT_EQ(config.b(0x0e), 0x80);
  EXPECT_EQ(config.b(0x4c), 0x4d);
  EXPECT_EQ(config.w(0x4e), 0x0003);
  for (unsigned reg = 0x60; reg < 0x64; ++reg) EXPECT_EQ(config.b(reg), 0x80);
  EXPECT_EQ(config.b(0x69), 0x02);
  EXPECT_EQ(config.b(0xa0), 0x08);
  EXPECT_EQ(config.b(0xa8), 0x0f);
}

TEST_F(Piix3Test, ReservedBitsAndFixedBits) {
  config.w(0x04, 0);
  EXPECT_EQ(config.w(0x04), 0x0007);
  config.b(0x60, 0xff);
  EXPECT_EQ(config.b(0x60), 0x8f);
  config.l(0x10, 0xffffffff);
  EXPECT_EQ(config.l(0x10), 0U);
  config.l(0x00, 0);
  EXPECT_EQ(config.l(0x00), 0x70008086U);
}

TEST_F(Piix3Test, APirqIsDeadUntilItIsRouted) {
  a.set_intx(true);
  for (unsigned n = 0; n < 16; ++n) EXPECT_FALSE(sink.level[n]) << n;
  config.b(0x61, 0x0a);
  EXPECT_TRUE(sink.level[10]) << "a level that is up appears where it is routed to";
  config.b(0x61, 0x8a);
  EXPECT_FALSE(sink.level[10]);
}

TEST_F(Piix3Test, RoutingMovesALevelThatIsUp) {
  config.b(0x61, 0x0a);
  a.set_intx(true);
  EXPECT_TRUE(sink.level[10]);
  config.b(0x61, 0x0b);
  EXPECT_FALSE(sink.level[10]);
  EXPECT_TRUE(sink.level[11]);
  a.set_intx(false);
  EXPECT_FALSE(sink.level[11]);
  EXPECT_EQ(sink.rises[10], 1U);
  EXPECT_EQ(sink.rises[11], 1U);
}

TEST_F(Piix3Test, RewritingTheSameRouteMakesNoEdge) {
  config.b(0x61, 0x0a);
  a.set_intx(true);
  config.b(0x61, 0x0a);
  config.b(0x60, 0x05);
  EXPECT_EQ(sink.rises[10], 1U);
}

TEST_F(Piix3Test, LinesAreTheOrOfAllThatIsRoutedToThem) {
  config.l(0x60, 0x0b0b0b0b);
  a.set_intx(true);
  b.set_intx(true);
  a.set_intx(false);
  EXPECT_TRUE(sink.level[11]) << "two functions on one PIRQ";
  IrqOut isa_device;
  isa_device.connect(isa(11));
  isa_device.raise();
  b.set_intx(false);
  EXPECT_TRUE(sink.level[11]) << "an ISA device on the same line";
  isa_device.lower();
  EXPECT_FALSE(sink.level[11]);
}

TEST_F(Piix3Test, IllegalRoutesReachNobody) {
  a.set_intx(true);
  for (const unsigned n : {0U, 1U, 2U, 8U, 13U}) {
    config.b(0x61, n);
    EXPECT_EQ(sink.rises[n], 0U) << n;
  }
  for (const unsigned n : {3U, 4U, 5U, 6U, 7U, 9U, 10U, 11U, 12U, 14U, 15U}) {
    config.b(0x61, n);
    EXPECT_TRUE(sink.level[n]) << n;
  }
}

TEST_F(Piix3Test, ResetUnroutesAndLowers) {
  config.b(0x61, 0x0a);
  a.set_intx(true);
  m.reset();
  EXPECT_FALSE(sink.level[10]);
  EXPECT_EQ(config.b(0x61), 0x80);
  a.set_intx(true);
  EXPECT_FALSE(sink.level[10]);
}

TEST_F(Piix3Test, IsaLinesPassThrough) {
  for (unsigned n = 0; n < 16; ++n) {
    IrqOut wire;
    wire.connect(isa(n));
    wire.raise();
    EXPECT_TRUE(sink.level[n]);
    wire.lower();
    EXPECT_FALSE(sink.level[n]);
  }
}

TEST_F(Piix3Test, ResetControlAtPortCf9) {
  EXPECT_EQ(m.inb(0xcf9), 0);
  m.outb(0xcf9, 0x02);
  EXPECT_EQ(m.inb(0xcf9), 0x02);
  EXPECT_TRUE(m.object().resets.empty()) << "choosing the kind resets nothing";
  m.outb(0xcf9, 0x06);
  ASSERT_EQ(m.object().resets.size(), 1U);
  EXPECT_EQ(m.object().resets[0], ShutdownCause::GuestReset);
  EXPECT_EQ(m.inb(0xcf9), 0x02) << "RCPU reads 0";
  m.outb(0xcf9, 0x06);
  EXPECT_EQ(m.object().resets.size(), 1U) << "no second edge";
  m.reset();
  EXPECT_EQ(m.inb(0xcf9), 0);
  m.outb(0xcf9, 0x04);  // the CPU alone
  EXPECT_EQ(m.object().resets.size(), 2U);
  m.reset();
  m.outb(0xcf9, 0x0e);  // what later chips call a full reset: bit 3 is reserved here
  EXPECT_EQ(m.object().resets.size(), 3U);
  EXPECT_EQ(m.inb(0xcf9), 0x02);
}

TEST_F(Piix3Test, ResetControlLeavesTheConfigurationAddressAlone) {
  m.outl(0xcf8, 0x80000800);
  m.outb(0xcf9, 0x02);
  EXPECT_EQ(m.inl(0xcf8), 0x80000800U);
  EXPECT_EQ(m.inl(0xcfc), 0x70008086U);
  m.outl(0xcf8, 0x80000600);  // bits 10:8 set: no reset of the machine, though bit 2 of CF9h would be one
  EXPECT_TRUE(m.object().resets.empty());
}

TEST(IsaBusBridgeTest, PassesItsLinesOn) {
  TestMachine m;
  auto& sink = m.add<LineSink>("sink");
  auto& bridge = m.add<IsaBusBridge>("bridge", {{"isa-irqs", "sink"}});
  m.start();
  IrqOut wire;
  wire.connect(*dynamic_cast<IsaBus&>(*bridge.child("isa.0")).irq_line(7));
  wire.raise();
  EXPECT_TRUE(sink.level[7]);
  wire.lower();
  EXPECT_FALSE(sink.level[7]);
}

}  // namespace
}  // namespace machina::test
