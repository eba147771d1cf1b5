// DP8390D, "Network Interface Controller", National Semiconductor, 1995, and the NE2000 around it; RTL8029AS.

#include <gtest/gtest.h>

#include "core/units.h"
#include "hw/net/dp8390_regs.h"
#include "hw/net/ethernet.h"
#include "hw/net/ne2k_isa.h"
#include "hw/net/ne2k_pci.h"
#include "hw/pci-host/i440fx.h"
#include "tests/support/pci_config.h"
#include "tests/support/test_net.h"

namespace machina::test {
namespace {

using namespace dp8390;

constexpr unsigned kData = 0x10, kReset = 0x1f;
constexpr const char* kMac = "52:54:00:12:34:56";
constexpr const char* kBroadcast = "ff:ff:ff:ff:ff:ff";
constexpr unsigned kFirst = 0x46, kStop = 0x80;  // the ring, behind six pages to send from

/// Either card; the parameter says which.
class Ne2000Test : public testing::TestWithParam<const char*> {
 protected:
  Ne2000Test() {
    net = &m.object().add_new_child<TestNet>("net0");
    net->set_host(m.system().loop, m.system().clock);
    if (pci()) {
      m.add<I440fxHost>("i440fx");
      card = &m.add("ne2k_pci", "nic", {{"addr", "3"}, {"romfile", ""}, {"netdev", "net0"}});
      base = 0xc000;
    } else {
      m.add_isa_bus();
      card = &m.add("ne2k_isa", "nic", {{"irq", "5"}, {"netdev", "net0"}});
      base = 0x300;
    }
    m.start();
    set_up();
  }
  void set_up() {
    if (!pci()) return;
    PciConfig config{m, 3, 0};
    config.l(0x10, base);
    config.w(0x04, 1);
  }
  bool pci() const { return std::string(GetParam()) == "ne2k_pci"; }
  bool line() {
    if (!pci()) return m.line(5);
    return static_cast<PciBus&>(*card->parent_bus()).line_level(PciBus::line_of(3, 0));
  }
  std::uint8_t r(unsigned n) { return m.inb(static_cast<std::uint16_t>(base + n)); }
  void w(unsigned n, unsigned v) { m.outb(static_cast<std::uint16_t>(base + n), static_cast<std::uint8_t>(v)); }

  /// As drivers do it: stop, program, start.
  void start(unsigned rcr = kRcrAb) {
    w(kCr, 0x21);
    w(kDcr, 0x49);
    w(kRbcr0, 0), w(kRbcr1, 0);
    w(kRcr, rcr), w(kTcr, 0);
    w(kPstart, kFirst), w(kPstop, kStop), w(kBnry, kFirst);
    w(kIsr, 0xff), w(kImr, 0x7f);
    w(kCr, 0x61);
    const std::uint8_t mac[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    for (unsigned i = 0; i < 6; ++i) w(kPar0 + i, mac[i]);
    for (unsigned i = 0; i < 8; ++i) w(kMar0 + i, 0);
    w(kCurr, kFirst + 1);
    w(kCr, 0x22);
  }
  void remote(unsigned address, unsigned count, unsigned operation) {
    w(kRsar0, address), w(kRsar1, address >> 8);
    w(kRbcr0, count), w(kRbcr1, count >> 8);
    w(kCr, kCrSta | operation);
  }
  void fill(unsigned address, const Frame& bytes) {
    remote(address, static_cast<unsigned>(bytes.size()), kCrRdWrite);
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
      const unsigned high = i + 1 < bytes.size() ? bytes[i + 1] : 0U;
      m.outw(static_cast<std::uint16_t>(base + kData), static_cast<std::uint16_t>(bytes[i] | high << 8));
    }
  }
  Frame bytes_at(unsigned address, unsigned count) {
    remote(address, count, kCrRdRead);
    Frame bytes;
    for (unsigned i = 0; i < count; i += 2) {
      const std::uint16_t word = m.inw(static_cast<std::uint16_t>(base + kData));
      bytes.push_back(static_cast<std::uint8_t>(word));
      if (i + 1 < count) bytes.push_back(static_cast<std::uint8_t>(word >> 8));
    }
    return bytes;
  }
  void send(unsigned page, unsigned count) {
    w(kTpsr, page), w(kTbcr0, count), w(kTbcr1, count >> 8);
    w(kCr, kCrSta | kCrRdAbort | kCrTxp);
  }
  unsigned curr() {
    w(kCr, 0x62);
    const unsigned page = r(kCurr);
    w(kCr, 0x22);
    return page;
  }

