// A client of the VNC server: what it sends, as the server's thread reads it from a socket.

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <optional>
#include <string_view>

#include "core/chardev/fd_stream.h"
#include "core/display/display.h"
#include "core/display/input_sink.h"
#include "core/display/remote_input.h"
#include "core/display/rfb_server.h"
#include "core/units.h"
#include "qom/find.h"
#include "tests/fuzz/coverage.h"
#include "tests/fuzz/device_board.h"
#include "tests/fuzz/target.h"

namespace machina::fuzz {

namespace {

/// The client's end of a stream socket.
class Peer {
 public:
  Peer(OwnedFd fd, EventLoop& loop) : fd_(std::move(fd)), watch_(loop.watch(fd_.get(), [this] { drain(); })) {}

  /// As much as the server takes within its time.
  void send(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty() && wait(POLLOUT)) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n <= 0) return;
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      drain();
    }
  }
  void finish_sending() const { ::shutdown(fd_.get(), SHUT_WR); }
  void hang_up() {
    watch_.reset();
    ::shutdown(fd_.get(), SHUT_RDWR);
  }

 private:
  bool wait(short what) const {
    pollfd p{fd_.get(), what, 0};
    return ::poll(&p, 1, 100) == 1;
  }
  void drain() {
    ssize_t n = 0;
    while ((n = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT)) > 0) {
    }
    if (n == 0) watch_.reset();  // it would be ready for ever
  }

  OwnedFd fd_;
  std::unique_ptr<EventLoop::Watch> watch_;
  std::array<std::uint8_t, 65536> buffer_{};
};

/// RFC 6143, section 7.5, and what TigerVNC and UltraVNC added.
class Messages {
 public:
  explicit Messages(std::uint8_t first) : bytes_{first} {}

  Messages& pixel_format(unsigned bits, bool big_endian, bool true_color) {
    const unsigned depth = bits == 32 ? 24 : bits;
    const unsigned most = bits == 32 ? 255 : bits == 16 ? 31 : 3;
    u8(0).u8(0).u16(0).u8(bits).u8(depth).u8(big_endian).u8(true_color).u16(most).u16(most).u16(most);
    const unsigned shift = bits == 32 ? 8 : bits == 16 ? 5 : 2;
    return u8(0).u8(shift).u8(2 * shift).u8(0).u16(0);
  }
  Messages& encodings(std::initializer_list<std::int32_t> list) {
    u8(2).u8(0).u16(static_cast<std::uint16_t>(list.size()));
    for (const std::int32_t e : list) u32(static_cast<std::uint32_t>(e));
    return *this;
  }
  Messages& ask(bool incremental, std::uint16_t x, std::uint16_t y, std::uint16_t width, std::uint16_t height) {
    return u8(3).u8(incremental).u16(x).u16(y).u16(width).u16(height);
  }
  Messages& key(std::uint32_t keysym, bool down) { return u8(4).u8(down).u16(0).u32(keysym); }
  Messages& pointer(std::uint8_t buttons, std::uint16_t x, std::uint16_t y) { return u8(5).u8(buttons).u16(x).u16(y); }
  Messages& cut_text(std::string_view text) {
    return u8(6).u8(0).u16(0).u32(static_cast<std::uint32_t>(text.size())).raw(text);
  }
  Messages& scale(std::uint8_t by) { return u8(8).u8(by).u16(0); }
  Messages& text_chat(std::string_view text) {
    return u8(11).u8(0).u16(0).u32(static_cast<std::uint32_t>(text.size())).raw(text);
  }
  Messages& xvp(std::uint8_t code) { return u8(250).u8(0).u8(1).u8(code); }
  Messages& desktop_size(std::uint16_t width, std::uint16_t height) {
    u8(251).u8(0).u16(width).u16(height).u8(1).u8(0);
    return u32(0).u16(0).u16(0).u16(width).u16(height).u32(0);
  }
  Messages& raw(std::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
  Messages& u8(unsigned v) { return bytes_.push_back(static_cast<std::uint8_t>(v)), *this; }
  Messages& u16(unsigned v) { return u8(v >> 8).u8(v); }
  Messages& u32(std::uint32_t v) { return u16(v >> 16).u16(v); }

  std::vector<std::uint8_t> bytes_;
};

/// The first byte of an input says what it meets.
constexpr std::uint8_t kPassword = 1, kExclusive = 2, kNoHello = 4;

constexpr std::string_view kHello = "RFB 003.008\n\x01\x01";  // no authentication, shared

class VncTarget final : public Target {
 public:
  VncTarget() : board_("pc", {"vga", "i8042"}, {}) {}

  std::vector<std::string> dictionary() const override {
    using namespace std::string_literals;
    return {"RFB 003.003\n",    "RFB 003.007\n", std::string(kHello), "\x02\0\0\x01"s, "\xff\xff\xff\x20",
            "\xff\xff\xfe\xcc", "\x03\0"s,       "\x04\x01\0\0"s,     "\x06\0\0\0"s};
  }

