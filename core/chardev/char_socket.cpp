/// chardev-socket: a TCP or unix stream socket, as server or client. Not modelled: TLS, telnet and websocket framing.

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "core/chardev/char_stream.h"
#include "core/chardev/unix_socket_file.h"
#include "core/log.h"
#include "core/units.h"
#include "qom/error.h"

namespace machina {
namespace {

// How long starting up waits for a peer to answer a connection; a machine that runs never waits.
constexpr int kConnectTimeoutMs = 10'000;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  int family = AF_UNSPEC;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Address at_path(const std::string& path) {
  const sockaddr_un un = unix_address(path);
  Address a;
  std::memcpy(&a.storage, &un, sizeof un);
  a.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  a.family = AF_UNIX;
  return a;
}

std::vector<Address> inet_addresses(const std::string& host, const std::string& port, bool passive) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = (passive ? AI_PASSIVE : 0) | AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  int rc = getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &list);
  if (rc != 0) {
    hints.ai_flags &= ~AI_ADDRCONFIG;  // a host with nothing but a loopback
    rc = getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &list);
  }
  if (rc != 0) throw Error("no such address: '" + host + ":" + port + "'").why(gai_strerror(rc));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(list, freeaddrinfo);
  std::vector<Address> out;
  for (const addrinfo* i = list; i; i = i->ai_next) {
    Address a;
    std::memcpy(&a.storage, i->ai_addr, i->ai_addrlen);
    a.length = i->ai_addrlen;
    a.family = i->ai_family;
    out.push_back(a);
  }
  return out;
}

