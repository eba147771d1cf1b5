/// VNC as a client sees it that is not ours: libvncclient.

#include "core/display/vnc_display.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <rfb/rfbclient.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

#include "core/chardev/fd_stream.h"
#include "core/config/option_string.h"
#include "core/event_loop.h"
#include "core/machine_lock.h"
#include "core/units.h"
#include "tests/support/no_more_descriptors.h"

namespace machina {
namespace {

class FakeScreen final : public DisplaySource {
 public:
  bool text_mode() const override { return false; }
  TextScreen text_screen() override { return {}; }
  PixelScreen pixel_screen() override {
    ++looks;
    return picture;
  }
  void fill(unsigned width, unsigned height) {
    picture = {width, height, std::vector<std::uint32_t>(std::size_t{width} * height)};
    for (std::size_t i = 0; i < picture.pixels.size(); ++i)
      picture.pixels[i] = static_cast<std::uint32_t>(i * 2654435761U >> 8) & 0xffffff;
  }
  PixelScreen picture;
  unsigned looks = 0;
  bool is_watched() const { return watched(); }
};

class FakeInput final : public InputSink {
 public:
  void key(QKeyCode key, bool down) override { say((down ? "+" : "-") + std::string(key_name(key))); }
  void mouse_move(int dx, int dy, int wheel) override {
    say("move " + std::to_string(dx) + "," + std::to_string(dy) + "," + std::to_string(wheel));
  }
  void mouse_button(MouseButton button, bool down) override {
    say((down ? "press " : "let go ") + std::to_string(static_cast<int>(button)));
  }
  void say(const std::string& what) { events += (events.empty() ? "" : "; ") + what; }
  std::string events;
};

VncSpec spec_of(const std::string& text) { return VncSpec::of(parse_option("-vnc", text, "vnc").root()); }

/// A client on a thread of its own.
class Client {
 public:
  Client(const std::string& port, std::string password, bool reads = true)
      : port_(std::stoi(port)), password_(std::move(password)), reads_(reads), thread_([this] { run(); }) {}
  ~Client() {
    quit_ = true;
    thread_.join();
  }
  enum State { Connecting, Connected, Refused, Ended };
  std::atomic<State> state = Connecting;
  std::atomic<unsigned> updates = 0;
  /// What it sees, as 0x00RRGGBB.
  PixelScreen seen() {
    const std::lock_guard guard(lock_);
    return seen_;
  }
  void send(std::function<void(rfbClient*)> what) {
    const std::lock_guard guard(lock_);
    todo_.push_back(std::move(what));
  }

 private:
  static char* password_of(rfbClient* c) {
    return ::strdup(static_cast<Client*>(rfbClientGetClientData(c, &kTag))->password_.c_str());
  }
  // Once an update, not once for each of its hundreds of rectangles: this copies all of the screen.
  static void updated(rfbClient* c) {
    auto* const self = static_cast<Client*>(rfbClientGetClientData(c, &kTag));
    const std::lock_guard guard(self->lock_);
    const auto size = static_cast<std::size_t>(c->width) * static_cast<std::size_t>(c->height);
    self->seen_ = {static_cast<unsigned>(c->width), static_cast<unsigned>(c->height), std::vector<std::uint32_t>(size)};
    std::memcpy(self->seen_.pixels.data(), c->frameBuffer, size * 4);
    for (std::uint32_t& p : self->seen_.pixels) p &= 0xffffff;
    ++self->updates;
  }
  void run() {
    rfbClient* client = rfbGetClient(8, 3, 4);
    client->format.redShift = 16, client->format.greenShift = 8, client->format.blueShift = 0;
    client->canHandleNewFBSize = TRUE;
    client->appData.encodingsString = "raw";
    client->appData.shareDesktop = TRUE;
    client->GetPassword = password_of;
    client->FinishedFrameBufferUpdate = updated;
    ::free(client->serverHost);
    client->serverHost = ::strdup("127.0.0.1");
    client->serverPort = port_;
    rfbClientSetClientData(client, &kTag, this);
    if (!rfbInitClient(client, nullptr, nullptr)) {  // which frees it
      state = Refused;
      return;
    }
    state = Connected;
    while (!quit_) {
      std::vector<std::function<void(rfbClient*)>> todo;
      {
        const std::lock_guard guard(lock_);
        todo.swap(todo_);
      }
      for (const auto& what : todo) what(client);
      if (!reads_) {
        ::poll(nullptr, 0, 2);
        continue;
      }
      const int n = WaitForMessage(client, 2000);
      if (n < 0 || (n > 0 && !HandleRFBServerMessage(client))) {
        state = Ended;
        break;
      }
    }
    ::free(client->frameBuffer);
    client->frameBuffer = nullptr;
    rfbClientCleanup(client);
  }

