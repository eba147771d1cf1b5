// From the Intel 8259A datasheet (231468-003) and the PIIX3's (290550-002, 2.5.2 and 2.5.5).

#include "hw/intc/i8259.h"

#include <array>
#include <memory>

#include "hw/intc/gsi.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

constexpr std::uint16_t kMaster = 0x20, kSlave = 0xa0;

class I8259Test : public testing::Test {
 protected:
  I8259Test() {
    machine_.add_isa_bus();
    pic_ = &machine_.add<I8259>("pic");
    for (unsigned n = 0; n < 16; ++n) wires_[n].connect(*pic_->input("ir", n));
    machine_.start();
  }

  /// As every PC firmware does it: vectors 8 and 70h, 8086 mode.
  void initialise(std::uint8_t icw4 = 0x01) {
    init_chip(kMaster, 0x08, 0x04, icw4);
    init_chip(kSlave, 0x70, 0x02, icw4);
  }
  void init_chip(std::uint16_t port, std::uint8_t base, std::uint8_t icw3, std::uint8_t icw4) {
    out(port, 0x11);
    out1(port, base);
    out1(port, icw3);
    out1(port, icw4);
  }
  void out(std::uint16_t port, std::uint8_t v) { machine_.outb(port, v); }
  void out1(std::uint16_t port, std::uint8_t v) { machine_.outb(static_cast<std::uint16_t>(port + 1), v); }
  std::uint8_t irr(std::uint16_t port) { return out(port, 0x0a), machine_.inb(port); }
  std::uint8_t isr(std::uint16_t port) { return out(port, 0x0b), machine_.inb(port); }
  bool intr() { return pic_->output("out")[0]->level(); }
  void raise(unsigned n) { wires_[n].raise(); }
  void lower(unsigned n) { wires_[n].lower(); }
  int ack() { return pic_->acknowledge(); }
  void eoi(std::uint16_t port) { out(port, 0x20); }

  TestMachine machine_;
  I8259* pic_ = nullptr;
  std::array<IrqOut, 16> wires_;
};

TEST_F(I8259Test, TakesFourCommandWordsThenMasks) {
  initialise();
  for (const std::uint16_t port : {kMaster, kSlave}) {
    EXPECT_EQ(machine_.inb(static_cast<std::uint16_t>(port + 1)), 0) << "ICW1 clears IMR";
    out1(port, 0x5a);
    EXPECT_EQ(machine_.inb(static_cast<std::uint16_t>(port + 1)), 0x5a);
  }
  raise(0);
  EXPECT_EQ(ack(), 0x08);
}

TEST_F(I8259Test, WithoutIcw4AndIcw3TheyAreNotExpected) {
  out(kMaster, 0x12);  // SNGL, no IC4
  out1(kMaster, 0x43);
  out1(kMaster, 0xaa);  // OCW1 already
  EXPECT_EQ(machine_.inb(kMaster + 1), 0xaa);
  raise(0);
  EXPECT_EQ(ack(), 0x40) << "T7-T3 only";
}

TEST_F(I8259Test, Icw1ForgetsRequestsMaskServiceAndModes) {
  initialise(0x03);  // AEOI
  out1(kMaster, 0xf0);
  out(kMaster, 0xc3);  // set priority: 3 lowest
  out(kMaster, 0x68);  // special mask
  out(kMaster, 0x0b);  // read ISR
  raise(1);
  initialise(0x01);
  EXPECT_FALSE(intr()) << "the edge sense circuit is reset";
  EXPECT_EQ(machine_.inb(kMaster), 0) << "IRR is read";
  lower(1), raise(1);
  EXPECT_EQ(machine_.inb(kMaster), 0x02);
  raise(0);
  EXPECT_EQ(ack(), 0x08) << "IR7 is the lowest again";
  EXPECT_EQ(isr(kMaster), 0x01) << "no automatic EOI";
}

TEST_F(I8259Test, EdgeAsksOnceUntilTheLineFalls) {
  initialise();
  raise(3);
  EXPECT_TRUE(intr());
  EXPECT_EQ(irr(kMaster), 0x08);
  EXPECT_EQ(isr(kMaster), 0);
  EXPECT_EQ(ack(), 0x0b);
  EXPECT_EQ(irr(kMaster), 0);
  EXPECT_EQ(isr(kMaster), 0x08);
  EXPECT_FALSE(intr());
  eoi(kMaster);
  EXPECT_EQ(isr(kMaster), 0);
  EXPECT_FALSE(intr()) << "still high, no new edge";
  lower(3), raise(3);
  EXPECT_TRUE(intr());
}

