#include "core/net/net_backend.h"

#include "tests/unit/core/net/net_fixture.h"

namespace machina {
namespace {

using test::Frame;
using test::make_frame;
using test::TestCard;
using test::TestNet;

constexpr const char* kTo = "52:54:00:12:34:56";

struct NetBackendTest : test::NetTest {
  NetBackendTest() : net(static_cast<TestNet&>(start(TestNet::kType, {}, card))) {}
  TestNet& net;
};

TEST_F(NetBackendTest, FramesGoBothWays) {
  net.send(make_frame(kTo, 60));
  net.inject(make_frame(kTo, 61));
  ASSERT_EQ(net.sent.size(), 1U);
  ASSERT_EQ(card.got.size(), 1U);
  EXPECT_EQ(card.got[0].size(), 61U);
  EXPECT_EQ(net.statistics().sent, 1U);
  EXPECT_EQ(net.statistics().delivered, 1U);
}

TEST_F(NetBackendTest, WhatIsNoFrameIsLost) {
  net.send(Frame(13));
  net.send(Frame(NetBackend::kMaxFrame + 1));
  net.inject(Frame(13));
  net.inject(Frame(NetBackend::kMaxFrame + 1));
  EXPECT_TRUE(net.sent.empty());
  EXPECT_TRUE(card.got.empty());
  EXPECT_EQ(net.statistics().lost, 4U);
}

TEST_F(NetBackendTest, ACardThatIsNotReadyGetsThemLaterInOrder) {
  card.ready = false;
  for (unsigned i = 0; i < 10; ++i) net.inject(make_frame(kTo, 60 + i));
  EXPECT_TRUE(net.blocked());
  loop.poll();
  EXPECT_TRUE(card.got.empty());
  card.ready = true;
  net.resume_input();
  EXPECT_TRUE(card.got.empty()) << "not from inside of the call";
  EXPECT_TRUE(until([&] { return card.got.size() == 10; }));
  for (unsigned i = 0; i < 10; ++i) EXPECT_EQ(card.got[i].size(), 60U + i);
  EXPECT_FALSE(net.blocked());
  EXPECT_GE(net.possible, 1U);
}

TEST_F(NetBackendTest, ANewCardIsGivenWhatComesAlthoughTheOldOneWasFull) {
  card.ready = false;
  net.inject(make_frame(kTo, 60));
  EXPECT_TRUE(net.blocked());
  net.attach(nullptr);
  TestCard other;
  net.possible = 0;
  net.attach(&other);
  EXPECT_GE(net.possible, 1U) << "a backend that left frames with the host fetches them";
  net.inject(make_frame(kTo, 61));
  EXPECT_EQ(other.got.size(), 1U);
  net.attach(nullptr);
}

TEST_F(NetBackendTest, TheQueueIsBounded) {
  card.ready = false;
  for (unsigned i = 0; i < 10'000; ++i) net.inject(make_frame(kTo, 60));
  EXPECT_EQ(net.statistics().lost, 10'000 - NetBackend::kQueueFrames);
  card.ready = true;
  net.resume_input();
  EXPECT_TRUE(until([&] { return card.got.size() == NetBackend::kQueueFrames; }));
  card.ready = false;
  for (unsigned i = 0; i < 100; ++i) net.inject(make_frame(kTo, 60'000));
  EXPECT_EQ(net.statistics().lost, 10'000 - NetBackend::kQueueFrames + 100 - NetBackend::kQueueBytes / 60'000);
}

TEST_F(NetBackendTest, AnswersComeAfterTheCallThatCausesThem) {
  net.answer = make_frame(kTo, 70);
  net.send(make_frame(kTo, 60));
  EXPECT_TRUE(card.got.empty());
  EXPECT_TRUE(until([&] { return card.got.size() == 1; }));
}

TEST_F(NetBackendTest, NothingIsDeliveredWhileTheMachineStands) {
  {
    const MachineLock::Guard guard(lock);
    clock.stop();
    net.inject(make_frame(kTo, 60));
  }
  loop.poll();
  EXPECT_TRUE(card.got.empty());
  {
    const MachineLock::Guard guard(lock);
    clock.start();
  }
  EXPECT_TRUE(until([&] { return card.got.size() == 1; }));
}

TEST_F(NetBackendTest, ACableThatIsPulledOut) {
  card.ready = false;
  net.inject(make_frame(kTo, 60));
  net.set("link", false);
  EXPECT_EQ(card.links, std::vector<bool>{false});
  EXPECT_FALSE(net.blocked()) << "what waited is lost";
  card.ready = true;
  net.inject(make_frame(kTo, 60));
  net.send(make_frame(kTo, 60));
  EXPECT_TRUE(card.got.empty());
  EXPECT_TRUE(net.sent.empty());
  net.set("link", true);
  net.inject(make_frame(kTo, 60));
  EXPECT_EQ(card.got.size(), 1U);
}

TEST_F(NetBackendTest, OneCardAtATime) {
  TestCard other;
  EXPECT_THROW(net.attach(&other), Error);
  net.attach(nullptr);
  net.inject(make_frame(kTo, 60));
  EXPECT_FALSE(net.blocked()) << "nobody is there";
  net.attach(&other);
  net.inject(make_frame(kTo, 60));
  EXPECT_EQ(other.got.size(), 1U);
  net.attach(nullptr);
}

}  // namespace
}  // namespace machina
