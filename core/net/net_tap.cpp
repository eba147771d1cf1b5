/// netdev-tap: a TAP interface of Linux, by which the guest is on the host's network (Documentation/networking/tuntap
/// of Linux). It is set up beforehand, or by a script.
///
/// Not modelled: vhost, several queues, offloads (IFF_VNET_HDR).

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/chardev/fd_stream.h"
#include "core/event_loop.h"
#include "core/log.h"
#include "core/net/interface_script.h"
#include "core/net/net_backend.h"
#include "qom/error.h"

namespace machina {
namespace {

constexpr const char* kControl = "/dev/net/tun";
constexpr unsigned kFramesATime = 64;  // read in one turn of the loop

}  // namespace

class NetTap final : public NetBackend {
 public:
  static constexpr const char* kType = "netdev-tap";
  static void class_init(qom::ObjectClass& c) {
    c.description = "a TAP interface of the host";
    c.user_creatable = true;
    c.property("ifname", &NetTap::ifname_, "").doc("its name; empty: the kernel chooses one");
    c.property("fd", &NetTap::fd_, -1).doc("an inherited descriptor of an interface; instead of ifname");
    c.property("script", &NetTap::script_, "no")
        .doc("program that sets the interface up; gets its name. no: it is set up beforehand");
    c.property("downscript", &NetTap::downscript_, "no").doc("program that is run at the end, likewise");
    c.property("vhost", &NetTap::vhost_, false).doc("off: there is no vhost").checked([](const qom::Value& v) {
      if (std::get<bool>(v.get())) throw Error("there is no vhost").hint("write vhost=off");
    });
    c.computed<std::string>("interface", &NetTap::interface).doc("name of the interface that is used");
  }

  std::string description() const override { return "tap,ifname=" + interface_; }

 protected:
  void realize() override {
    if (fd_ >= 0 && !ifname_.empty()) throw Error("tap has both fd and ifname").hint("drop one of them");
    if (fd_ >= 0 && (named(script_) || named(downscript_)))
      throw Error("tap has both fd and a script").hint("who opened the interface has set it up");
    NetBackend::realize();
    try {
      if (fd_ >= 0) {
        adopt();
      } else {
        open_interface();
        if (named(script_)) run_interface_script(script_, interface_);
        up_ = true;
      }
      watch_ = loop().watch(tap_.get(), [this] { read_frames(); });
    } catch (...) {
      unrealize();
      throw;
    }
  }
  void unrealize() override {
    watch_.reset();
    if (std::exchange(up_, false) && named(downscript_)) take_down();
    tap_.reset();
    NetBackend::unrealize();
  }

  // The interface is down, or its queue is full: the frame is lost.
  void transmit(FrameView frame) override { (void)!::write(tap_.get(), frame.data(), frame.size()); }
  void input_possible() override {
    if (watch_) watch_->want_read(true);
  }

 private:
  std::string interface() const { return interface_; }
  static bool named(const std::string& script) { return !script.empty() && script != "no"; }

  void take_down() noexcept {
    try {
      run_interface_script(downscript_, interface_);
    } catch (const Error& e) {
      log::warning("{}", e.what());
    }
  }

  void open_interface() {
    if (ifname_.size() >= IFNAMSIZ)
      throw Error(fmt::format("'{}' is too long for an interface's name", ifname_))
          .hint(fmt::format("it has at most {} bytes", IFNAMSIZ - 1));
    tap_.reset(open(kControl, O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!tap_) {
      const int error = errno;
      Error e(fmt::format("cannot open {}", kControl));
      e.why(std::strerror(error));
      if (error == ENOENT || error == ENODEV || error == ENXIO)
        e.hint("load the module tun (modprobe tun); -netdev user needs nothing of the host");
      if (error == EACCES || error == EPERM) e.hint("-netdev user needs no privilege");
      throw e;
    }
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    std::memcpy(request.ifr_name, ifname_.data(), ifname_.size());
    if (ioctl(tap_.get(), TUNSETIFF, &request) != 0) {
      const int error = errno;
      Error e(ifname_.empty() ? std::string("cannot make a TAP interface")
                              : fmt::format("cannot use the TAP interface '{}'", ifname_));
      e.why(std::strerror(error));
      if (error == EPERM)
        e.hint("let root make one for you: ip tuntap add dev NAME mode tap user USER; -netdev user needs no privilege");
      if (error == EBUSY) e.hint("another process uses it");
      if (error == EINVAL) e.hint("there is an interface of that name, and it is no TAP");
      throw e;
    }
    interface_ = request.ifr_name;
  }

  void adopt() {
    ifreq request{};
    if (ioctl(fd_, TUNGETIFF, &request) != 0 || !(request.ifr_flags & IFF_TAP))
      throw Error(fmt::format("file descriptor {} is not that of a TAP interface", fd_));
    if (request.ifr_flags & IFF_VNET_HDR || !(request.ifr_flags & IFF_NO_PI))
      throw Error(fmt::format("the TAP interface of file descriptor {} puts headers before frames", fd_))
          .hint("open it with IFF_NO_PI and without IFF_VNET_HDR");
    tap_.reset(fcntl(fd_, F_DUPFD_CLOEXEC, 0));
    if (!tap_) throw Error(fmt::format("cannot use file descriptor {}", fd_)).why(std::strerror(errno));
    fcntl(tap_.get(), F_SETFL, fcntl(tap_.get(), F_GETFL) | O_NONBLOCK);
    interface_ = request.ifr_name;
  }

  void read_frames() {
    std::array<std::uint8_t, kMaxFrame> frame;
    for (unsigned i = 0; i < kFramesATime && !input_blocked(); ++i) {
      const ssize_t n = ::read(tap_.get(), frame.data(), frame.size());
      if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) interface_gone(n == 0 ? 0 : errno);
        return;
      }
      deliver({frame.data(), static_cast<std::size_t>(n)});
    }
    if (input_blocked()) watch_->want_read(false);
  }

  /// Somebody has removed it: it stays readable for ever. The guest's cable is out.
  void interface_gone(int error) {
    watch_.reset();
    log::warning("netdev {}: the interface {} is gone{}{}: the card has no link any more", name(), interface_,
                 error ? ": " : "", error ? std::strerror(error) : "");
    set_link(false);
  }

  // configuration
  std::string ifname_, script_, downscript_;
  std::int32_t fd_ = -1;
  bool vhost_ = false;
  // run time
  std::string interface_;
  bool up_ = false;  // the script has been run, so that the other one is due
  OwnedFd tap_;
  std::unique_ptr<EventLoop::Watch> watch_;
};

MACHINA_TYPE(NetTap, NetBackend);

}  // namespace machina
