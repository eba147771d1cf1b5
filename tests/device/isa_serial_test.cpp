/// 16550A serial port, from the PC16550D data sheet (National Semiconductor, June 1995), section 8.

#include "hw/char/isa_serial.h"
#include "tests/support/test_chardev.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

constexpr std::uint16_t kBase = 0x3f8;
constexpr std::uint16_t kData = kBase, kIer = kBase + 1, kIir = kBase + 2, kFcr = kBase + 2, kLcr = kBase + 3,
                        kMcr = kBase + 4, kLsr = kBase + 5, kMsr = kBase + 6, kScr = kBase + 7;
constexpr std::uint8_t kOut2 = 0x08, kLoop = 0x10;

class Serial : public testing::Test {
 protected:
  Serial() {
    m.add_isa_bus();
    line = &TestChardev::add(m, "line");
    m.add("isa-serial", "serial", {{"chardev", "line"}});
    m.start();
    m.outb(kMcr, kOut2);
  }

  /// Character time of the divisor and format set: from 1.8432 MHz / 16, in nanoseconds.
  static std::int64_t bits_ns(unsigned bits, unsigned divisor) {
    return bits * divisor * 16 * 1'000'000'000LL / 1'843'200;
  }

  void set_divisor(std::uint16_t divisor) {
    const std::uint8_t lcr = m.inb(kLcr);
    m.outb(kLcr, lcr | 0x80);
    m.outb(kData, static_cast<std::uint8_t>(divisor));
    m.outb(kIer, static_cast<std::uint8_t>(divisor >> 8));
    m.outb(kLcr, lcr);
  }
  std::string read_all() {
    std::string text;
    while (m.inb(kLsr) & 0x01) text.push_back(static_cast<char>(m.inb(kData)));
    return text;
  }

  TestMachine m;
  TestChardev* line = nullptr;
};

TEST_F(Serial, RegistersAfterMasterReset) {  // table I
  m.outb(kIer, 0x0f);
  m.outb(kFcr, 0xc7);
  m.outb(kLcr, 0x1b);
  m.outb(kMcr, 0x1f);
  m.outb(kScr, 0xa5);
  m.reset();
  EXPECT_EQ(m.inb(kIer), 0x00);
  EXPECT_EQ(m.inb(kIir), 0x01);
  EXPECT_EQ(m.inb(kLcr), 0x00);
  EXPECT_EQ(m.inb(kMcr), 0x00);
  EXPECT_EQ(m.inb(kLsr), 0x60);
  EXPECT_EQ(m.inb(kMsr) & 0xf0, 0xb0);  // CTS, DSR, DCD: the null-modem plug
  EXPECT_FALSE(m.line(4));
}

TEST_F(Serial, UnimplementedBitsReadAsZero) {
  m.outb(kIer, 0xff);
  EXPECT_EQ(m.inb(kIer), 0x0f);
  m.outb(kMcr, 0xff);
  EXPECT_EQ(m.inb(kMcr), 0x1f);
  for (const unsigned v : {0x00U, 0x5aU, 0xa5U, 0xffU}) {
    m.outb(kScr, static_cast<std::uint8_t>(v));
    EXPECT_EQ(m.inb(kScr), v);
  }
}

TEST_F(Serial, DivisorLatchSharesAddressesWithDataAndInterruptEnable) {
  m.outb(kIer, 0x05);
  m.outb(kLcr, 0x83);
  m.outb(kData, 0x34);
  m.outb(kIer, 0x12);
  EXPECT_EQ(m.inb(kData), 0x34);
  EXPECT_EQ(m.inb(kIer), 0x12);
  m.outb(kIer, 0x56);  // one half alone
  m.outb(kLcr, 0x03);
  EXPECT_EQ(m.inb(kIer), 0x05);
  EXPECT_TRUE(line->written.empty());
  m.outb(kLcr, 0x83);
  EXPECT_EQ(m.inb(kData), 0x34);
  EXPECT_EQ(m.inb(kIer), 0x56);
}

TEST_F(Serial, SendsAndReportsAnEmptyTransmitter) {
  for (const char c : std::string("Hello")) {
    ASSERT_EQ(m.inb(kLsr) & 0x60, 0x60);
    m.outb(kData, static_cast<std::uint8_t>(c));
  }
  EXPECT_EQ(line->written, "Hello");
}

