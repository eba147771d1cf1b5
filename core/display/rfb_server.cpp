#include "core/display/rfb_server.h"

#include <dlfcn.h>
#include <poll.h>
#include <rfb/rfb.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/chardev/fd_stream.h"
#include "core/error.h"
#include "core/event_loop.h"
#include "core/thread_name.h"

namespace machina {
namespace {

/// How long the library waits for a socket to take what it writes before it gives the client up.
constexpr int kMaxClientWaitMs = 5000;
/// More changes than this that wait are sent as one.
constexpr std::size_t kMaxRects = 256;
constexpr std::size_t kPasswordBytes = 8;  // of the DES key of RFC 6143, section 7.2.2

/// The functions of libvncserver, with the types of its header.
struct Library {
  decltype(&::rfbGetScreen) get_screen = nullptr;
  decltype(&::rfbInitServerWithPthreadsAndZRLE) init_server = nullptr;
  decltype(&::rfbShutdownServer) shutdown_server = nullptr;
  decltype(&::rfbScreenCleanup) screen_cleanup = nullptr;
  decltype(&::rfbNewClient) new_client = nullptr;
  decltype(&::rfbProcessEvents) process_events = nullptr;
  decltype(&::rfbNewFramebuffer) new_framebuffer = nullptr;
  decltype(&::rfbMarkRectAsModified) mark_modified = nullptr;
  decltype(&::rfbEncryptBytes) encrypt = nullptr;
  decltype(&::rfbLogEnable) log_enable = nullptr;

  Library() {
    // Never closed: it starts threads of other libraries.
    void* const handle = ::dlopen("libvncserver.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!handle) throw Error("VNC needs libvncserver").why(::dlerror()).hint("install Debian's package libvncserver1");
    const auto find = [&](auto& function, const char* name) {
      void* const address = ::dlsym(handle, name);
      if (!address) throw Error("this libvncserver is not the one that was compiled against").why(::dlerror());
      std::memcpy(&function, &address, sizeof function);
    };
    find(get_screen, "rfbGetScreen");
    find(init_server, "rfbInitServerWithPthreadsAndZRLE");
    find(shutdown_server, "rfbShutdownServer");
    find(screen_cleanup, "rfbScreenCleanup");
    find(new_client, "rfbNewClient");
    find(process_events, "rfbProcessEvents");
    find(new_framebuffer, "rfbNewFramebuffer");
    find(mark_modified, "rfbMarkRectAsModified");
    find(encrypt, "rfbEncryptBytes");
    find(log_enable, "rfbLogEnable");
    log_enable(FALSE);  // it would write to standard error
  }
};

const Library& library() {
  static const Library loaded;
  return loaded;
}

std::int64_t epoch_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// The library's own order: red in the lowest byte.
std::uint32_t to_rfb(std::uint32_t pixel) { return __builtin_bswap32(pixel) >> 8; }

}  // namespace

struct RfbServer::Impl : std::enable_shared_from_this<RfbServer::Impl> {
  Impl(EventLoop& l, std::string n, Handlers h) : loop(l), name(std::move(n)), handlers(std::move(h)) {
    wake_fd.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_fd) throw Error("cannot make an event descriptor").why(std::strerror(errno));
  }

  void wake() const {
    const std::uint64_t one = 1;
    (void)!::write(wake_fd.get(), &one, sizeof one);  // fails only when it is awake already
  }

  // --- the thread ---

  void run() {
    for (;;) {
      std::vector<pollfd> fds{{wake_fd.get(), POLLIN, 0}};
      for (rfbClientPtr cl = screen->clientHead; cl; cl = cl->next)
        if (cl->sock != RFB_INVALID_SOCKET) fds.push_back({cl->sock, POLLIN, 0});
      (void)::poll(fds.data(), fds.size(), -1);
      std::uint64_t count = 0;
      (void)!::read(wake_fd.get(), &count, sizeof count);
      if (!take_work()) return;
      library().process_events(screen, 0);
    }
  }

