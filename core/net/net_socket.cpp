/// netdev-socket: a cable to another machine, over a TCP connection or in datagrams. QEMU's -netdev socket is at the
/// other end as well: on a connection each frame follows its length, 32 bits in network byte order; a datagram is a
/// frame.
///
/// Not modelled: connecting again after the peer has gone (a server takes the next one), IPv6, inherited descriptors of
/// other kinds than these.

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/chardev/fd_stream.h"
#include "core/log.h"
#include "core/net/inet.h"
#include "core/net/net_backend.h"
#include "core/units.h"
#include "qom/error.h"

namespace machina {
namespace {

constexpr std::size_t kLength = 4;        // what precedes a frame on a connection
constexpr unsigned kDatagramsATime = 64;  // read in one turn of the loop
constexpr int kConnectTimeoutMs = 10'000;

const sockaddr* as_sockaddr(const sockaddr_in& a) { return reinterpret_cast<const sockaddr*>(&a); }

sockaddr_in local_address(int fd) {
  sockaddr_in a{};
  socklen_t length = sizeof a;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&a), &length) != 0 || a.sin_family != AF_INET) return {};
  return a;
}

OwnedFd new_socket(int type) {
  OwnedFd fd(socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw Error("cannot make a socket").why(std::strerror(errno));
  return fd;
}

/// `shared`: the port may be one that was used a moment ago, or is a group's. Two sockets of one address that are not
/// connected would take each other's datagrams.
void bind_or_throw(int fd, const sockaddr_in& a, bool shared) {
  const int on = 1;
  if (shared) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, as_sockaddr(a), sizeof a) == 0) return;
  const int error = errno;
  Error e(fmt::format("cannot use {}", inet_text(a)));
  e.why(std::strerror(error));
  if (error == EADDRINUSE) e.hint("another process has that port: choose another");
  if (error == EADDRNOTAVAIL) e.hint("the address must be one of this host");
  throw e;
}

void require_port(const sockaddr_in& a, const std::string& text) {
  if (a.sin_port == 0) throw Error(fmt::format("nobody can be reached at port 0: '{}'", text));
}

}  // namespace

class NetSocket final : public NetBackend {
 public:
  static constexpr const char* kType = "netdev-socket";
  static void class_init(qom::ObjectClass& c) {
    c.description = "a cable to another machine, over TCP or UDP";
    c.user_creatable = true;
    c.property("listen", &NetSocket::listen_, "").doc("waits for one peer at a time: [HOST]:PORT");
    c.property("connect", &NetSocket::connect_, "").doc("connects to a peer: HOST:PORT");
    c.property("mcast", &NetSocket::mcast_, "").doc("all machines of that group are on one cable: ADDRESS:PORT");
    c.property("udp", &NetSocket::udp_, "").doc("sends datagrams to HOST:PORT; needs localaddr");
    c.property("localaddr", &NetSocket::localaddr_, "")
        .doc("of udp: [HOST]:PORT that is listened at; of mcast: address of the interface to use");
    c.property("fd", &NetSocket::fd_, -1).doc("an inherited TCP connection; instead of an address");
    c.computed<std::string>("address", &NetSocket::address).doc("own address, with the port that was chosen");
    c.computed<bool>("connected", &NetSocket::connected).doc("whether a peer is there; of datagrams always");
  }

  std::string description() const override { return "socket," + where_; }

 protected:
  void realize() override;
  void unrealize() override;
  void transmit(FrameView frame) override;
  void input_possible() override;

 private:
  std::string address() const { return address_; }
  bool connected() const { return stream_ || datagrams_; }
  void check_options() const;

  void start_listening();
  void start_connecting();
  void adopt();
  void start_group();
  void start_udp();

  void accept_peer();
  void established(OwnedFd fd);
  void received(std::span<const std::byte> bytes);
  void closed();
  void read_datagrams();

  // configuration
  std::string listen_, connect_, mcast_, udp_, localaddr_;
  std::int32_t fd_ = -1;
  // run time
  std::string where_, address_;
  OwnedFd listener_;
  std::unique_ptr<EventLoop::Watch> listener_watch_;
  std::unique_ptr<EventLoop::Watch> retry_;  // of the listener, when descriptors had run out
  std::unique_ptr<FdStream> stream_;
  std::vector<std::uint8_t> partial_;  // a length and its frame, as far as they have come
  OwnedFd datagrams_, sender_;         // sender_: of a group, where own frames are known by
  sockaddr_in destination_{}, own_{};
  std::unique_ptr<EventLoop::Watch> datagram_watch_;
};

void NetSocket::check_options() const {
  const int ways = !listen_.empty() + !connect_.empty() + !mcast_.empty() + !udp_.empty() + (fd_ >= 0);
  if (ways != 1) {
    throw Error(ways == 0 ? "socket has no address" : "socket has more than one address")
        .hint("set one of: listen, connect, mcast, udp with localaddr, fd");
  }
  if (!udp_.empty() && localaddr_.empty()) throw Error("udp needs localaddr").hint("add localaddr=:PORT");
  if (!localaddr_.empty() && udp_.empty() && mcast_.empty())
    throw Error("localaddr is for udp and mcast").hint("drop it");
}