TEST_F(Serial, TransmitInterruptComesOnceAndIsClearedByReadingIirOrWritingData) {  // table IV, third priority
  m.outb(kIer, 0x02);
  EXPECT_TRUE(m.line(4));  // THR is empty already
  EXPECT_EQ(m.inb(kIir), 0x02);
  EXPECT_FALSE(m.line(4));
  EXPECT_EQ(m.inb(kIir), 0x01);
  // Each byte gives a new edge, also when it leaves at once.
  const unsigned before = m.rises(4);
  m.outb(kData, 'a');
  m.outb(kData, 'b');
  EXPECT_EQ(m.rises(4), before + 2);
  EXPECT_TRUE(m.line(4));
  // Enabling it again with an empty THR raises it again: how drivers find out that the chip does this.
  EXPECT_EQ(m.inb(kIir), 0x02);
  m.outb(kIer, 0x00);
  m.outb(kIer, 0x02);
  EXPECT_EQ(m.inb(kIir), 0x02);
}

TEST_F(Serial, TransmitInterruptStaysPendingBehindAHigherOne) {
  m.outb(kIer, 0x03);
  line->send("x");
  EXPECT_EQ(m.inb(kIir), 0x04);  // received data comes first and does not clear the other
  EXPECT_EQ(m.inb(kData), 'x');
  EXPECT_EQ(m.inb(kIir), 0x02);
  EXPECT_EQ(m.inb(kIir), 0x01);
}

TEST_F(Serial, WithoutFifosAByteThatCannotLeaveIsOverwritten) {
  line->allow(0);
  m.outb(kData, 'a');
  EXPECT_EQ(m.inb(kLsr) & 0x60, 0x00);
  m.outb(kData, 'b');
  line->allow(10);
  EXPECT_EQ(line->written, "b");
  EXPECT_EQ(m.inb(kLsr) & 0x60, 0x60);
}

TEST_F(Serial, TransmitFifoHoldsSixteenUnderBackPressure) {
  m.outb(kFcr, 0x01);
  m.outb(kIer, 0x02);
  (void)m.inb(kIir);
  line->allow(0);
  for (int i = 0; i < 20; ++i) m.outb(kData, static_cast<std::uint8_t>('a' + i));
  EXPECT_EQ(m.inb(kLsr) & 0x60, 0x00);
  EXPECT_FALSE(m.line(4));
  line->allow(15);
  EXPECT_EQ(m.inb(kLsr) & 0x60, 0x00);
  EXPECT_FALSE(m.line(4));  // one byte is left
  line->allow(15);
  EXPECT_EQ(m.inb(kLsr) & 0x60, 0x60);
  EXPECT_TRUE(m.line(4));
  EXPECT_EQ(line->written, "abcdefghijklmnop");
}

TEST_F(Serial, ClearingTheTransmitFifoDropsItsBytes) {
  m.outb(kFcr, 0x01);
  line->allow(0);
  m.outb(kData, 'a');
  m.outb(kFcr, 0x05);
  EXPECT_EQ(m.inb(kLsr) & 0x60, 0x60);
  line->allow(10);
  EXPECT_EQ(line->written, "");
}

TEST_F(Serial, NobodyAtTheOtherEndDoesNotStopTheTransmitter) {
  line->set_connected(false);
  m.outb(kData, 'a');
  EXPECT_EQ(m.inb(kLsr) & 0x60, 0x60);
  EXPECT_EQ(line->written, "");
}

TEST_F(Serial, ReceivesOneByteAtATimeWithoutFifos) {
  m.outb(kIer, 0x01);
  line->send("ab");
  EXPECT_EQ(line->queued(), 1U);
  EXPECT_TRUE(m.line(4));
  EXPECT_EQ(m.inb(kIir), 0x04);
  EXPECT_EQ(m.inb(kLsr), 0x61);
  EXPECT_EQ(m.inb(kData), 'a');
  EXPECT_EQ(line->queued(), 0U);  // room again: the next has come
  EXPECT_EQ(m.inb(kData), 'b');
  EXPECT_FALSE(m.line(4));
  EXPECT_EQ(m.inb(kLsr), 0x60);
}

TEST_F(Serial, ReceiveFifoInterruptsAtItsTriggerLevel) {  // section 8.4.1 A
  const std::pair<unsigned, unsigned> levels[] = {{0x01, 1}, {0x41, 4}, {0x81, 8}, {0xc1, 14}};
  for (const auto& [fcr, level] : levels) {
    m.outb(kFcr, 0x00);
    m.outb(kFcr, static_cast<std::uint8_t>(fcr));
    m.outb(kIer, 0x01);
    line->send(std::string(level - 1, 'x'));
    EXPECT_FALSE(m.line(4)) << level;
    EXPECT_EQ(m.inb(kIir), 0xc1);
    line->send("x");
    EXPECT_TRUE(m.line(4)) << level;
    EXPECT_EQ(m.inb(kIir), 0xc4);
    (void)m.inb(kData);  // below the level it goes away by itself
    EXPECT_FALSE(m.line(4)) << level;
  }
}

