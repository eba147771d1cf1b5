#pragma once
/// The protocol of VNC (RFB, RFC 6143) on sockets that somebody else accepted: libvncserver on a thread of its own.
///
/// The library is loaded when the first server is made: a start without VNC does not pay for it and the dozen libraries
/// that it brings. It may wait for a client that does not read; that is why it has a thread, and why the sockets that
/// it gets should be drained by somebody who never waits. The thread never takes the machine lock: what clients do is
/// posted to the event loop.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/display/screen_surface.h"
#include "core/display/vnc_spec.h"

namespace machina {

class EventLoop;
class OwnedFd;

class RfbServer {
 public:
  using Client = std::uint64_t;
  /// Called in the event loop, in the order of what clients did, and never after the server's end.
  struct Handlers {
    std::function<void(Client, std::uint32_t keysym, bool down)> key;
    std::function<void(Client, unsigned buttons, int x, int y)> pointer;
    std::function<void(Client)> release_all;
    std::function<void(Client)> initialized;  ///< passed authentication, and sees the screen
    std::function<void(Client)> gone;
  };

  /// `name` is that of the desktop, shown by clients. Throws Error when the library is not there.
  RfbServer(EventLoop& loop, const std::string& name, VncSpec::Share share, bool asks_password, Handlers handlers);
  /// The sockets of its clients should be shut down before, lest it waits for one of them.
  ~RfbServer();
  RfbServer(const RfbServer&) = delete;
  RfbServer& operator=(const RfbServer&) = delete;

  /// Serves a client on a connected stream socket. The first picture comes before the first client.
  void add(Client client, OwnedFd socket);
  /// Shows these parts of the picture; all of it where its size changed.
  void show(const PixelScreen& screen, std::span<const ScreenRect> changed);
  /// At most 8 bytes count. Nothing is right while `text` is empty, or after `until_ns` since the epoch (0: no end).
  void set_password(std::string text, std::int64_t until_ns);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace machina