  static inline int kTag = 0;
  int port_;
  std::string password_;
  bool reads_;
  std::atomic<bool> quit_ = false;
  std::mutex lock_;
  PixelScreen seen_;
  std::vector<std::function<void(rfbClient*)>> todo_;
  std::thread thread_;
};

class VncDisplayTest : public testing::Test {
 protected:
  VncDisplayTest() {
    rfbEnableClientLogging = FALSE;
    loop.drive(realtime);
    screen.fill(640, 480);
  }
  ~VncDisplayTest() override {
    const MachineLock::Guard guard(lock);
    display = {};
  }
  void open(const std::string& text) {
    const MachineLock::Guard guard(lock);
    display = qom::create<VncDisplay>();
    display->open({loop,
                   realtime,
                   spec_of(text),
                   "test",
                   [this] { return &screen; },
                   [this] { return &input; },
                   [this](std::string_view event, const qom::ValueMap&) { events += std::string(event) + " "; },
                   {}});
  }
  bool until(const std::function<bool()>& done) { return loop.run_until(done, 20 * kNsPerSecond); }
  bool sees(Client& client) {
    // Compared once an update: the loop turns far more often, and each copy counts under sanitizers.
    unsigned compared = 0;
    return until([&] {
      const unsigned updates = client.updates;
      return std::exchange(compared, updates) != updates && client.seen().pixels == screen.picture.pixels;
    });
  }
  std::string port() { return display->address().service; }