  /// Takes over what the main thread left. False: it is time to end.
  bool take_work() {
    std::vector<std::pair<Client, OwnedFd>> clients;
    std::vector<ScreenRect> rects;
    {
      const std::lock_guard guard(lock);
      if (quit) return false;
      std::swap(clients, new_clients);
      std::swap(rects, changed);
      if (std::exchange(resized, false)) {
        // The old pixels go when the library knows the new ones.
        std::vector<std::uint32_t> pixels = staged;
        library().new_framebuffer(screen, reinterpret_cast<char*>(pixels.data()), static_cast<int>(width),
                                  static_cast<int>(height), 8, 3, 4);
        std::swap(shown, pixels);
        rects.clear();  // the library sends all of a new one
      }
      for (const ScreenRect& r : rects) {
        for (unsigned y = r.y; y < r.y + r.height; ++y) {
          const std::size_t at = std::size_t{y} * width + r.x;
          std::copy_n(staged.begin() + static_cast<std::ptrdiff_t>(at), r.width,
                      shown.begin() + static_cast<std::ptrdiff_t>(at));
        }
      }
    }
    for (const ScreenRect& r : rects)
      library().mark_modified(screen, static_cast<int>(r.x), static_cast<int>(r.y), static_cast<int>(r.x + r.width),
                              static_cast<int>(r.y + r.height));
    for (auto& [client, socket] : clients) start(client, std::move(socket));
    return true;
  }

  void start(Client client, OwnedFd socket) {
    // select() knows no more; the client finds its connection closed.
    if (socket.get() >= FD_SETSIZE) return post_gone(client);
    starting = client;
    started = false;
    (void)library().new_client(screen, socket.release());  // which closes it when it fails
    if (!started) post_gone(client);
  }

  void post_gone(Client client) {
    post([client](const Handlers& h) { h.gone(client); });
  }

  template <class Call>
  void post(Call call) {
    loop.post([weak = weak_from_this(), call = std::move(call)] {
      if (const auto self = weak.lock(); self && !self->ended) call(self->handlers);
    });
  }

  // --- called by the library, on the thread ---

  static Impl& of(rfbClientPtr cl) { return *static_cast<Impl*>(cl->screen->screenData); }
  static Client id(rfbClientPtr cl) { return static_cast<Client>(reinterpret_cast<std::uintptr_t>(cl->clientData)); }

  static rfbNewClientAction on_client(rfbClientPtr cl) {
    Impl& self = of(cl);
    self.started = true;
    cl->clientData = reinterpret_cast<void*>(static_cast<std::uintptr_t>(self.starting));
    cl->clientGoneHook = [](rfbClientPtr gone) {
      std::erase(of(gone).seeing, id(gone));
      of(gone).post_gone(id(gone));
    };
    return RFB_CLIENT_ACCEPT;
  }
  static void on_key(rfbBool down, rfbKeySym keysym, rfbClientPtr cl) {
    of(cl).post([c = id(cl), keysym, down](const Handlers& h) { h.key(c, keysym, down != 0); });
  }
  static void on_release_all(rfbClientPtr cl) {
    of(cl).post([c = id(cl)](const Handlers& h) { h.release_all(c); });
  }
  static void on_pointer(int buttons, int x, int y, rfbClientPtr cl) {
    of(cl).post([c = id(cl), buttons, x, y](const Handlers& h) { h.pointer(c, static_cast<unsigned>(buttons), x, y); });
  }
  /// The client asks for the screen, so it was let in.
  static void on_display(rfbClientPtr cl) {
    Impl& self = of(cl);
    const Client c = id(cl);
    if (std::find(self.seeing.begin(), self.seeing.end(), c) != self.seeing.end()) return;
    self.seeing.push_back(c);
    self.post([c](const Handlers& h) { h.initialized(c); });
  }
  static rfbBool on_password(rfbClientPtr cl, const char* response, int length) {
    Impl& self = of(cl);
    std::array<char, kPasswordBytes + 1> password{};
    {
      const std::lock_guard guard(self.lock);
      if (self.password.empty() || (self.password_until != 0 && epoch_ns() >= self.password_until)) return FALSE;
      self.password.copy(password.data(), kPasswordBytes);
    }
    std::array<unsigned char, CHALLENGESIZE> expected{};
    std::memcpy(expected.data(), cl->authChallenge, CHALLENGESIZE);
    library().encrypt(expected.data(), password.data());
    if (length != CHALLENGESIZE) return FALSE;
    unsigned differs = 0;  // in a time that tells nothing
    for (std::size_t i = 0; i < CHALLENGESIZE; ++i) differs |= expected[i] ^ static_cast<unsigned char>(response[i]);
    return differs == 0 ? TRUE : FALSE;
  }

