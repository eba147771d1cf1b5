// Intel 82540EM: EEPROM, PHY, interrupts, and what concerns both directions. "PCI/PCI-X Family of Gigabit Ethernet
// Controllers Software Developer's Manual", 317453: chapters 5 (EEPROM), 13 (registers).

#include "tests/device/e1000_fixture.h"

namespace machina::test {
namespace {

using namespace e1000;

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
