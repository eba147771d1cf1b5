#include "core/chardev/input_queue.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>

namespace machina::test {
namespace {

/// Requests are words that end with a full stop; what is not complete is kept.
struct InputQueueTest : testing::Test {
  void say(std::string_view text) { queue.push(std::as_bytes(std::span(text))); }
  void carry_out() {
    queue.carry_out(
        [this](std::string_view& rest) -> std::optional<std::string> {
          const std::size_t end = rest.find('.');
          begun += rest.substr(0, end);
          rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
          if (end == std::string_view::npos) return std::nullopt;
          return std::exchange(begun, {});
        },
        [this](const std::string& word) {
          answered += "<" + word;
          if (during) std::exchange(during, {})();
          answered += ">";
        },
        [this] { return answered.size() < most; });
  }

  InputQueue queue{16};
  std::string begun, answered;
  std::function<void()> during;  // the first answer
  std::size_t most = 100;
};

TEST_F(InputQueueTest, RequestsAreAnsweredInOrder) {
  say("one.two.thr");
  carry_out();
  EXPECT_EQ(answered, "<one><two>");
  say("ee.");
  carry_out();
  EXPECT_EQ(answered, "<one><two><three>");
}

TEST_F(InputQueueTest, RoomIsWhatTheLimitLeaves) {
  EXPECT_EQ(queue.room(), 16U);
  say("0123456789.");
  EXPECT_EQ(queue.room(), 5U);
  say("0123456789.");
  EXPECT_EQ(queue.room(), 0U);
  carry_out();
  EXPECT_EQ(queue.room(), 16U);
}

TEST_F(InputQueueTest, WhatIsNotToBeAnsweredYetWaits) {
  say("one.two.three.");
  most = 6;
  carry_out();
  EXPECT_EQ(answered, "<one><two>");
  EXPECT_EQ(queue.room(), 10U);
  carry_out();
  EXPECT_EQ(answered, "<one><two>");
  most = 100;
  carry_out();
  EXPECT_EQ(answered, "<one><two><three>");
}

TEST_F(InputQueueTest, WhatComesDuringAnAnswerIsAnsweredAfterwards) {
  say("one.two.");
  during = [this] {
    say("three.");
    carry_out();
  };
  carry_out();
  EXPECT_EQ(answered, "<one><two><three>");
}

TEST_F(InputQueueTest, AnotherClientGetsNothingOfTheFormerOnes) {
  say("one.two.");
  const unsigned connection = queue.connection();
  during = [this] {
    queue.clear();
    say("other.");
  };
  carry_out();
  EXPECT_EQ(answered, "<one><other>");
  EXPECT_NE(queue.connection(), connection);
}

}  // namespace
}  // namespace machina::test
