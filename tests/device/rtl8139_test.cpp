// RTL8139C+: "RTL8139C(L)+ Advanced Fast Ethernet Controller", revision 1.6: section 6 (registers), 9 (descriptors).

#include "hw/net/rtl8139.h"

#include "tests/device/nic_fixture.h"

namespace machina::test {
namespace {

using namespace rtl8139;

constexpr std::uint32_t kRingAt = 0x40000;

class Rtl8139Test : public NicTest<Rtl8139, 1, 0> {
 protected:
  std::uint8_t b(unsigned at) { return static_cast<std::uint8_t>(m.read(kBar + at, 1)); }
  std::uint16_t h(unsigned at) { return static_cast<std::uint16_t>(m.read(kBar + at, 2)); }
  std::uint32_t l(unsigned at) { return static_cast<std::uint32_t>(m.read(kBar + at, 4)); }
  void b(unsigned at, unsigned v) { m.write(kBar + at, 1, v); }
  void h(unsigned at, unsigned v) { m.write(kBar + at, 2, v); }
  void l(unsigned at, std::uint32_t v) { m.write(kBar + at, 4, v); }

  void start(std::uint32_t rcr = kRcrApm | kRcrAb) {
    b(kCr, kCrRst);
    l(kRbstart, kRingAt);
    b(kCr, kCrRe | kCrTe);
    l(kRcr, rcr);
    h(kImr, 0xffff);
  }
  void start_cplus(unsigned cpcr = 0) {
    b(kCr, kCrRst);
    h(kCpcr, kCpTx | kCpRx | cpcr);
    l(kTsad0, kTxRing), l(kTsad0 + 4, 0);
    l(kRdsar, kRxRing), l(kRdsar + 4, 0);
    for (unsigned n = 0; n < 4; ++n) {
      m.write(kRxRing + 16 * n, 4, kOwn | 0x600 | (n == 3 ? kEor : 0U));
      m.write(kRxRing + 16 * n + 4, 4, 0);
      m.write(kRxRing + 16 * n + 8, 8, kBuffers + 0x10000 + 0x1000 * n);
    }
    b(kCr, kCrRe | kCrTe);
    l(kRcr, kRcrApm | kRcrAb);
    h(kImr, 0xffff);
    tail = 0;
  }
  void descriptor(std::uint32_t options, std::uint32_t tag, std::uint64_t address) {
    m.write(kTxRing + 16 * tail, 4, options);
    m.write(kTxRing + 16 * tail + 4, 4, tag);
    m.write(kTxRing + 16 * tail + 8, 8, address);
    ++tail;
  }
  std::uint32_t rx(unsigned n) { return static_cast<std::uint32_t>(m.read(kRxRing + 16 * n, 4)); }