TEST_F(Serial, TheSenderWaitsWhileTheReceiveFifoIsFull) {
  m.outb(kFcr, 0x01);
  line->send("0123456789abcdefghij");
  EXPECT_EQ(line->queued(), 4U);
  EXPECT_EQ(read_all(), "0123456789abcdefghij");
  EXPECT_EQ(m.inb(kLsr), 0x60);  // and nothing was overrun
}

TEST_F(Serial, CharacterTimeoutAfterFourCharacterTimes) {  // section 8.4.1
  m.outb(kLcr, 0x03);                                      // 8N1: ten bits
  set_divisor(12);                                         // 9600 baud
  m.outb(kFcr, 0xc1);
  m.outb(kIer, 0x01);
  line->send("abc");
  m.step(4 * bits_ns(10, 12) - 10);
  EXPECT_FALSE(m.line(4));
  m.step(20);
  EXPECT_TRUE(m.line(4));
  EXPECT_EQ(m.inb(kIir), 0xcc);
  EXPECT_EQ(m.inb(kIir), 0xcc);  // only reading data clears it
  EXPECT_EQ(m.inb(kData), 'a');
  EXPECT_FALSE(m.line(4));
  EXPECT_EQ(m.inb(kIir), 0xc1);
  m.step(4 * bits_ns(10, 12) + 10);  // the reading restarted the time
  EXPECT_EQ(m.inb(kIir), 0xcc);
  EXPECT_EQ(read_all(), "bc");
  m.step(1'000'000'000);
  EXPECT_EQ(m.inb(kIir), 0xc1);  // an empty FIFO does not time out
}

TEST_F(Serial, EachByteRestartsTheCharacterTimeout) {
  m.outb(kLcr, 0x1f);  // 8 bits, parity, 2 stop bits: twelve
  set_divisor(3);
  m.outb(kFcr, 0xc1);
  m.outb(kIer, 0x01);
  const std::int64_t three = 3 * bits_ns(12, 3);
  for (int i = 0; i < 5; ++i) {
    line->send("x");
    m.step(three);
    ASSERT_FALSE(m.line(4));
  }
  m.step(bits_ns(12, 3) + 10);
  EXPECT_TRUE(m.line(4));
}

TEST_F(Serial, TimeoutFollowsWordLengthAndDivisor) {
  const struct {
    std::uint8_t lcr;
    unsigned half_bits;
  } formats[] = {{0x00, 14}, {0x04, 15}, {0x08, 16}, {0x03, 20}, {0x07, 22}, {0x0f, 24}};
  for (const auto& f : formats) {
    m.outb(kFcr, 0x00);
    m.outb(kFcr, 0xc1);
    m.outb(kLcr, f.lcr);
    set_divisor(96);
    m.outb(kIer, 0x01);
    line->send("x");
    const std::int64_t four = 2 * bits_ns(f.half_bits, 96);
    m.step(four - 20);
    EXPECT_FALSE(m.line(4)) << unsigned{f.lcr};
    m.step(40);
    EXPECT_TRUE(m.line(4)) << unsigned{f.lcr};
    m.outb(kIer, 0x00);
  }
}

TEST_F(Serial, SwitchingTheFifosClearsThem) {
  m.outb(kFcr, 0x01);
  line->send("abc");
  m.outb(kFcr, 0x00);
  EXPECT_EQ(m.inb(kLsr), 0x60);
  EXPECT_EQ(m.inb(kIir) & 0xc0, 0x00);
  line->send("d");
  m.outb(kFcr, 0x01);
  EXPECT_EQ(m.inb(kLsr), 0x60);
  EXPECT_EQ(m.inb(kIir) & 0xc0, 0xc0);
  line->send("efg");
  m.outb(kFcr, 0x03);  // clear the receiver alone
  EXPECT_EQ(m.inb(kLsr), 0x60);
  // Trigger bits count only while bit 0 is written as 1.
  m.outb(kFcr, 0xc0);
  m.outb(kFcr, 0x01);
  m.outb(kIer, 0x01);
  line->send("h");
  EXPECT_TRUE(m.line(4));
}

TEST_F(Serial, BreakIsAZeroByteWithItsOwnInterrupt) {  // section 8.4, bit 4
  m.outb(kIer, 0x05);
  line->send_break();
  EXPECT_EQ(m.inb(kIir), 0x06);
  EXPECT_EQ(m.inb(kLsr), 0x79);  // break, framing, data ready
  EXPECT_EQ(m.inb(kIir), 0x04);  // reading LSR cleared the first
  EXPECT_EQ(m.inb(kLsr), 0x61);
  EXPECT_EQ(m.inb(kData), 0x00);
  EXPECT_EQ(m.inb(kIir), 0x01);
}

TEST_F(Serial, ErrorsInTheFifoShowWithTheirByte) {  // section 8.4, bits 2-4 and 7
  m.outb(kFcr, 0x01);
  m.outb(kIer, 0x04);
  line->send("a");
  line->send_break();
  line->send("b");
  EXPECT_EQ(m.inb(kLsr), 0xe1);  // somewhere in the FIFO, but not at the top
  EXPECT_FALSE(m.line(4));
  EXPECT_EQ(m.inb(kData), 'a');
  EXPECT_TRUE(m.line(4));
  EXPECT_EQ(m.inb(kLsr), 0xf9);
  EXPECT_FALSE(m.line(4));
  EXPECT_EQ(m.inb(kLsr), 0x61);
  EXPECT_EQ(m.inb(kData), 0x00);
  EXPECT_EQ(m.inb(kData), 'b');
}

TEST_F(Serial, LoopbackConnectsModemOutputsToInputs) {  // section 8.7, bit 4
  m.outb(kMcr, kLoop);
  (void)m.inb(kMsr);
  const std::pair<unsigned, unsigned> pairs[] = {{0x01, 0x20}, {0x02, 0x10}, {0x04, 0x40}, {0x08, 0x80}};
  for (const auto& [out, in] : pairs) {
    m.outb(kMcr, static_cast<std::uint8_t>(kLoop | out));
    const std::uint8_t msr = m.inb(kMsr);
    EXPECT_EQ(msr & 0xf0U, in);
    // TERI marks the trailing edge of RI only.
    EXPECT_EQ(msr & 0x0fU, out == 0x04 ? 0U : in >> 4);
    EXPECT_EQ(m.inb(kMsr) & 0x0f, 0);  // read once
    m.outb(kMcr, kLoop);
    EXPECT_EQ(m.inb(kMsr), out == 0x04 ? 0x04 : in >> 4);
  }
}

TEST_F(Serial, LoopbackReturnsDataAndCutsTheLine) {
  m.outb(kMcr, kLoop | kOut2);
  m.outb(kIer, 0x01);
  m.outb(kData, 0x5a);
  line->send("x");
  EXPECT_TRUE(line->written.empty());
  EXPECT_EQ(m.inb(kIir), 0x04);
  EXPECT_FALSE(m.line(4));  // OUT2 is held inactive, and with it the PC's interrupt
  EXPECT_EQ(m.inb(kData), 0x5a);
  EXPECT_EQ(m.inb(kLsr), 0x60);
  EXPECT_EQ(line->queued(), 1U);
  m.outb(kMcr, kOut2);
  EXPECT_EQ(m.inb(kData), 'x');
}

TEST_F(Serial, LoopbackOverrunsWithAndWithoutFifos) {  // section 8.4, bit 1
  m.outb(kMcr, kLoop);
  m.outb(kData, 'a');
  m.outb(kData, 'b');
  EXPECT_EQ(m.inb(kLsr), 0x63);
  EXPECT_EQ(m.inb(kLsr), 0x61);
  EXPECT_EQ(m.inb(kData), 'b');  // the older one is destroyed
  m.outb(kFcr, 0x01);
  for (int i = 0; i < 17; ++i) m.outb(kData, static_cast<std::uint8_t>('a' + i));
  EXPECT_EQ(m.inb(kLsr), 0x63);
  EXPECT_EQ(read_all(), "abcdefghijklmnop");  // with FIFOs, the newer one
}

TEST_F(Serial, BreakInLoopbackComesBack) {
  m.outb(kMcr, kLoop);
  m.outb(kLcr, 0x43);
  EXPECT_EQ(m.inb(kLsr), 0x79);
  EXPECT_EQ(m.inb(kData), 0x00);
  m.outb(kLcr, 0x43);
  EXPECT_EQ(m.inb(kLsr), 0x60);  // it began once
}

TEST_F(Serial, ModemStatusInterruptIsClearedByReading) {
  m.outb(kIer, 0x08);
  (void)m.inb(kMsr);
  m.outb(kMcr, kLoop);  // CTS, DSR and DCD fall
  EXPECT_EQ(m.inb(kIir), 0x00);
  EXPECT_EQ(m.inb(kMsr), 0x0b);
  EXPECT_EQ(m.inb(kIir), 0x01);
}

TEST_F(Serial, InterruptNeedsOut2) {
  m.outb(kMcr, 0x00);
  m.outb(kIer, 0x02);
  EXPECT_EQ(m.inb(kIir) & 0x0f, 0x02);
  m.outb(kIer, 0x00);
  m.outb(kIer, 0x02);
  EXPECT_FALSE(m.line(4));
  m.outb(kMcr, kOut2);
  EXPECT_TRUE(m.line(4));
}

TEST_F(Serial, StatusRegistersIgnoreWrites) {
  m.outb(kLsr, 0xff);
  m.outb(kMsr, 0xff);
  EXPECT_EQ(m.inb(kLsr), 0x60);
  EXPECT_EQ(m.inb(kMsr) & 0xf0, 0xb0);
}

TEST_F(Serial, ResetLowersTheLineAndStopsTheTimeout) {
  m.outb(kFcr, 0xc1);
  m.outb(kIer, 0x03);
  line->send("x");
  EXPECT_TRUE(m.line(4));
  m.reset();
  EXPECT_FALSE(m.line(4));
  m.outb(kMcr, kOut2);
  m.step(1'000'000'000);
  EXPECT_FALSE(m.line(4));
}

TEST_F(Serial, ResetMakesRoomForASenderThatWaits) {
  line->send("abc");  // without FIFOs one byte fits
  EXPECT_EQ(line->queued(), 2U);
  m.reset();
  EXPECT_EQ(read_all(), "bc");
  m.outb(kMcr, kLoop);
  line->send("d");
  m.reset();
  EXPECT_EQ(read_all(), "d");
}

TEST(SerialWiring, PortsTakeTheStandardPlacesInOrder) {
  TestMachine m;
  m.add_isa_bus();
  for (const char* id : {"s0", "s1", "s2", "s3"}) m.add("isa-serial", id);
  m.start();
  const std::pair<std::uint16_t, unsigned> places[] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};
  for (const auto& [base, irq] : places) {
    EXPECT_EQ(m.inb(static_cast<std::uint16_t>(base + 5)), 0x60);
    const unsigned before = m.rises(irq);
    m.outb(static_cast<std::uint16_t>(base + 4), kOut2);
    m.outb(static_cast<std::uint16_t>(base + 1), 0x02);
    EXPECT_EQ(m.rises(irq), before + 1);
    m.outb(static_cast<std::uint16_t>(base + 4), 0);
  }
}

TEST(SerialWiring, AFifthPortNeedsAnAddress) {
  TestMachine m;
  m.add_isa_bus();
  for (const char* id : {"s0", "s1", "s2", "s3", "s4"}) m.add("isa-serial", id);
  EXPECT_THROW(m.start(), Error);
}

TEST(SerialWiring, AnyPortAndLine) {
  TestMachine m;
  m.add_isa_bus();
  m.add("isa-serial", "s", {{"iobase", "0x280"}, {"irq", "7"}});
  m.start();
  m.outb(0x284, kOut2);
  m.outb(0x281, 0x02);
  EXPECT_TRUE(m.line(7));

  TestMachine odd;
  odd.add_isa_bus();
  odd.add("isa-serial", "s", {{"iobase", "0x280"}});
  EXPECT_THROW(odd.start(), Error);  // no interrupt goes with that address

  TestMachine second;
  second.add_isa_bus();
  second.add("isa-serial", "s", {{"iobase", "0x2f8"}});
  second.start();
  second.outb(0x2fc, kOut2);
  second.outb(0x2f9, 0x02);
  EXPECT_TRUE(second.line(3));
}

TEST(SerialWiring, AReceivedByteWakesTheMachineWhenAsked) {
  TestMachine m;
  m.add_isa_bus();
  auto& line = TestChardev::add(m, "line");
  m.add("isa-serial", "s", {{"chardev", "line"}, {"wakeup", "on"}});
  m.start();
  line.send("x");
  EXPECT_EQ(m.object().wakeups.size(), 1U);
}

}  // namespace
}  // namespace machina::test