void NetSocket::realize() {
  check_options();
  NetBackend::realize();
  try {
    if (!listen_.empty()) start_listening();
    if (!connect_.empty()) start_connecting();
    if (!mcast_.empty()) start_group();
    if (!udp_.empty()) start_udp();
    if (fd_ >= 0) adopt();
  } catch (...) {
    unrealize();
    throw;
  }
}

void NetSocket::unrealize() {
  datagram_watch_.reset();
  datagrams_.reset();
  sender_.reset();
  retry_.reset();
  listener_watch_.reset();
  listener_.reset();
  stream_.reset();
  partial_.clear();
  NetBackend::unrealize();
}

// --- connections ---

void NetSocket::start_listening() {
  const sockaddr_in a = parse_inet(listen_);
  listener_ = new_socket(SOCK_STREAM);
  bind_or_throw(listener_.get(), a, true);
  if (listen(listener_.get(), 1) != 0)
    throw Error(fmt::format("cannot listen at {}", inet_text(a))).why(std::strerror(errno));
  address_ = inet_text(local_address(listener_.get()));
  where_ = "listen=" + address_;
  if (a.sin_port == 0) log::info("netdev {}: listening at {}", name(), address_);
  listener_watch_ = loop().watch(listener_.get(), [this] { accept_peer(); });
}

void NetSocket::start_connecting() {
  const sockaddr_in a = parse_inet(connect_);
  require_port(a, connect_);
  OwnedFd fd = new_socket(SOCK_STREAM);
  int error = ::connect(fd.get(), as_sockaddr(a), sizeof a) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd p{fd.get(), POLLOUT, 0};
    socklen_t length = sizeof error;
    if (poll(&p, 1, kConnectTimeoutMs) != 1) {
      error = ETIMEDOUT;
    } else {
      getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    }
  }
  if (error != 0) {
    Error e(fmt::format("cannot connect to {}", inet_text(a)));
    e.why(std::strerror(error));
    if (error == ECONNREFUSED) e.hint("nobody listens there: start the machine with listen= first");
    throw e;
  }
  where_ = "connect=" + inet_text(a);
  established(std::move(fd));
}

void NetSocket::adopt() {
  int type = 0;
  socklen_t length = sizeof type;
  if (getsockopt(fd_, SOL_SOCKET, SO_TYPE, &type, &length) != 0)
    throw Error(fmt::format("file descriptor {} is not an open socket", fd_)).why(std::strerror(errno));
  if (type != SOCK_STREAM)
    throw Error(fmt::format("file descriptor {} is not a stream", fd_)).hint("hand over a TCP or unix connection");
  OwnedFd own(fcntl(fd_, F_DUPFD_CLOEXEC, 0));
  if (!own) throw Error(fmt::format("cannot use file descriptor {}", fd_)).why(std::strerror(errno));
  fcntl(own.get(), F_SETFL, fcntl(own.get(), F_GETFL) | O_NONBLOCK);
  where_ = fmt::format("fd={}", fd_);
  established(std::move(own));
}

void NetSocket::accept_peer() {
  OwnedFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) {
    // Out of descriptors the listener stays ready and the loop would spin: it is asked again in a second.
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      log::warning("netdev {}: cannot take a peer: {}", name(), std::strerror(errno));
      listener_watch_->want_read(false);
      retry_ = loop().repeat(kNsPerSecond, [this] {
        listener_watch_->want_read(true);
        retry_.reset();
      });
    }
    return;
  }
  listener_watch_->want_read(false);  // the next one waits in the listen queue
  established(std::move(fd));
}

void NetSocket::established(OwnedFd fd) {
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  partial_.clear();
  if (address_.empty()) address_ = inet_text(local_address(fd.get()));
  FdStream::Handlers handlers;
  handlers.room = [this] { return input_blocked() ? std::size_t{0} : FdStream::kReadSize; };
  handlers.received = [this](std::span<const std::byte> bytes) { received(bytes); };
  handlers.closed = [this](int) { closed(); };
  handlers.writable = [] {};  // a frame that does not fit is lost
  stream_ = std::make_unique<FdStream>(loop(), std::move(fd), OwnedFd(), true, std::move(handlers));
}

void NetSocket::received(std::span<const std::byte> bytes) {
  const auto* const first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  partial_.insert(partial_.end(), first, first + bytes.size());
  std::size_t at = 0;
  while (partial_.size() - at >= kLength) {
    std::uint32_t length = 0;
    std::memcpy(&length, partial_.data() + at, kLength);
    length = ntohl(length);
    if (length > kMaxFrame) {
      log::warning("netdev {}: the peer announces a frame of {} bytes: it does not speak this protocol", name(),
                   length);
      closed();
      return;
    }
    if (partial_.size() - at - kLength < length) break;
    deliver({partial_.data() + at + kLength, length});
    at += kLength + length;
  }
  partial_.erase(partial_.begin(), partial_.begin() + static_cast<std::ptrdiff_t>(at));
}

