// Intel 82540EM. "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual", 317453: chapters 3
// (descriptors), 5 (EEPROM), 10 (filters), 13 (registers).

#include "hw/net/e1000.h"

#include <gtest/gtest.h>

#include "core/units.h"
#include "hw/net/ethernet.h"
#include "hw/pci-host/i440fx.h"
#include "tests/support/pci_config.h"
#include "tests/support/test_net.h"

namespace machina::test {
namespace {

using namespace e1000;

constexpr std::uint64_t kBar = 0xfeb00000;
constexpr std::uint16_t kPorts = 0xc000;
constexpr std::uint32_t kTxRing = 0x10000, kRxRing = 0x20000, kBuffers = 0x100000;
constexpr unsigned kRingSize = 8;
constexpr std::uint32_t kData = 1U << kTxTypeShift;  // a data descriptor
constexpr const char* kMac = "52:54:00:12:34:56";
constexpr const char* kBroadcast = "ff:ff:ff:ff:ff:ff";

class E1000Test : public testing::Test {
 protected:
  E1000Test() {
    m.add<I440fxHost>("i440fx");
    net = &m.object().add_new_child<TestNet>("net0");
    net->set_host(m.system().loop, m.system().clock);
    card = &m.add<E1000>("nic", {{"addr", "3"}, {"romfile", ""}, {"netdev", "net0"}});
    m.start();
    set_up();
  }
  void set_up() {
    config.l(0x10, kBar);
    config.l(0x14, kPorts);
    config.w(0x04, 7);
  }
  std::uint32_t r(unsigned reg) { return static_cast<std::uint32_t>(m.read(kBar + reg, 4)); }
  void w(unsigned reg, std::uint32_t v) { m.write(kBar + reg, 4, v); }
  bool line() { return static_cast<PciBus&>(*card->parent_bus()).line_level(PciBus::line_of(3, 0)); }

  void start_transmitter(unsigned ring = kRingSize) {
    w(kTdbal, kTxRing), w(kTdbah, 0), w(kTdlen, ring * 16), w(kTdh, 0), w(kTdt, 0);
    w(kTctl, kTctlEn | kTctlPsp);
    tail = 0;
    tx_ring = ring;
  }
  void start_receiver(unsigned buffers, std::uint32_t rctl = kRctlBam | kRctlSecrc) {
    w(kRdbal, kRxRing), w(kRdbah, 0), w(kRdlen, kRingSize * 16), w(kRdh, 0);
    for (unsigned n = 0; n < kRingSize; ++n) {
      m.write(kRxRing + 16 * n, 8, kBuffers + 0x10000 + 0x1000 * n);
      m.write(kRxRing + 16 * n + 8, 8, 0);
    }
    w(kRctl, rctl | kRctlEn);
    w(kRdt, buffers);
  }
  void put(std::uint64_t at, const Frame& bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) m.write(at + i, 1, bytes[i]);
  }
  Frame bytes_at(std::uint64_t at, std::size_t n) {
    Frame f(n);
    for (std::size_t i = 0; i < n; ++i) f[i] = static_cast<std::uint8_t>(m.read(at + i, 1));
    return f;
  }
  /// Appends a descriptor without telling the card.
  void descriptor(std::uint64_t address, std::uint32_t lower, std::uint32_t upper) {
    m.write(kTxRing + 16 * tail, 8, address);
    m.write(kTxRing + 16 * tail + 8, 4, lower);
    m.write(kTxRing + 16 * tail + 12, 4, upper);
    tail = (tail + 1) % tx_ring;
  }
  void context(std::uint64_t offsets, std::uint32_t lower, std::uint32_t upper) {
    descriptor(offsets, lower | kTxDext, upper);
  }
  void kick() { w(kTdt, tail); }
  void send_legacy(const Frame& frame) {
    put(kBuffers, frame);
    descriptor(kBuffers, static_cast<std::uint32_t>(frame.size()) | kTxEop | kTxRs | 1U << 25, 0);
    kick();
  }
  std::uint64_t rx(unsigned n) { return m.read(kRxRing + 16 * n + 8, 8); }
  unsigned rx_status(unsigned n) { return static_cast<unsigned>(rx(n) >> 32 & 0xff); }
  unsigned rx_errors(unsigned n) { return static_cast<unsigned>(rx(n) >> 40 & 0xff); }
  std::size_t rx_length(unsigned n) { return rx(n) & 0xffff; }
  Frame rx_bytes(unsigned n) { return bytes_at(kBuffers + 0x10000 + 0x1000 * n, rx_length(n)); }
  std::uint16_t phy(unsigned reg) {
    w(kMdic, reg << 16 | 1U << 21 | kMdicRead);
    EXPECT_TRUE(r(kMdic) & kMdicReady);
    return static_cast<std::uint16_t>(r(kMdic));
  }
  void phy(unsigned reg, unsigned value) { w(kMdic, value | reg << 16 | 1U << 21 | kMdicWrite); }

