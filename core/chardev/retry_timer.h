#pragma once
/// Calls a function again and again in the event loop until it is destroyed: for what the host does not tell, such as a
/// peer that is there again.

#include <cstdint>
#include <functional>
#include <memory>

#include "core/chardev/fd_stream.h"
#include "core/event_loop.h"

namespace machina {

class RetryTimer {
 public:
  /// The function may destroy the timer. Throws Error when the host has no timer left.
  RetryTimer(EventLoop& loop, std::int64_t period_ns, std::function<void()> attempt);
  ~RetryTimer();

 private:
  OwnedFd fd_;
  std::function<void()> attempt_;
  std::unique_ptr<EventLoop::Watch> watch_;
};

}  // namespace machina