  unsigned tail = 0;
};

TEST_F(Rtl8139Test, Identity) {
  EXPECT_EQ(config.l(0x00), 0x813910ecU);
  EXPECT_EQ(config.l(0x08), 0x02000020U);
  EXPECT_EQ(l(kTcr), kTcrVersion);
  EXPECT_EQ(l(kIdr0), 0x12005452U);
  EXPECT_EQ(h(kIdr0 + 4), 0x5634);
  EXPECT_EQ(m.inl(kPorts), 0x12005452U) << "ports and memory are the same";
  EXPECT_EQ(b(kCr), kCrBufe);
  EXPECT_EQ(b(kMsr) & kMsrLinkb, 0);
  EXPECT_EQ(h(kBmsr) & 0x24, 0x24);
  net->set_link(false);
  EXPECT_EQ(b(kMsr) & kMsrLinkb, kMsrLinkb);
  EXPECT_EQ(h(kIsr), kIntLink);
}

TEST_F(Rtl8139Test, Eeprom) {
  const auto word = [&](unsigned address) {
    const unsigned on = kEeProgram | kEeCs;
    b(k9346cr, kEeProgram), b(k9346cr, on);
    const unsigned command = 6U << 6 | address;
    for (unsigned i = 9; i-- > 0;) {
      const unsigned bit = command >> i & 1 ? kEeDi : 0U;
      b(k9346cr, on | bit), b(k9346cr, on | bit | kEeSk);
    }
    b(k9346cr, on);
    unsigned value = 0;
    for (unsigned i = 0; i < 16; ++i) {
      b(k9346cr, on | kEeSk);
      value = value << 1 | (b(k9346cr) & kEeDo);
      b(k9346cr, on);
    }
    b(k9346cr, 0);
    return value;
  };
  EXPECT_EQ(word(0), 0x8129U);
  EXPECT_EQ(word(7), 0x5452U);
  EXPECT_EQ(word(9), 0x5634U);
}

TEST_F(Rtl8139Test, ConfigurationIsLocked) {
  const std::uint8_t before = b(kConfig1);
  b(kConfig1, before ^ 0x40U);
  EXPECT_EQ(b(kConfig1), before);
  b(k9346cr, kEeConfig);
  b(kConfig1, before ^ 0x40U);
  EXPECT_EQ(b(kConfig1), before ^ 0x40);
}

TEST_F(Rtl8139Test, SendsFromFourBuffers) {
  start();
  for (unsigned n = 0; n < 10; ++n) {
    const Frame frame = make_frame(kBroadcast, 60 + n);
    put(kBuffers + 0x1000 * (n % 4), frame);
    l(kTsad0 + 4 * (n % 4), kBuffers + 0x1000 * (n % 4));
    l(kTsd0 + 4 * (n % 4), static_cast<std::uint32_t>(frame.size()));
    ASSERT_EQ(net->sent.size(), n + 1);
    EXPECT_EQ(net->sent[n], frame);
    EXPECT_EQ(l(kTsd0 + 4 * (n % 4)), frame.size() | kTsdOwn | kTsdTok);
    EXPECT_TRUE(line());
    EXPECT_EQ(h(kIsr), kIntTok);
    h(kIsr, kIntTok);
    EXPECT_FALSE(line());
  }
  EXPECT_EQ(h(kTsadStatus), 0xf00f);
}

TEST_F(Rtl8139Test, BuffersGoInTurn) {
  start();
  put(kBuffers, make_frame(kBroadcast, 60));
  for (unsigned n = 0; n < 4; ++n) l(kTsad0 + 4 * n, kBuffers);
  l(kTsd0 + 4, 61);
  EXPECT_TRUE(net->sent.empty()) << "buffer 0 is first";
  l(kTsd0, 60);
  ASSERT_EQ(net->sent.size(), 2U);
  EXPECT_EQ(net->sent[1].size(), 61U);
}

TEST_F(Rtl8139Test, ReceivesIntoTheRing) {
  start();
  const Frame frame = make_frame(kMac, 99);
  net->inject(frame);
  EXPECT_EQ(h(kIsr), kIntRok);
  EXPECT_EQ(b(kCr) & kCrBufe, 0);
  EXPECT_EQ(m.read(kRingAt, 4), kRxRok | kRxPam | 103U << 16);
  const Frame all = bytes_at(kRingAt + 4, 103);
  EXPECT_EQ(Frame(all.begin(), all.begin() + 99), frame);
  EXPECT_EQ(ethernet::fcs(all), 0x2144df1cU);
  EXPECT_EQ(h(kCbr), 108) << "on a dword";
  h(kCapr, 108 - 16);
  EXPECT_EQ(b(kCr) & kCrBufe, kCrBufe);
}

TEST_F(Rtl8139Test, TheRingWrapsOrNot) {
  for (const bool wrap : {false, true}) {
    start(kRcrAb | (wrap ? kRcrWrap : 0U));
    const Frame frame = make_frame(kBroadcast, 1400);
    unsigned at = 0;
    for (unsigned n = 0; n < 30; ++n) {
      ASSERT_EQ(h(kCbr), at);
      net->inject(frame);
      Frame got;
      if (wrap) {
        got = bytes_at(kRingAt + at + 4, 1400);
      } else {
        for (unsigned i = 0; i < 1400; ++i) got.push_back(bytes_at(kRingAt + (at + 4 + i) % 8192, 1)[0]);
      }
      EXPECT_EQ(got, frame) << n;
      at = (at + 1408) % 8192;
      h(kCapr, (at - 16) & 0xffff);
    }
  }
}

TEST_F(Rtl8139Test, FramesWaitForRoom) {
  start();
  for (unsigned n = 0; n < 8; ++n) net->inject(make_frame(kBroadcast, 1400));
  EXPECT_TRUE(net->blocked());
  EXPECT_EQ(h(kIsr) & kIntRxovw, 0);
  const unsigned at = h(kCbr);
  h(kCapr, at - 16);
  m.step(1);
  EXPECT_FALSE(net->blocked());
}

TEST_F(Rtl8139Test, Filters) {
  const auto hears = [&](const char* to, std::uint32_t rcr) {
    start(rcr);
    net->inject(make_frame(to, 60));
    return h(kCbr) != 0;
  };
  EXPECT_TRUE(hears(kMac, kRcrApm));
  EXPECT_FALSE(hears(kMac, 0));
  EXPECT_FALSE(hears("52:54:00:12:34:57", kRcrApm));
  EXPECT_TRUE(hears("52:54:00:12:34:57", kRcrAap));
  EXPECT_FALSE(hears(kBroadcast, kRcrApm));
  EXPECT_TRUE(hears(kBroadcast, kRcrAb));
  EXPECT_FALSE(hears("01:00:5e:00:00:01", kRcrAm));
  l(kMar0, 0x80000000);
  EXPECT_TRUE(hears("01:00:5e:00:00:01", kRcrAm));
}

TEST_F(Rtl8139Test, TimerAt33MHz) {
  start();
  h(kImr, kIntTimeout);
  l(kTctr, 0);
  m.step(kNsPerMs);
  EXPECT_EQ(l(kTctr), 33000U);
  l(kTimerInt, 66000);
  m.step(kNsPerMs - 1000);
  EXPECT_FALSE(line());
  m.step(2000);
  EXPECT_TRUE(line());
  EXPECT_EQ(h(kIsr), kIntTimeout);
  h(kIsr, 0xffff);
  l(kTimerInt, 0);
  m.step(kNsPerSecond);
  EXPECT_FALSE(line());
}

TEST_F(Rtl8139Test, Loopback) {
  start();
  l(kTcr, kTcrLbk);
  put(kBuffers, make_frame(kMac, 70));
  l(kTsad0, kBuffers);
  l(kTsd0, 70);
  EXPECT_TRUE(net->sent.empty());
  EXPECT_EQ(bytes_at(kRingAt + 4, 70), make_frame(kMac, 70));
}

// --- C+ mode ---

TEST_F(Rtl8139Test, DescriptorsOut) {
  start_cplus();
  const Frame frame = make_frame(kBroadcast, 300);
  put(kBuffers, frame);
  descriptor(kOwn | kFs | kTxIpcs | kTxTcpcs | 100, 0, kBuffers);
  descriptor(kOwn | kLs | kEor | 200, 0, kBuffers + 100);
  b(kTppoll, kTppollNormal);
  ASSERT_EQ(net->sent.size(), 1U);
  EXPECT_EQ(net->sent[0], frame);
  EXPECT_EQ(m.read(kTxRing, 4) & kOwn, 0U);
  EXPECT_EQ(m.read(kTxRing + 16, 4) & kOwn, 0U);
  EXPECT_EQ(m.read(kTxRing, 4), kFs | 100U) << "no errors, no collisions";
  EXPECT_EQ(h(kIsr), kIntTok | kIntTdu);
  m.write(kTxRing, 4, kOwn | kFs | kLs | 60);
  b(kTppoll, kTppollNormal);
  EXPECT_EQ(net->sent.size(), 2U) << "from the first again";
}

TEST_F(Rtl8139Test, DescriptorsOutWithChecksums) {
  start_cplus();
  for (const std::uint8_t protocol : {std::uint8_t{6}, std::uint8_t{17}}) {
    Frame frame = make_ipv4(kBroadcast, protocol, 77);
    const Frame right = frame;
    frame[24] = frame[25] = 0x55;
    const std::size_t sum = protocol == 6 ? 50 : 40;
    frame[sum] = frame[sum + 1] = 0xaa;
    put(kBuffers, frame);
    tail = 0;
    l(kTsad0, kTxRing);
    descriptor(
        kOwn | kFs | kLs | kTxIpcs | (protocol == 6 ? kTxTcpcs : kTxUdpcs) | static_cast<std::uint32_t>(frame.size()),
        0, kBuffers);
    b(kTppoll, kTppollNormal);
    EXPECT_EQ(net->sent.back(), right);
  }
}

TEST_F(Rtl8139Test, DescriptorsOutInSegments) {
  start_cplus();
  const Frame frame = make_ipv4(kBroadcast, 6, 2500);
  put(kBuffers, frame);
  descriptor(kOwn | kFs | kLs | kLgsen | 1000U << kMssShift | static_cast<std::uint32_t>(frame.size()), 0, kBuffers);
  b(kTppoll, kTppollNormal);
  ASSERT_EQ(net->sent.size(), 3U);
  Frame payload;
  for (unsigned i = 0; i < 3; ++i) {
    const Frame& s = net->sent[i];
    EXPECT_TRUE(checksums_right(s)) << i;
    EXPECT_EQ(s[47], i == 2 ? 0x19 : 0x10);
    payload.insert(payload.end(), s.begin() + 54, s.end());
  }
  EXPECT_EQ(payload, Frame(frame.begin() + 54, frame.end()));
}

TEST_F(Rtl8139Test, ManySegmentsGoOutInSeveralTurnsWhateverElseIsPolled) {
  start_cplus();
  const Frame frame = make_ipv4(kBroadcast, 6, 40'000);
  put(kBuffers, frame);
  for (unsigned n = 0; n < 2; ++n)
    descriptor(kOwn | kFs | kLs | kLgsen | 100U << kMssShift | static_cast<std::uint32_t>(frame.size()), 0, kBuffers);
  b(kTppoll, kTppollNormal);
  EXPECT_EQ(net->sent.size(), 400U) << "the second packet waits for the next turn";
  b(kTppoll, kTppollHigh);
  m.step(kNsPerMs);
  EXPECT_EQ(net->sent.size(), 800U);
}

TEST_F(Rtl8139Test, DescriptorsOutWithTags) {
  start_cplus();
  Frame frame = make_frame(kBroadcast, 100);
  put(kBuffers, frame);
  descriptor(kOwn | kFs | kLs | 100, kTagc | 0x2361, kBuffers);
  b(kTppoll, kTppollNormal);
  const std::uint8_t tag[] = {0x81, 0x00, 0x61, 0x23};
  frame.insert(frame.begin() + 12, std::begin(tag), std::end(tag));
  EXPECT_EQ(net->sent.at(0), frame);
}

TEST_F(Rtl8139Test, DescriptorsIn) {
  start_cplus(kCpRxChecksum | kCpRxVlan);
  Frame frame = make_ipv4(kMac, 6, 77);
  net->inject(frame);
  EXPECT_EQ(rx(0), kFs | kLs | kCpPam | 1U << kPidShift | static_cast<std::uint32_t>(frame.size() + 4));
  EXPECT_EQ(bytes_at(kBuffers + 0x10000, frame.size()), frame);
  frame[60] ^= 1;
  net->inject(frame);
  EXPECT_EQ(rx(1) & (kTcpf | kIpf), kTcpf);
  Frame tagged = make_frame(kBroadcast, 100, 0x8100);
  tagged[14] = 0x61, tagged[15] = 0x23;
  net->inject(tagged);
  EXPECT_EQ(m.read(kRxRing + 32 + 4, 4), kTava | 0x2361U);
  EXPECT_EQ(rx(2) & kCpBar, kCpBar);
  net->inject(make_frame(kMac, 60));
  EXPECT_EQ(rx(3) & (kOwn | kEor), kEor);
  h(kIsr, 0xffff);
  net->inject(make_frame(kMac, 60));
  EXPECT_EQ(h(kIsr), kIntRxovw) << "the first is not the card's again";
  EXPECT_EQ(l(kMpc), 1U);
  m.write(kRxRing, 4, kOwn | 0x600);
  net->inject(make_frame(kMac, 60));
  EXPECT_EQ(rx(0) & 0x1fff, 64U);
}

// DTCCR: Dump Tally Counter Command, and the 64 bytes of its counters.
TEST_F(Rtl8139Test, TallyCountersAreDumped) {
  constexpr std::uint32_t kTo = 0x50000;
  const auto dump = [&] {
    for (unsigned at = 0; at < 80; at += 8) m.write(kTo + at, 8, ~std::uint64_t{0});
    l(kDtccr + 4, 0);
    l(kDtccr, kTo | static_cast<std::uint32_t>(kDtccrCmd));
    EXPECT_EQ(l(kDtccr), kTo) << "the command is over";
    EXPECT_EQ(m.read(kTo + 64, 8), ~std::uint64_t{0});
  };
  start();
  net->inject(make_frame(kMac, 60));  // the old way counts as well
  l(kTsad0, kBuffers);
  l(kTsd0, 60);
  l(kTsd0 + 4, 0x100);
  ASSERT_EQ(l(kTsd0 + 4) & 0x1fff, 0x100U) << "transmit status without C+ mode";
  start_cplus();
  l(kRcr, kRcrApm | kRcrAb | kRcrAm | kRcrAap);
  for (unsigned i = 0; i < 8; ++i) b(kMar0 + i, 0xff);
  net->inject(make_frame(kMac, 60));
  net->inject(make_frame(kBroadcast, 60));
  net->inject(make_frame("33:33:00:00:00:01", 60));
  net->inject(make_frame("52:54:00:99:99:99", 60));  // promiscuous: for nobody here
  net->inject(make_frame(kMac, 60));                 // no descriptor is left
  put(kBuffers, make_frame(kBroadcast, 100));
  descriptor(kOwn | kFs | kLs | 100, 0, kBuffers);
  descriptor(kOwn | kFs | kLs | 100, 0, 0xffff'ffff'0000);  // no memory
  b(kTppoll, kTppollNormal);
  dump();
  EXPECT_EQ(m.read(kTo + 0, 8), net->sent.size()) << "TxOk";
  EXPECT_EQ(m.read(kTo + 8, 8), 5U) << "RxOk";
  EXPECT_EQ(m.read(kTo + 16, 8), 1U) << "TxER";
  EXPECT_EQ(m.read(kTo + 24, 4), 1U) << "RxEr";
  EXPECT_EQ(m.read(kTo + 28, 2), 1U) << "MissPkt";
  EXPECT_EQ(m.read(kTo + 30, 2), 0U) << "FAE";
  EXPECT_EQ(m.read(kTo + 32, 8), 0U) << "Tx1Col, TxMCol";
  EXPECT_EQ(m.read(kTo + 40, 8), 2U) << "RxOkPhy";
  EXPECT_EQ(m.read(kTo + 48, 8), 1U) << "RxOkBrd";
  EXPECT_EQ(m.read(kTo + 56, 4), 1U) << "RxOkMul";
  EXPECT_EQ(m.read(kTo + 60, 2), 1U) << "TxAbt";
  EXPECT_EQ(m.read(kTo + 62, 2), 0U) << "TxUndrn";
  m.write(kTo, 8, 7);
  l(kDtccr, kTo + 0x30);
  EXPECT_EQ(l(kDtccr), kTo) << "on a boundary of 64 bytes";
  EXPECT_EQ(m.read(kTo, 8), 7U) << "only when told to";
  l(kDtccr, static_cast<std::uint32_t>(kBar) | static_cast<std::uint32_t>(kDtccrCmd));  // over its own registers
  EXPECT_EQ(b(kCr) & (kCrRe | kCrTe), kCrRe | kCrTe);
  m.reset();
  set_up();
  start_cplus();
  dump();
  EXPECT_EQ(m.read(kTo, 8), 0U);
  EXPECT_EQ(m.read(kTo + 40, 8), 0U);
}

TEST_F(Rtl8139Test, BadDescriptors) {
  start_cplus();
  l(kTsad0, 0xfffffff0), l(kTsad0 + 4, 0xffffffff);
  b(kTppoll, kTppollNormal | kTppollHigh);
  l(kTsad0, 0xfffc0000), l(kTsad0 + 4, 0);  // reads as all ones or as firmware, and cannot be written
  b(kTppoll, kTppollNormal);
  start_cplus();
  descriptor(kOwn | kFs | kLs | kLgsen | 1U << kMssShift | 0xffff, 0, kBuffers);
  put(kBuffers, make_ipv4(kBroadcast, 6, 100));
  b(kTppoll, kTppollNormal);
  EXPECT_TRUE(net->sent.empty()) << "segments of a byte are nobody's";
  start_cplus();
  for (unsigned i = 0; i < 64; ++i) descriptor(kOwn | 0xffff, 0, kBuffers);  // a packet that never ends
  b(kTppoll, kTppollNormal);
  b(kTppoll, kTppollNormal);
  start_cplus();
  m.write(kRxRing, 4, kOwn | 10);
  net->inject(make_frame(kMac, 60));
  EXPECT_EQ(h(kIsr) & kIntFovw, kIntFovw);
  m.write(kRxRing, 4, kOwn | 0x600);
  m.write(kRxRing + 8, 8, kBar);  // into its own registers
  net->inject(make_frame(kMac, 200));
  EXPECT_EQ(b(kCr) & (kCrRe | kCrTe), kCrRe | kCrTe);
  l(kRdsar, 0xfffffff0), l(kRdsar + 4, 0xffffffff);
  net->inject(make_frame(kMac, 200));
  start();
  l(kRbstart, 0xffffff00);
  net->inject(make_frame(kMac, 1000));
  h(kCapr, 0xffff);
  net->inject(make_frame(kMac, 1000));
  l(kTsad0, static_cast<std::uint32_t>(kBar));
  l(kTsd0, 0x1fff);
  EXPECT_EQ(l(kTsd0) & (kTsdTok | kTsdTabt), kTsdTabt) << "from its own registers";
}

TEST_F(Rtl8139Test, Reset) {
  start();
  net->inject(make_frame(kMac, 60));
  EXPECT_TRUE(line());
  b(kCr, kCrRst);
  EXPECT_FALSE(line());
  EXPECT_EQ(b(kCr), kCrBufe);
  EXPECT_EQ(h(kImr), 0);
  EXPECT_EQ(l(kIdr0), 0x12005452U);
  start();
  net->inject(make_frame(kMac, 60));
  m.reset();
  EXPECT_FALSE(line());
  set_up();
  EXPECT_EQ(h(kIsr), 0);
}

}  // namespace
}  // namespace machina::test