  EventLoop& loop;
  const std::string name;
  const Handlers handlers;
  bool ended = false;  // under the machine lock
  OwnedFd wake_fd;
  std::thread thread;

  // the thread's
  rfbScreenInfoPtr screen = nullptr;
  std::vector<std::uint32_t> shown;
  Client starting = 0;
  bool started = false;
  std::vector<Client> seeing;

  std::mutex lock;  // guards all below; taken under the machine lock, never the other way round
  bool quit = false;
  std::vector<std::pair<Client, OwnedFd>> new_clients;
  std::vector<std::uint32_t> staged;
  unsigned width = 0, height = 0;
  bool resized = false;  // all of it is new
  std::vector<ScreenRect> changed;
  std::string password;
  std::int64_t password_until = 0;
};

RfbServer::RfbServer(EventLoop& loop, const std::string& name, VncSpec::Share share, bool asks_password,
                     Handlers handlers)
    : impl_(std::make_shared<Impl>(loop, name, std::move(handlers))) {
  Impl& i = *impl_;
  const Library& lib = library();
  rfbScreenInfo* const screen = lib.get_screen(nullptr, nullptr, 1, 1, 8, 3, 4);
  if (!screen) throw Error("cannot start VNC").why("libvncserver has no memory left");
  i.screen = screen;
  i.shown.assign(1, 0);
  screen->frameBuffer = reinterpret_cast<char*>(i.shown.data());
  screen->screenData = &i;
  screen->desktopName = i.name.c_str();
  screen->port = screen->ipv6port = 0;  // it listens to nobody
  screen->autoPort = FALSE;
  screen->cursor = nullptr;  // the guest draws its own
  screen->permitFileTransfer = FALSE;
  screen->deferUpdateTime = screen->deferPtrUpdateTime = 0;
  screen->maxClientWait = kMaxClientWaitMs;
  screen->alwaysShared = share != VncSpec::Share::AllowExclusive;
  screen->newClientHook = &Impl::on_client;
  screen->kbdAddEvent = &Impl::on_key;
  screen->kbdReleaseAllKeys = &Impl::on_release_all;
  screen->ptrAddEvent = &Impl::on_pointer;
  screen->displayHook = &Impl::on_display;
  screen->setXCutText = [](char*, int, rfbClientPtr) {};
  if (asks_password) {
    screen->authPasswdData = &i;  // anything: somebody is asked
    screen->passwordCheck = &Impl::on_password;
  }
  lib.init_server(screen);

  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are the main thread's
  i.thread = std::thread([&i] { i.run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  name_thread(i.thread, "vnc");
}

RfbServer::~RfbServer() {
  Impl& i = *impl_;
  i.ended = true;
  {
    const std::lock_guard guard(i.lock);
    i.quit = true;
  }
  i.wake();
  i.thread.join();
  library().shutdown_server(i.screen, TRUE);
  library().screen_cleanup(i.screen);
}

void RfbServer::add(Client client, OwnedFd socket) {
  {
    const std::lock_guard guard(impl_->lock);
    impl_->new_clients.emplace_back(client, std::move(socket));
  }
  impl_->wake();
}

void RfbServer::show(const PixelScreen& screen, std::span<const ScreenRect> changed) {
  Impl& i = *impl_;
  {
    const std::lock_guard guard(i.lock);
    if (screen.width != i.width || screen.height != i.height) {
      i.width = screen.width;
      i.height = screen.height;
      i.staged.resize(screen.pixels.size());
      std::transform(screen.pixels.begin(), screen.pixels.end(), i.staged.begin(), to_rfb);
      i.changed.clear();
      i.resized = true;
    } else {
      for (const ScreenRect& r : changed) {
        for (unsigned y = r.y; y < r.y + r.height; ++y) {
          const auto at = static_cast<std::ptrdiff_t>(std::size_t{y} * i.width + r.x);
          std::transform(screen.pixels.begin() + at, screen.pixels.begin() + at + r.width, i.staged.begin() + at,
                         to_rfb);
        }
      }
      i.changed.insert(i.changed.end(), changed.begin(), changed.end());
      if (i.changed.size() > kMaxRects) i.changed = {{0, 0, i.width, i.height}};
    }
  }
  i.wake();
}

void RfbServer::set_password(std::string text, std::int64_t until_ns) {
  const std::lock_guard guard(impl_->lock);
  impl_->password = std::move(text);
  impl_->password_until = until_ns;
}

}  // namespace machina
