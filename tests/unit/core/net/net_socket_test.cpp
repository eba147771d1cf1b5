#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/chardev/fd_stream.h"
#include "core/net/inet.h"
#include "tests/unit/core/net/net_fixture.h"

namespace machina {
namespace {

using test::Frame;
using test::make_frame;
using test::TestCard;
using testing::HasSubstr;

constexpr const char* kSocket = "netdev-socket";
constexpr const char* kTo = "52:54:00:12:34:56";

struct NetSocketTest : test::NetTest {
  static std::string address(const NetBackend& b) { return b.get("address").to_string(); }
  static OwnedFd connect_to(const std::string& where) {
    OwnedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in a = parse_inet(where);
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0) fd.reset();
    return fd;
  }
  static Frame with_length(const Frame& frame) {
    const auto n = static_cast<std::uint32_t>(frame.size());
    Frame f = {static_cast<std::uint8_t>(n >> 24), static_cast<std::uint8_t>(n >> 16),
               static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)};
    f.insert(f.end(), frame.begin(), frame.end());
    return f;
  }
  TestCard other;
};

TEST_F(NetSocketTest, TwoMachinesOnOneCable) {
  NetBackend& a = start(kSocket, {{"listen", "127.0.0.1:0"}}, card);
  NetBackend& b = start(kSocket, {{"connect", address(a)}}, other);
  ASSERT_TRUE(until([&] { return a.get("connected") == qom::Value(true); }));
  for (unsigned i = 0; i < 20; ++i) {
    send(b, make_frame(kTo, 60 + 70 * i));
    send(a, make_frame(kTo, 1500 - i));
  }
  ASSERT_TRUE(until([&] { return card.got.size() == 20 && other.got.size() == 20; }));
  for (unsigned i = 0; i < 20; ++i) {
    EXPECT_EQ(card.got[i], make_frame(kTo, 60 + 70 * i));
    EXPECT_EQ(other.got[i], make_frame(kTo, 1500 - i));
  }
}

TEST_F(NetSocketTest, FramesComeInPieces) {
  NetBackend& a = start(kSocket, {{"listen", "127.0.0.1:0"}}, card);
  const OwnedFd peer = connect_to(address(a));
  ASSERT_TRUE(peer);
  Frame stream = with_length(make_frame(kTo, 100));
  const Frame second = with_length(make_frame(kTo, 200));
  stream.insert(stream.end(), second.begin(), second.end());
  for (std::size_t at = 0; at < stream.size(); at += 3) {
    ASSERT_GT(::send(peer.get(), stream.data() + at, std::min<std::size_t>(3, stream.size() - at), 0), 0);
    loop.poll();
  }
  ASSERT_TRUE(until([&] { return card.got.size() == 2; }));
  EXPECT_EQ(card.got[1], make_frame(kTo, 200));
}

