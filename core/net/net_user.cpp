/// netdev-user: a network of the guest's own behind the process, through libslirp. DHCP, DNS, TFTP and the way out need
/// no privilege and no set-up of the host.
///
/// libslirp lives in the event loop: its sockets are watched there, its time is the machine's virtual one, so that
/// connections do not time out while the machine stands. TFTP reads the host's files under the machine lock, as
/// libslirp has it. Where the process runs out of descriptors libslirp refuses a connection that the guest opens and
/// loses a datagram to somebody new, and connections to a forwarded port wait with the host. Not modelled: guestfwd,
/// SMB.

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "core/chardev/fd_stream.h"
#include "core/clock.h"
#include "core/event_loop.h"
#include "core/log.h"
#include "core/net/inet.h"
#include "core/net/net_backend.h"
#include "core/units.h"
#include "qom/error.h"

namespace machina {
namespace {

// Where things are in the net unless the user says otherwise; as in QEMU.
constexpr std::uint32_t kHost = 2, kNameServer = 3, kDhcpStart = 15;
// What the fields of a BOOTP message take (RFC 951, 3; libslirp's bootp.c keeps a name of 33 bytes).
constexpr std::size_t kBootFile = 127, kHostName = 32;

struct Forward {
  bool udp = false;
  sockaddr_in host{};
  sockaddr_in guest{};
  std::string text;
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

/// "tcp:HOSTADDR:PORT-GUESTADDR:PORT"; both addresses may be empty. Throws Error.
Forward parse_forward(const std::string& text, in_addr guest) {
  const auto refuse = [&] {
    return Error(fmt::format("not a forwarding rule: '{}'", text))
        .hint("write tcp:HOSTADDR:PORT-GUESTADDR:PORT or udp:…; HOSTADDR and GUESTADDR may be left out");
  };
  Forward f;
  f.text = text;
  const std::size_t first = text.find(':'), dash = text.find('-');
  if (first == std::string::npos || dash == std::string::npos || first > dash) throw refuse();
  const std::string protocol = text.substr(0, first);
  if (!protocol.empty() && protocol != "tcp" && protocol != "udp") throw refuse();
  f.udp = protocol == "udp";
  const auto end_point = [&](const std::string& part) {
    const std::size_t colon = part.find(':');
    if (colon == std::string::npos) throw refuse();
    sockaddr_in a{};
    a.sin_family = AF_INET;
    if (colon > 0) a.sin_addr = parse_ipv4(part.substr(0, colon));
    a.sin_port = htons(parse_port(part.substr(colon + 1)));
    return a;
  };
  f.host = end_point(text.substr(first + 1, dash - first - 1));
  f.guest = end_point(text.substr(dash + 1));
  if (f.guest.sin_addr.s_addr == INADDR_ANY) f.guest.sin_addr = guest;
  if (f.guest.sin_port == 0) throw Error(fmt::format("the guest has no port 0: '{}'", text));
  return f;
}

}  // namespace

class NetUser final : public NetBackend {
 public:
  static constexpr const char* kType = "netdev-user";
  static void class_init(qom::ObjectClass& c);

  std::string description() const override { return fmt::format("user,net={}", net_.to_string()); }
  std::string connections() const override;

 protected:
  void realize() override;
  void unrealize() override;
  void transmit(FrameView frame) override;

 private:
  std::string forwards() const { return forwarded_; }
  void check_options();
  void start();
  void add_forward(const Forward& f);
  std::vector<int> sockets();
  void poll_fill(std::uint32_t& timeout_ms);
  void process();
  void process_soon();
  void refresh();
  bool forward_starves();
  void pause_forwards();