  MachineLock lock;
  EventLoop loop{lock};
  Clock realtime{ClockKind::Realtime};
  FakeScreen screen;
  FakeInput input;
  std::string events;
  qom::Ref<VncDisplay> display;
};

/// Those that move many large pictures: copies of them take ThreadSanitizer longer than anybody waits, so it looks at
/// the others.
struct VncPicturesTest : VncDisplayTest {};

TEST_F(VncDisplayTest, ClientSeesEachPixelAndEachChange) {
  open("127.0.0.1,port=0");
  EXPECT_EQ(display->address().host, "127.0.0.1");
  EXPECT_EQ(display->address().family, "ipv4");
  Client client(port(), "");
  ASSERT_TRUE(sees(client));
  EXPECT_TRUE(screen.is_watched());
  ASSERT_TRUE(until([&] { return display->clients().at(0).initialized; }));
  EXPECT_EQ(display->clients().at(0).address.host, "127.0.0.1");
  screen.picture.pixels[100'000] ^= 0xffffff;
  screen.picture.pixels.back() = 0x123456;
  EXPECT_TRUE(sees(client));
}

TEST_F(VncPicturesTest, AnotherSizeIsToldAndShown) {
  open("127.0.0.1,port=0");
  Client client(port(), "");
  ASSERT_TRUE(sees(client));
  for (const auto& [w, h] : {std::pair{1024U, 768U}, {720U, 400U}, {1366U, 768U}, {640U, 480U}}) {
    screen.fill(w, h);
    ASSERT_TRUE(sees(client)) << w << "x" << h;
    EXPECT_EQ(client.seen().width, w);
  }
}

TEST_F(VncDisplayTest, NobodyLooksAtTheScreenWithoutClients) {
  open("127.0.0.1,port=0");
  {
    Client client(port(), "");
    ASSERT_TRUE(sees(client));
  }
  ASSERT_TRUE(until([&] { return display->clients().empty(); }));
  EXPECT_FALSE(screen.is_watched());
  EXPECT_EQ(events, "VNC_CONNECTED VNC_INITIALIZED VNC_DISCONNECTED ");
  const unsigned before = screen.looks;
  (void)loop.run_until([] { return false; }, 100 * kNsPerMs);
  EXPECT_EQ(screen.looks, before);
}

TEST_F(VncDisplayTest, KeysAndPointerReachTheMachine) {
  open("127.0.0.1,port=0");
  Client client(port(), "");
  ASSERT_TRUE(sees(client));
  client.send([](rfbClient* c) {
    for (const auto& [keysym, down] : {std::pair{0xffe3U, TRUE}, {0x63U, TRUE}, {0x63U, FALSE}, {0xffe3U, FALSE}})
      SendKeyEvent(c, keysym, static_cast<rfbBool>(down));
    SendKeyEvent(c, '!', TRUE);  // without Shift
    SendKeyEvent(c, '!', FALSE);
  });
  ASSERT_TRUE(until([&] { return input.events.ends_with("-1"); })) << input.events;
  EXPECT_EQ(input.events, "+ctrl; +c; -c; -ctrl; +shift; +1; -shift; -1");
  input.events.clear();
  client.send([](rfbClient* c) {
    SendPointerEvent(c, 100, 100, 0);
    SendPointerEvent(c, 110, 95, rfbButton1Mask);
    SendPointerEvent(c, 110, 95, 0);
    SendPointerEvent(c, 110, 95, rfbButton3Mask | rfbButton4Mask);
    SendPointerEvent(c, 110, 95, rfbButton5Mask);
  });
  ASSERT_TRUE(until([&] { return input.events.ends_with("0,0,1"); })) << input.events;
  EXPECT_EQ(input.events, "move 10,-5,0; press 0; let go 0; press 1; move 0,0,-1; let go 1; move 0,0,1");
}

TEST_F(VncDisplayTest, WhatALeavingClientHeldIsLetGo) {
  open("127.0.0.1,port=0");
  {
    Client client(port(), "");
    ASSERT_TRUE(sees(client));
    client.send([](rfbClient* c) {
      SendKeyEvent(c, 0xffe9, TRUE);
      SendPointerEvent(c, 1, 1, rfbButton1Mask);
    });
    ASSERT_TRUE(until([&] { return input.events.find("press 0") != std::string::npos; }));
  }
  ASSERT_TRUE(until([&] { return display->clients().empty() && input.events.find("-alt") != std::string::npos; }));
  EXPECT_NE(input.events.find("let go 0"), std::string::npos) << input.events;
}

TEST_F(VncDisplayTest, PasswordLetsInWhoKnowsIt) {
  open("127.0.0.1,port=0,password=on");
  EXPECT_TRUE(display->asks_password());
  const auto refused = [&](const std::string& with) {
    Client client(port(), with);
    EXPECT_TRUE(until([&] { return client.state != Client::Connecting; }));
    return client.state == Client::Refused;
  };
  EXPECT_TRUE(refused("any"));  // none is set: nobody
  EXPECT_TRUE(refused("secret"));
  display->set_password("secret");
  EXPECT_TRUE(refused("Secret"));
  {
    Client client(port(), "secret");
    EXPECT_TRUE(sees(client));
  }
  display->set_password_expiry(1);  // in 1970
  EXPECT_TRUE(refused("secret"));
  display->set_password_expiry(0);
  EXPECT_FALSE(refused("secret"));
}

// RFC 6143, 7.1.3: who is refused is told so before the connection ends.
TEST_F(VncDisplayTest, WhoIsRefusedIsToldSo) {
  open("127.0.0.1,port=0,password=on");
  display->set_password("secret");
  for (int i = 0; i < 10; ++i) {
    const OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port())));
    ASSERT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    std::string got;
    bool ended = false;
    const auto receive = [&](std::size_t bytes) {
      return until([&] {
        char buffer[256];
        const ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (n > 0) got.append(buffer, static_cast<std::size_t>(n));
        ended = ended || n == 0;
        return got.size() >= bytes || ended;
      });
    };
    ASSERT_TRUE(receive(12));
    ASSERT_EQ(::send(fd.get(), "RFB 003.008\n", 12, 0), 12);
    ASSERT_TRUE(receive(14));
    ASSERT_EQ(::send(fd.get(), "\2", 1, 0), 1);
    ASSERT_TRUE(receive(14 + 16)) << "the challenge";
    const std::string wrong(16, 'x');
    ASSERT_EQ(::send(fd.get(), wrong.data(), wrong.size(), 0), 16);
    EXPECT_TRUE(receive(14 + 16 + 4));
    ASSERT_GE(got.size(), 14U + 16 + 4) << "the connection ended without a word";
    EXPECT_EQ(got.substr(14 + 16, 4), std::string("\0\0\0\1", 4));
    EXPECT_TRUE(receive(1000)) << "and then it ends";
    EXPECT_TRUE(ended);
  }
  EXPECT_TRUE(until([&] { return display->clients().empty(); }));
}

