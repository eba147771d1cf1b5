#include "core/display/vnc_display.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <utility>

#include "core/chardev/fd_stream.h"
#include "core/chardev/unix_socket_file.h"
#include "core/display/remote_input.h"
#include "core/display/rfb_server.h"
#include "core/event_loop.h"
#include "core/log.h"
#include "core/read_file.h"
#include "core/units.h"

namespace machina {
namespace {

using Address = VncDisplay::Address;

Address address_of(const sockaddr_storage& a, socklen_t length) {
  if (a.ss_family == AF_UNIX) {
    const auto& un = reinterpret_cast<const sockaddr_un&>(a);
    const std::size_t path = length > offsetof(sockaddr_un, sun_path) ? length - offsetof(sockaddr_un, sun_path) : 0;
    return {"", std::string(un.sun_path, ::strnlen(un.sun_path, path)), "unix"};
  }
  char host[NI_MAXHOST] = "", service[NI_MAXSERV] = "";
  ::getnameinfo(reinterpret_cast<const sockaddr*>(&a), length, host, sizeof host, service, sizeof service,
                NI_NUMERICHOST | NI_NUMERICSERV);
  return {host, service, a.ss_family == AF_INET6 ? "ipv6" : "ipv4"};
}

Address local_address(int fd) {
  sockaddr_storage a{};
  socklen_t length = sizeof a;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &length);
  return address_of(a, length);
}

OwnedFd listen_unix(const std::string& path) {
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || !bind_unix_socket(fd.get(), path) || ::listen(fd.get(), 16) != 0) {
    const int error = errno;
    Error e(fmt::format("cannot listen at '{}'", path));
    e.why(std::strerror(error));
    if (error == EADDRINUSE) e.hint("somebody listens there, or it is not a socket: choose another path");
    throw e;
  }
  return fd;
}

/// Null where the port is taken.
OwnedFd listen_at(const addrinfo& where) {
  OwnedFd fd(::socket(where.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fd;
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), where.ai_addr, where.ai_addrlen) == 0 && ::listen(fd.get(), 16) == 0) return fd;
  const int error = errno;
  fd.reset();
  errno = error;
  return fd;
}

OwnedFd listen_inet(const VncSpec& spec) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  int error = 0;
  for (unsigned i = 0; i <= spec.to && spec.port + i <= 0xffff; ++i) {
    addrinfo* list = nullptr;
    const std::string service = std::to_string(spec.port + i);
    const int rc = ::getaddrinfo(spec.host.empty() ? nullptr : spec.host.c_str(), service.c_str(), &hints, &list);
    if (rc != 0) throw Error(fmt::format("no such address: '{}'", spec.host)).why(::gai_strerror(rc));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(list, ::freeaddrinfo);
    for (const addrinfo* a = list; a; a = a->ai_next) {
      if (OwnedFd fd = listen_at(*a)) return fd;
      error = errno;
    }
    if (spec.port == 0) break;
  }
  const std::string ports =
      spec.to == 0 ? fmt::format("port {}", spec.port) : fmt::format("ports {} to {}", spec.port, spec.port + spec.to);
  throw Error(fmt::format("cannot listen at {} of '{}'", ports, spec.host))
      .why(std::strerror(error))
      .hint("another display number, to=N for more of them, or port=0 for any");
}

}  // namespace

struct VncDisplay::Impl {
  /// A client's socket and our end of the pair whose other end the RFB thread has.
  struct Client {
    Address address;
    bool initialized = false;
    std::unique_ptr<FdStream> peer, inner;
    std::vector<std::byte> typed;  // from the peer, where the RFB thread does not read
    std::vector<std::byte> queue;  // for the peer
    std::size_t sent = 0;          // of queue
    std::size_t waiting() const { return queue.size() - sent; }
  };
  using Id = RfbServer::Client;

