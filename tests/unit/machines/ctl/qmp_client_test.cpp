// What machine-ctl speaks to a machine with, against machines that are slow, busy, gone, or have much to say.

#include "machines/ctl/qmp_client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "core/error.h"

namespace machina {
namespace {

constexpr std::string_view kGreeting = "{\"QMP\": {}}\r\n", kEmpty = "{\"return\": {}}\r\n";

class QmpClientTest : public testing::Test {
 protected:
  QmpClientTest() : path_(testing::TempDir() + "machina-ctl-" + std::to_string(::getpid())) {
    ::unlink(path_.c_str());
    listener_ = new_socket();
    const sockaddr_un a = address();
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&a), sizeof a), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
  }
  ~QmpClientTest() override {
    if (server_.joinable()) server_.join();
    ::unlink(path_.c_str());
  }
  static OwnedFd new_socket() { return OwnedFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
  sockaddr_un address() const {
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::memcpy(a.sun_path, path_.data(), path_.size());
    return a;
  }
  /// One client: the greeting, then an answer to each line, until they are at an end.
  void serve(std::vector<std::string> answers) {
    server_ = std::thread([this, answers = std::move(answers)] {
      const OwnedFd client(::accept(listener_.get(), nullptr, nullptr));
      send(client, kGreeting);
      for (const std::string& answer : answers) {
        for (char c = 0; c != '\n';)
          if (::recv(client.get(), &c, 1, 0) != 1) return;
        send(client, answer);
      }
    });
  }
  static void send(const OwnedFd& to, std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(to.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  static std::string fault(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& e) {
      return e.message();
    }
    return "none";
  }

  std::string path_;
  OwnedFd listener_;
  std::thread server_;
};

/// The kernel lets connect() wait as long as others wait to be served, whatever that takes.
TEST_F(QmpClientTest, AQueueThatIsFullIsNoReasonToWaitForEver) {
  std::vector<OwnedFd> waiting;
  const sockaddr_un a = address();
  for (;;) {
    OwnedFd one(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(one.get(), reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0) break;
    waiting.push_back(std::move(one));
    ASSERT_LT(waiting.size(), 100U);
  }
  EXPECT_EQ(fault([&] { QmpClient client(path_, 50); }), "the machine at '" + path_ + "' does not answer");
  // It is served when its turn comes.
  for (std::size_t i = 0; i < waiting.size(); ++i) (void)OwnedFd(::accept(listener_.get(), nullptr, nullptr));
  serve({std::string(kEmpty)});
  EXPECT_EQ(fault([&] { QmpClient client(path_, 60'000); }), "none");
}

TEST_F(QmpClientTest, AMachineThatIsSilentIsGivenUp) {
  EXPECT_EQ(fault([&] { QmpClient client(path_, 50); }), "the machine at '" + path_ + "' does not answer");
  listener_.reset();
  EXPECT_EQ(fault([&] { QmpClient client(path_, 60'000); }), "cannot talk to the machine at '" + path_ + "'");
}

TEST_F(QmpClientTest, AnswersMayBeLargerThanRequests) {
  const std::string text(JsonStream::kMaxMessage + 1000, 'x');
  serve({std::string(kEmpty), "{\"return\": \"" + text + "\"}\r\n"});
  QmpClient client(path_, 60'000);
  EXPECT_EQ(client.human("info tlb").size(), text.size());
  EXPECT_FALSE(client.ended());
}

TEST_F(QmpClientTest, AMachineThatGoesIsToldFromOneThatRefuses) {
  serve({std::string(kEmpty), "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\r\n", ""});
  QmpClient client(path_, 60'000);
  EXPECT_EQ(fault([&] { client.command("stop"); }), "GenericError: no");
  EXPECT_FALSE(client.ended());
  EXPECT_EQ(fault([&] { client.command("quit"); }), "the machine has gone");
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(client.wait_for_end(60'000));
}

}  // namespace
}  // namespace machina