TEST_F(NetSocketTest, APeerOfAnotherProtocolIsSentAway) {
  NetBackend& a = start(kSocket, {{"listen", "127.0.0.1:0"}}, card);
  {
    const OwnedFd peer = connect_to(address(a));
    ASSERT_EQ(::send(peer.get(), "GET / HTTP/1.0\r\n", 16, 0), 16);
    char c = 0;
    until([&] { return recv(peer.get(), &c, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET; });
    EXPECT_EQ(a.get("connected"), qom::Value(false));
  }
  const OwnedFd next = connect_to(address(a));
  const Frame good = with_length(make_frame(kTo, 100));
  ASSERT_GT(::send(next.get(), good.data(), good.size(), 0), 0);
  EXPECT_TRUE(until([&] { return card.got.size() == 1; })) << "the next peer is served";
}

TEST_F(NetSocketTest, WithoutAPeerFramesAreLost) {
  NetBackend& a = start(kSocket, {{"listen", "127.0.0.1:0"}}, card);
  for (unsigned i = 0; i < 1000; ++i) send(a, make_frame(kTo, 1500));
  const OwnedFd peer = connect_to(address(a));
  ASSERT_TRUE(until([&] { return a.get("connected") == qom::Value(true); }));
  // Nobody reads: the socket and the buffer fill, the rest is lost, whole frames only.
  for (unsigned i = 0; i < 10'000; ++i) send(a, make_frame(kTo, 1500));
  Frame all;
  std::array<std::uint8_t, 65536> some;
  while (until([&] {
           const ssize_t n = recv(peer.get(), some.data(), some.size(), MSG_DONTWAIT);
           if (n > 0) all.insert(all.end(), some.begin(), some.begin() + n);
           return n > 0;
         }) &&
         all.size() < 64 * 1024) {
  }
  for (std::size_t at = 0; at + 1504 <= all.size(); at += 1504)
    ASSERT_EQ(
        Frame(all.begin() + static_cast<std::ptrdiff_t>(at), all.begin() + static_cast<std::ptrdiff_t>(at + 1504)),
        with_length(make_frame(kTo, 1500)));
}

TEST_F(NetSocketTest, ACardThatIsNotReadyHoldsThePeer) {
  card.ready = false;
  NetBackend& a = start(kSocket, {{"listen", "127.0.0.1:0"}}, card);
  NetBackend& b = start(kSocket, {{"connect", address(a)}}, other);
  for (unsigned i = 0; i < 600; ++i) {
    send(b, make_frame(kTo, 60));
    loop.poll();
  }
  {
    const MachineLock::Guard guard(lock);
    card.ready = true;
    a.resume_input();
  }
  EXPECT_TRUE(until([&] { return card.got.size() == 600; })) << "none is lost";
}

TEST_F(NetSocketTest, Datagrams) {
  NetBackend& a = start(kSocket, {{"udp", "127.0.0.1:9"}, {"localaddr", "127.0.0.1:0"}}, card);
  NetBackend& b = start(kSocket, {{"udp", address(a)}, {"localaddr", "127.0.0.1:0"}}, other);
  send(b, make_frame(kTo, 1000));
  ASSERT_TRUE(until([&] { return card.got.size() == 1; }));
  EXPECT_EQ(card.got[0], make_frame(kTo, 1000));
}

TEST_F(NetSocketTest, AGroupIsOneCable) {
  const std::string group = "239.192.7.7:" + std::to_string(20000 + getpid() % 20000);
  NetBackend& probe = make(kSocket, {{"mcast", group}, {"localaddr", "127.0.0.1"}});
  if (const std::string why = refusal(probe); !why.empty()) GTEST_SKIP() << "no multicast on this host: " << why;
  NetBackend& a = start(kSocket, {{"mcast", group}, {"localaddr", "127.0.0.1"}}, card);
  start(kSocket, {{"mcast", group}, {"localaddr", "127.0.0.1"}}, other);
  send(a, make_frame(kTo, 100));
  if (!until([&] { return other.got.size() == 1; })) GTEST_SKIP() << "multicast does not come back on this host";
  loop.poll();
  EXPECT_TRUE(card.got.empty()) << "not what it has sent itself";
}

TEST_F(NetSocketTest, Refusals) {
  const auto refuses = [&](std::initializer_list<std::pair<const char*, std::string>> properties) {
    return refusal(make(kSocket, properties));
  };
  EXPECT_THAT(refuses({}), HasSubstr("no address"));
  EXPECT_THAT(refuses({{"listen", ":0"}, {"connect", ":1"}}), HasSubstr("more than one"));
  EXPECT_THAT(refuses({{"listen", "1"}}), HasSubstr("not an address with a port"));
  EXPECT_THAT(refuses({{"connect", "127.0.0.1:0"}}), HasSubstr("port 0"));
  EXPECT_THAT(refuses({{"connect", "127.0.0.1:1"}}), HasSubstr("Connection refused"));
  EXPECT_THAT(refuses({{"udp", "127.0.0.1:1"}}), HasSubstr("localaddr"));
  EXPECT_THAT(refuses({{"mcast", "10.0.0.1:1"}}), HasSubstr("not the address of a group"));
  EXPECT_THAT(refuses({{"fd", "9999"}}), HasSubstr("not an open socket"));
  NetBackend& a = start(kSocket, {{"listen", "127.0.0.1:0"}}, card);
  EXPECT_THAT(refuses({{"listen", address(a)}}), HasSubstr("Address already in use"));
}

}  // namespace
}  // namespace machina