  // configuration
  std::string net_text_, host_text_, dhcpstart_text_, dns_text_;
  std::string hostname_, domainname_, dnssearch_, tftp_, tftp_server_name_, bootfile_, hostfwd_;
  bool restrict_ = false, ipv4_ = true, ipv6_ = true;
  // run time
  Ipv4Net net_;
  in_addr host_{}, dhcpstart_{}, dns_{};
  std::string tftp_path_;  // absolute: a daemon goes to another folder
  std::string forwarded_;
  struct SlirpDeleter {
    void operator()(Slirp* s) const { slirp_cleanup(s); }
  };
  std::unique_ptr<Timer> timer_;
  std::vector<pollfd> polled_;
  struct Watched {
    std::unique_ptr<EventLoop::Watch> watch;
    std::uint64_t round = 0;  ///< the last refresh() that found it
  };
  std::map<int, Watched> watches_;
  std::uint64_t round_ = 0;
  /// While a call of process() is posted; whoever ends the network lets it go.
  std::shared_ptr<bool> posted_;
  std::set<int> forward_sockets_;               ///< that wait for TCP connections
  std::unique_ptr<EventLoop::Watch> resume_;    ///< those wait no longer, once there may be descriptors again
  std::unique_ptr<Slirp, SlirpDeleter> slirp_;  // its end calls back for what stands above
};

namespace {

NetUser& self(void* opaque) { return *static_cast<NetUser*>(opaque); }

}  // namespace

void NetUser::class_init(qom::ObjectClass& c) {
  c.description = "a network of its own, with DHCP, DNS and a way out through the host";
  c.user_creatable = true;
  c.property("net", &NetUser::net_text_, "10.0.2.0/24").doc("addresses of that network");
  c.property("host", &NetUser::host_text_, "").doc("the host's address in it; empty: the second");
  c.property("dhcpstart", &NetUser::dhcpstart_text_, "").doc("first of 16 addresses that DHCP gives; empty: the 15th");
  c.property("dns", &NetUser::dns_text_, "").doc("the name server's address in it; empty: the third");
  c.property("hostname", &NetUser::hostname_, "").doc("name that DHCP gives to the guest");
  c.property("domainname", &NetUser::domainname_, "").doc("domain that DHCP tells of");
  c.property("dnssearch", &NetUser::dnssearch_, "").doc("domains to look names up in, separated by ';'");
  c.property("restrict", &NetUser::restrict_, false).doc("the guest reaches neither host nor world");
  c.property("tftp", &NetUser::tftp_, "").doc("folder whose files a TFTP server at host= gives");
  c.property("tftp-server-name", &NetUser::tftp_server_name_, "").doc("name of the TFTP server, for DHCP");
  c.property("bootfile", &NetUser::bootfile_, "").doc("file that DHCP tells network boot to load");
  c.property("hostfwd", &NetUser::hostfwd_, "")
      .doc("ports of the host that lead to the guest: tcp|udp:[ADDR]:PORT-[ADDR]:PORT, separated by ';'");
  c.property("ipv4", &NetUser::ipv4_, true).doc("IPv4 is spoken");
  c.property("ipv6", &NetUser::ipv6_, true).doc("IPv6 is spoken, in fec0::/64");
  c.computed<std::string>("forwards", &NetUser::forwards).doc("what hostfwd= has become, with the ports chosen");
}

std::string NetUser::connections() const {
  if (!slirp_) return {};
  // Allocated with glib's allocator, which is the C library's.
  const std::unique_ptr<char, decltype(&std::free)> text(slirp_connection_info(slirp_.get()), &std::free);
  return text ? text.get() : "";
}

void NetUser::check_options() {
  net_ = Ipv4Net::parse(net_text_);
  const auto address = [&](const std::string& text, std::uint32_t otherwise, const char* what) {
    const in_addr a = text.empty() ? net_.host(otherwise) : parse_ipv4(text);
    const bool broadcast = a.s_addr == (net_.address.s_addr | ~net_.mask.s_addr);
    if (!net_.holds(a) || a.s_addr == net_.address.s_addr || broadcast)
      throw Error(fmt::format("{}={} is no address of the network {}", what, ipv4_text(a), net_.to_string()));
    return a;
  };
  host_ = address(host_text_, kHost, "host");
  dns_ = address(dns_text_, kNameServer, "dns");
  // A small net has no 15th address: what is left of it is behind the name server's.
  const bool small = (ntohl(~net_.mask.s_addr) < 2 * kDhcpStart);
  dhcpstart_ = address(dhcpstart_text_, small ? kNameServer + 1 : kDhcpStart, "dhcpstart");
  if (host_.s_addr == dns_.s_addr) throw Error(fmt::format("host and dns are both {}", ipv4_text(host_)));
  if (dhcpstart_.s_addr == host_.s_addr || dhcpstart_.s_addr == dns_.s_addr)
    throw Error(fmt::format("dhcpstart={} is taken", ipv4_text(dhcpstart_))).why("host or dns has it");
  if (!ipv4_ && !ipv6_) throw Error("neither IPv4 nor IPv6 is spoken").hint("drop ipv4=off or ipv6=off");
  if (hostname_.size() > kHostName)
    throw Error("hostname is too long").hint(fmt::format("it has at most {} bytes", kHostName));
  if (bootfile_.size() > kBootFile)
    throw Error("bootfile is too long").hint(fmt::format("it has at most {} bytes", kBootFile));
  if (struct stat st{}; !tftp_.empty() && (stat(tftp_.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)))
    throw Error(fmt::format("tftp={} is not a folder", tftp_)).why(std::strerror(errno ? errno : ENOTDIR));
  tftp_path_ = tftp_.empty() ? "" : std::filesystem::absolute(tftp_).string();
}

void NetUser::realize() {
  errno = 0;
  check_options();
  std::vector<Forward> rules;
  for (const std::string& rule : split(hostfwd_, ';')) {
    rules.push_back(parse_forward(rule, dhcpstart_));
    if (const in_addr guest = rules.back().guest.sin_addr; !net_.holds(guest)) {
      throw Error(
          fmt::format("hostfwd leads to {}, which is no address of the network {}", ipv4_text(guest), net_.to_string()))
          .hint("leave the guest's address out: it is what DHCP gives first");
    }
  }
  NetBackend::realize();
  timer_ = std::make_unique<Timer>(clock(), "netdev-user", [this] { process(); });
  try {
    start();
    for (const Forward& f : rules) add_forward(f);
  } catch (...) {
    unrealize();
    throw;
  }
  refresh();
}

void NetUser::start() {
  static const SlirpCb callbacks = [] {
    SlirpCb cb{};
    cb.send_packet = [](const void* frame, size_t size, void* o) -> ssize_t {
      self(o).deliver({static_cast<const std::uint8_t*>(frame), size});
      return static_cast<ssize_t>(size);
    };
    cb.guest_error = [](const char* text, void*) { log::guest_error("netdev-user", "{}", text); };
    cb.clock_get_ns = [](void* o) -> int64_t { return self(o).clock().now_ns(); };
    cb.timer_new = [](SlirpTimerCb call, void* argument, void* o) -> void* {
      return new Timer(self(o).clock(), "netdev-user.slirp", [call, argument] { call(argument); });
    };
    cb.timer_free = [](void* timer, void*) { delete static_cast<Timer*>(timer); };
    cb.timer_mod = [](void* timer, int64_t at_ms, void*) { static_cast<Timer*>(timer)->arm(at_ms * kNsPerMs); };
    cb.register_poll_fd = [](int, void*) {};
    // It is closed next, and its number may come back as another socket.
    cb.unregister_poll_fd = [](int fd, void* o) { self(o).watches_.erase(fd); };
    cb.notify = [](void* o) { self(o).timer_->arm(self(o).clock().now_ns()); };
    return cb;
  }();

  const std::vector<std::string> domains = split(dnssearch_, ';');
  std::vector<const char*> search;
  for (const std::string& d : domains) search.push_back(d.c_str());
  search.push_back(nullptr);
  const auto given = [](const std::string& s) { return s.empty() ? nullptr : s.c_str(); };
  SlirpConfig config{};
  config.version = SLIRP_CONFIG_VERSION_MIN;
  config.restricted = restrict_;
  config.in_enabled = ipv4_;
  config.vnetwork = net_.address;
  config.vnetmask = net_.mask;
  config.vhost = host_;
  config.vdhcp_start = dhcpstart_;
  config.vnameserver = dns_;
  config.in6_enabled = ipv6_;
  inet_pton(AF_INET6, "fec0::", &config.vprefix_addr6);
  config.vprefix_len = 64;
  inet_pton(AF_INET6, "fec0::2", &config.vhost6);
  inet_pton(AF_INET6, "fec0::3", &config.vnameserver6);
  config.vhostname = given(hostname_);
  config.tftp_server_name = given(tftp_server_name_);
  config.tftp_path = given(tftp_path_);
  config.bootfile = given(bootfile_);
  config.vdnssearch = domains.empty() ? nullptr : search.data();
  config.vdomainname = given(domainname_);
  slirp_.reset(slirp_new(&config, &callbacks, this));
  if (!slirp_) throw Error("the user network cannot be started").why("libslirp refuses its options");
}

void NetUser::unrealize() {
  posted_.reset();
  resume_.reset();
  slirp_.reset();
  watches_.clear();
  forward_sockets_.clear();
  timer_.reset();
  forwarded_.clear();
  NetBackend::unrealize();
}

// All descriptors that libslirp has open.
std::vector<int> NetUser::sockets() {
  std::uint32_t timeout = UINT32_MAX;
  poll_fill(timeout);
  std::vector<int> fds;
  for (const pollfd& p : polled_) fds.push_back(p.fd);
  return fds;
}

void NetUser::add_forward(const Forward& f) {
  const std::vector<int> before = sockets();
  errno = 0;
  if (slirp_add_hostfwd(slirp_.get(), f.udp, f.host.sin_addr, ntohs(f.host.sin_port), f.guest.sin_addr,
                        ntohs(f.guest.sin_port)) < 0) {
    const int error = errno;
    Error e(fmt::format("cannot forward {} port {} of the host", f.udp ? "UDP" : "TCP", inet_text(f.host)));
    if (error) e.why(std::strerror(error));
    if (error == EADDRINUSE) e.hint("another process has it: choose another port, or 0 for any free one");
    if (error == EACCES) e.hint("ports below 1024 are root's: choose a higher one");
    throw e;
  }
  // libslirp does not tell which port it got; the socket that was not there before does.
  sockaddr_in bound = f.host;
  for (const int fd : sockets()) {
    if (std::find(before.begin(), before.end(), fd) != before.end()) continue;
    sockaddr_in local{};
    socklen_t length = sizeof local;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &length) == 0 && local.sin_family == AF_INET)
      bound = local;
    if (!f.udp) forward_sockets_.insert(fd);
  }
  const std::string line = fmt::format("{}:{}-{}", f.udp ? "udp" : "tcp", inet_text(bound), inet_text(f.guest));
  forwarded_ += (forwarded_.empty() ? "" : ";") + line;
  if (f.host.sin_port == 0) {
    log::info("netdev {}: {} port {} of the host leads to {}", name(), f.udp ? "UDP" : "TCP", inet_text(bound),
              inet_text(f.guest));
  }
}

