#pragma once
/// Bytes to and from host descriptors, without ever waiting for them: what stdio, pty, sockets, pipes and files share.
///
/// Output that the host does not take now is buffered up to kOutputLimit and then refused; input is read only as fast
/// as the receiver takes it. Under the machine lock.

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/event_loop.h"

namespace machina {

/// A descriptor that is closed when its owner goes.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  ~OwnedFd() { reset(); }
  OwnedFd(OwnedFd&& o) noexcept : fd_(o.release()) {}
  OwnedFd& operator=(OwnedFd&& o) noexcept {
    reset(o.release());
    return *this;
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

/// A descriptor of our own for what `fd` refers to, which does not block. O_NONBLOCK belongs to the open file, which a
/// terminal or pipe shares with the shell and with stderr; so those are opened anew. `access` is O_RDONLY or O_WRONLY.
/// Where that is impossible the result may block and `may_block` is set. Throws Error.
OwnedFd open_unblocked(int fd, int access, bool& may_block);

class FdStream {
 public:
  static constexpr std::size_t kOutputLimit = 64 * 1024;
  static constexpr std::size_t kReadSize = 4096;

  /// Each of these may destroy the stream.
  struct Handlers {
    std::function<std::size_t()> room;                         ///< bytes that `received` takes now
    std::function<void(std::span<const std::byte>)> received;  ///< at most that many
    std::function<void(int error)> closed;                     ///< end of file (0) or an errno; called once
    std::function<void()> writable;                            ///< after a short write: there is room
  };

  /// Takes over the descriptors, which must not block. For both directions of one descriptor pass it as `in` and leave
  /// `out` empty with `duplex` set; without it an empty one is a direction that does not exist.
  FdStream(EventLoop& loop, OwnedFd in, OwnedFd out, bool duplex, Handlers handlers);
  ~FdStream();

  /// Returns how many bytes were taken: all of them once the other side is gone, since nobody will ever read them.
  std::size_t write(std::span<const std::byte> bytes);
  std::size_t buffered() const { return pending_.size() - sent_; }
  /// The receiver has room again.
  void resume_input();
  /// Waits for the host to take what is buffered. False when it did not in that time.
  bool drain(int timeout_ms);
  /// The output may block: ask the host before each write, and write little.
  void set_may_block() { may_block_ = true; }
  /// A descriptor that came with what was received over a unix socket, oldest first; -1 when there is none. Those that
  /// nobody takes are closed when more come.
  int take_fd();
  int out_fd() const { return duplex_ ? in_.get() : out_.get(); }

 private:
  std::size_t write_now(std::span<const std::byte> bytes);
  void flush();
  void on_readable();
  ssize_t receive(std::span<std::byte> to);
  void on_writable();
  void fail(int error);
  void close_input(int error);

  EventLoop& loop_;
  OwnedFd in_;
  OwnedFd out_;
  bool duplex_;
  Handlers handlers_;
  bool is_socket_ = false;
  bool may_block_ = false;
  bool refused_ = false;    // a write was short
  bool failed_ = false;     // the output is broken
  bool finishing_ = false;  // a socket's peer has said all, and still reads what waits
  bool ended_ = false;      // closed() was called
  std::vector<OwnedFd> received_fds_;
  std::vector<std::byte> pending_;
  std::size_t sent_ = 0;  // of pending_
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<EventLoop::Watch> watch_in_;
  std::unique_ptr<EventLoop::Watch> watch_out_;
};

}  // namespace machina
