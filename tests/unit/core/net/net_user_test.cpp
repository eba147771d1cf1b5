// The network behind libslirp, spoken to in frames as a guest would.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/chardev/fd_stream.h"
#include "core/net/inet.h"
#include "tests/support/no_more_descriptors.h"
#include "tests/unit/core/net/net_fixture.h"

namespace machina {
namespace {

using test::Frame;
using testing::HasSubstr;

constexpr const char* kUser = "netdev-user";

void append16(Frame& f, unsigned v) {
  f.push_back(static_cast<std::uint8_t>(v >> 8));
  f.push_back(static_cast<std::uint8_t>(v));
}
void append(Frame& f, std::initializer_list<unsigned> bytes) {
  for (const unsigned b : bytes) f.push_back(static_cast<std::uint8_t>(b));
}
unsigned get16(const Frame& f, std::size_t at) {
  return at + 1 < f.size() ? static_cast<unsigned>(f[at] << 8 | f[at + 1]) : 0;
}

/// A datagram from 10.0.2.15 (or from nobody yet) to `to`; no checksum of UDP.
Frame udp(const std::string& from, const std::string& to, unsigned from_port, unsigned to_port, const Frame& payload,
          bool broadcast = false) {
  Frame f;
  if (broadcast) {
    append(f, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  } else {
    append(f, {0x52, 0x55, 10, 0, 2, 2});
  }
  append(f, {0x52, 0x54, 0, 0x12, 0x34, 0x56});
  append16(f, 0x0800);
  append(f, {0x45, 0});
  append16(f, static_cast<unsigned>(28 + payload.size()));
  append(f, {0, 1, 0, 0, 64, 17, 0, 0});
  for (const std::string& a : {from, to}) {
    const std::uint32_t n = ntohl(parse_ipv4(a).s_addr);
    append(f, {n >> 24, n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff});
  }
  const std::uint16_t sum = static_cast<std::uint16_t>(~test::ones_sum(f, 14, 34));
  f[24] = static_cast<std::uint8_t>(sum >> 8), f[25] = static_cast<std::uint8_t>(sum);
  append16(f, from_port);
  append16(f, to_port);
  append16(f, static_cast<unsigned>(8 + payload.size()));
  append16(f, 0);
  f.insert(f.end(), payload.begin(), payload.end());
  return f;
}

/// RFC 2131, figure 1, with the options that ask for everything.
Frame dhcp(unsigned type) {
  Frame m;
  append(m, {1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0x80, 0});
  m.resize(28);
  append(m, {0x52, 0x54, 0, 0x12, 0x34, 0x56});
  m.resize(236);
  append(m, {0x63, 0x82, 0x53, 0x63, 53, 1, type, 255});
  return m;
}

struct NetUserTest : test::NetTest {
  /// The first frame that satisfies `is`, waited for.
  const Frame* wait_for(const std::function<bool(const Frame&)>& is) {
    const Frame* found = nullptr;
    until([&] {
      for (const Frame& f : card.got)
        if (!found && is(f)) found = &f;
      return found != nullptr;
    });
    return found;
  }
  static bool is_udp(const Frame& f, unsigned from_port) {
    return f.size() > 42 && get16(f, 12) == 0x0800 && f[23] == 17 && get16(f, 34) == from_port;
  }
  /// What a DHCP message says under an option; empty without.
  static Frame option(const Frame& f, unsigned wanted) {
    for (std::size_t at = 42 + 240; at + 1 < f.size() && f[at] != 255; at += 2U + f[at + 1])
      if (f[at] == wanted && at + 2U + f[at + 1] <= f.size())
        return {f.begin() + static_cast<std::ptrdiff_t>(at + 2),
                f.begin() + static_cast<std::ptrdiff_t>(at + 2 + f[at + 1])};
    return {};
  }
};

TEST_F(NetUserTest, GivesAnAddress) {
  NetBackend& net = start(kUser, {{"bootfile", "boot.ipxe"}, {"hostname", "guest1"}}, card);
  send(net, udp("0.0.0.0", "255.255.255.255", 68, 67, dhcp(1), true));
  const Frame* offer = wait_for([](const Frame& f) { return is_udp(f, 67); });
  ASSERT_TRUE(offer);
  EXPECT_EQ(Frame(offer->begin() + 42 + 16, offer->begin() + 42 + 20), (Frame{10, 0, 2, 15})) << "yiaddr";
  EXPECT_EQ(option(*offer, 53), Frame{2}) << "an offer";
  EXPECT_EQ(option(*offer, 1), (Frame{255, 255, 255, 0}));
  EXPECT_EQ(option(*offer, 3), (Frame{10, 0, 2, 2}));
  EXPECT_EQ(option(*offer, 6), (Frame{10, 0, 2, 3}));
  EXPECT_STREQ(reinterpret_cast<const char*>(offer->data() + 42 + 108), "boot.ipxe");
  const Frame name = option(*offer, 12);
  EXPECT_EQ(std::string(name.begin(), name.end()), "guest1");
}

TEST_F(NetUserTest, TheNetworkIsWhereTheUserSays) {
  NetBackend& net =
      start(kUser,
            {{"net", "192.168.9.0/24"}, {"host", "192.168.9.1"}, {"dns", "192.168.9.4"}, {"dhcpstart", "192.168.9.50"}},
            card);
  EXPECT_EQ(net.description(), "user,net=192.168.9.0/24");
  send(net, udp("0.0.0.0", "255.255.255.255", 68, 67, dhcp(1), true));
  const Frame* offer = wait_for([](const Frame& f) { return is_udp(f, 67); });
  ASSERT_TRUE(offer);
  EXPECT_EQ(Frame(offer->begin() + 42 + 16, offer->begin() + 42 + 20), (Frame{192, 168, 9, 50}));
  EXPECT_EQ(option(*offer, 3), (Frame{192, 168, 9, 1}));
}

TEST_F(NetUserTest, ServesFilesByTftp) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "net-user-tftp";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "hello") << "hello, guest";
  NetBackend& net = start(kUser, {{"tftp", folder.string()}}, card);
  Frame request = {0, 1};
  for (const char* word : {"hello", "octet"}) {
    request.insert(request.end(), word, word + std::string(word).size() + 1);
  }
  send(net, udp("10.0.2.15", "10.0.2.2", 1024, 69, request));
  // It asks who 10.0.2.15 is before it answers.
  const Frame* arp = wait_for([](const Frame& f) { return f.size() >= 42 && get16(f, 12) == 0x0806; });
  if (arp) {
    Frame reply(arp->begin() + 6, arp->begin() + 12);
    append(reply, {0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2});
    append(reply, {0x52, 0x54, 0, 0x12, 0x34, 0x56, 10, 0, 2, 15});
    reply.insert(reply.end(), arp->begin() + 22, arp->begin() + 32);
    send(net, reply);
  }
  const Frame* data = wait_for([](const Frame& f) { return is_udp(f, 69); });
  ASSERT_TRUE(data);
  EXPECT_EQ(Frame(data->begin() + 42, data->begin() + 46), (Frame{0, 3, 0, 1})) << "data, block 1";
  EXPECT_EQ(std::string(data->begin() + 46, data->begin() + 58), "hello, guest");
  std::filesystem::remove_all(folder);
}

TEST_F(NetUserTest, ForwardsAPortThatItChooses) {
  NetBackend& net = start(kUser, {{"hostfwd", "tcp:127.0.0.1:0-:22;udp:127.0.0.1:0-10.0.2.15:53"}}, card);
  const std::string rules = net.get("forwards").to_string();
  unsigned tcp_port = 0, udp_port = 0;
  ASSERT_EQ(
      std::sscanf(rules.c_str(), "tcp:127.0.0.1:%u-10.0.2.15:22;udp:127.0.0.1:%u-10.0.2.15:53", &tcp_port, &udp_port),
      2)
      << rules;
  EXPECT_NE(tcp_port, 0U);
  const OwnedFd peer(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in to = parse_inet("127.0.0.1:" + std::to_string(tcp_port));
  ASSERT_EQ(connect(peer.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  // Who is 10.0.2.15? Then a connection to its port 22.
  ASSERT_TRUE(wait_for([](const Frame& f) { return f.size() >= 42 && get16(f, 12) == 0x0806; }));
}

TEST_F(NetUserTest, RefusesWhatCannotBe) {
  const auto refuses = [&](std::initializer_list<std::pair<const char*, std::string>> properties) {
    return refusal(make(kUser, properties));
  };
  EXPECT_THAT(refuses({{"net", "10.0.2.0/30"}}), HasSubstr("too small"));
  EXPECT_THAT(refuses({{"host", "10.0.3.2"}}), HasSubstr("no address of the network 10.0.2.0/24"));
  EXPECT_THAT(refuses({{"dns", "10.0.2.2"}}), HasSubstr("host and dns are both"));
  EXPECT_THAT(refuses({{"dhcpstart", "10.0.2.3"}}), HasSubstr("is taken"));
  EXPECT_THAT(refuses({{"ipv4", "off"}, {"ipv6", "off"}}), HasSubstr("neither"));
  EXPECT_THAT(refuses({{"hostname", std::string(33, 'a')}}), HasSubstr("too long"));
  EXPECT_THAT(refuses({{"bootfile", std::string(128, 'a')}}), HasSubstr("too long"));
  EXPECT_THAT(refuses({{"tftp", "/nosuch"}}), HasSubstr("not a folder"));
  EXPECT_THAT(refuses({{"hostfwd", "tcp::1"}}), HasSubstr("not a forwarding rule"));
  EXPECT_THAT(refuses({{"hostfwd", "icmp::1-:2"}}), HasSubstr("not a forwarding rule"));
  EXPECT_THAT(refuses({{"hostfwd", "tcp::1-:0"}}), HasSubstr("port 0"));
  EXPECT_THAT(refuses({{"hostfwd", "tcp::99999-:1"}}), HasSubstr("not a port"));
  const OwnedFd taken(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in a = parse_inet("127.0.0.1:0");
  socklen_t length = sizeof a;
  ASSERT_EQ(bind(taken.get(), reinterpret_cast<sockaddr*>(&a), length), 0);
  ASSERT_EQ(listen(taken.get(), 1), 0);
  ASSERT_EQ(getsockname(taken.get(), reinterpret_cast<sockaddr*>(&a), &length), 0);
  EXPECT_THAT(refuses({{"hostfwd", "tcp:" + inet_text(a) + "-:22"}}), HasSubstr("Address already in use"));
}

TEST_F(NetUserTest, AnyFrameIsTaken) {
  NetBackend& net = start(kUser, {}, card);
  std::uint32_t seed = 1;
  for (unsigned n = 0; n < 2000; ++n) {
    Frame f = n % 2 ? udp("10.0.2.15", "10.0.2.2", 1000, n % 100, Frame(n % 300)) : Frame(14 + n % 1500);
    for (std::size_t i = n % 2 ? 14 : 0; i < f.size(); i += 1 + n % 7) {
      seed = seed * 1664525 + 1013904223;
      f[i] = static_cast<std::uint8_t>(seed >> 24);
    }
    send(net, f);
  }
  loop.poll();
  EXPECT_EQ(net.statistics().sent, 2000U);
}

// What knocks at a forwarded port stays there, ready, while there is no descriptor to let it in: no reason to spin.
TEST_F(NetUserTest, ForwardedConnectionsWaitForDescriptors) {
  SKIP_WHERE_CHECKS_NEED_DESCRIPTORS();
  NetBackend& net = start(kUser, {{"hostfwd", "tcp:127.0.0.1:0-:22"}}, card);
  const std::string forwards = net.get("forwards").to_string();
  const sockaddr_in at = parse_inet(forwards.substr(4, forwards.find('-') - 4));
  const OwnedFd visitor(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  loop.poll();
  card.got.clear();
  {
    const test::NoMoreDescriptors none;
    connect(visitor.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at);
    const auto turns_until_quiet = [&] {
      for (int turn = 0; turn < 200; ++turn) {
        timespec moment{0, 1'000'000};
        nanosleep(&moment, nullptr);
        if (turn > 20 && loop.poll() == 0) return turn;
        loop.poll();
      }
      return 200;
    };
    EXPECT_LT(turns_until_quiet(), 200) << "the loop spins";
    EXPECT_TRUE(card.got.empty());
  }
  // The guest is asked for, by ARP or at once, when there are descriptors again.
  EXPECT_TRUE(until([&] { return !card.got.empty(); }));
}

}  // namespace
}  // namespace machina
