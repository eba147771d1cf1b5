// Parallel port: IBM PC/AT and PS/2 technical references, with a printer in compatibility mode (IEEE 1284, 6.3).

#include "hw/char/isa_parallel.h"

#include <gmock/gmock.h>

#include <random>

#include "tests/support/test_chardev.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

constexpr std::uint16_t kBase = 0x378, kData = kBase, kStatus = kBase + 1, kControl = kBase + 2;
constexpr std::uint8_t kIdle = 0xdf;  // not busy, no acknowledge, paper, selected, no error, no interrupt
constexpr std::uint8_t kOn = 0x0c;    // selected, not initializing
constexpr std::uint8_t kStrobe = 0x01, kIrqEnable = 0x10, kInput = 0x20;

class Parallel : public testing::Test {
 protected:
  Parallel() {
    m.add_isa_bus();
    printer = &TestChardev::add(m, "printer");
    m.add("isa-parallel", "lpt", {{"chardev", "printer"}});
    m.start();
    m.outb(kControl, kOn);
  }
  void strobe(std::uint8_t control = kOn) {
    m.outb(kControl, control | kStrobe);
    m.outb(kControl, control);
  }
  void print(const std::string& text) {
    for (const char c : text) {
      for (int i = 0; i < 10 && !(m.inb(kStatus) & 0x80); ++i) m.step_to_next_timer();
      ASSERT_TRUE(m.inb(kStatus) & 0x80);
      m.outb(kData, static_cast<std::uint8_t>(c));
      strobe();
    }
  }

  TestMachine m;
  TestChardev* printer = nullptr;
};

TEST_F(Parallel, RegistersReadBack) {
  for (const unsigned v : {0x00U, 0x55U, 0xaaU, 0xffU}) {
    m.outb(kData, static_cast<std::uint8_t>(v));
    EXPECT_EQ(m.inb(kData), v);
  }
  m.outb(kControl, 0x3e);
  EXPECT_EQ(m.inb(kControl), 0xfe) << "the two highest bits are not there";
  EXPECT_EQ(m.inb(kBase + 3), 0xff);
}

TEST_F(Parallel, ThePortCanListen) {
  m.outb(kData, 0x5a);
  m.outb(kControl, kOn | kInput);
  EXPECT_EQ(m.inb(kData), 0xff) << "nobody drives the lines";
  m.outb(kControl, kOn);
  EXPECT_EQ(m.inb(kData), 0x5a);
}

TEST_F(Parallel, PrintsAtTheStrobe) {
  EXPECT_EQ(m.inb(kStatus), kIdle);
  print("Hello\n");
  EXPECT_EQ(printer->written, "Hello\n");
}

TEST_F(Parallel, TheHandshakeTakesItsTime) {
  m.outb(kData, 'x');
  m.outb(kControl, kOn | kStrobe);
  EXPECT_EQ(m.inb(kStatus), kIdle & ~0xc0) << "busy, and acknowledging";
  m.outb(kControl, kOn);
  m.step(IsaParallel::kAckTime - 1);
  EXPECT_EQ(m.inb(kStatus), kIdle & ~0xc0);
  m.step(1);
  EXPECT_EQ(m.inb(kStatus), kIdle);
  EXPECT_EQ(printer->written, "x");
}

TEST_F(Parallel, OneStrobeOneByte) {
  m.outb(kData, 'x');
  m.outb(kControl, kOn | kStrobe);
  m.outb(kControl, kOn | kStrobe);
  m.step(1'000'000);
  m.outb(kControl, kOn | kStrobe);
  EXPECT_EQ(printer->written, "x");
  // One that comes while the printer is busy is lost.
  m.outb(kControl, kOn);
  strobe();
  m.outb(kData, 'y');
  strobe();
  m.step(1'000'000);
  EXPECT_EQ(printer->written, "xx");
}