  explicit Impl(Setup s)
      : setup(std::move(s)),
        input(setup.realtime, setup.sink, setup.listens),
        frame(setup.realtime, "vnc.frame", [this] { look(); }) {
    if (!setup.spec.password_file.empty()) password = password_of(setup.spec.password_file);
    RfbServer::Handlers handlers;
    handlers.key = [this](Id id, std::uint32_t keysym, bool down) {
      if (clients.count(id)) input.key(id, keysym, down);
    };
    handlers.pointer = [this](Id id, unsigned buttons, int x, int y) {
      if (clients.count(id)) input.pointer(id, buttons, x, y);
    };
    handlers.release_all = [this](Id id) { input.release_all(id); };
    handlers.initialized = [this](Id id) {
      const auto c = clients.find(id);
      if (c == clients.end()) return;
      c->second.initialized = true;
      report("VNC_INITIALIZED", c->second);
    };
    handlers.gone = [this](Id id) {
      // What the thread said last, such as why it refuses, is on its way: the end of its stream comes behind that. But
      // not to one that does not read.
      const auto c = clients.find(id);
      if (c != clients.end() && c->second.waiting() > 0) drop(id);
    };
    server =
        std::make_unique<RfbServer>(setup.loop, setup.name, setup.spec.share, setup.spec.password, std::move(handlers));
    server->set_password(password, 0);
    const VncSpec& spec = setup.spec;
    listener = spec.path.empty() ? listen_inet(spec) : listen_unix(spec.path);
    if (!spec.path.empty()) file = UnixSocketFile(spec.path);
    address = local_address(listener.get());
    watch = setup.loop.watch(listener.get(), [this] { accept_clients(); });
  }

  ~Impl() {
    retry.reset();
    watch.reset();
    listener.reset();
    file.remove();
    // The thread that may wait for one of them finds it closed.
    while (!clients.empty()) drop(clients.begin()->first);
    server.reset();
    watch_source(nullptr);
  }

  static std::string password_of(const std::string& path) {
    const std::vector<std::uint8_t> bytes = read_file(path, 4096);
    std::string text(bytes.begin(), bytes.end());
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return text;
  }

  // --- clients ---

  void accept_clients() {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    OwnedFd socket(
        ::accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
      // Out of descriptors the listener stays ready and the loop would spin.
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) accept_later();
      return;
    }
    if (clients.size() >= kMaxClients) return;  // they see it close
    const int on = 1;
    if (from.ss_family != AF_UNIX) ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int pair[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) return accept_later();
    OwnedFd ours(pair[0]), theirs(pair[1]);