TEST_F(I8259Test, LevelAsksAsLongAsTheLineIsHigh) {
  machine_.outb(0x4d0, 0x20);
  initialise();
  raise(5);
  EXPECT_EQ(ack(), 0x0d);
  EXPECT_EQ(irr(kMaster), 0x20);
  EXPECT_FALSE(intr()) << "locked out by itself";
  eoi(kMaster);
  EXPECT_TRUE(intr());
  EXPECT_EQ(ack(), 0x0d);
  lower(5);
  EXPECT_EQ(irr(kMaster), 0);
  eoi(kMaster);
  EXPECT_FALSE(intr());
}

TEST_F(I8259Test, ElcrIsPerChipAndHasFixedEdges) {
  machine_.outw(0x4d0, 0xffff);
  EXPECT_EQ(machine_.inb(0x4d0), 0xf8);
  EXPECT_EQ(machine_.inb(0x4d1), 0xde);
  machine_.outb(0x4d0, 0x20);
  EXPECT_EQ(machine_.inb(0x4d0), 0x20) << "bits can be cleared";
  EXPECT_EQ(machine_.inb(0x4d1), 0xde) << "and the other chip's stay";
  initialise();
  EXPECT_EQ(machine_.inb(0x4d1), 0xde) << "initialisation does not touch them";
  machine_.reset();
  EXPECT_EQ(machine_.inw(0x4d0), 0);
}

TEST_F(I8259Test, HighLineBecomesRequestWhenItsTriggerBecomesLevel) {
  raise(10);
  initialise();
  EXPECT_FALSE(intr());
  machine_.outb(0x4d1, 0x04);
  EXPECT_TRUE(intr());
  EXPECT_EQ(ack(), 0x72);
}

TEST_F(I8259Test, WithdrawnEdgeIsAcknowledgedAsSpurious7) {
  initialise();
  raise(4);
  EXPECT_TRUE(intr());
  lower(4);
  EXPECT_FALSE(intr());
  EXPECT_EQ(ack(), 0x0f);
  EXPECT_EQ(isr(kMaster), 0) << "a default IR7 is not in service";
  raise(7);
  EXPECT_EQ(ack(), 0x0f);
  EXPECT_EQ(isr(kMaster), 0x80) << "a real one is";
}

TEST_F(I8259Test, WithdrawnSlaveRequestIsAcknowledgedAsSpurious15) {
  initialise();
  raise(14);
  lower(14);
  EXPECT_TRUE(intr()) << "the master has latched IR2";
  EXPECT_EQ(ack(), 0x77);
  EXPECT_EQ(isr(kSlave), 0);
  EXPECT_EQ(isr(kMaster), 0x04) << "the master must be told EOI all the same";
  eoi(kMaster);
  EXPECT_EQ(isr(kMaster), 0);
  EXPECT_FALSE(intr());
}

TEST_F(I8259Test, SlaveGoesThroughIr2) {
  initialise();
  raise(12);
  EXPECT_EQ(irr(kSlave), 0x10);
  EXPECT_EQ(irr(kMaster), 0x04);
  EXPECT_EQ(ack(), 0x74);
  EXPECT_EQ(isr(kSlave), 0x10);
  EXPECT_EQ(isr(kMaster), 0x04);
  raise(9);
  EXPECT_FALSE(intr()) << "fully nested: the master's IR2 is in service";
  eoi(kSlave);
  EXPECT_FALSE(intr());
  eoi(kMaster);
  EXPECT_EQ(ack(), 0x71);
  raise(1);
  EXPECT_EQ(ack(), 0x09) << "master IR1 is above IR2";
}

TEST_F(I8259Test, MasterInput2CannotBeDriven) {
  initialise();
  raise(2);
  EXPECT_FALSE(intr());
  EXPECT_EQ(irr(kMaster), 0);
}