  TestMachine m{16 << 20};
  PciConfig config{m, 3, 0};
  TestNet* net = nullptr;
  E1000* card = nullptr;
  unsigned tail = 0, tx_ring = kRingSize;
};

TEST_F(E1000Test, Identity) {
  EXPECT_EQ(config.l(0x00), 0x100e8086U);
  EXPECT_EQ(config.l(0x08), 0x02000003U);
  EXPECT_EQ(config.l(0x2c), 0x11001af4U);
  EXPECT_EQ(config.b(0x3d), 1);
  config.l(0x10, 0xffffffff);
  EXPECT_EQ(config.l(0x10), 0xfffe0000U) << "128 KiB";
  config.l(0x14, 0xffffffff);
  EXPECT_EQ(config.l(0x14), 0xfffffff9U) << "8 ports";
}

TEST_F(E1000Test, ResetLoadsTheAddressFromTheEeprom) {
  EXPECT_EQ(r(kRa), 0x12005452U);
  EXPECT_EQ(r(kRa + 4), 0x80005634U);
  EXPECT_EQ(r(kVet), 0x8100U);
  EXPECT_EQ(r(kPba), 0x00100030U);
  w(kRa, 0), w(kRctl, kRctlEn), w(kIms, 4);
  w(kCtrl, kCtrlRst);
  EXPECT_EQ(r(kRa), 0x12005452U);
  EXPECT_EQ(r(kRctl), 0U);
  EXPECT_EQ(r(kIms), 0U);
  EXPECT_EQ(r(kCtrl), kCtrlFd) << "RST clears itself";
  EXPECT_EQ(r(kStatus), kStatusFd | kStatusLu | kStatusTxOff | kStatusSpeed1000 | kStatusAsdv1000);
}

// 5.3.1: start bit, operation, six bits of address; then a dummy bit and the word, highest bit first.
TEST_F(E1000Test, EepromByItsWires) {
  const auto clock_in = [&](bool bit) {
    const std::uint32_t base = kEecdReq | kEecdCs | (bit ? kEecdDi : 0);
    w(kEecd, base), w(kEecd, base | kEecdSk), w(kEecd, base);
  };
  const auto clock_out = [&] {
    w(kEecd, kEecdReq | kEecdCs | kEecdSk);
    const bool bit = r(kEecd) & kEecdDo;
    w(kEecd, kEecdReq | kEecdCs);
    return bit;
  };
  w(kEecd, kEecdReq);
  EXPECT_TRUE(r(kEecd) & kEecdGnt);
  EXPECT_TRUE(r(kEecd) & kEecdPres);
  unsigned sum = 0;
  std::vector<unsigned> words;
  for (unsigned address = 0; address < 64; ++address) {
    w(kEecd, kEecdReq), w(kEecd, kEecdReq | kEecdCs);
    clock_in(true), clock_in(true), clock_in(false);
    for (unsigned i = 6; i-- > 0;) clock_in(address >> i & 1);
    EXPECT_FALSE(r(kEecd) & kEecdDo) << "the dummy bit";
    unsigned word = 0;
    for (unsigned i = 0; i < 16; ++i) word = word << 1 | (clock_out() ? 1U : 0U);
    sum += word;
    w(kEerd, address << 8 | kEerdStart);
    EXPECT_EQ(r(kEerd), word << 16 | address << 8 | kEerdDone);
    words.push_back(word);
  }
  EXPECT_EQ(sum & 0xffff, 0xbabaU);
  EXPECT_EQ(words[0], 0x5452U);
  EXPECT_EQ(words[2], 0x5634U);
  EXPECT_EQ(words[0x0d], 0x100eU);
}

TEST_F(E1000Test, ACommandOfTheEepromEndsWithItsSelection) {
  const auto clock_in = [&](bool bit) {
    const std::uint32_t base = kEecdCs | (bit ? kEecdDi : 0);
    w(kEecd, base | kEecdSk), w(kEecd, base);
  };
  w(kEecd, kEecdCs);
  clock_in(true), clock_in(true);
  w(kEecd, 0), w(kEecd, kEecdCs);
  clock_in(true), clock_in(false), clock_in(false);  // EWEN and its like
  for (unsigned i = 0; i < 40; ++i) clock_in(true);
  EXPECT_TRUE(r(kEecd) & kEecdDo);
}

// U-Boot's driver asks no chip of the family for its address without these.
TEST_F(E1000Test, SemaphoresOfLaterMembersAreFree) {
  EXPECT_EQ(r(kSwsm), 0U);
  w(kSwsm, 2);
  EXPECT_EQ(r(kSwsm), 2U);
  w(kSwFwSync, 1);
  EXPECT_EQ(r(kSwFwSync), 1U);
}

TEST_F(E1000Test, Phy) {
  EXPECT_EQ(phy(2), 0x0141);
  EXPECT_EQ(phy(3), 0x0c20);
  EXPECT_EQ(phy(1) & 0x24, 0x24) << "negotiated, link";
  EXPECT_EQ(phy(17), 0xac00) << "1000 Mbit/s, full duplex";
  phy(4, 0x01e1);
  EXPECT_EQ(phy(4), 0x01e1);
  phy(2, 0x5555);
  EXPECT_EQ(phy(2), 0x0141) << "read only";
  w(kMdic, 2U << 21 | kMdicRead);
  EXPECT_TRUE(r(kMdic) & kMdicError) << "there is no PHY 2";
  w(kIms, kIntMdac);
  w(kMdic, 1U << 21 | kMdicRead | kMdicInterrupt);
  EXPECT_TRUE(line());
  EXPECT_EQ(r(kIcr), kIntMdac);
}

TEST_F(E1000Test, NegotiationTakesTheLinkDownForAWhile) {
  w(kIms, kIntLsc);
  phy(0, 0x1340);  // restart
  EXPECT_FALSE(r(kStatus) & kStatusLu);
  EXPECT_EQ(r(kIcr), kIntLsc);
  EXPECT_EQ(phy(17), 0);
  m.step(kNsPerSecond);
  EXPECT_TRUE(r(kStatus) & kStatusLu);
  EXPECT_TRUE(line());
  EXPECT_EQ(r(kIcr), kIntLsc);
  EXPECT_EQ(phy(1) & 0x04, 0) << "the loss is told of once";
  EXPECT_EQ(phy(1) & 0x24, 0x24);
  EXPECT_EQ(phy(0), 0x1140) << "restart clears itself";
}

TEST_F(E1000Test, TheCableIsTheLink) {
  w(kIms, kIntLsc);
  net->set_link(false);
  EXPECT_FALSE(r(kStatus) & kStatusLu);
  EXPECT_EQ(r(kIcr), kIntLsc);
  net->set_link(true);
  EXPECT_FALSE(r(kStatus) & kStatusLu);
  m.step(kNsPerSecond);
  EXPECT_TRUE(r(kStatus) & kStatusLu);
  EXPECT_EQ(r(kIcr), kIntLsc);
}

TEST_F(E1000Test, CausesAndTheirMask) {
  w(kIcs, kIntLsc | kIntRxo);
  EXPECT_FALSE(line());
  w(kIms, kIntRxo);
  EXPECT_TRUE(line());
  EXPECT_EQ(r(kIms), kIntRxo);
  w(kImc, kIntRxo);
  EXPECT_FALSE(line());
  w(kIms, kIntLsc);
  EXPECT_TRUE(line());
  w(kIcr, kIntLsc);
  EXPECT_FALSE(line());
  EXPECT_EQ(r(kIcr), kIntRxo) << "writing ones clears those";
  EXPECT_EQ(r(kIcr), 0U) << "reading clears all";
  w(kIcs, 0xffffffff);
  EXPECT_EQ(r(kIcr), kIntAll);
}

// 13.4.18: at least ITR times 256 ns from one interrupt to the next.
TEST_F(E1000Test, ThrottledInterrupts) {
  w(kIms, kIntLsc);
  w(kItr, 1000);
  w(kIcs, kIntLsc);
  EXPECT_TRUE(line());
  EXPECT_EQ(r(kIcr), kIntLsc);
  EXPECT_FALSE(line());
  w(kIcs, kIntLsc);
  EXPECT_FALSE(line()) << "not yet";
  m.step(255'000);
  EXPECT_FALSE(line());
  m.step(1'000);
  EXPECT_TRUE(line());
}

// --- transmitter ---

TEST_F(E1000Test, SendsAFrameOfSeveralBuffers) {
  start_transmitter();
  w(kIms, kIntTxdw);
  const Frame frame = make_frame(kBroadcast, 200);
  put(kBuffers, Frame(frame.begin(), frame.begin() + 14));
  put(kBuffers + 0x800, Frame(frame.begin() + 14, frame.end()));
  descriptor(kBuffers, 14, 0);
  descriptor(kBuffers + 0x800, 186 | kTxEop | kTxRs, 0);
  kick();
  ASSERT_EQ(net->sent.size(), 1U);
  EXPECT_EQ(net->sent[0], frame);
  EXPECT_EQ(r(kTdh), 2U);
  EXPECT_EQ(m.read(kTxRing + 12, 1), 0U) << "RS is not set there";
  EXPECT_EQ(m.read(kTxRing + 16 + 12, 1), kTxDd);
  EXPECT_TRUE(line());
  EXPECT_EQ(r(kIcr), kIntTxdw | kIntTxqe);
  EXPECT_EQ(r(kTpt), 1U);
  EXPECT_EQ(r(kTpt), 0U) << "cleared by reading";
  EXPECT_EQ(r(kBptc), 1U);
  EXPECT_EQ(r(kTotl), 204U);
  EXPECT_EQ(r(kToth), 0U);
  EXPECT_EQ(r(kTotl), 0U) << "cleared with the upper half";
  EXPECT_EQ(r(kPtc64 + 8), 1U) << "128 to 255 bytes";
}

TEST_F(E1000Test, PadsShortFrames) {
  start_transmitter();
  send_legacy(make_frame(kBroadcast, 20));
  ASSERT_EQ(net->sent.size(), 1U);
  EXPECT_EQ(net->sent[0].size(), 60U);
  w(kTctl, kTctlEn);
  send_legacy(make_frame(kBroadcast, 20));
  ASSERT_EQ(net->sent.size(), 2U);
  EXPECT_EQ(net->sent[1].size(), 20U) << "without PSP";
}

TEST_F(E1000Test, TransmitRingGoesRound) {
  start_transmitter();
  for (unsigned i = 0; i < 3 * kRingSize + 1; ++i) send_legacy(make_frame(kBroadcast, 60 + i));
  ASSERT_EQ(net->sent.size(), 3U * kRingSize + 1);
  for (unsigned i = 0; i < net->sent.size(); ++i) EXPECT_EQ(net->sent[i].size(), 60U + i);
  EXPECT_EQ(r(kTdh), 1U);
}

TEST_F(E1000Test, SendsNothingWhileItIsOff) {
  start_transmitter();
  w(kTctl, 0);
  send_legacy(make_frame(kBroadcast, 60));
  EXPECT_TRUE(net->sent.empty());
  w(kTctl, kTctlEn);
  EXPECT_EQ(net->sent.size(), 1U) << "what waited";
  config.w(0x04, 3);
  send_legacy(make_frame(kBroadcast, 60));
  EXPECT_EQ(net->sent.size(), 1U) << "it is not bus master";
  EXPECT_EQ(r(kTdh), 1U);
}

TEST_F(E1000Test, LegacyChecksum) {
  start_transmitter();
  Frame frame = make_ipv4(kBroadcast, 17, 101);
  const Frame right = frame;
  // The driver leaves the sum of the pseudo-header in the field.
  frame[40] = frame[41] = 0;
  std::uint32_t pseudo = 17 + 109;
  for (unsigned at = 26; at < 34; at += 2) pseudo += static_cast<unsigned>(frame[at] << 8 | frame[at + 1]);
  pseudo = (pseudo & 0xffff) + (pseudo >> 16);
  frame[40] = static_cast<std::uint8_t>(pseudo >> 8), frame[41] = static_cast<std::uint8_t>(pseudo);
  put(kBuffers, frame);
  descriptor(kBuffers, static_cast<std::uint32_t>(frame.size()) | 40U << 16 | kTxEop | kTxIc, 34U << 8);
  kick();
  ASSERT_EQ(net->sent.size(), 1U);
  EXPECT_EQ(net->sent[0], right);
}

TEST_F(E1000Test, ChecksumsByContext) {
  start_transmitter();
  Frame frame = make_ipv4(kBroadcast, 6, 333);
  const Frame right = frame;
  frame[24] = frame[25] = 0;
  std::uint32_t pseudo = 6 + 353;
  for (unsigned at = 26; at < 34; at += 2) pseudo += static_cast<unsigned>(frame[at] << 8 | frame[at + 1]);
  while (pseudo >> 16) pseudo = (pseudo & 0xffff) + (pseudo >> 16);
  frame[50] = static_cast<std::uint8_t>(pseudo >> 8), frame[51] = static_cast<std::uint8_t>(pseudo);
  put(kBuffers, frame);
  // IPCSS 14, IPCSO 24, IPCSE 33; TUCSS 34, TUCSO 50, TUCSE 0: to the end.
  context(14U | 24U << 8 | 33U << 16 | 34ULL << 32 | 50ULL << 40, kTxContextIp | kTxContextTcp | kTxRs, 0);
  descriptor(kBuffers, static_cast<std::uint32_t>(frame.size()) | kTxEop | kTxDext | kData, (kTxIxsm | kTxTxsm) << 8);
  kick();
  EXPECT_EQ(m.read(kTxRing + 12, 1), kTxDd) << "of the context";
  ASSERT_EQ(net->sent.size(), 1U);
  EXPECT_EQ(net->sent[0], right);
}

// 3.5: a header of 54 bytes, 2500 of payload, segments of 1000.
TEST_F(E1000Test, SegmentsTcp) {
  start_transmitter();
  Frame frame = make_ipv4(kBroadcast, 6, 2500);
  const Frame whole = frame;
  frame[16] = frame[17] = frame[24] = frame[25] = 0;
  std::uint32_t pseudo = 6;  // without the length, which differs from segment to segment
  for (unsigned at = 26; at < 34; at += 2) pseudo += static_cast<unsigned>(frame[at] << 8 | frame[at + 1]);
  while (pseudo >> 16) pseudo = (pseudo & 0xffff) + (pseudo >> 16);
  frame[50] = static_cast<std::uint8_t>(pseudo >> 8), frame[51] = static_cast<std::uint8_t>(pseudo);
  put(kBuffers, frame);
  context(14U | 24U << 8 | 33U << 16 | 34ULL << 32 | 50ULL << 40, 2500U | kTxContextIp | kTxContextTcp | kTxTse,
          54U << 8 | 1000U << 16);
  const std::uint32_t data = kTxDext | kData | kTxTse;
  descriptor(kBuffers, 54 | data, (kTxIxsm | kTxTxsm) << 8);
  descriptor(kBuffers + 54, 1700 | data, 0);
  descriptor(kBuffers + 1754, 800 | data | kTxEop | kTxRs, 0);
  kick();
  ASSERT_EQ(net->sent.size(), 3U);
  Frame payload;
  for (unsigned i = 0; i < 3; ++i) {
    const Frame& s = net->sent[i];
    EXPECT_EQ(s.size(), i == 2 ? 554U : 1054U);
    EXPECT_TRUE(checksums_right(s)) << i;
    EXPECT_EQ(s[18] << 8 | s[19], 0x1234 + static_cast<int>(i)) << "identification";
    const std::uint32_t sequence = static_cast<std::uint32_t>(s[38]) << 24 | static_cast<std::uint32_t>(s[39]) << 16 |
                                   static_cast<std::uint32_t>(s[40]) << 8 | s[41];
    EXPECT_EQ(sequence, 0x0102ff00U + 1000 * i);
    EXPECT_EQ(s[47], i == 2 ? 0x19 : 0x10) << "PSH and FIN in the last one only";
    payload.insert(payload.end(), s.begin() + 54, s.end());
  }
  EXPECT_EQ(payload, Frame(whole.begin() + 54, whole.end()));
  EXPECT_EQ(r(kTsctc), 1U);
}

TEST_F(E1000Test, SegmentsOfNothingDoNotHang) {
  start_transmitter();
  const std::uint32_t data = kTxDext | kData | kTxTse;
  for (const std::uint32_t upper : {0U, 255U << 8, 0xffffU << 16, 255U << 8 | 1U << 16}) {
    context(14U | 24U << 8 | 34ULL << 32 | 50ULL << 40, 0xfffff | kTxContextTcp | kTxTse, upper);
    descriptor(kBuffers, 0xfffff | data | kTxEop | kTxRs, 0xff00);
    kick();
    m.step(1);
    EXPECT_EQ(r(kTdh), tail);
  }
  EXPECT_TRUE(net->sent.empty()) << "segments that are nobody's are not cut";
  send_legacy(make_frame(kBroadcast, 60));
  EXPECT_EQ(net->sent.back().size(), 60U);
}

TEST_F(E1000Test, ChecksumsOutsideOfTheFrame) {
  start_transmitter();
  put(kBuffers, make_frame(kBroadcast, 60));
  context(0xffffffffffffffff, kTxContextIp | kTxContextTcp, 0xffff00);
  descriptor(kBuffers, 60 | kTxEop | kTxDext | kData, (kTxIxsm | kTxTxsm) << 8);
  descriptor(kBuffers, 60 | 59U << 16 | kTxEop | kTxIc, 255U << 8);
  kick();
  ASSERT_EQ(net->sent.size(), 2U);
  EXPECT_EQ(net->sent[0], make_frame(kBroadcast, 60));
  EXPECT_EQ(net->sent[1], make_frame(kBroadcast, 60));
}

TEST_F(E1000Test, InsertsTags) {
  start_transmitter();
  w(kCtrl, kCtrlVme);
  const Frame frame = make_frame(kBroadcast, 100);
  put(kBuffers, frame);
  descriptor(kBuffers, 100 | kTxEop | kTxVle, 0x6123U << 16);
  kick();
  ASSERT_EQ(net->sent.size(), 1U);
  Frame tagged = frame;
  const std::uint8_t tag[] = {0x81, 0x00, 0x61, 0x23};
  tagged.insert(tagged.begin() + 12, std::begin(tag), std::end(tag));
  EXPECT_EQ(net->sent[0], tagged);
}

TEST_F(E1000Test, TransmitInterruptsWait) {
  start_transmitter();
  w(kIms, kIntTxdw);
  w(kTidv, 10), w(kTadv, 15);
  const auto send = [&] {
    put(kBuffers, make_frame(kBroadcast, 60));
    descriptor(kBuffers, 60 | kTxEop | kTxRs | kTxIde, 0);
    kick();
  };
  send();
  EXPECT_FALSE(line());
  m.step(9'000);
  send();
  m.step(6'000);
  EXPECT_FALSE(line()) << "TIDV has begun anew";
  m.step(1'000);
  EXPECT_TRUE(line()) << "TADV counts from the first";
}

TEST_F(E1000Test, BadTransmitRings) {
  start_transmitter();
  put(kBuffers, make_frame(kBroadcast, 60));
  w(kTdt, 0xffff);
  EXPECT_EQ(r(kTdh), 0U);
  w(kTdh, 0x1000), w(kTdt, 1);
  EXPECT_TRUE(net->sent.empty());
  w(kTdlen, 0), w(kTdh, 0), w(kTdt, 1);
  EXPECT_TRUE(net->sent.empty());
  w(kTdlen, 128), w(kTdbal, 0xfffffff0), w(kTdbah, 0xffffffff), w(kTdt, 5);  // nothing answers there
  EXPECT_EQ(r(kTdh), 0U);
  w(kTdbal, kTxRing), w(kTdbah, 0);
  descriptor(kBuffers, 60 | kTxEop, 0);
  m.step(kNsPerSecond);
  EXPECT_EQ(r(kTdh), 0U) << "it is not tried again before the tail is written";
  start_transmitter();
  descriptor(0xffffffffffffff00, 100 | kTxEop | kTxRs, 0);
  descriptor(kBuffers, 0xfffff | kTxEop | kTxDext | kData, 0);
  descriptor(kBuffers, 0xf00000 | kTxEop | kTxDext, 0);  // a type that is none
  descriptor(kBuffers, 5 | kTxEop | kTxRs, 0);
  kick();
  EXPECT_EQ(r(kTdh), 4U);
  EXPECT_LE(net->sent.size(), 1U);
}

TEST_F(E1000Test, AFullRingIsSentInTurns) {
  constexpr unsigned kMany = 4096;
  start_transmitter(kMany);
  put(kBuffers, make_frame(kBroadcast, 60));
  for (unsigned i = 0; i + 1 < kMany; ++i) descriptor(kBuffers, 60 | kTxEop, 0);
  kick();
  EXPECT_LT(net->sent.size(), 1000U) << "others get the machine";
  for (unsigned i = 0; i < 100 && net->sent.size() + 1 < kMany; ++i) m.step(1);
  EXPECT_EQ(net->sent.size() + 1, kMany);
  EXPECT_EQ(r(kTdh), kMany - 1);
}

// --- receiver ---

TEST_F(E1000Test, ReceivesAFrame) {
  start_receiver(4);
  w(kIms, kIntRxt0);
  const Frame frame = make_frame(kMac, 300);
  net->inject(frame);
  EXPECT_EQ(r(kRdh), 1U);
  EXPECT_EQ(rx_status(0), kRxDd | kRxEop | kRxIxsm);
  EXPECT_EQ(rx_bytes(0), frame);
  EXPECT_TRUE(line());
  EXPECT_EQ(r(kIcr) & kIntRxt0, kIntRxt0);
  EXPECT_EQ(r(kGprc), 1U);
  EXPECT_EQ(r(kTpr), 1U);
  EXPECT_EQ(r(kGorcl), 304U);
}

TEST_F(E1000Test, KeepsTheCheckSequenceUnlessToldOtherwise) {
  start_receiver(4, kRctlBam);
  net->inject(make_frame(kMac, 20));
  EXPECT_EQ(rx_length(0), 64U) << "padded";
  const Frame all = rx_bytes(0);
  // The remainder over a frame with its check sequence is a constant: IEEE 802.3, 3.2.9.
  EXPECT_EQ(ethernet::fcs(all), 0x2144df1cU);
}

TEST_F(E1000Test, AFrameInSeveralBuffersAndRoundTheRing) {
  start_receiver(7, kRctlBam | kRctlSecrc | 3U << kRctlBsizeShift);  // 256 bytes each
  const Frame frame = make_frame(kMac, 600);
  net->inject(frame);
  net->inject(frame);
  EXPECT_EQ(r(kRdh), 6U);
  EXPECT_EQ(rx_status(0), kRxDd);
  EXPECT_EQ(rx_status(1), kRxDd);
  EXPECT_EQ(rx_status(2) & kRxEop, kRxEop);
  EXPECT_EQ(rx_length(2), 88U);
  w(kRdt, 5);
  net->inject(frame);
  EXPECT_EQ(r(kRdh), 1U);
  Frame got = rx_bytes(6);
  for (const unsigned n : {7U, 0U}) {
    const Frame part = rx_bytes(n);
    got.insert(got.end(), part.begin(), part.end());
  }
  EXPECT_EQ(got, frame);
}

TEST_F(E1000Test, FramesWaitForBuffers) {
  start_receiver(1);
  net->inject(make_frame(kMac, 100));
  net->inject(make_frame(kMac, 101));
  net->inject(make_frame(kMac, 102));
  EXPECT_TRUE(net->blocked());
  EXPECT_EQ(r(kRdh), 1U);
  w(kRdt, 3);
  m.step(1);
  EXPECT_FALSE(net->blocked());
  EXPECT_EQ(rx_length(1), 101U);
  EXPECT_EQ(rx_length(2), 102U);
}

TEST_F(E1000Test, AFrameThatNeedsMoreThanThereIsOverruns) {
  start_receiver(2, kRctlBam | kRctlSecrc | 3U << kRctlBsizeShift);
  w(kIms, kIntRxo);
  net->inject(make_frame(kMac, 600));
  EXPECT_TRUE(line());
  EXPECT_EQ(r(kRdh), 0U);
  EXPECT_EQ(r(kMpc), 1U);
  EXPECT_EQ(rx_status(0), 0U);
}

TEST_F(E1000Test, BufferSizes) {
  const struct {
    std::uint32_t rctl;
    unsigned buffers;  // for 1500 bytes
  } kCases[] = {{0, 1},
                {1U << kRctlBsizeShift, 2},
                {2U << kRctlBsizeShift, 3},
                {3U << kRctlBsizeShift, 6},
                {kRctlBsex | 1U << kRctlBsizeShift, 1},
                {kRctlBsex | 3U << kRctlBsizeShift, 1}};
  for (const auto& c : kCases) {
    start_receiver(7, kRctlBam | kRctlSecrc | c.rctl);
    net->inject(make_frame(kMac, 1500));
    EXPECT_EQ(r(kRdh), c.buffers);
  }
}

TEST_F(E1000Test, FewBuffersLeft) {
  start_receiver(6);
  w(kIms, kIntRxdmt0);
  net->inject(make_frame(kMac, 60));
  EXPECT_FALSE(line());
  net->inject(make_frame(kMac, 60));
  EXPECT_TRUE(line()) << "half of the ring: four";
  r(kIcr);
  net->inject(make_frame(kMac, 60));
  EXPECT_FALSE(line()) << "told once";
}

TEST_F(E1000Test, FiltersOfAddresses) {
  const auto hears = [&](const char* to, std::uint32_t rctl) {
    start_receiver(4, rctl | kRctlSecrc);
    net->inject(make_frame(to, 60));
    return r(kRdh) == 1;
  };
  const char* other = "52:54:00:12:34:57";
  const char* many = "01:00:5e:01:02:03";
  EXPECT_TRUE(hears(kMac, 0));
  EXPECT_FALSE(hears(other, 0));
  EXPECT_TRUE(hears(other, kRctlUpe));
  EXPECT_FALSE(hears(kBroadcast, 0));
  EXPECT_TRUE(hears(kBroadcast, kRctlBam));
  EXPECT_FALSE(hears(many, kRctlUpe | kRctlBam));
  EXPECT_TRUE(hears(many, kRctlMpe));
  w(kRa + 8 * 15, 0x12005452), w(kRa + 8 * 15 + 4, 0x80005734);
  EXPECT_TRUE(hears(other, 0)) << "the last of sixteen";
  w(kRa + 8 * 15 + 4, 0x00005734);
  EXPECT_FALSE(hears(other, 0)) << "not valid";
  // 13.5.1: bits 47:36, 46:35, 45:34, 43:32 of the address, by MO.
  const unsigned both = 0x0302;
  const unsigned shift[] = {4, 3, 2, 0};
  for (unsigned mo = 0; mo < 4; ++mo) {
    const unsigned bit = both >> shift[mo] & 0xfff;
    w(kMta + 4 * (bit >> 5), 1U << (bit & 31));
    EXPECT_TRUE(hears(many, mo << kRctlMoShift)) << mo;
    w(kMta + 4 * (bit >> 5), ~(1U << (bit & 31)));
    EXPECT_FALSE(hears(many, mo << kRctlMoShift)) << mo;
    w(kMta + 4 * (bit >> 5), 0);
  }
}

TEST_F(E1000Test, TagsAndTheirFilter) {
  Frame frame = make_frame(kMac, 100, 0x8100);
  frame[14] = 0x61, frame[15] = 0x23;  // VLAN 123h
  start_receiver(7, kRctlSecrc | kRctlVfe);
  net->inject(frame);
  EXPECT_EQ(r(kRdh), 0U);
  w(kVfta + 4 * (0x123 >> 5), 1U << (0x123 & 31));
  net->inject(frame);
  EXPECT_EQ(rx_bytes(0), frame);
  w(kCtrl, kCtrlVme);
  net->inject(frame);
  EXPECT_EQ(rx_status(1) & kRxVp, kRxVp);
  EXPECT_EQ(rx(1) >> 48, 0x6123U);
  Frame bare = frame;
  bare.erase(bare.begin() + 12, bare.begin() + 16);
  EXPECT_EQ(rx_bytes(1), bare);
}

TEST_F(E1000Test, LongFrames) {
  start_receiver(7, kRctlSecrc);
  net->inject(make_frame(kMac, 1518));
  EXPECT_EQ(r(kRdh), 1U);
  net->inject(make_frame(kMac, 1519));
  EXPECT_EQ(r(kRdh), 1U);
  EXPECT_EQ(r(kRoc), 1U);
  start_receiver(7, kRctlSecrc | kRctlLpe);
  net->inject(make_frame(kMac, 9000));
  EXPECT_EQ(r(kRdh), 5U);
  start_receiver(7, kRctlSecrc | kRctlLpe | kRctlBsex | 1U << kRctlBsizeShift);
  net->inject(make_frame(kMac, 16381));
  EXPECT_EQ(r(kRdh), 0U) << "more than 16 KiB";
}

TEST_F(E1000Test, ChecksWhatItReceives) {
  start_receiver(7);
  w(kRxcsum, kRxcsumIpofl | kRxcsumTuofl | 14);
  Frame frame = make_ipv4(kMac, 6, 77);
  net->inject(frame);
  EXPECT_EQ(rx_status(0), kRxDd | kRxEop | kRxIpcs | kRxTcpcs);
  EXPECT_EQ(rx_errors(0), 0U);
  EXPECT_EQ(rx(0) >> 16 & 0xffff, ones_sum(frame, 14, frame.size())) << "from PCSS on";
  frame[60] ^= 1;
  net->inject(frame);
  EXPECT_EQ(rx_errors(1), kRxTcpe);
  frame[60] ^= 1, frame[22] ^= 1;
  net->inject(frame);
  EXPECT_EQ(rx_errors(2), kRxIpe);
  net->inject(make_ipv4(kMac, 17, 50));
  EXPECT_EQ(rx_status(3), kRxDd | kRxEop | kRxIpcs | kRxTcpcs);
  Frame odd = make_ipv4(kMac, 17, 50);
  odd[14] = 0x4f;  // a header longer than it says
  odd[16] = 0xff;  // and a packet longer than the frame
  net->inject(odd);
  EXPECT_EQ(rx_status(4), kRxDd | kRxEop | kRxIxsm) << "not checked";
}

TEST_F(E1000Test, ReceiveInterruptsWait) {
  start_receiver(7);
  w(kIms, kIntRxt0);
  w(kRdtr, 10), w(kRadv, 15);
  net->inject(make_frame(kMac, 60));
  EXPECT_FALSE(line());
  m.step(9'000);
  net->inject(make_frame(kMac, 60));
  m.step(6'000);
  EXPECT_FALSE(line());
  m.step(1'000);
  EXPECT_TRUE(line()) << "RADV counts from the first";
  r(kIcr);
  net->inject(make_frame(kMac, 60));
  EXPECT_FALSE(line());
  w(kRdtr, 10 | kRdtrFpd);
  EXPECT_TRUE(line()) << "at once";
}

TEST_F(E1000Test, ReceiverThatIsOffHearsNothing) {
  start_receiver(4);
  w(kRctl, 0);
  net->inject(make_frame(kMac, 60));
  EXPECT_FALSE(net->blocked());
  w(kRctl, kRctlEn);
  m.step(1);
  EXPECT_EQ(r(kRdh), 0U);
}

TEST_F(E1000Test, BadReceiveRings) {
  start_receiver(4);
  w(kRdt, 0xffff);
  net->inject(make_frame(kMac, 60));
  EXPECT_TRUE(net->blocked());
  w(kRdh, 0xffff), w(kRdlen, 0), w(kRdt, 3);
  m.step(1);
  EXPECT_TRUE(net->blocked());
  w(kRdlen, 128), w(kRdh, 0), w(kRdbah, 0xffffffff);
  m.step(1);
  EXPECT_FALSE(net->blocked());
  start_receiver(4);
  m.write(kRxRing, 8, 0);                        // no buffer
  m.write(kRxRing + 16, 8, 0xffffffffffffff00);  // nowhere
  net->inject(make_frame(kMac, 60));
  net->inject(make_frame(kMac, 60));
  EXPECT_EQ(r(kRdh), 2U);
  EXPECT_EQ(rx_status(0) & kRxDd, kRxDd);
}

TEST_F(E1000Test, DmaIntoItsOwnRegisters) {
  start_transmitter();
  start_receiver(4);
  m.write(kRxRing, 8, kBar + kTctl);  // the frame goes into TCTL and what follows
  net->inject(make_frame(kMac, 1000));
  EXPECT_EQ(r(kTctl), kTctlEn | kTctlPsp);
  descriptor(kBar, 1000 | kTxEop | kTxRs, 0);
  kick();
  EXPECT_EQ(r(kTdh), 1U);
  w(kTdbal, static_cast<std::uint32_t>(kBar) + 0x3800);  // the ring is made of registers
  w(kTdt, 5);
  EXPECT_LE(r(kTdh), 5U);
}

TEST_F(E1000Test, Loopback) {
  start_transmitter();
  start_receiver(4);
  const Frame frame = make_frame(kMac, 80);
  phy(0, 0x4140);
  send_legacy(frame);
  EXPECT_TRUE(net->sent.empty());
  EXPECT_EQ(rx_bytes(0), frame);
  phy(0, 0x1140);
  w(kRctl, r(kRctl) | kRctlLbmMac);
  send_legacy(frame);
  EXPECT_EQ(rx_bytes(1), frame);
}

TEST_F(E1000Test, RegistersThroughPorts) {
  m.outl(kPorts, kVet);
  EXPECT_EQ(m.inl(kPorts + 4), 0x8100U);
  m.outl(kPorts + 4, 0x88a8);
  EXPECT_EQ(r(kVet), 0x88a8U);
  EXPECT_EQ(m.inl(kPorts), kVet);
  m.outl(kPorts, 0x20000);
  EXPECT_EQ(m.inl(kPorts + 4), 0xffffffffU);
}

TEST_F(E1000Test, ResetForgetsEverything) {
  start_transmitter();
  start_receiver(4);
  w(kIms, kIntAll), w(kItr, 0xffff), w(kRdtr, 0xffff);
  net->inject(make_frame(kMac, 60));
  descriptor(kBuffers, 60, 0);  // a packet that is not finished
  kick();
  w(kIcs, kIntLsc);
  EXPECT_TRUE(line());
  m.reset();
  EXPECT_FALSE(line());
  m.step(kNsPerSecond);
  EXPECT_FALSE(line());
  set_up();
  EXPECT_EQ(r(kIcr), 0U);
  EXPECT_EQ(r(kTdbal), 0U);
  EXPECT_EQ(r(kRa), 0x12005452U);
  start_transmitter();
  send_legacy(make_frame(kBroadcast, 70));
  ASSERT_EQ(net->sent.size(), 1U);
  EXPECT_EQ(net->sent[0].size(), 70U);
}

TEST(E1000, CardsHaveAddressesOfTheirOwn) {
  TestMachine m{1 << 20};
  m.add<I440fxHost>("i440fx");
  auto& a = m.add<E1000>("a", {{"romfile", ""}});
  auto& b = m.add<E1000>("b", {{"romfile", ""}, {"mac", "52:54:00:12:34:56"}});
  auto& c = m.add<E1000>("c", {{"romfile", ""}});
  m.start();
  EXPECT_EQ(a.mac().to_string(), "52:54:00:12:34:57");
  EXPECT_EQ(b.mac().to_string(), "52:54:00:12:34:56");
  EXPECT_EQ(c.mac().to_string(), "52:54:00:12:34:58");
}

TEST(E1000, TwoCardsCannotHaveOneAddress) {
  TestMachine m{1 << 20};
  m.add<I440fxHost>("i440fx");
  m.add<E1000>("a", {{"romfile", ""}, {"mac", "52:54:00:00:00:01"}});
  m.add<E1000>("b", {{"romfile", ""}, {"mac", "52:54:00:00:00:01"}});
  EXPECT_THROW(m.start(), Error);
}

}  // namespace
}  // namespace machina::test
