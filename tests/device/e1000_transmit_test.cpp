// Intel 82540EM, the transmitter. "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual",
// 317453: chapter 3 (descriptors), section 3.5 (segmentation).

#include "tests/device/e1000_fixture.h"

namespace machina::test {
namespace {

using namespace e1000;

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

}  // namespace
}  // namespace machina::test
