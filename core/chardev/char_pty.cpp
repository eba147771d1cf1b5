/// chardev-pty: a new pseudo terminal, whose path the user opens with a terminal program.

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "core/chardev/char_stream.h"
#include "core/log.h"
#include "core/units.h"
#include "qom/error.h"

namespace machina {
namespace {

// The host tells when the last user of a pseudo terminal closes it, but not when one opens it.
constexpr std::int64_t kLookForUser = 200 * kNsPerMs;

}  // namespace

class CharPty final : public CharStream {
 public:
  static constexpr const char* kType = "chardev-pty";
  static void class_init(qom::ObjectClass& c) {
    c.description = "a new pseudo terminal of the host";
    c.user_creatable = true;
    c.computed<std::string>("path", &CharPty::path_property).doc("the terminal's name, once realized");
    c.computed<bool>("connected", &CharPty::connected).doc("whether somebody has the terminal open");
  }

  bool connected() const override { return stream_ != nullptr; }
  std::string description() const override { return "pty:" + terminal_; }

  std::size_t write(std::span<const std::byte> bytes) override {
    if (!stream_) look_for_user();
    return CharStream::write(bytes);
  }

 protected:
  void realize() override {
    CharBackend::realize();
    OwnedFd master(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    std::array<char, 64> name{};
    if (!master || grantpt(master.get()) != 0 || unlockpt(master.get()) != 0 ||
        ptsname_r(master.get(), name.data(), name.size()) != 0)
      throw Error("cannot make a pseudo terminal").why(std::strerror(errno));
    terminal_ = name.data();
    // Bytes pass unchanged. The settings live in the terminal, which stays as it is when this descriptor goes.
    const OwnedFd user(open(terminal_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios settings{};
    if (!user || tcgetattr(user.get(), &settings) != 0)
      throw Error("cannot set up pseudo terminal " + terminal_).why(std::strerror(errno));
    cfmakeraw(&settings);
    tcsetattr(user.get(), TCSAFLUSH, &settings);
    master_ = std::move(master);
    retry_ = loop().repeat(kLookForUser, [this] { look_for_user(); });
    log::info("char device redirected to {} (label {})", terminal_, name_or_type());
  }
  void unrealize() override {
    retry_.reset();
    CharStream::unrealize();
    master_.reset();
    terminal_.clear();
  }
  void stream_closed(int) override {
    stream_.reset();
    retry_ = loop().repeat(kLookForUser, [this] { look_for_user(); });
    report(CharFrontend::Event::Closed);
  }

 private:
  std::string path_property() const { return terminal_; }
  const std::string& name_or_type() const { return name().empty() ? type_name() : name(); }

  void look_for_user() {
    pollfd p{master_.get(), POLLOUT, 0};
    if (!master_ || stream_ || poll(&p, 1, 0) < 0 || (p.revents & POLLHUP) != 0) return;
    OwnedFd copy(fcntl(master_.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy) return;
    open_stream(std::move(copy), OwnedFd(), true);
    retry_.reset();
    report(CharFrontend::Event::Opened);
  }

  std::string terminal_;
  OwnedFd master_;
  std::unique_ptr<EventLoop::Watch> retry_;
};

MACHINA_TYPE(CharPty, CharBackend);

}  // namespace machina
