#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "core/chardev/fd_stream.h"
#include "tests/support/no_more_descriptors.h"
#include "tests/support/trace_capture.h"
#include "tests/unit/core/chardev/chardev_fixture.h"

namespace machina {
namespace {

struct CharSocketTest : test::ChardevTest {
  static OwnedFd connect_unix(const std::string& path) {
    OwnedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    strncpy(a.sun_path, path.c_str(), sizeof a.sun_path - 1);
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) fd.reset();
    return fd;
  }
  static OwnedFd connect_tcp(int port) {
    OwnedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<std::uint16_t>(port));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) fd.reset();
    return fd;
  }
  static void send_all(const OwnedFd& fd, std::string_view text) {
    ASSERT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // What the peer has now.
  static std::string take(const OwnedFd& fd) {
    std::string out;
    char buffer[65536];
    ssize_t n = 0;
    while ((n = recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
      out.append(buffer, static_cast<std::size_t>(n));
    return out;
  }
  static bool at_end(const OwnedFd& fd) {
    char c = 0;
    return recv(fd.get(), &c, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
  }
  static int port_of(const CharBackend& chr) {
    const std::string address = chr.get("address").to_string();
    return std::stoi(address.substr(address.rfind(':') + 1));
  }
};

TEST_F(CharSocketTest, UnixServerServesOneClientAfterTheOther) {
  const auto chr = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  chr->attach(&front);
  EXPECT_FALSE(chr->connected());
  EXPECT_TRUE(front.events.empty());
  EXPECT_EQ(chr->description(), "disconnected:unix:" + path("s") + ",server=on");
  EXPECT_EQ(write(*chr, "to nobody"), 9U);

  OwnedFd first = connect_unix(path("s"));
  ASSERT_TRUE(first);
  expect_soon([&] { return chr->connected(); });
  EXPECT_EQ(chr->description(), "unix:" + path("s") + ",server=on");
  send_all(first, "hello");
  expect_soon([&] { return front.got == "hello"; });
  EXPECT_EQ(write(*chr, "welcome"), 7U);
  std::string answer;
  expect_soon([&] { return (answer += take(first)) == "welcome"; });

  // The second client is served when the first has gone.
  const OwnedFd second = connect_unix(path("s"));
  ASSERT_TRUE(second);
  send_all(second, " again");
  for (int i = 0; i < 5; ++i) loop.poll();
  EXPECT_EQ(front.got, "hello");
  test::TraceCapture trace({"chardev_event"});
  first.reset();
  expect_soon([&] { return front.got == "hello again"; });
  EXPECT_EQ(trace.take(),
            (std::vector<std::string>{"chardev_event chardev= event=closed", "chardev_event chardev= event=opened"}));
  EXPECT_EQ(front.events, (std::vector<std::string>{"opened", "closed", "opened"}));

  qom::unrealize_tree(*chr);
  EXPECT_FALSE(std::filesystem::exists(path("s")));
  EXPECT_TRUE(at_end(second));
}

TEST_F(CharSocketTest, AnExclusiveServerSendsOthersAwayButWaitsForOneThatLeaves) {
  const auto chr =
      realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}, {"exclusive", "on"}});
  chr->attach(&front);
  OwnedFd first = connect_unix(path("s"));
  expect_soon([&] { return chr->connected(); });
  const OwnedFd second = connect_unix(path("s"));
  ASSERT_TRUE(second);
  expect_soon([&] { return at_end(second); });
  EXPECT_TRUE(chr->connected());

  // Both are there before the server looks: the first has gone, the third has come.
  send_all(first, "bye");
  first.reset();
  OwnedFd third = connect_unix(path("s"));
  ASSERT_TRUE(third);
  send_all(third, " hello");
  expect_soon([&] { return front.got == "bye hello"; });
  EXPECT_FALSE(at_end(third));
}

// As `nc -N` and `printf … | socat` do: all is said, and the answers are wanted.
TEST_F(CharSocketTest, APeerThatHasFinishedSendingGetsWhatWaits) {
  const auto chr = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  chr->attach(&front);
  const OwnedFd client = connect_unix(path("s"));
  expect_soon([&] { return chr->connected(); });
  const std::string answer(std::size_t{1} << 20, 'a');
  const std::size_t taken = write(*chr, answer);
  ASSERT_LT(taken, answer.size()) << "more than the host holds";
  send_all(client, "bye");
  ASSERT_EQ(shutdown(client.get(), SHUT_WR), 0);
  expect_soon([&] { return front.got == "bye"; });
  for (int i = 0; i < 5; ++i) loop.poll();
  EXPECT_EQ(front.events, (std::vector<std::string>{"opened"})) << "it still reads";
  std::size_t got = 0;
  expect_soon([&] { return (got += take(client).size()) >= taken; });
  EXPECT_EQ(got, taken);
  EXPECT_EQ(front.writables, 1) << "the front end could have gone on";
  expect_soon([&] { return at_end(client); });
  EXPECT_EQ(front.events, (std::vector<std::string>{"opened", "closed"}));

  // One that has gone altogether is no longer waited for.
  OwnedFd gone = connect_unix(path("s"));
  expect_soon([&] { return chr->connected(); });
  EXPECT_LT(write(*chr, answer), answer.size());
  gone.reset();
  expect_soon([&] { return !chr->connected(); });
}