TEST_F(I8259Test, SlaveWithTwoRequestsIsServedTwice) {
  initialise();
  raise(8), raise(9);
  EXPECT_EQ(ack(), 0x70);
  eoi(kSlave), eoi(kMaster);
  EXPECT_EQ(ack(), 0x71);
  eoi(kSlave), eoi(kMaster);
  EXPECT_FALSE(intr());
}

TEST_F(I8259Test, SpecialFullyNestedLetsSlaveNest) {
  init_chip(kMaster, 0x08, 0x04, 0x11);
  init_chip(kSlave, 0x70, 0x02, 0x01);
  raise(12);
  EXPECT_EQ(ack(), 0x74);
  raise(13);
  EXPECT_FALSE(intr()) << "less urgent within the slave";
  raise(9);
  EXPECT_TRUE(intr());
  EXPECT_EQ(ack(), 0x71);
  EXPECT_EQ(isr(kSlave), 0x12);
  raise(3);
  EXPECT_FALSE(intr()) << "below IR2, which is still in service for others";
}

TEST_F(I8259Test, HigherPriorityInterruptsLower) {
  initialise();
  raise(5);
  EXPECT_EQ(ack(), 0x0d);
  raise(6);
  EXPECT_FALSE(intr());
  raise(4);
  EXPECT_EQ(ack(), 0x0c);
  EXPECT_EQ(isr(kMaster), 0x30);
  eoi(kMaster);
  EXPECT_EQ(isr(kMaster), 0x20) << "non-specific: the highest in service";
  eoi(kMaster);
  EXPECT_EQ(ack(), 0x0e);
}

TEST_F(I8259Test, SpecificEoiEndsTheOneNamed) {
  initialise();
  raise(5), ack(), raise(4), ack();
  out(kMaster, 0x65);
  EXPECT_EQ(isr(kMaster), 0x10);
  out(kMaster, 0x64);
  EXPECT_EQ(isr(kMaster), 0);
}

TEST_F(I8259Test, MaskedRequestWaitsInIrr) {
  initialise();
  out1(kMaster, 0x08);
  raise(3);
  EXPECT_FALSE(intr());
  EXPECT_EQ(irr(kMaster), 0x08);
  out1(kMaster, 0);
  EXPECT_TRUE(intr());
  EXPECT_EQ(ack(), 0x0b);
}

TEST_F(I8259Test, RotateOnNonSpecificEoi) {
  // The datasheet's own example: IR4 and IR6 in service; EOI with rotation makes IR4 the lowest.
  initialise();
  raise(6), ack(), raise(4), ack();
  EXPECT_EQ(isr(kMaster), 0x50);
  out(kMaster, 0xa0);
  EXPECT_EQ(isr(kMaster), 0x40);
  lower(4);
  raise(4), raise(5), raise(7), raise(0);
  // In service is 6; in the new order 5 6 7 0 1 2 3 4 only 5 is above it.
  EXPECT_EQ(ack(), 0x0d);
  eoi(kMaster), eoi(kMaster);
  EXPECT_EQ(ack(), 0x0f);
  eoi(kMaster);
  EXPECT_EQ(ack(), 0x08);
  eoi(kMaster);
  EXPECT_EQ(ack(), 0x0c);
}

TEST_F(I8259Test, SetPriorityAndRotateOnSpecificEoi) {
  initialise();
  out(kMaster, 0xc5);  // IR5 lowest, so IR6 highest
  raise(0), raise(6);
  EXPECT_EQ(ack(), 0x0e);
  out(kMaster, 0xe6);  // end IR6, and make it the lowest: IR7 highest
  EXPECT_EQ(isr(kMaster), 0);
  raise(7);
  EXPECT_EQ(ack(), 0x0f);
  out(kMaster, 0x67);
  EXPECT_EQ(ack(), 0x08);
}

TEST_F(I8259Test, AutomaticEoiWithAndWithoutRotation) {
  initialise(0x03);
  raise(3);
  EXPECT_EQ(ack(), 0x0b);
  EXPECT_EQ(isr(kMaster), 0);
  lower(3);
  out(kMaster, 0x80);  // rotate in AEOI mode
  raise(3), raise(4);
  EXPECT_EQ(ack(), 0x0b);
  lower(3), raise(3);
  EXPECT_EQ(ack(), 0x0c) << "3 has become the lowest";
  EXPECT_EQ(ack(), 0x0b);
  out(kMaster, 0x00);  // no more rotation
  lower(4), raise(4);
  EXPECT_EQ(ack(), 0x0c);
  lower(4), raise(4), raise(5);
  EXPECT_EQ(ack(), 0x0c) << "the order stays as it was left";
}