void NetSocket::closed() {
  stream_.reset();
  partial_.clear();
  if (listener_watch_) listener_watch_->want_read(true);
}

// --- datagrams ---

void NetSocket::start_group() {
  destination_ = parse_inet(mcast_);
  require_port(destination_, mcast_);
  if (!IN_MULTICAST(ntohl(destination_.sin_addr.s_addr)))
    throw Error(fmt::format("{} is not the address of a group", ipv4_text(destination_.sin_addr)))
        .hint("groups are 224.0.0.0 to 239.255.255.255; 239.0.0.0/8 is for use of one's own");
  datagrams_ = new_socket(SOCK_DGRAM);
  bind_or_throw(datagrams_.get(), destination_, true);
  ip_mreq group{};
  group.imr_multiaddr = destination_.sin_addr;
  if (!localaddr_.empty()) group.imr_interface = parse_ipv4(localaddr_);
  if (setsockopt(datagrams_.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    throw Error(fmt::format("cannot join the group {}", ipv4_text(group.imr_multiaddr)))
        .why(std::strerror(errno))
        .hint("an interface of the host must carry it: localaddr=ADDRESS names one, 127.0.0.1 for this host alone");
  }
  // Frames go out through a socket of its own: the group sends them back, and they are told by where they come from.
  sender_ = new_socket(SOCK_DGRAM);
  const std::uint8_t loop_back = 1;
  setsockopt(sender_.get(), IPPROTO_IP, IP_MULTICAST_LOOP, &loop_back, sizeof loop_back);
  if (!localaddr_.empty() &&
      setsockopt(sender_.get(), IPPROTO_IP, IP_MULTICAST_IF, &group.imr_interface, sizeof group.imr_interface) != 0)
    throw Error(fmt::format("cannot send from {}", localaddr_)).why(std::strerror(errno));
  if (::connect(sender_.get(), as_sockaddr(destination_), sizeof destination_) != 0)
    throw Error(fmt::format("cannot send to {}", inet_text(destination_))).why(std::strerror(errno));
  own_ = local_address(sender_.get());
  address_ = inet_text(destination_);
  where_ = "mcast=" + address_;
  datagram_watch_ = loop().watch(datagrams_.get(), [this] { read_datagrams(); });
}

void NetSocket::start_udp() {
  destination_ = parse_inet(udp_);
  require_port(destination_, udp_);
  const sockaddr_in local = parse_inet(localaddr_);
  datagrams_ = new_socket(SOCK_DGRAM);
  bind_or_throw(datagrams_.get(), local, false);
  address_ = inet_text(local_address(datagrams_.get()));
  where_ = fmt::format("udp={},localaddr={}", inet_text(destination_), address_);
  if (local.sin_port == 0) log::info("netdev {}: listening at {}", name(), address_);
  datagram_watch_ = loop().watch(datagrams_.get(), [this] { read_datagrams(); });
}

void NetSocket::read_datagrams() {
  std::array<std::uint8_t, kMaxFrame> frame;
  for (unsigned i = 0; i < kDatagramsATime && !input_blocked(); ++i) {
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const ssize_t n =
        recvfrom(datagrams_.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (n < 0) return;  // nothing more; or an ICMP answer to what was sent before, which a wire does not know
    const bool own = sender_ && from.sin_port == own_.sin_port && from.sin_addr.s_addr == own_.sin_addr.s_addr;
    if (!own) deliver({frame.data(), static_cast<std::size_t>(n)});
  }
  if (input_blocked()) datagram_watch_->want_read(false);
}

// --- both ---

void NetSocket::input_possible() {
  if (stream_) stream_->resume_input();
  if (datagram_watch_) datagram_watch_->want_read(true);
}

void NetSocket::transmit(FrameView frame) {
  if (sender_) {
    (void)!::send(sender_.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } else if (datagrams_) {
    (void)!sendto(datagrams_.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL, as_sockaddr(destination_),
                  sizeof destination_);
  } else if (stream_ && stream_->buffered() + kLength + frame.size() <= FdStream::kOutputLimit) {
    // The whole of it, or none: half a frame would spoil all that follow.
    const std::uint32_t length = htonl(static_cast<std::uint32_t>(frame.size()));
    std::vector<std::uint8_t> bytes(kLength + frame.size());
    std::memcpy(bytes.data(), &length, kLength);
    std::memcpy(bytes.data() + kLength, frame.data(), frame.size());
    stream_->write(std::as_bytes(std::span(bytes)));
  }
}

MACHINA_TYPE(NetSocket, NetBackend);

}  // namespace machina
