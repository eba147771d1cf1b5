#include "core/chardev/output_queue.h"

#include <gtest/gtest.h>

#include "tests/support/test_chardev.h"

namespace machina::test {
namespace {

struct OutputQueueTest : testing::Test, CharFrontend {
  OutputQueueTest() {
    queue.attach(chardev.get());
    chardev->attach(this);
  }
  ~OutputQueueTest() override { chardev->attach(nullptr); }
  std::size_t can_receive() override { return 0; }
  void receive(std::span<const std::byte>) override {}
  void writable() override { queue.flush(); }

  qom::Ref<TestChardev> chardev = qom::create<TestChardev>();
  OutputQueue queue;
};

TEST_F(OutputQueueTest, KeepsWhatIsNotTakenInOrder) {
  chardev->allow(3);
  queue.push("abcde");
  queue.push("fg");
  EXPECT_EQ(chardev->written, "abc");
  EXPECT_EQ(queue.size(), 4U);
  chardev->allow(1);
  EXPECT_EQ(chardev->written, "abcd");
  EXPECT_EQ(queue.size(), 3U);
  chardev->allow(100);
  EXPECT_EQ(chardev->written, "abcdefg");
  EXPECT_EQ(queue.size(), 0U);
  queue.push("h");
  EXPECT_EQ(chardev->written, "abcdefgh");
}

TEST_F(OutputQueueTest, ForgetsWhatWaits) {
  chardev->allow(1);
  queue.push("abc");
  queue.clear();
  chardev->allow(100);
  queue.push("d");
  EXPECT_EQ(chardev->written, "ad");
}

/// Passes on what it holds only when it is waited for.
class Slow final : public CharBackend {
 public:
  std::size_t write(std::span<const std::byte> bytes) override {
    const std::size_t n = std::min(bytes.size(), kRoom - held_.size());
    for (const std::byte b : bytes.first(n)) held_ += static_cast<char>(b);
    return n;
  }
  void drain(int timeout_ms) override {
    EXPECT_GE(timeout_ms, 0);
    if (!stuck) host += std::exchange(held_, {});
  }
  std::string description() const override { return "slow"; }
  std::string host;
  bool stuck = false;

 private:
  static constexpr std::size_t kRoom = 4;
  std::string held_;
};

TEST(OutputQueue, DrainPassesOnAllThatTheHostTakes) {
  OutputQueue queue;
  const auto backend = qom::Ref<Slow>(new Slow);
  queue.attach(backend.get());
  queue.push("0123456789");
  EXPECT_EQ(queue.size(), 6U);
  queue.drain(60'000);
  EXPECT_EQ(backend->host, "0123456789");
  EXPECT_EQ(queue.size(), 0U);
  queue.drain(60'000);  // nothing waits
  backend->stuck = true;
  queue.push("abcdefgh");
  queue.drain(60'000);  // gives up at once: nothing moves
  EXPECT_EQ(queue.size(), 4U);
}

/// Clears the queue and says something new while it is being written, as when a client goes and another one comes.
class Turning final : public CharBackend {
 public:
  explicit Turning(OutputQueue& queue) : queue_(queue) {}
  std::size_t write(std::span<const std::byte> bytes) override {
    if (std::exchange(first_, false)) {
      queue_.clear();
      queue_.push("new");
      return 2;
    }
    for (const std::byte b : bytes) written += static_cast<char>(b);
    return bytes.size();
  }
  std::string description() const override { return "turning"; }
  std::string written;

 private:
  OutputQueue& queue_;
  bool first_ = true;
};

TEST(OutputQueue, MayBeClearedFromInsideAWrite) {
  OutputQueue queue;
  const qom::Ref<Turning> backend(new Turning(queue));
  queue.attach(backend.get());
  queue.push("old");
  EXPECT_EQ(backend->written, "new");
  EXPECT_EQ(queue.size(), 0U);
}

}  // namespace
}  // namespace machina::test