TEST_F(I8259Test, SlaveInAutomaticEoiGivesEachRequestAnEdge) {
  init_chip(kMaster, 0x08, 0x04, 0x03);
  init_chip(kSlave, 0x70, 0x02, 0x03);
  raise(8), raise(15);
  EXPECT_EQ(ack(), 0x70);
  EXPECT_TRUE(intr());
  EXPECT_EQ(ack(), 0x77);
  EXPECT_FALSE(intr());
}

TEST_F(I8259Test, SpecialMaskModeLetsLowerLevelsIn) {
  initialise();
  raise(3), ack();
  raise(6);
  EXPECT_FALSE(intr());
  out(kMaster, 0x68);  // set special mask mode
  EXPECT_FALSE(intr()) << "level 3 is not masked yet";
  out1(kMaster, 0x08);
  EXPECT_TRUE(intr());
  EXPECT_EQ(ack(), 0x0e);
  EXPECT_EQ(isr(kMaster), 0x48);
  eoi(kMaster);
  EXPECT_EQ(isr(kMaster), 0x08) << "non-specific EOI does not see the masked level";
  eoi(kMaster);
  EXPECT_EQ(isr(kMaster), 0x08);
  out(kMaster, 0x08);  // ESMM = 0: no change
  raise(7);
  EXPECT_TRUE(intr());
  out(kMaster, 0x48);  // reset special mask mode
  EXPECT_FALSE(intr());
  out(kMaster, 0x63);
  EXPECT_EQ(ack(), 0x0f);
}

TEST_F(I8259Test, PollAcknowledges) {
  initialise();
  out(kMaster, 0x0c);
  EXPECT_EQ(machine_.inb(kMaster) & 0x80, 0) << "nothing there";
  raise(6);
  out(kMaster, 0x0c);
  EXPECT_EQ(machine_.inb(kMaster), 0x86);
  EXPECT_EQ(isr(kMaster), 0x40);
  EXPECT_FALSE(intr());
  EXPECT_EQ(machine_.inb(kMaster), 0x40) << "one read only; then ISR as selected";
  raise(11);
  out(kMaster, 0x0c);
  EXPECT_EQ(machine_.inb(kMaster), 0x82);
  out(kSlave, 0x0c);
  EXPECT_EQ(machine_.inb(kSlave), 0x83);
  EXPECT_EQ(isr(kSlave), 0x08);
}

TEST_F(I8259Test, RegisterSelectionIsRemembered) {
  initialise();
  out(kMaster, 0x0b);
  out(kMaster, 0x08);  // RR = 0
  raise(1), ack();
  EXPECT_EQ(machine_.inb(kMaster), 0x02);
  EXPECT_EQ(machine_.inb(kMaster), 0x02);
}

TEST_F(I8259Test, StateMovesWithoutMakingEdges) {
  initialise();
  raise(3), ack();
  raise(9);
  const I8259State saved = pic_->get_state();
  machine_.reset();
  EXPECT_FALSE(intr());
  pic_->set_state(saved);
  EXPECT_EQ(pic_->get_state(), saved);
  EXPECT_TRUE(intr()) << "IR2 is above IR3";
  EXPECT_EQ(ack(), 0x71);
  EXPECT_EQ(isr(kMaster), 0x0c);
}

TEST_F(I8259Test, RisesOfInputsAreCounted) {
  initialise();
  raise(9), lower(9), raise(9);
  raise(3);
  EXPECT_EQ(pic_->rises(9), 2U);
  EXPECT_EQ(pic_->rises(3), 1U);
  EXPECT_EQ(pic_->rises(4), 0U);
  out1(kSlave, 0xff);
  lower(9), raise(9);
  EXPECT_EQ(pic_->rises(9), 3U) << "masked or not";
  pic_->set_state(pic_->get_state());
  EXPECT_EQ(pic_->rises(9), 3U);
}