TEST_F(Parallel, ASlowPrinterIsBusy) {
  printer->allow(0);
  m.outb(kData, 'a');
  strobe();
  m.step(1'000'000'000);
  EXPECT_EQ(m.inb(kStatus), kIdle & ~0x80) << "busy, not acknowledging yet";
  printer->allow(1);
  EXPECT_EQ(printer->written, "a");
  EXPECT_EQ(m.inb(kStatus) & 0xc0, 0x00);
  m.step(IsaParallel::kAckTime);
  EXPECT_EQ(m.inb(kStatus), kIdle);
}

TEST_F(Parallel, APrinterThatHungUpLosesWhatIsPrinted) {
  printer->set_connected(false);
  printer->allow(0);
  print("gone");
  EXPECT_EQ(printer->written, "");
}

TEST_F(Parallel, TheEndOfAcknowledgeInterrupts) {
  m.outb(kControl, kOn | kIrqEnable);
  EXPECT_FALSE(m.line(7));
  m.outb(kData, 'x');
  strobe(kOn | kIrqEnable);
  EXPECT_FALSE(m.line(7)) << "not at once";
  m.step(IsaParallel::kAckTime);
  EXPECT_TRUE(m.line(7));
  EXPECT_EQ(m.inb(kStatus), kIdle & ~0x04);
  EXPECT_FALSE(m.line(7)) << "reading the status acknowledges";
  EXPECT_EQ(m.inb(kStatus), kIdle);
  strobe(kOn | kIrqEnable);
  m.step(IsaParallel::kAckTime);
  EXPECT_EQ(m.rises(7), 2U);
  m.outb(kControl, kOn);
  EXPECT_FALSE(m.line(7)) << "disabled";
}

TEST_F(Parallel, WithoutEnableNothingInterrupts) {
  print("abc");
  m.step(1'000'000);
  m.outb(kControl, kOn | kIrqEnable);
  EXPECT_EQ(m.rises(7), 0U);
}

TEST_F(Parallel, InitializingThePrinterDropsItsByte) {
  printer->allow(0);
  m.outb(kData, 'x');
  strobe();
  m.outb(kControl, 0x08);
  EXPECT_EQ(m.inb(kStatus) & 0x80, 0) << "busy with itself";
  m.outb(kControl, kOn);
  EXPECT_EQ(m.inb(kStatus), kIdle);
  printer->allow(10);
  EXPECT_EQ(printer->written, "");
}

TEST_F(Parallel, ResetForgetsAll) {
  printer->allow(0);
  m.outb(kControl, kOn | kIrqEnable);
  m.outb(kData, 'x');
  strobe(kOn | kIrqEnable);
  m.reset();
  printer->allow(10);
  m.step(1'000'000);
  EXPECT_EQ(printer->written, "");
  EXPECT_EQ(m.inb(kData), 0x00);
  EXPECT_EQ(m.inb(kControl), 0xc0);
  m.outb(kControl, kOn);
  print("y");
  EXPECT_EQ(printer->written, "y");
}

TEST_F(Parallel, SurvivesAnyProgram) {
  std::mt19937 random(1284);
  for (int i = 0; i < 20000; ++i) {
    const auto v = static_cast<unsigned>(random());
    const auto port = static_cast<std::uint16_t>(kBase + (v >> 4) % 3);
    switch (v % 8) {
      case 0:
        m.step(v >> 8 & 0x3fff);
        break;
      case 1:
        printer->allow(v >> 8 & 3);
        break;
      case 2:
        printer->set_connected(v & 0x100);
        break;
      case 3:
        (void)m.inb(port);
        break;
      default:
        m.outb(port, static_cast<std::uint8_t>(v >> 8));
    }
  }
  m.reset();
  printer->set_connected(true);
  printer->allow(100);
  printer->written.clear();
  m.outb(kControl, kOn);
  print("still here");
  EXPECT_EQ(printer->written, "still here");
}

TEST(ParallelPorts, WithoutAPrinterTheCableIsOpen) {
  TestMachine m;
  m.add_isa_bus();
  m.add("isa-parallel", "lpt");
  m.start();
  m.outb(kControl, kOn);
  EXPECT_EQ(m.inb(kStatus), 0x7f);
  m.outb(kControl, kOn | kStrobe);
  m.step(1'000'000);
  EXPECT_EQ(m.inb(kStatus), 0x7f);
}

TEST(ParallelPorts, ThreePlacesOneAfterTheOther) {
  TestMachine m;
  m.add_isa_bus();
  for (const char* id : {"a", "b", "c"}) m.add("isa-parallel", id);
  m.start();
  for (const std::uint16_t base : {std::uint16_t{0x378}, std::uint16_t{0x278}, std::uint16_t{0x3bc}}) {
    m.outb(base, 0x42);
    EXPECT_EQ(m.inb(base), 0x42) << base;
  }
}

TEST(ParallelPorts, AFourthFindsNoPlace) {
  TestMachine m;
  m.add_isa_bus();
  for (const char* id : {"a", "b", "c", "d"}) m.add("isa-parallel", id);
  EXPECT_THROW(m.start(), Error);
}

TEST(ParallelPorts, APlaceOfItsOwnNeedsALine) {
  {
    TestMachine m;
    m.add_isa_bus();
    m.add("isa-parallel", "lpt", {{"iobase", "0x300"}});
    EXPECT_THROW(m.start(), Error);
  }
  TestMachine m;
  m.add_isa_bus();
  m.add("isa-parallel", "lpt", {{"iobase", "0x300"}, {"irq", "5"}});
  m.start();
  m.outb(0x300, 0x42);
  EXPECT_EQ(m.inb(0x300), 0x42);
}

}  // namespace
}  // namespace machina::test