void NetUser::transmit(FrameView frame) {
  slirp_input(slirp_.get(), frame.data(), static_cast<int>(frame.size()));
  // What it waits for has changed. Looked at in the loop, once for many frames.
  timer_->arm(clock().now_ns());
}

void NetUser::poll_fill(std::uint32_t& timeout_ms) {
  polled_.clear();
  slirp_pollfds_fill(
      slirp_.get(), &timeout_ms,
      [](int fd, int events, void* o) {
        short wanted = 0;
        if (events & SLIRP_POLL_IN) wanted |= POLLIN;
        if (events & SLIRP_POLL_OUT) wanted |= POLLOUT;
        if (events & SLIRP_POLL_PRI) wanted |= POLLPRI;
        std::vector<pollfd>& list = self(o).polled_;
        list.push_back({fd, wanted, 0});
        return static_cast<int>(list.size()) - 1;
      },
      this);
}

/// Once for all descriptors that are ready now, since process() looks at all of them.
void NetUser::process_soon() {
  if (posted_) return;
  posted_ = std::make_shared<bool>(true);
  loop().post([this, posted = std::weak_ptr(posted_)] {
    if (posted.expired()) return;
    posted_.reset();
    process();
  });
}

void NetUser::process() {
  std::uint32_t timeout = UINT32_MAX;
  poll_fill(timeout);
  const int ready = poll(polled_.data(), polled_.size(), 0);
  slirp_pollfds_poll(
      slirp_.get(), ready < 0,
      [](int index, void* o) {
        const std::vector<pollfd>& list = self(o).polled_;
        if (index < 0 || static_cast<std::size_t>(index) >= list.size()) return 0;
        const short found = list[static_cast<std::size_t>(index)].revents;
        int events = 0;
        if (found & POLLIN) events |= SLIRP_POLL_IN;
        if (found & POLLOUT) events |= SLIRP_POLL_OUT;
        if (found & POLLPRI) events |= SLIRP_POLL_PRI;
        if (found & POLLERR) events |= SLIRP_POLL_ERR;
        if (found & POLLHUP) events |= SLIRP_POLL_HUP;
        return events;
      },
      this);
  if (forward_starves()) pause_forwards();
  refresh();
}