TEST_F(I8259Test, ResetKeepsLinesThatAreDriven) {
  raise(5);
  machine_.reset();
  initialise();
  EXPECT_FALSE(intr());
  machine_.outb(0x4d0, 0x20);
  EXPECT_EQ(ack(), 0x0d);
}

TEST_F(I8259Test, ALineThatRisesDuringResetIsNoRequest) {
  TestMachine machine;
  machine.add_isa_bus();
  Device& pic = machine.add("i8259", "pic");
  machine.add("i8254", "pit", {{"irq", "pic.0"}});  // OUT of a timer that was not programmed is high
  machine.start();
  EXPECT_EQ(machine.inb(0x20), 0) << "IRR";
  EXPECT_FALSE(pic.output("out").front()->level());
  machine.outb(0x20, 0x11), machine.outb(0x21, 8), machine.outb(0x21, 4), machine.outb(0x21, 1);
  EXPECT_FALSE(pic.output("out").front()->level()) << "its edge was before";
}

TEST_F(I8259Test, EndOfLevelInterruptResamplesItsSource) {
  unsigned asked = 0;
  pic_->input("ir", 11)->on_resample(this, [&] { ++asked; });
  machine_.outb(0x4d1, 0x08);
  initialise();
  raise(11);
  EXPECT_EQ(ack(), 0x73);
  EXPECT_EQ(asked, 0U);
  eoi(kSlave), eoi(kMaster);
  EXPECT_EQ(asked, 1U);
  pic_->input("ir", 11)->remove_resample(this);
}

// --- global system interrupts ---

class GsiTest : public testing::Test {
 protected:
  void make(TestMachine::Properties extra = {}) {
    machine_.add_isa_bus();
    pic_ = &machine_.add<I8259>("pic");
    gsi_ = &machine_.add<Gsi>("gsi", extra);
    gsi_->set_text("pic", "pic");
    for (unsigned n = 0; n < 24; ++n) wires_[n].connect(*gsi_->input("", n));
    machine_.start();
    for (unsigned n = 0; n < 24; ++n) gsi_->output("ioapic")[n]->connect(*sink_[n]);
  }
  GsiTest() {
    for (unsigned n = 0; n < 24; ++n)
      sink_[n] = std::make_unique<IrqIn>("sink", n, [this](unsigned pin, bool level) { pins_[pin] = level; });
  }
  std::array<std::unique_ptr<IrqIn>, 24> sink_;
  std::array<bool, 24> pins_{};
  TestMachine machine_;
  I8259* pic_ = nullptr;
  Gsi* gsi_ = nullptr;
  std::array<IrqOut, 24> wires_;
};

TEST_F(GsiTest, ReachesBothControllers) {
  make();
  wires_[4].raise();
  EXPECT_TRUE(pic_->input("ir", 4)->level());
  EXPECT_TRUE(pins_[4]);
  wires_[4].lower();
  EXPECT_FALSE(pic_->input("ir", 4)->level());
  EXPECT_FALSE(pins_[4]);
  wires_[20].raise();
  EXPECT_TRUE(pins_[20]);
}

TEST_F(GsiTest, TimerGoesToPin2) {
  make();
  wires_[0].raise();
  EXPECT_TRUE(pic_->input("ir", 0)->level());
  EXPECT_TRUE(pins_[2]);
  EXPECT_FALSE(pins_[0]);
  wires_[2].raise();
  wires_[0].lower();
  EXPECT_TRUE(pins_[2]) << "the pin is shared with interrupt 2";
  wires_[2].lower();
  EXPECT_FALSE(pins_[2]);
}

TEST_F(GsiTest, OverrideCanBeSwitchedOff) {
  make({{"timer-pin", "0"}});
  wires_[0].raise();
  EXPECT_TRUE(pins_[0]);
  EXPECT_FALSE(pins_[2]);
}

TEST_F(GsiTest, PassesResampleOn) {
  make();
  machine_.outb(0x4d1, 0x08);
  unsigned asked = 0;
  gsi_->input("gsi", 11)->on_resample(this, [&] { ++asked; });
  wires_[11].raise();
  EXPECT_EQ(pic_->acknowledge(), 3) << "no vector base was programmed";
  machine_.outb(0xa0, 0x20);
  EXPECT_EQ(asked, 1U);
  gsi_->input("gsi", 11)->remove_resample(this);
}

}  // namespace
}  // namespace machina::test
