// Intel 82540EM, the receiver. "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual", 317453:
// chapters 3 (descriptors), 10 and 13.5 (filters).

#include "tests/device/e1000_fixture.h"

namespace machina::test {
namespace {

using namespace e1000;

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

}  // namespace
}  // namespace machina::test
