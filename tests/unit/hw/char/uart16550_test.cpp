/// The register core alone: what no PC's wiring reaches. Sections are those of the PC16550D data sheet.

#include "hw/char/uart16550.h"

#include <gtest/gtest.h>

namespace machina {
namespace {

class Uart : public testing::Test {
 protected:
  std::uint8_t read(UartReg r) { return uart.read(r, now); }
  void write(UartReg r, unsigned v) { uart.write(r, static_cast<std::uint8_t>(v), now); }

  Uart16550 uart;
  std::int64_t now = 1'000'000;
};

TEST_F(Uart, CharacterTimeFollowsTheFormat) {
  // 16 clocks of 1.8432 MHz a bit and divisor: 8680 ns at 115200 baud.
  write(UartReg::Lcr, 0x83);
  write(UartReg::Data, 1);
  write(UartReg::Ier, 0);
  write(UartReg::Lcr, 0x03);
  EXPECT_EQ(uart.character_ns(), 86'805);
  write(UartReg::Lcr, 0x1b);  // parity
  EXPECT_EQ(uart.character_ns(), 95'486);
  write(UartReg::Lcr, 0x04);  // five bits, one and a half stop bits
  EXPECT_EQ(uart.character_ns(), 65'104);
  write(UartReg::Lcr, 0x80);
  write(UartReg::Data, 0);  // no divisor at all
  EXPECT_GT(uart.character_ns(), 0);
}

TEST_F(Uart, ParityAndFramingErrorsBelongToTheirByte) {  // 8.4, bits 2 and 3
  write(UartReg::Iir, 0x01);
  uart.receive('a', 0, now);
  uart.receive('b', uart::kLsrPe, now);
  uart.receive('c', uart::kLsrFe, now);
  EXPECT_EQ(read(UartReg::Lsr), 0xe1);
  EXPECT_EQ(read(UartReg::Data), 'a');
  EXPECT_EQ(read(UartReg::Lsr), 0xe5);
  EXPECT_EQ(read(UartReg::Lsr), 0xe1);  // the framing error is still to come
  EXPECT_EQ(read(UartReg::Data), 'b');
  EXPECT_EQ(read(UartReg::Lsr), 0xe9);
  EXPECT_EQ(read(UartReg::Lsr), 0x61);
}

TEST_F(Uart, AnUnreadErrorStaysWhenItsByteIsTaken) {
  uart.receive('b', uart::kLsrPe, now);
  EXPECT_EQ(read(UartReg::Data), 'b');
  EXPECT_EQ(read(UartReg::Lsr), 0x64);
  EXPECT_EQ(read(UartReg::Lsr), 0x60);
}

TEST_F(Uart, OverrunWithoutFifosDestroysTheOlderByte) {  // 8.4, bit 1
  write(UartReg::Ier, 0x04);
  uart.receive('a', 0, now);
  EXPECT_EQ(uart.can_receive(), 0U);
  EXPECT_FALSE(uart.interrupt());
  uart.receive('b', 0, now);
  EXPECT_TRUE(uart.interrupt());
  EXPECT_EQ(read(UartReg::Iir), 0x06);
  EXPECT_EQ(read(UartReg::Lsr), 0x63);
  EXPECT_EQ(read(UartReg::Data), 'b');
}

TEST_F(Uart, OverrunOfTheFifoLosesTheNewByte) {
  write(UartReg::Iir, 0x01);
  for (unsigned i = 0; i < 17; ++i) uart.receive(static_cast<std::uint8_t>('a' + i), 0, now);
  EXPECT_EQ(read(UartReg::Lsr), 0x63);
  for (unsigned i = 0; i < 16; ++i) EXPECT_EQ(read(UartReg::Data), 'a' + i);
  EXPECT_EQ(read(UartReg::Lsr), 0x60);
}

TEST_F(Uart, ModemInputsSetTheirDeltas) {  // 8.8
  EXPECT_EQ(read(UartReg::Msr), 0x00);
  write(UartReg::Ier, 0x08);
  uart.set_modem_lines(uart::kMsrCts | uart::kMsrRi);
  EXPECT_TRUE(uart.interrupt());
  EXPECT_EQ(read(UartReg::Msr), 0x51);  // RI counts at its trailing edge
  EXPECT_FALSE(uart.interrupt());
  uart.set_modem_lines(uart::kMsrCts);
  EXPECT_EQ(read(UartReg::Msr), 0x14);
  uart.set_modem_lines(uart::kMsrDsr | uart::kMsrDcd);
  EXPECT_EQ(read(UartReg::Msr), 0xab);
  uart.reset();
  EXPECT_EQ(read(UartReg::Msr), 0xa0);  // pins keep their levels
}

TEST_F(Uart, TheTimeoutWaitsForItsTime) {
  write(UartReg::Iir, 0xc1);
  write(UartReg::Ier, 0x01);
  EXPECT_EQ(uart.deadline(), Uart16550::kNever);
  uart.receive('a', 0, now);
  EXPECT_EQ(uart.deadline(), now + 4 * uart.character_ns());
  uart.tick(uart.deadline() - 1);
  EXPECT_FALSE(uart.interrupt());
  uart.tick(uart.deadline());
  EXPECT_TRUE(uart.interrupt());
  EXPECT_EQ(uart.deadline(), Uart16550::kNever);
  // A byte that comes now does not take the interrupt away.
  uart.receive('b', 0, now);
  EXPECT_EQ(read(UartReg::Iir), 0xcc);
}

}  // namespace
}  // namespace machina