TEST_F(CharSocketTest, TheSocketGoesFromWhereItWasMade) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(dir);
  const auto chr = realize("chardev-socket", {{"path", "s"}, {"server", "on"}, {"wait", "off"}});
  std::filesystem::current_path("/");  // as -daemonize does
  EXPECT_TRUE(std::filesystem::exists(path("s")));
  qom::unrealize_tree(*chr);
  EXPECT_FALSE(std::filesystem::exists(path("s")));
  std::filesystem::current_path(before);
}

TEST_F(CharSocketTest, TcpServerPicksAPortAndReportsIt) {
  const auto chr = realize(
      "chardev-socket", {{"host", "127.0.0.1"}, {"port", "0"}, {"server", "on"}, {"wait", "off"}, {"nodelay", "on"}});
  chr->attach(&front);
  const int port = port_of(*chr);
  EXPECT_GT(port, 0);
  EXPECT_EQ(chr->description(), "disconnected:tcp:127.0.0.1:" + std::to_string(port) + ",server=on");
  const OwnedFd client = connect_tcp(port);
  ASSERT_TRUE(client);
  send_all(client, "x");
  expect_soon([&] { return front.got == "x"; });

  const std::string refused = refusal(
      "chardev-socket", {{"host", "127.0.0.1"}, {"port", std::to_string(port)}, {"server", "on"}, {"wait", "off"}});
  EXPECT_NE(refused.find("cannot listen on TCP 127.0.0.1:"), std::string::npos) << refused;
  EXPECT_NE(refused.find("another port"), std::string::npos) << refused;
}

TEST_F(CharSocketTest, ClientConnectsAtOnceOrSaysWhyNot) {
  const auto server =
      realize("chardev-socket", {{"host", "127.0.0.1"}, {"port", "0"}, {"server", "on"}, {"wait", "off"}});
  test::NotingFrontend at_server;
  server->attach(&at_server);
  const std::string port = std::to_string(port_of(*server));
  const auto client = realize("chardev-socket", {{"host", "127.0.0.1"}, {"port", port}});
  EXPECT_TRUE(client->connected());
  client->attach(&front);
  EXPECT_EQ(front.events, (std::vector<std::string>{"opened"}));
  write(*client, "ping");
  expect_soon([&] { return at_server.got == "ping"; });
  write(*server, "pong");
  expect_soon([&] { return front.got == "pong"; });
  qom::unrealize_tree(*server);
  expect_soon([&] { return !client->connected(); });
  EXPECT_EQ(front.events.back(), "closed");

  const std::string refused = refusal("chardev-socket", {{"host", "127.0.0.1"}, {"port", port}});
  EXPECT_NE(refused.find("cannot connect to TCP 127.0.0.1:" + port), std::string::npos) << refused;
  EXPECT_NE(refused.find("reconnect"), std::string::npos) << refused;
}

TEST_F(CharSocketTest, ClientTriesAgain) {
  const auto client = realize("chardev-socket", {{"path", path("s")}, {"reconnect", "1"}});
  client->attach(&front);
  EXPECT_FALSE(client->connected());
  auto server = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  expect_soon([&] { return client->connected() && server->connected(); });
  qom::unrealize_tree(*server);
  expect_soon([&] { return !client->connected(); });
  server = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  expect_soon([&] { return client->connected(); });
  EXPECT_EQ(front.events, (std::vector<std::string>{"opened", "closed", "opened"}));
}

TEST_F(CharSocketTest, AClientWaitsWhileThereAreNoDescriptors) {
  SKIP_WHERE_CHECKS_NEED_DESCRIPTORS();
  const auto server = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  const auto client = connect_unix(path("s"));
  {
    const test::NoMoreDescriptors none;
    loop.run_until([] { return false; }, 50 * kNsPerMs);  // throws nothing: that would be the end of the machine
    EXPECT_FALSE(server->connected());
  }
  expect_soon([&] { return server->connected(); });
}

TEST_F(CharSocketTest, AClientThatTriesAgainBearsAHostWithoutDescriptors) {
  SKIP_WHERE_CHECKS_NEED_DESCRIPTORS();
  const auto client = make("chardev-socket", {{"path", path("s")}, {"reconnect", "1"}});
  const auto server = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  {
    const test::NoMoreDescriptors none;
    qom::realize_tree(*client);
    EXPECT_FALSE(client->connected());
  }
  expect_soon([&] { return client->connected(); });
}