// Without descriptors the listener stays ready: no reason to spin.
TEST_F(VncDisplayTest, ClientsWaitForDescriptors) {
  SKIP_WHERE_CHECKS_NEED_DESCRIPTORS();
  open("127.0.0.1,port=0");
  const OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port())));
  std::size_t last = 1;
  {
    const test::NoMoreDescriptors none;
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    for (int turn = 0; turn < 10; ++turn) last = loop.poll();
  }
  EXPECT_EQ(last, 0U) << "the loop spins";
  EXPECT_TRUE(until([&] { return !display->clients().empty(); })) << "a second later";
}

TEST_F(VncDisplayTest, PasswordComesFromAFile) {
  const std::string path = testing::TempDir() + "vnc-password-" + std::to_string(::getpid());
  std::ofstream(path) << "abc\n";
  open("127.0.0.1,port=0,password-file=" + path);
  ::unlink(path.c_str());
  Client client(port(), "abc");
  EXPECT_TRUE(sees(client));
  EXPECT_THROW(open("127.0.0.1,port=0,password-file=/nowhere/at-all"), Error);
}

TEST_F(VncDisplayTest, NoPasswordIsSetWhereNoneIsAsked) {
  open("127.0.0.1,port=0");
  EXPECT_THROW(display->set_password("x"), Error);
}

// One that reads nothing holds up neither the machine nor the others.
TEST_F(VncPicturesTest, AClientThatDoesNotReadHoldsUpNobody) {
  screen.fill(1920, 1080);  // 8 MiB a picture
  open("127.0.0.1,port=0");
  Client deaf(port(), "", false), other(port(), "");
  ASSERT_TRUE(until([&] { return deaf.state == Client::Connected; }));
  deaf.send([](rfbClient* c) {
    for (int i = 0; i < 3; ++i) SendFramebufferUpdateRequest(c, 0, 0, c->width, c->height, FALSE);
  });
  ASSERT_TRUE(sees(other));
  for (int i = 0; i < 5; ++i) {
    screen.picture.pixels[1000] += 1;
    EXPECT_TRUE(sees(other)) << i;
  }
  EXPECT_EQ(display->clients().size(), 2U);
}

TEST_F(VncDisplayTest, TakesTheNextFreePortIfItMay) {
  open("127.0.0.1,port=0");
  const auto first = std::move(display);
  const std::string taken = first->address().service;
  EXPECT_THROW(open("127.0.0.1,port=" + taken), Error);
  open("127.0.0.1,to=20,port=" + taken);
  EXPECT_GT(std::stoi(port()), std::stoi(taken));
  const MachineLock::Guard guard(lock);
  first->close();
}

TEST_F(VncDisplayTest, TakesNoSocketFromALivingMachine) {
  const std::string path = testing::TempDir() + "vnc-taken-" + std::to_string(::getpid());
  open("unix:" + path);
  const auto first = std::move(display);
  EXPECT_THROW(open("unix:" + path), Error);
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  const MachineLock::Guard guard(lock);
  first->close();
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST_F(VncDisplayTest, ListensAtAUnixSocket) {
  const std::string path = testing::TempDir() + "vnc-" + std::to_string(::getpid());
  open("unix:" + path);
  EXPECT_EQ(display->address().family, "unix");
  EXPECT_EQ(display->address().service, path);
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  {
    const MachineLock::Guard guard(lock);
    display->close();
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  display = {};
}

TEST(VncSpecTest, ReadsAddressesAndOptions) {
  EXPECT_EQ(spec_of(":3").port, 5903);
  EXPECT_EQ(spec_of(":3").host, "");
  EXPECT_EQ(spec_of("[::1]:0").host, "::1");
  EXPECT_EQ(spec_of("localhost:1,to=4,password=on,share=ignore").to, 4U);
  EXPECT_TRUE(spec_of("localhost:1,password=on").password);
  EXPECT_EQ(spec_of("localhost,port=0").port, 0);
  EXPECT_EQ(spec_of("unix:/tmp/x").path, "/tmp/x");
}

TEST(VncSpecTest, RefusesNonsense) {
  for (const char* text : {"localhost", ":x", ":-1", ":60000", "localhost,port=65536", ":0,to=x", ":0,password=secret",
                           ":0,share=some", ":0,pasword=on", "unix:", "unix:/tmp/x,port=1"})
    EXPECT_THROW(spec_of(text), Error) << text;
}

}  // namespace
}  // namespace machina