  TestMachine m{1 << 20};
  TestNet* net = nullptr;
  Device* card = nullptr;
  unsigned base = 0;
};

TEST_P(Ne2000Test, ResetState) {
  EXPECT_EQ(r(kCr), 0x21);
  EXPECT_EQ(r(kIsr), kIsrRst);
  EXPECT_FALSE(line());
  start();
  EXPECT_EQ(r(kIsr) & kIsrRst, 0) << "started";
  w(kIsr, 0xff);
  w(kCr, 0x21);
  EXPECT_EQ(r(kIsr) & kIsrRst, kIsrRst) << "stopped";
  w(kIsr, 0xff);
  EXPECT_EQ(r(kIsr) & kIsrRst, kIsrRst) << "shows the state";
  start();
  w(kReset, r(kReset));
  EXPECT_EQ(r(kCr), 0x21);
  EXPECT_EQ(r(kIsr), kIsrRst);
}

TEST_P(Ne2000Test, PromHoldsTheAddressTwice) {
  w(kDcr, 0x48);  // bytes
  remote(0, 32, kCrRdRead);
  Frame prom;
  for (unsigned i = 0; i < 32; ++i) prom.push_back(r(kData));
  const Frame expected = {0x52, 0x52, 0x54, 0x54, 0x00, 0x00, 0x12, 0x12, 0x34, 0x34, 0x56, 0x56};
  EXPECT_EQ(Frame(prom.begin(), prom.begin() + 12), expected);
  EXPECT_EQ(prom[28], 0x57);
  EXPECT_EQ(prom[30], 0x57);
  w(kDcr, 0x49);  // words, of which a byte is read
  remote(0, 32, kCrRdRead);
  for (const unsigned expected_byte : {0x52U, 0x54U, 0x00U, 0x12U, 0x34U, 0x56U}) EXPECT_EQ(r(kData), expected_byte);
}

TEST_P(Ne2000Test, MemoryByRemoteDma) {
  start();
  const Frame bytes = make_frame(kBroadcast, 101);
  fill(0x4321, bytes);
  EXPECT_EQ(r(kIsr) & kIsrRdc, kIsrRdc);
  EXPECT_TRUE(line());
  w(kIsr, kIsrRdc);
  EXPECT_FALSE(line());
  EXPECT_EQ(bytes_at(0x4321, 101), bytes);
  EXPECT_EQ(r(kCrda0) | r(kCrda1) << 8, 0x4321 + 101);
  EXPECT_EQ(m.inw(static_cast<std::uint16_t>(base + kData)), 0xffff) << "it is over";
  EXPECT_EQ(bytes_at(0x1000, 2), Frame(2, 0xff)) << "no memory there";
  remote(0x4000, 0, kCrRdRead);
  EXPECT_EQ(r(kIsr) & kIsrRdc, kIsrRdc) << "nothing is done at once";
}

TEST_P(Ne2000Test, PagesOfRegisters) {
  start();
  w(kCr, 0xa2);
  EXPECT_EQ(r(kPstart), kFirst);
  EXPECT_EQ(r(kPstop), kStop);
  EXPECT_EQ(r(kDcr), 0xc9);
  w(kCr, 0x62);
  EXPECT_EQ(r(kPar0), 0x52);
  EXPECT_EQ(r(kCurr), kFirst + 1);
  w(kCr, 0x22);
  EXPECT_EQ(r(kRbcr0), pci() ? 0x50 : 0xff) << "by which the RTL8029 is known";
  EXPECT_EQ(r(kRbcr1), pci() ? 0x43 : 0xff);
}

TEST_P(Ne2000Test, Sends) {
  start();
  const Frame frame = make_frame(kBroadcast, 300);
  fill(0x4000, frame);
  w(kIsr, 0xff);
  send(0x40, 300);
  ASSERT_EQ(net->sent.size(), 1U);
  EXPECT_EQ(net->sent[0], frame);
  EXPECT_EQ(r(kTsr), kTsrPtx);
  EXPECT_EQ(r(kIsr), kIsrPtx);
  EXPECT_TRUE(line());
  EXPECT_EQ(r(kCr) & kCrTxp, 0);
  w(kTcr, 0x02);  // loopback
  send(0x40, 300);
  EXPECT_EQ(net->sent.size(), 1U);
  send(0xff, 0xffff);  // past the end of memory
  w(kTcr, 0);
  send(0xff, 0xffff);
  EXPECT_LE(net->sent.size(), 2U);
}

TEST_P(Ne2000Test, Receives) {
  start();
  const Frame frame = make_frame(kMac, 301);
  net->inject(frame);
  EXPECT_EQ(r(kIsr), kIsrPrx);
  EXPECT_TRUE(line());
  EXPECT_EQ(curr(), kFirst + 3U);
  const Frame head = bytes_at((kFirst + 1) * kPage, kHeader);
  EXPECT_EQ(head, (Frame{kRsrPrx, kFirst + 3, 305 & 0xff, 305 >> 8}));
  Frame all = bytes_at((kFirst + 1) * kPage + kHeader, 305);
  EXPECT_EQ(Frame(all.begin(), all.end() - 4), frame);
  EXPECT_EQ(ethernet::fcs(all), 0x2144df1cU) << "with its check sequence";
}

TEST_P(Ne2000Test, FramesWrapInTheRing) {
  start();
  const Frame frame = make_frame(kBroadcast, 1514);  // six pages
  for (unsigned n = 0; n < 40; ++n) {
    const unsigned at = curr();
    net->inject(frame);
    m.step(2 * kNsPerMs);
    const unsigned next = at + 6 >= kStop ? at + 6 - (kStop - kFirst) : at + 6;
    ASSERT_EQ(curr(), next);
    EXPECT_EQ(bytes_at(at * kPage, 4)[1], next);
    EXPECT_EQ(bytes_at(at * kPage, 4)[0], kRsrPrx | kRsrPhy);
    EXPECT_EQ(bytes_at(at * kPage + kHeader, 1514), frame) << "remote DMA wraps as well";
    w(kBnry, next == kFirst ? kStop - 1 : next - 1);
  }
}

TEST_P(Ne2000Test, FramesWaitForRoom) {
  start();
  for (unsigned n = 0; n < 12; ++n) {
    net->inject(make_frame(kMac, 1514));
    m.step(2 * kNsPerMs);
  }
  EXPECT_TRUE(net->blocked());
  EXPECT_EQ(r(kIsr) & kIsrOvw, 0);
  const unsigned full = curr();
  EXPECT_NE(full, kFirst + 0U) << "the ring never looks empty";
  w(kBnry, full - 1);
  m.step(20 * kNsPerMs);
  EXPECT_FALSE(net->blocked());
}

// 10 Mbit/s: 1514 bytes with check sequence, preamble and gap are 1230.4 us.
TEST_P(Ne2000Test, ABoundaryBeforeTheRingIsItsLastPage) {
  start();
  w(kBnry, kFirst - 1);
  for (unsigned n = 0; n < 12; ++n) {
    net->inject(make_frame(kMac, 1514));
    m.step(2 * kNsPerMs);
  }
  EXPECT_TRUE(net->blocked());
  EXPECT_EQ(curr(), kFirst + 1 + (kStop - 1 - kFirst - 2) / 6 * 6)
      << "as many frames of six pages as fit before the last page";
}

// A driver looks into the ring for the last time, more frames come, and it acknowledges them unseen.
TEST_P(Ne2000Test, AFullRingThatNobodyWasToldOfOverflows) {
  start();
  for (unsigned n = 0; n < 12; ++n) {
    net->inject(make_frame(kMac, 1514));
    m.step(2 * kNsPerMs);
  }
  EXPECT_TRUE(net->blocked());
  const unsigned full = curr();
  w(kIsr, kIsrPrx);
  m.step(2 * kNsPerMs);
  EXPECT_EQ(r(kIsr) & (kIsrPrx | kIsrOvw), kIsrOvw);
  EXPECT_TRUE(net->blocked()) << "one frame is lost, the others wait";
  EXPECT_EQ(curr(), full);
}

TEST_P(Ne2000Test, FramesComeAsFastAsTheWire) {
  start();
  net->inject(make_frame(kMac, 1514));
  net->inject(make_frame(kMac, 60));
  const unsigned first = curr();
  m.step(1'230'000);
  EXPECT_EQ(curr(), first);
  m.step(1'000);
  EXPECT_EQ(curr(), first + 1);
}

TEST_P(Ne2000Test, Filters) {
  const auto hears = [&](const char* to, unsigned rcr) {
    start(rcr);
    m.step(2 * kNsPerMs);
    const unsigned before = curr();
    net->inject(make_frame(to, 60));
    return curr() != before;
  };
  EXPECT_TRUE(hears(kMac, 0));
  EXPECT_FALSE(hears("52:54:00:12:34:57", 0));
  EXPECT_TRUE(hears("52:54:00:12:34:57", kRcrPro));
  EXPECT_FALSE(hears(kBroadcast, 0));
  EXPECT_TRUE(hears(kBroadcast, kRcrAb));
  EXPECT_FALSE(hears("01:00:5e:00:00:01", kRcrAm));
  EXPECT_FALSE(hears(kMac, kRcrMon)) << "counts only";
  // The bit that 01:00:5e:00:00:01 chooses, as 8390 drivers compute it: the all-hosts group is bit 31.
  start(kRcrAm);
  w(kCr, 0x62), w(kMar0 + 3, 0x80), w(kCr, 0x22);
  const unsigned before = curr();
  net->inject(make_frame("01:00:5e:00:00:01", 60));
  EXPECT_NE(curr(), before);
  m.step(2 * kNsPerMs);
  net->inject(make_frame("01:00:5e:00:00:02", 60));
  EXPECT_EQ(curr(), before + 1);
}

TEST_P(Ne2000Test, RingsThatAreNone) {
  start();
  for (const auto& [first, stop, boundary, current] : {std::array<unsigned, 4>{0x80, 0x46, 0x50, 0x51},
                                                       {0x46, 0x46, 0x46, 0x46},
                                                       {0, 0, 0, 0},
                                                       {0x46, 0x80, 0, 0x50},
                                                       {0x46, 0x80, 0x50, 0xff},
                                                       {0, 0xff, 0xfe, 0xfe},
                                                       {0xfe, 0xff, 0xfe, 0xfe},
                                                       {0x46, 0x47, 0x46, 0x46}}) {
    w(kCr, 0x21);
    w(kPstart, first), w(kPstop, stop), w(kBnry, boundary);
    w(kCr, 0x61), w(kCurr, current), w(kCr, 0x22);
    net->inject(make_frame(kMac, 1514));
    (void)bytes_at(0xfff0, 64);
    fill(0xfff0, Frame(64, 1));
  }
  start();
  m.step(20 * kNsPerMs);
  w(kIsr, 0xff);
  net->inject(make_frame(kMac, 100));
  m.step(2 * kNsPerMs);
  EXPECT_EQ(r(kIsr) & kIsrPrx, kIsrPrx);
}

TEST_P(Ne2000Test, StoppedItHearsNothing) {
  start();
  w(kCr, 0x21);
  net->inject(make_frame(kMac, 60));
  EXPECT_FALSE(net->blocked());
  m.reset();
  set_up();
  EXPECT_EQ(r(kCr), 0x21);
  EXPECT_FALSE(line());
}

INSTANTIATE_TEST_SUITE_P(Cards, Ne2000Test, testing::Values("ne2k_isa", "ne2k_pci"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(Ne2kPci, Identity) {
  TestMachine m{1 << 20};
  m.add<I440fxHost>("i440fx");
  m.add<Ne2kPci>("nic", {{"addr", "3"}, {"romfile", ""}});
  m.start();
  PciConfig config{m, 3, 0};
  EXPECT_EQ(config.l(0x00), 0x802910ecU);
  EXPECT_EQ(config.l(0x08) >> 8, 0x020000U);
  config.l(0x10, 0xffffffff);
  EXPECT_EQ(config.l(0x10), 0xffffff01U);
}

}  // namespace
}  // namespace machina::test