    const Id id = ++last_id;
    Client& client = clients[id];
    client.address = address_of(from, length);
    client.peer = carry(std::move(socket), id, true);
    client.inner = carry(std::move(ours), id, false);
    client.peer->resume_input();
    report("VNC_CONNECTED", client);
    look();  // there has to be a picture
    server->add(id, std::move(theirs));
  }

  void accept_later() {
    watch->want_read(false);
    retry = setup.loop.repeat(kNsPerSecond, [this] {
      watch->want_read(true);
      retry.reset();
    });
  }

  /// A stream of which everything goes to the other one of the client.
  std::unique_ptr<FdStream> carry(OwnedFd fd, Id id, bool from_peer) {
    FdStream::Handlers h;
    h.room = [this, id, from_peer] {
      const Client& c = clients.at(id);
      if (from_peer) return c.inner && c.typed.empty() ? FdStream::kReadSize : 0;
      return kQueueLimit - std::min(c.waiting(), kQueueLimit);
    };
    h.received = [this, id, from_peer](std::span<const std::byte> bytes) {
      Client& c = clients.at(id);
      if (from_peer) {
        const auto rest = bytes.subspan(c.inner->write(bytes));
        c.typed.assign(rest.begin(), rest.end());
      } else {
        c.queue.insert(c.queue.end(), bytes.begin(), bytes.end());
        flush(c);
      }
    };
    h.writable = [this, id, from_peer] {
      Client& c = clients.at(id);
      if (from_peer) {
        flush(c);
        if (c.inner) c.inner->resume_input();
      } else {
        c.typed.erase(c.typed.begin(), c.typed.begin() + static_cast<std::ptrdiff_t>(c.inner->write(c.typed)));
        c.peer->resume_input();
      }
    };
    h.closed = [this, id](int) { drop(id); };
    return std::make_unique<FdStream>(setup.loop, std::move(fd), OwnedFd(), true, std::move(h));
  }

  static void flush(Client& c) {
    if (c.waiting() == 0) return;
    c.sent += c.peer->write(std::span(c.queue).subspan(c.sent));
    if (c.waiting() == 0) {
      c.queue.clear();
      c.sent = 0;
    } else if (c.sent > c.queue.size() / 2) {
      c.queue.erase(c.queue.begin(), c.queue.begin() + static_cast<std::ptrdiff_t>(c.sent));
      c.sent = 0;
    }
  }

  void drop(Id id) {
    const auto found = clients.find(id);
    if (found == clients.end()) return;
    input.gone(id);
    const Client gone = std::move(found->second);
    clients.erase(found);
    report("VNC_DISCONNECTED", gone);
    if (clients.empty()) {
      frame.cancel();
      watch_source(nullptr);
    }
  }

  void report(std::string_view event, const Client& client) const {
    if (setup.report)
      setup.report(event, {{"server", describe_server()}, {"client", VncDisplay::describe(client.address)}});
  }

  qom::ValueMap describe_server() const {
    qom::ValueMap map = VncDisplay::describe(address);
    map.emplace_back("auth", std::string(setup.spec.password ? "vnc" : "none"));
    return map;
  }

  // --- the screen ---

  void watch_source(DisplaySource* source) {
    if (source == watched) return;
    if (watched) watched->unwatch();
    watched = source;
    if (watched) watched->watch();
    seen = 0;
  }

  void look() {
    if (clients.empty()) return;
    frame.arm(setup.realtime.now_ns() + kFrameNs);
    watch_source(setup.source());
    if (!watched) return;
    const ScreenSurface& surface = watched->refresh();
    const std::vector<ScreenRect> changed = surface.changes_since(seen);
    seen = surface.generation();
    if (!changed.empty()) server->show(surface.screen(), changed);
  }

  Setup setup;
  std::string password;
  std::int64_t password_until = 0;
  RemoteInput input;
  std::map<Id, Client> clients;
  Id last_id = 0;
  DisplaySource* watched = nullptr;
  std::uint64_t seen = 0;
  Timer frame;
  std::unique_ptr<RfbServer> server;
  OwnedFd listener;
  UnixSocketFile file;  // where it listens, if that is a path
  Address address;
  std::unique_ptr<EventLoop::Watch> watch;
  std::unique_ptr<EventLoop::Watch> retry;  // of the listener, when descriptors had run out
};

void VncDisplay::class_init(qom::ObjectClass& c) { c.description = "Screen, keyboard and mouse for VNC clients"; }

VncDisplay::VncDisplay() = default;
VncDisplay::~VncDisplay() = default;

void VncDisplay::open(Setup setup) { impl_ = std::make_unique<Impl>(std::move(setup)); }
void VncDisplay::close() { impl_.reset(); }

const VncDisplay::Address& VncDisplay::address() const { return impl_->address; }
bool VncDisplay::asks_password() const { return impl_->setup.spec.password; }

qom::ValueMap VncDisplay::describe(const Address& a) {
  return {{"host", a.host}, {"service", a.service}, {"family", a.family}, {"websocket", false}};
}

qom::ValueMap VncDisplay::describe() const { return impl_->describe_server(); }

std::vector<VncDisplay::ClientInfo> VncDisplay::clients() const {
  std::vector<ClientInfo> list;
  for (const auto& [id, client] : impl_->clients) list.push_back({client.address, client.initialized});
  return list;
}

void VncDisplay::set_password(std::string text) {
  Impl& i = *impl_;
  if (!i.setup.spec.password)
    throw Error("VNC clients are not asked for a password").hint("start with -vnc …,password=on");
  i.password = std::move(text);
  i.server->set_password(i.password, i.password_until);
}

void VncDisplay::set_password_expiry(std::int64_t epoch_ns) {
  impl_->password_until = epoch_ns;
  impl_->server->set_password(impl_->password, epoch_ns);
}

MACHINA_TYPE(VncDisplay, qom::Object);

}  // namespace machina
