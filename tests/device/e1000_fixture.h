#pragma once
/// An 82540EM with rings of descriptors in memory.

#include "hw/net/e1000.h"
#include "tests/device/nic_fixture.h"

namespace machina::test {

class E1000Test : public NicTest<E1000, 0, 1> {
 protected:
  static constexpr unsigned kRingSize = 8;
  static constexpr std::uint32_t kData = 1U << e1000::kTxTypeShift;  // a data descriptor

  std::uint32_t r(unsigned reg) { return static_cast<std::uint32_t>(m.read(kBar + reg, 4)); }
  void w(unsigned reg, std::uint32_t v) { m.write(kBar + reg, 4, v); }

  void start_transmitter(unsigned ring = kRingSize) {
    w(e1000::kTdbal, kTxRing), w(e1000::kTdbah, 0), w(e1000::kTdlen, ring * 16), w(e1000::kTdh, 0), w(e1000::kTdt, 0);
    w(e1000::kTctl, e1000::kTctlEn | e1000::kTctlPsp);
    tail = 0;
    tx_ring = ring;
  }
  void start_receiver(unsigned buffers, std::uint32_t rctl = e1000::kRctlBam | e1000::kRctlSecrc) {
    w(e1000::kRdbal, kRxRing), w(e1000::kRdbah, 0), w(e1000::kRdlen, kRingSize * 16), w(e1000::kRdh, 0);
    for (unsigned n = 0; n < kRingSize; ++n) {
      m.write(kRxRing + 16 * n, 8, kBuffers + 0x10000 + 0x1000 * n);
      m.write(kRxRing + 16 * n + 8, 8, 0);
    }
    w(e1000::kRctl, rctl | e1000::kRctlEn);
    w(e1000::kRdt, buffers);
  }
  /// Appends a descriptor without telling the card.
  void descriptor(std::uint64_t address, std::uint32_t lower, std::uint32_t upper) {
    m.write(kTxRing + 16 * tail, 8, address);
    m.write(kTxRing + 16 * tail + 8, 4, lower);
    m.write(kTxRing + 16 * tail + 12, 4, upper);
    tail = (tail + 1) % tx_ring;
  }
  void context(std::uint64_t offsets, std::uint32_t lower, std::uint32_t upper) {
    descriptor(offsets, lower | e1000::kTxDext, upper);
  }
  void kick() { w(e1000::kTdt, tail); }
  void send_legacy(const Frame& frame) {
    put(kBuffers, frame);
    descriptor(kBuffers, static_cast<std::uint32_t>(frame.size()) | e1000::kTxEop | e1000::kTxRs | 1U << 25, 0);
    kick();
  }
  std::uint64_t rx(unsigned n) { return m.read(kRxRing + 16 * n + 8, 8); }
  unsigned rx_status(unsigned n) { return static_cast<unsigned>(rx(n) >> 32 & 0xff); }
  unsigned rx_errors(unsigned n) { return static_cast<unsigned>(rx(n) >> 40 & 0xff); }
  std::size_t rx_length(unsigned n) { return rx(n) & 0xffff; }
  Frame rx_bytes(unsigned n) { return bytes_at(kBuffers + 0x10000 + 0x1000 * n, rx_length(n)); }
  std::uint16_t phy(unsigned reg) {
    w(e1000::kMdic, reg << 16 | 1U << 21 | e1000::kMdicRead);
    EXPECT_TRUE(r(e1000::kMdic) & e1000::kMdicReady);
    return static_cast<std::uint16_t>(r(e1000::kMdic));
  }
  void phy(unsigned reg, unsigned value) { w(e1000::kMdic, value | reg << 16 | 1U << 21 | e1000::kMdicWrite); }

  unsigned tail = 0, tx_ring = kRingSize;
};

}  // namespace machina::test