std::string address_text(const Address& a) {
  if (a.family == AF_UNIX) {
    sockaddr_un un{};
    std::memcpy(&un, &a.storage, sizeof un);
    return un.sun_path;
  }
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (getnameinfo(a.get(), a.length, host.data(), host.size(), port.data(), port.size(),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "?";
  const std::string h = host.data();
  return (h.find(':') != std::string::npos ? "[" + h + "]" : h) + ":" + port.data();
}

Address local_address(int fd) {
  Address a;
  a.length = sizeof a.storage;
  if (getsockname(fd, a.get(), &a.length) == 0) a.family = a.storage.ss_family;
  return a;
}

/// Empty, and errno says why, where the host has none of that family or no descriptor left.
OwnedFd new_socket(const Address& a) {
  return OwnedFd(socket(a.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/// The other side of a socket has said its last, read or not.
bool has_finished(int fd) {
  pollfd p{fd, POLLRDHUP, 0};
  return poll(&p, 1, 0) > 0;
}

}  // namespace

class CharSocket final : public CharStream {
 public:
  static constexpr const char* kType = "chardev-socket";
  static void class_init(qom::ObjectClass& c) {
    c.description = "a TCP or unix socket";
    c.user_creatable = true;
    c.property("path", &CharSocket::path_, "").doc("unix socket; instead of host and port");
    c.property("host", &CharSocket::host_, "").doc("TCP address; a server without one listens on all");
    c.property("port", &CharSocket::port_, "").doc("TCP port or service; 0 lets the host choose one for a server");
    c.property("fd", &CharSocket::fd_, -1).doc("inherited socket, connected or listening; instead of an address");
    c.property("server", &CharSocket::server_, false).doc("listen, and serve one client at a time");
    c.property("exclusive", &CharSocket::exclusive_, false)
        .doc("a server that has a client hangs up on others instead of letting them wait");
    c.property("wait", &CharSocket::wait_, true).doc("a server waits for its first client before the machine starts");
    c.property("reconnect", &CharSocket::reconnect_, 0U).doc("seconds after which a client tries again; 0 never");
    c.property("nodelay", &CharSocket::nodelay_, false).doc("send small TCP packets at once");
    c.computed<std::string>("address", &CharSocket::address).doc("own address, with the port that was chosen");
    c.computed<bool>("connected", &CharSocket::connected).doc("whether a peer is there");
  }

  bool connected() const override { return stream_ != nullptr; }
  std::string description() const override {
    const char* scheme = address_is_unix_ ? "unix:" : "tcp:";
    const std::string where = scheme + address_ + (server_ ? ",server=on" : "");
    return connected() ? where : "disconnected:" + where;
  }

 protected:
  void realize() override;
  void unrealize() override;
  void stream_closed(int error) override;

 private:
  std::string address() const { return address_; }
  void check_options() const;
  void adopt(int fd);
  void listen_at(const std::vector<Address>& addresses);
  OwnedFd bind_to(const Address& a);
  void watch_listener();
  void wait_for_client();
  bool accept_client();
  void connect_now();
  void begin_connect();
  void connecting_done();
  void retry_later();
  void established(OwnedFd fd);

  // configuration
  std::string path_;
  std::string host_;
  std::string port_;
  std::int32_t fd_ = -1;
  bool server_ = false;
  bool wait_ = true;
  bool exclusive_ = false;
  std::uint32_t reconnect_ = 0;
  bool nodelay_ = false;

  // run time
  std::string address_;
  bool address_is_unix_ = false;
  std::vector<Address> peers_;
  std::size_t next_peer_ = 0;
  UnixSocketFile bound_;
  OwnedFd listener_;
  std::unique_ptr<EventLoop::Watch> listener_watch_;
  OwnedFd connecting_;
  std::unique_ptr<EventLoop::Watch> connecting_watch_;
  std::unique_ptr<EventLoop::Watch> retry_;
};

MACHINA_TYPE(CharSocket, CharBackend);

void CharSocket::check_options() const {
  const bool inet = !host_.empty() || !port_.empty();
  const int ways = (path_.empty() ? 0 : 1) + (inet ? 1 : 0) + (fd_ >= 0 ? 1 : 0);
  if (ways == 0) throw Error("socket has no address").hint("set path, or host and port, or fd");
  if (ways > 1) throw Error("socket has more than one address").hint("set one of: path; host and port; fd");
  if (inet && port_.empty()) throw Error("socket has a host but no port");
  if (server_ && reconnect_ != 0) throw Error("reconnect is for clients; a server waits for its next client anyway");
  if (fd_ >= 0 && reconnect_ != 0) throw Error("an inherited socket cannot be connected again");
  if (inet && port_.find_first_not_of("0123456789") == std::string::npos) {
    const std::uint64_t number = port_.size() > 5 ? 65536 : qom::parse_uint(port_);
    if (number > 65535) throw Error("there is no TCP port " + port_).hint("ports go from 0 to 65535");
    if (number == 0 && !server_) throw Error("a client cannot connect to TCP port 0");
  }
}

void CharSocket::realize() {
  check_options();
  CharBackend::realize();
  address_is_unix_ = !path_.empty();
  try {
    if (fd_ >= 0) {
      adopt(fd_);
    } else {
      peers_ = address_is_unix_ ? std::vector{at_path(path_)} : inet_addresses(host_, port_, server_);
      address_ = address_is_unix_ ? path_ : host_ + ":" + port_;
      if (server_) {
        listen_at(peers_);
      } else if (reconnect_ != 0) {
        begin_connect();
      } else {
        connect_now();
      }
    }
    if (listener_ && wait_) wait_for_client();
  } catch (...) {
    unrealize();
    throw;
  }
}

void CharSocket::unrealize() {
  retry_.reset();
  connecting_watch_.reset();
  connecting_.reset();
  listener_watch_.reset();
  listener_.reset();
  bound_.remove();
  CharStream::unrealize();
}

void CharSocket::adopt(int fd) {
  int listening = 0;
  socklen_t length = sizeof listening;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0)
    throw Error("file descriptor " + std::to_string(fd) + " is not an open socket").why(std::strerror(errno));
  OwnedFd own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) throw Error("cannot use file descriptor " + std::to_string(fd)).why(std::strerror(errno));
  fcntl(own.get(), F_SETFL, fcntl(own.get(), F_GETFL) | O_NONBLOCK);
  const Address a = local_address(own.get());
  address_is_unix_ = a.family == AF_UNIX;
  address_ = address_text(a);
  if ((listening != 0) != server_)
    throw Error("file descriptor " + std::to_string(fd) + (listening ? " listens" : " does not listen"))
        .hint(listening ? "add server=on" : "drop server=on");
  if (listening != 0) {
    listener_ = std::move(own);
    watch_listener();
  } else {
    established(std::move(own));
  }
}

OwnedFd CharSocket::bind_to(const Address& a) {
  OwnedFd fd = new_socket(a);
  if (!fd) return fd;
  if (a.family != AF_UNIX) {
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a.family == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  const bool bound = a.family == AF_UNIX ? bind_unix_socket(fd.get(), path_) : bind(fd.get(), a.get(), a.length) == 0;
  if (!bound || listen(fd.get(), 1) != 0) return OwnedFd();
  return fd;
}

void CharSocket::listen_at(const std::vector<Address>& addresses) {
  int error = 0;
  for (const Address& a : addresses) {
    listener_ = bind_to(a);
    if (listener_) break;
    error = errno;
  }
  if (!listener_) {
    Error e("cannot listen on " + (address_is_unix_ ? "unix socket '" + path_ + "'" : "TCP " + address_));
    e.why(std::strerror(error));
    if (error == EADDRINUSE)
      e.hint(address_is_unix_ ? "another process listens there, or it is not a socket: choose another path"
                              : "another process listens there: choose another port, or 0 for any free one");
    throw e;
  }
  if (address_is_unix_) {
    bound_ = UnixSocketFile(path_);
  } else {
    address_ = address_text(local_address(listener_.get()));
  }
  watch_listener();
}

void CharSocket::watch_listener() {
  listener_watch_ = loop().watch(listener_.get(), [this] { accept_client(); });
}

void CharSocket::wait_for_client() {
  log::info("waiting for connection on: {}", description());
  while (!accept_client()) {
    pollfd p{listener_.get(), POLLIN, 0};
    if (poll(&p, 1, -1) < 0) throw Error("interrupted while waiting for a client on " + address_);
  }
}

// One client at a time: the next one waits in the listen queue, or is sent away. Not by one that is leaving.
bool CharSocket::accept_client() {
  if (exclusive_ && connected() && has_finished(stream_->out_fd())) {
    listener_watch_->want_read(false);
    return false;
  }
  OwnedFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) {
    // Out of descriptors the listener stays ready and the loop would spin.
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      listener_watch_->want_read(false);
      retry_ = loop().repeat(kNsPerSecond, [this] {
        listener_watch_->want_read(true);
        retry_.reset();
      });
    }
    return false;
  }
  if (exclusive_) {
    if (connected()) return false;  // and hang up
  } else {
    listener_watch_->want_read(false);
  }
  established(std::move(fd));
  return true;
}

void CharSocket::connect_now() {
  int error = 0;
  for (const Address& a : peers_) {
    OwnedFd fd = new_socket(a);
    error = fd && connect(fd.get(), a.get(), a.length) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      pollfd p{fd.get(), POLLOUT, 0};
      const int ready = poll(&p, 1, kConnectTimeoutMs);
      socklen_t length = sizeof error;
      if (ready == 0) {
        error = ETIMEDOUT;
      } else if (ready < 0 || getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
        error = errno;
      }
    }
    if (error == 0) {
      established(std::move(fd));
      return;
    }
  }
  throw Error("cannot connect to " + (address_is_unix_ ? "unix socket '" + path_ + "'" : "TCP " + address_))
      .why(std::strerror(error))
      .hint("start the server first, or add reconnect=SECONDS");
}