TEST_F(CharSocketTest, WaitBlocksUntilAClientIsThereThread) {
  std::thread client([&] {
    // The socket appears when the server listens.
    OwnedFd fd;
    while (!fd) fd = connect_unix(path("s"));
    send_all(fd, "first");
    char c = 0;
    while (recv(fd.get(), &c, 1, 0) > 0) {
    }
  });
  const auto chr = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}});
  EXPECT_TRUE(chr->connected());
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_NE(logged[0].find("waiting for connection on: disconnected:unix:"), std::string::npos);
  chr->attach(&front);
  expect_soon([&] { return front.got == "first"; });
  qom::unrealize_tree(*chr);
  client.join();
}

TEST_F(CharSocketTest, StaleSocketIsReplacedAndALiveOneOrAFileIsNot) {
  {
    const OwnedFd left_behind(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    strncpy(a.sun_path, path("s").c_str(), sizeof a.sun_path - 1);
    ASSERT_EQ(bind(left_behind.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
  }
  const Properties server{{"path", path("s")}, {"server", "on"}, {"wait", "off"}};
  const auto chr = realize("chardev-socket", server);
  const std::string refused = refusal("chardev-socket", server);
  EXPECT_NE(refused.find("cannot listen on unix socket '" + path("s") + "'"), std::string::npos) << refused;
  EXPECT_TRUE(connect_unix(path("s")));  // the refusal took nothing away

  std::ofstream(path("file")) << "precious";
  EXPECT_NE(refusal("chardev-socket", {{"path", path("file")}, {"server", "on"}, {"wait", "off"}}), "");
  EXPECT_EQ(content(path("file")), "precious");
}

TEST_F(CharSocketTest, OptionsThatContradictAreRefused) {
  const auto expect = [&](const Properties& properties, const char* part) {
    const std::string refused = refusal("chardev-socket", properties);
    EXPECT_NE(refused.find(part), std::string::npos) << "expected " << part << ", got: " << refused;
  };
  expect({}, "no address");
  expect({{"path", "/tmp/x"}, {"port", "1"}}, "more than one address");
  expect({{"host", "localhost"}}, "no port");
  expect({{"port", "65536"}, {"server", "on"}}, "no TCP port 65536");
  expect({{"port", "99999999999"}, {"server", "on"}}, "no TCP port");
  expect({{"host", "127.0.0.1"}, {"port", "0"}}, "port 0");
  expect({{"port", "0"}, {"server", "on"}, {"reconnect", "1"}}, "reconnect is for clients");
  expect({{"path", std::string(200, 'x')}, {"server", "on"}}, "too long");
  expect({{"path", path("none/s")}, {"server", "on"}}, "No such file");
  expect({{"path", path("none")}}, "No such file");
  expect({{"host", "127.0.0.1"}, {"port", "no-such-service"}}, "no such address");
  expect({{"fd", "0"}, {"reconnect", "1"}}, "cannot be connected again");
  OwnedFd file(open(path("f").c_str(), O_RDWR | O_CREAT, 0600));
  expect({{"fd", std::to_string(file.get())}}, "not an open socket");
}

TEST_F(CharSocketTest, InheritedSocketsConnectedAndListening) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const OwnedFd ours(pair[0]);
  const OwnedFd theirs(pair[1]);
  const auto chr = realize("chardev-socket", {{"fd", std::to_string(ours.get())}});
  chr->attach(&front);
  send_all(theirs, "inherited");
  expect_soon([&] { return front.got == "inherited"; });

  const auto listening = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  const OwnedFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(listen(listener.get(), 1), 0);
  const std::string fd = std::to_string(listener.get());
  const std::string refused = refusal("chardev-socket", {{"fd", fd}});
  EXPECT_NE(refused.find("add server=on"), std::string::npos) << refused;
  const auto served = realize("chardev-socket", {{"fd", fd}, {"server", "on"}, {"wait", "off"}});
  const OwnedFd client = connect_tcp(port_of(*served));
  ASSERT_TRUE(client);
  expect_soon([&] { return served->connected(); });
}

TEST_F(CharSocketTest, SlowPeerIsBufferedUpToALimitThenRefusedThenToldToGoOn) {
  const auto chr = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  chr->attach(&front);
  const OwnedFd client = connect_unix(path("s"));
  expect_soon([&] { return chr->connected(); });
  // A guest that writes as fast as it can while nobody reads.
  std::string sent;
  std::size_t refused = 0;
  std::uint8_t next = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string chunk(1000, '\0');
    for (char& c : chunk) c = static_cast<char>(next++);
    const std::size_t taken = write(*chr, chunk);
    sent += chunk.substr(0, taken);
    next = static_cast<std::uint8_t>(next - (chunk.size() - taken));
    if (taken < chunk.size()) ++refused;
  }
  EXPECT_GT(refused, 0U);
  EXPECT_LT(sent.size(), 2'000'000U);  // the kernel's buffer and ours
  EXPECT_EQ(write(*chr, "x"), 0U);
  EXPECT_EQ(front.writables, 0);
  std::string received;
  expect_soon([&] { return (received += take(client)).size() >= sent.size() && front.writables > 0; });
  EXPECT_EQ(received, sent);
  EXPECT_EQ(front.writables, 1);
  EXPECT_EQ(write(*chr, "x"), 1U);
}

TEST_F(CharSocketTest, PeerThatGoesWhileOutputWaitsDoesNotHoldTheGuest) {
  const auto chr = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  front.capacity = 0;  // and the guest takes no input, so that only the failing write tells
  chr->attach(&front);
  OwnedFd client = connect_unix(path("s"));
  expect_soon([&] { return chr->connected(); });
  const std::string chunk(100'000, 'x');
  while (write(*chr, chunk) == chunk.size()) {
  }
  client.reset();
  expect_soon([&] { return front.writables == 1 && !chr->connected(); });
  EXPECT_EQ(write(*chr, chunk), chunk.size());
  EXPECT_EQ(front.events, (std::vector<std::string>{"opened", "closed"}));
}

TEST_F(CharSocketTest, InputWaitsForTheFrontEnd) {
  const auto chr = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  front.capacity = 3;
  chr->attach(&front);
  const OwnedFd client = connect_unix(path("s"));
  send_all(client, "abcdefgh");
  expect_soon([&] { return front.got == "abc"; });
  for (int i = 0; i < 5; ++i) loop.poll();
  EXPECT_EQ(front.got, "abc");
  front.capacity = 6;
  chr->accept_input();
  expect_soon([&] { return front.got == "abcdef"; });
  chr->attach(nullptr);
  test::NotingFrontend next;
  chr->attach(&next);  // what waited is for whoever comes
  expect_soon([&] { return next.got == "gh"; });
}

TEST_F(CharSocketTest, HalfClosedPeerStillGetsItsAnswer) {
  const auto chr = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  struct Answering final : CharFrontend {
    explicit Answering(CharBackend& c) : chr(c) {}
    std::size_t can_receive() override { return 100; }
    void receive(std::span<const std::byte>) override { write(chr, "answer"); }
    CharBackend& chr;
  } answering(*chr);
  chr->attach(&answering);
  const OwnedFd client = connect_unix(path("s"));
  send_all(client, "question");
  shutdown(client.get(), SHUT_WR);
  std::string got;
  expect_soon([&] {
    got += take(client);
    return at_end(client);
  });
  EXPECT_EQ(got, "answer");
  chr->attach(nullptr);
}

TEST_F(CharSocketTest, FrontEndMayDropTheBackendFromInsideReceive) {
  auto chr = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  struct Dropping final : CharFrontend {
    explicit Dropping(qom::Ref<CharBackend>& c) : chr(c) {}
    std::size_t can_receive() override { return 100; }
    void receive(std::span<const std::byte>) override {
      chr->attach(nullptr);
      qom::unrealize_tree(*chr);
      chr = nullptr;
    }
    qom::Ref<CharBackend>& chr;
  } dropping(chr);
  chr->attach(&dropping);
  const OwnedFd client = connect_unix(path("s"));
  send_all(client, "bye");
  expect_soon([&] { return !chr; });
  loop.poll();
  EXPECT_TRUE(at_end(client));
}

TEST_F(CharSocketTest, DrainBringsBufferedBytesToAThreadAndGivesUpInTime) {
  const auto chr = realize("chardev-socket", {{"path", path("s")}, {"server", "on"}, {"wait", "off"}});
  const OwnedFd client = connect_unix(path("s"));
  expect_soon([&] { return chr->connected(); });
  const std::string chunk(50'000, 'x');
  std::size_t sent = 0;
  for (;;) {
    const std::size_t taken = write(*chr, chunk);
    sent += taken;
    if (taken < chunk.size()) break;
  }
  chr->drain(1);  // nobody reads
  std::size_t received = 0;
  std::thread reader([&] {
    char buffer[4096];
    while (received < sent) {
      const ssize_t n = recv(client.get(), buffer, sizeof buffer, 0);
      if (n <= 0) return;
      received += static_cast<std::size_t>(n);
    }
  });
  chr->drain(30'000);
  qom::unrealize_tree(*chr);  // what was not drained is lost now
  reader.join();
  EXPECT_EQ(received, sent);
}

}  // namespace
}  // namespace machina
