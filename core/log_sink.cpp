#include "core/log_sink.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace machina::log {

namespace {

/// Once poll() has said that a pipe is writable, it takes as much as this without waiting: pipe(7).
constexpr std::size_t kPiece = PIPE_BUF;

}  // namespace

DescriptorSink::~DescriptorSink() {
  if (owns_) ::close(fd_);
}

bool DescriptorSink::takes_more() {
  pollfd p{fd_, POLLOUT, 0};
  const int wait = stuck_ ? 0 : static_cast<int>(patience_.count());
  int ready;
  do ready = ::poll(&p, 1, wait);
  while (ready < 0 && errno == EINTR);
  return ready != 0;  // an error of the descriptor is for the write to find
}

std::size_t DescriptorSink::put(std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    if (!takes_more()) {
      stuck_ = true;
      break;
    }
    stuck_ = false;
    const std::size_t size = std::min(text.size() - done, kPiece);
    ssize_t n = ::send(fd_, text.data() + done, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == ENOTSOCK) n = ::write(fd_, text.data() + done, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      stuck_ = true;  // somebody else was quicker
      break;
    }
    if (n < 0) return text.size();  // EPIPE, ENOSPC, EIO: there is nobody who could be told
    done += static_cast<std::size_t>(n);
  }
  return done;
}

void DescriptorSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  if (lost_ > 0) {
    const std::string told =
        fmt::format("{}[{} lines of the log were lost: nobody read them]\n", torn_ ? "\n" : "", lost_);
    if (put(told) < told.size()) {
      ++lost_;
      return;
    }
    lost_ = 0;
    torn_ = false;
  }
  const std::size_t done = put({line.data(), line.size()});
  if (done == line.size()) return;
  ++lost_;
  torn_ = done > 0;
}

}  // namespace machina::log
