#pragma once
/// A floppy controller as a guest drives it: through its ports, with channel 2 of the DMA controllers.

#include <vector>

#include "hw/block/fdc_regs.h"
#include "tests/support/test_machine.h"

namespace machina::test {

class FloppyPorts {
 public:
  explicit FloppyPorts(TestMachine& machine) : m_(machine) {}

  std::uint8_t in(unsigned reg) { return m_.inb(static_cast<std::uint16_t>(fdc::kBase + reg)); }
  void out(unsigned reg, unsigned v) {
    m_.outb(static_cast<std::uint16_t>(fdc::kBase + reg), static_cast<std::uint8_t>(v));
  }
  std::uint8_t msr() { return in(fdc::kMsr); }

  /// As drivers do it: each byte only when the chip asks for it.
  void send(std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) {
      ASSERT_EQ(msr() & (fdc::kMsrRequest | fdc::kMsrToHost), fdc::kMsrRequest) << std::hex << byte;
      out(fdc::kFifo, byte);
    }
  }
  /// The result phase to its end.
  std::vector<unsigned> result() {
    std::vector<unsigned> bytes;
    while ((msr() & 0xd0) == 0xd0 && bytes.size() < 32) bytes.push_back(in(fdc::kFifo));
    return bytes;
  }
  std::vector<unsigned> command(std::initializer_list<unsigned> bytes) {
    send(bytes);
    return result();
  }
  /// To the next interrupt, at most `limit_ns`; false when there is none.
  bool wait(std::int64_t limit_ns = 1'000'000'000) {
    const std::int64_t end = m_.now() + limit_ns;
    while (!m_.line(6) && m_.now() < end)
      if (m_.step_to_next_timer() == 0) break;
    return m_.line(6);
  }
  std::vector<unsigned> sense() { return command({8}); }

  /// Reset as firmware does it, motors of both drives on, drive A selected, interrupt and DMA on.
  void reset() {
    out(fdc::kDor, 0x00);
    out(fdc::kDor, 0x3c);
    ASSERT_TRUE(wait());
    for (unsigned n = 0; n < 4; ++n) EXPECT_EQ(sense()[0], 0xc0 | n);
    command({3, 0xdf, 0x02});
    rate(500);
  }
  void rate(unsigned kbps) {
    for (unsigned bits = 0; bits < 4; ++bits)
      if (fdc::kRateKbps[bits] == kbps) out(fdc::kCcr, bits);
  }
  std::vector<unsigned> seek(unsigned drive, unsigned cylinder) {
    send({0x0f, drive, cylinder});
    EXPECT_TRUE(wait());
    return sense();
  }
  std::vector<unsigned> recalibrate(unsigned drive = 0) {
    send({0x07, drive});
    EXPECT_TRUE(wait());
    return sense();
  }
  /// Channel 2, single mode.
  void dma(bool to_memory, std::uint32_t address, unsigned bytes) { dma_mode(to_memory ? 0x46 : 0x4a, address, bytes); }
  void dma_mode(unsigned mode, std::uint32_t address, unsigned bytes) {
    m_.outb(0xd6, 0xc0), m_.outb(0xd4, 0);
    m_.outb(0x0a, 6), m_.outb(0x0c, 0), m_.outb(0x0b, static_cast<std::uint8_t>(mode));
    m_.outb(0x04, static_cast<std::uint8_t>(address)), m_.outb(0x04, static_cast<std::uint8_t>(address >> 8));
    m_.outb(0x81, static_cast<std::uint8_t>(address >> 16));
    m_.outb(0x05, static_cast<std::uint8_t>(bytes - 1)), m_.outb(0x05, static_cast<std::uint8_t>((bytes - 1) >> 8));
    m_.outb(0x0a, 2);
  }
  /// A command with a result of seven bytes, up to its interrupt.
  std::vector<unsigned> run(std::initializer_list<unsigned> bytes) {
    send(bytes);
    EXPECT_TRUE(wait());
    return result();
  }

 private:
  TestMachine& m_;
};

}  // namespace machina::test
