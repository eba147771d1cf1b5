#include "core/chardev/retry_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/units.h"
#include "qom/error.h"

namespace machina {

RetryTimer::RetryTimer(EventLoop& loop, std::int64_t period_ns, std::function<void()> attempt)
    : fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)), attempt_(std::move(attempt)) {
  if (!fd_) throw Error("cannot create a timer").why(std::strerror(errno));
  itimerspec spec{};
  spec.it_value.tv_sec = spec.it_interval.tv_sec = period_ns / kNsPerSecond;
  spec.it_value.tv_nsec = spec.it_interval.tv_nsec = period_ns % kNsPerSecond;
  timerfd_settime(fd_.get(), 0, &spec, nullptr);
  watch_ = loop.watch(fd_.get(), [this] {
    std::uint64_t expirations = 0;
    if (::read(fd_.get(), &expirations, sizeof expirations) != sizeof expirations) return;
    const auto attempt_now = attempt_;  // may destroy the timer
    attempt_now();
  });
}

RetryTimer::~RetryTimer() = default;

}  // namespace machina