void CharSocket::begin_connect() {
  const Address& a = peers_[next_peer_++ % peers_.size()];
  OwnedFd fd = new_socket(a);
  if (fd && connect(fd.get(), a.get(), a.length) == 0) {
    retry_.reset();
    established(std::move(fd));
    return;
  }
  if (!fd || errno != EINPROGRESS) {
    retry_later();
    return;
  }
  connecting_ = std::move(fd);
  connecting_watch_ = loop().watch(connecting_.get(), {}, [this] { connecting_done(); });
  connecting_watch_->want_write(true);
}

void CharSocket::connecting_done() {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(connecting_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  connecting_watch_.reset();
  if (error != 0) {
    connecting_.reset();
    retry_later();
    return;
  }
  established(std::move(connecting_));
}

void CharSocket::retry_later() {
  retry_ = loop().repeat(static_cast<std::int64_t>(reconnect_) * kNsPerSecond, [this] {
    retry_.reset();
    begin_connect();
  });
}

void CharSocket::established(OwnedFd fd) {
  if (nodelay_ && !address_is_unix_) {
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  open_stream(std::move(fd), OwnedFd(), true);
  report(CharFrontend::Event::Opened);
}

void CharSocket::stream_closed(int) {
  const qom::Ref<CharSocket> keep(this);
  stream_->drain(0);  // a peer that has only finished sending still reads
  stream_.reset();
  report(CharFrontend::Event::Closed);
  if (!realized()) return;
  if (listener_) {
    listener_watch_->want_read(true);
  } else if (reconnect_ != 0) {
    retry_later();
  }
}

}  // namespace machina