  std::vector<std::vector<std::uint8_t>> seeds() const override {
    std::vector<std::vector<std::uint8_t>> seeds;
    const auto keep = [&](const Messages& m) { seeds.push_back(m.bytes()); };
    // Raw, CopyRect, RRE, CoRRE, Hextile, zlib, tight, ZRLE, ZYWRLE in each depth; quality and compression; pseudo
    // encodings of the cursor, the size, its name, LED state, extended size.
    for (const std::int32_t encoding : {0, 1, 2, 4, 5, 6, 7, 9, 16, 17}) {
      for (const unsigned bits : {8U, 16U, 32U}) {
        keep(Messages(0)
                 .pixel_format(bits, encoding & 1, bits != 8)
                 .encodings({encoding, -32 + 9, -256 + 2, -223, -232, -239, -240, -308, -307, -261})
                 .ask(false, 0, 0, 640, 480)
                 .ask(true, 100, 100, 17, 33));
      }
    }
    keep(Messages(0).key(0xff0d, true).key(0xff0d, false).key('A', true).key(0xffe1, true).key(0x20ac, true));
    keep(Messages(0).pointer(1, 10, 20).pointer(0, 65535, 65535).pointer(0x1f, 0, 0).ask(false, 0, 0, 65535, 65535));
    keep(Messages(0).cut_text("a text").scale(2).ask(false, 0, 0, 640, 480).scale(0).text_chat("hello").xvp(2));
    keep(Messages(0).encodings({0, -308}).desktop_size(800, 600).ask(false, 0, 0, 800, 600));
    keep(Messages(kExclusive).ask(false, 1, 1, 1, 1));
    keep(Messages(kPassword | kNoHello).raw("RFB 003.008\n\x02").raw("0123456789abcdef\x01"));
    keep(Messages(kPassword | kNoHello).raw("RFB 003.003\n0123456789abcdef"));
    keep(Messages(kNoHello).raw("RFB 003.007\n\x01").raw(std::string_view("\0", 1)).key('x', true));
    keep(Messages(kNoHello).raw("GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"));
    return seeds;
  }

  bool run(std::span<const std::uint8_t> input) override {
    if (input.empty()) return false;
    Coverage coverage;
    const std::unique_ptr<FuzzMachine> machine = board_.make(0);
    System& system = machine->system();
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
      throw Error("cannot make a pair of sockets");
    OwnedFd ours(ends[0]), theirs(ends[1]);
    const StepLimit limit("a client of the screen");
    bool gone = false;
    Clock pace(ClockKind::Host);  // of typing, at our hands
    pace.make_manual(0);
    std::optional<Peer> peer;
    std::optional<RemoteInput> keys;
    std::optional<RfbServer> server;
    {
      const MachineLock::Guard guard(system.lock);
      peer.emplace(std::move(ours), system.loop);
      keys.emplace(pace, [&] { return qom::first_of<InputSink>(machine->root()); });
      RfbServer::Handlers handlers;
      handlers.key = [&](RfbServer::Client c, std::uint32_t keysym, bool down) { keys->key(c, keysym, down); };
      handlers.pointer = [&](RfbServer::Client c, unsigned buttons, int x, int y) { keys->pointer(c, buttons, x, y); };
      handlers.release_all = [&](RfbServer::Client c) { keys->release_all(c); };
      handlers.initialized = [](RfbServer::Client) {};
      handlers.gone = [&](RfbServer::Client c) { keys->gone(c), gone = true; };
      const auto share = input[0] & kExclusive ? VncSpec::Share::AllowExclusive : VncSpec::Share::ForceShared;
      const bool password = input[0] & kPassword;
      server.emplace(system.loop, "fuzz", share, password, std::move(handlers));
      if (password) server->set_password("secret", 0);
      const PixelScreen screen = qom::first_of<DisplaySource>(machine->root())->pixel_screen();
      server->show(screen, std::array{ScreenRect{0, 0, screen.width, screen.height}});
      server->add(1, std::move(theirs));
    }
    Coverage::begin();
    if (!(input[0] & kNoHello)) peer->send({reinterpret_cast<const std::uint8_t*>(kHello.data()), kHello.size()});
    peer->send(input.subspan(1));
    peer->finish_sending();
    constexpr std::int64_t kPatience = 2 * kNsPerSecond;
    system.loop.run_until([&] { return gone; }, kPatience);
    const MachineLock::Guard guard(system.lock);
    peer->hang_up();
    server.reset();
    pace.step_to(10 * kNsPerSecond);  // the keys go out at their pace
    coverage.end();
    keys.reset();
    return true;
  }

 private:
  DeviceBoard board_;
};

}  // namespace

std::vector<TargetInfo> display_targets() {
  return {{"vnc", "a client of the VNC server", [] { return std::make_unique<VncTarget>(); }}};
}

}  // namespace machina::fuzz