/// Does somebody knock at a forwarded port whom libslirp could not let in, for want of a descriptor?
bool NetUser::forward_starves() {
  for (pollfd p : polled_) {
    if (!(p.revents & POLLIN) || !forward_sockets_.count(p.fd)) continue;
    if (poll(&p, 1, 0) != 1) continue;
    const OwnedFd one_more(fcntl(p.fd, F_DUPFD_CLOEXEC, 0));
    return !one_more && (errno == EMFILE || errno == ENFILE);
  }
  return false;
}

/// The socket stays ready, and the loop would spin: it is asked again in a second.
void NetUser::pause_forwards() {
  if (resume_) return;
  log::warning("netdev {}: no descriptors are left: connections to forwarded ports wait", name());
  resume_ = loop().repeat(kNsPerSecond, [this] {
    resume_.reset();
    refresh();
  });
}

void NetUser::refresh() {
  std::uint32_t timeout = UINT32_MAX;
  poll_fill(timeout);
  ++round_;
  for (const pollfd& p : polled_) {
    Watched& w = watches_[p.fd];
    if (!w.watch)
      w.watch = loop().watch(
          p.fd, [this] { process_soon(); }, [this] { process_soon(); });
    w.round = round_;
    w.watch->want_read((p.events & (POLLIN | POLLPRI)) && !(resume_ && forward_sockets_.count(p.fd)));
    w.watch->want_write(p.events & POLLOUT);
  }
  std::erase_if(watches_, [this](const auto& w) { return w.second.round != round_; });
  if (timeout == UINT32_MAX) {
    timer_->cancel();
  } else {
    timer_->arm(clock().now_ns() + std::int64_t{timeout} * kNsPerMs);
  }
}

MACHINA_TYPE(NetUser, NetBackend);

}  // namespace machina
