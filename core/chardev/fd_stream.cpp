#include "core/chardev/fd_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "qom/error.h"

namespace machina {
namespace {

// A terminal says that it is writable when it takes some bytes, a pipe when it takes PIPE_BUF; and a blocking
// descriptor waits for the rest.
constexpr std::size_t kCautiousWrite = 128;

// The default for a pipe whose reader has gone is the end of the process.
void ignore_sigpipe() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction current {};
    if (sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) signal(SIGPIPE, SIG_IGN);
  });
}

bool writable_now(int fd) {
  pollfd p{fd, POLLOUT, 0};
  return poll(&p, 1, 0) == 1;
}

bool is_pty_master(int fd) {
  unsigned number = 0;
  return ioctl(fd, TIOCGPTN, &number) == 0;
}

}  // namespace

int OwnedFd::release() { return std::exchange(fd_, -1); }

void OwnedFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

OwnedFd open_unblocked(int fd, int access, bool& may_block) {
  may_block = false;
  struct stat st {};
  if (fstat(fd, &st) != 0) throw Error("cannot use file descriptor " + std::to_string(fd)).why(std::strerror(errno));
  const bool shared_kind = S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd) != 0 && !is_pty_master(fd));
  if (shared_kind) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    OwnedFd anew(open(path.c_str(), access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (anew) return anew;
  }
  OwnedFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) throw Error("cannot use file descriptor " + std::to_string(fd)).why(std::strerror(errno));
  // Sockets are written to with MSG_DONTWAIT, and files do not wait for anybody.
  const int flags = fcntl(fd, F_GETFL);
  may_block = !S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode) && (flags & O_NONBLOCK) == 0;
  return copy;
}

FdStream::FdStream(EventLoop& loop, OwnedFd in, OwnedFd out, bool duplex, Handlers handlers)
    : loop_(loop), in_(std::move(in)), out_(std::move(out)), duplex_(duplex), handlers_(std::move(handlers)) {
  ignore_sigpipe();
  if (out_fd() >= 0) {
    struct stat st {};
    is_socket_ = fstat(out_fd(), &st) == 0 && S_ISSOCK(st.st_mode);
  }
  if (in_) {
    watch_in_ = loop_.watch(
        in_.get(), [this] { on_readable(); },
        duplex_ ? std::function<void()>([this] { on_writable(); }) : std::function<void()>());
    watch_in_->want_read(handlers_.room() > 0);
  }
  if (out_) watch_out_ = loop_.watch(out_.get(), {}, [this] { on_writable(); });
}

FdStream::~FdStream() = default;

std::size_t FdStream::write_now(std::span<const std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    std::size_t chunk = bytes.size() - done;
    if (may_block_) {
      if (!writable_now(out_fd())) break;
      chunk = std::min(chunk, kCautiousWrite);
    }
    const ssize_t n = is_socket_ ? send(out_fd(), bytes.data() + done, chunk, MSG_DONTWAIT | MSG_NOSIGNAL)
                                 : ::write(out_fd(), bytes.data() + done, chunk);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      if (errno != EAGAIN && errno != EWOULDBLOCK) fail(errno);
      break;
    }
  }
  return done;
}

std::size_t FdStream::write(std::span<const std::byte> bytes) {
  if (failed_ || out_fd() < 0) return bytes.size();
  std::size_t taken = buffered() == 0 ? write_now(bytes) : 0;
  if (failed_) return bytes.size();
  if (taken < bytes.size()) {
    const std::size_t kept = std::min(bytes.size() - taken, kOutputLimit - buffered());
    // What was sent is cut off at the front once it is the larger part, so that the vector does not creep.
    if (sent_ > pending_.size() / 2) {
      pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(sent_));
      sent_ = 0;
    }
    const auto rest = bytes.subspan(taken, kept);
    pending_.insert(pending_.end(), rest.begin(), rest.end());
    taken += kept;
    (duplex_ ? watch_in_ : watch_out_)->want_write(true);
  }
  if (taken < bytes.size()) refused_ = true;
  return taken;
}

void FdStream::flush() {
  if (failed_) return;
  sent_ += write_now(std::span<const std::byte>(pending_).subspan(sent_));
  if (buffered() == 0) {
    pending_.clear();
    sent_ = 0;
  }
}

void FdStream::on_writable() {
  const std::weak_ptr alive(alive_);
  flush();
  if (buffered() == 0 || failed_) (duplex_ ? watch_in_ : watch_out_)->want_write(false);
  if (refused_ && buffered() <= kOutputLimit / 2) {
    refused_ = false;
    const auto writable = handlers_.writable;  // may destroy the stream
    writable();
    if (alive.expired()) return;
  }
  if (finishing_ && buffered() == 0 && !refused_) close_input(0);
}

// The handlers may destroy the stream, and whoever writes does not expect that: they are told from the loop.
void FdStream::fail(int error) {
  failed_ = true;
  pending_.clear();
  sent_ = 0;
  loop_.post([this, alive = std::weak_ptr(alive_), error] {
    if (alive.expired()) return;
    const auto writable = handlers_.writable;
    if (std::exchange(refused_, false)) writable();
    if (!alive.expired()) close_input(error);
  });
}

void FdStream::close_input(int error) {
  if (watch_in_) watch_in_->want_read(false);
  if (std::exchange(ended_, true)) return;
  const auto closed = handlers_.closed;  // may destroy the stream
  closed(error);
}

ssize_t FdStream::receive(std::span<std::byte> to) {
  if (!duplex_ || !is_socket_) return ::read(in_.get(), to.data(), to.size());
  constexpr std::size_t kMaxFds = 16;
  iovec piece{to.data(), to.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = ::recvmsg(in_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < 0) return n;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    received_fds_.clear();
    for (std::size_t at = 0; CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
      received_fds_.emplace_back(fd);
    }
  }
  return n;
}

int FdStream::take_fd() {
  if (received_fds_.empty()) return -1;
  const int fd = received_fds_.front().release();
  received_fds_.erase(received_fds_.begin());
  return fd;
}

void FdStream::on_readable() {
  const std::size_t room = handlers_.room();
  if (room == 0) {
    watch_in_->want_read(false);
    return;
  }
  std::array<std::byte, kReadSize> buffer;
  const ssize_t n = receive(std::span(buffer).first(std::min(room, buffer.size())));
  if (n < 0) {
    if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) close_input(errno);
    return;
  }
  if (n == 0) {
    // shutdown() of its sending side is how a client says that it wants the answers and nothing else. One that has gone
    // altogether is found out by writing.
    finishing_ = duplex_ && is_socket_ && !failed_ && (buffered() > 0 || refused_);
    if (finishing_) {
      watch_in_->want_read(false);
    } else {
      close_input(0);
    }
    return;
  }
  const auto received = handlers_.received;  // may destroy the stream
  received({buffer.data(), static_cast<std::size_t>(n)});
}

void FdStream::resume_input() {
  if (watch_in_ && !ended_ && !finishing_) watch_in_->want_read(handlers_.room() > 0);
}

bool FdStream::drain(int timeout_ms) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  for (flush(); buffered() > 0 && !failed_; flush()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    pollfd p{out_fd(), POLLOUT, 0};
    if (poll(&p, 1, static_cast<int>(left)) < 0 && errno != EINTR) return false;
  }
  return buffered() == 0;
}

}  // namespace machina
