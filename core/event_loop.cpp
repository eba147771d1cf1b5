#include "core/event_loop.h"

#include <fcntl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <mutex>
#include <system_error>
#include <utility>

#include "core/clock.h"
#include "core/machine_lock.h"
#include "qom/error.h"

namespace machina {
namespace {

namespace asio = boost::asio;
using asio::posix::stream_descriptor;

constexpr std::int64_t kNever = Clock::kNever;
// Seconds since 1970 that the host's wall clock does not get to, and that a timerfd takes: the year 2255.
constexpr time_t kFarAway = 9'000'000'000;

std::int64_t monotonic_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

timespec to_timespec(std::int64_t ns) {
  timespec t{};
  t.tv_sec = ns / 1'000'000'000;
  t.tv_nsec = ns % 1'000'000'000;
  return t;
}

int make_timerfd(clockid_t id) {
  const int fd = timerfd_create(id, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) throw Error("cannot create a timer for the event loop").why(std::strerror(errno));
  return fd;
}

// The host's timer that wakes the loop for the earliest deadline of all clocks. Any thread may move it nearer: that is
// one system call and does not wake the loop. Moving it away is left to the next expiry, which then finds nothing due.
class WakeTimer {
 public:
  ~WakeTimer() { ::close(fd_); }

  // The value of armed_at_ while the loop looks through its clocks: whatever gets earlier now is seen by settle().
  static constexpr std::int64_t kBusy = std::numeric_limits<std::int64_t>::min();

  int fd() const { return fd_; }

  void arm_no_later_than(std::int64_t monotonic) {
    const std::lock_guard guard(lock_);
    if (monotonic < armed_at_) set(monotonic);
  }
  void begin_pass() {
    const std::lock_guard guard(lock_);
    armed_at_ = kBusy;
  }
  template <class Earliest>
  void settle(Earliest&& earliest) {
    const std::lock_guard guard(lock_);
    set(earliest());
  }

 private:
  void set(std::int64_t monotonic) {
    armed_at_ = monotonic;
    itimerspec spec{};
    // All zeroes would disarm; a time in the past fires at once.
    if (monotonic != kNever) spec.it_value = to_timespec(std::max<std::int64_t>(monotonic, 1));
    timerfd_settime(fd_, TFD_TIMER_ABSTIME, &spec, nullptr);
  }

  const int fd_ = make_timerfd(CLOCK_MONOTONIC);
  std::mutex lock_;
  std::int64_t armed_at_ = kNever;  // monotonic
};

// The loop's own reference: the timer lives on while a thread that arms it has it in hand.
int duplicate(int fd) {
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw Error("cannot create a timer for the event loop").why(std::strerror(errno));
  return copy;
}

// One clock that the loop drives. Owned by the clock's on_change function, so that it goes when the clock goes.
struct Driven {
  Clock& clock;

  // In host monotonic time.
  std::int64_t wake_at() const {
    const std::int64_t deadline = clock.next_deadline();
    if (deadline == kNever) return kNever;
    const std::int64_t left = std::max<std::int64_t>(deadline - clock.now_ns(), 0);
    if (left == 0 && (clock.running() || clock.manual())) return 0;
    if (!clock.running()) return kNever;
    const std::int64_t now = monotonic_ns();
    return left < kNever - now ? now + left : kNever;
  }
};

}  // namespace

struct EventLoop::Impl {
  struct Direction;
  struct Descriptor;
  class DescriptorWatch;
  class SignalWatch;
  class RepeatWatch;

  explicit Impl(MachineLock& l) : lock(l) { wait_for_wake(); }

  // Every handler of ours goes through here.
  template <class F>
  void handle(F&& f) {
    const MachineLock::Guard guard(lock);
    ++handled;
    f();
  }

  void run_timers() {
    wake->begin_pass();
    const auto snapshot = driven;
    for (const auto& weak : snapshot) {
      // Asked anew for each: a callback may destroy another clock.
      const auto d = weak.lock();
      if (!d || d->wake_at() > 0) continue;
      handle([&] { d->clock.run_due(); });
    }
    std::erase_if(driven, [](const auto& weak) { return weak.expired(); });
    wake->settle([this] {
      std::int64_t earliest = kNever;
      for (const auto& weak : driven) {
        if (const auto d = weak.lock()) earliest = std::min(earliest, d->wake_at());
      }
      return earliest;
    });
  }

  void wait_for_wake() {
    wake_descriptor.async_wait(stream_descriptor::wait_read, [this](const boost::system::error_code& ec) {
      if (ec) return;
      std::uint64_t expirations = 0;
      (void)!::read(wake_descriptor.native_handle(), &expirations, sizeof expirations);
      {
        const MachineLock::Guard guard(lock);
        run_timers();
      }
      wait_for_wake();
    });
  }

  // The wake timer counts monotonic time. When someone sets the host's wall clock, the deadlines of host clocks move.
  void wait_for_clock_set() {
    if (!wall_descriptor.is_open()) wall_descriptor.assign(make_timerfd(CLOCK_REALTIME));
    itimerspec spec{};
    spec.it_value.tv_sec = kFarAway;
    timerfd_settime(wall_descriptor.native_handle(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, nullptr);
    wall_descriptor.async_wait(stream_descriptor::wait_read, [this](const boost::system::error_code& ec) {
      if (ec) return;
      std::uint64_t expirations = 0;
      (void)!::read(wall_descriptor.native_handle(), &expirations, sizeof expirations);  // says ECANCELED
      {
        const MachineLock::Guard guard(lock);
        run_timers();
      }
      wait_for_clock_set();
    });
  }

  MachineLock& lock;
  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::atomic<bool> stop_requested{false};
  std::size_t handled = 0;
  bool polling = false;
  std::vector<std::function<void()>> after_poll;  // waits for what is ready still

  std::shared_ptr<WakeTimer> wake = std::make_shared<WakeTimer>();  // shared with the clocks' on_change functions
  stream_descriptor wake_descriptor{context, duplicate(wake->fd())};
  stream_descriptor wall_descriptor{context};
  std::vector<std::weak_ptr<Driven>> driven;
};

struct EventLoop::Impl::Direction {
  stream_descriptor::wait_type type;
  std::function<void()> callback;
  bool wanted = false;
  bool waiting = false;
};

// What the handlers of a watch share with it, all under the machine lock.
struct EventLoop::Impl::Descriptor : std::enable_shared_from_this<Descriptor> {
  Descriptor(Impl& l, int fd) : loop(l), descriptor(l.context) {
    boost::system::error_code ec;
    descriptor.assign(fd, ec);
    if (ec) throw Error("cannot watch file descriptor " + std::to_string(fd)).why(ec.message());
  }
  ~Descriptor() { close(); }

  // Cancels the waits; the descriptor itself stays open.
  void close() {
    alive = false;
    if (descriptor.is_open()) descriptor.release();
  }

  void want(Direction& direction, bool on) {
    direction.wanted = on && direction.callback;
    if (direction.wanted && !direction.waiting) wait(direction);
  }

  void wait(Direction& direction) {
    direction.waiting = true;
    auto ready = [self = shared_from_this(), &direction](const boost::system::error_code& ec) {
      self->loop.handle([&] { self->on_ready(direction, ec); });
    };
    if (always_ready) {
      asio::post(loop.context, [ready] { ready({}); });
    } else {
      descriptor.async_wait(direction.type, std::move(ready));
    }
  }

  void on_ready(Direction& direction, const boost::system::error_code& ec) {
    direction.waiting = false;
    if (!alive || !direction.wanted) return;
    // epoll refuses regular files (EPERM): they never have to be waited for. After any other error the callback meets
    // it when it reads or writes.
    if (ec == asio::error::operation_not_supported) always_ready = true;
    direction.callback();
    if (!alive || !direction.wanted || direction.waiting) return;
    if (!loop.polling) return wait(direction);
    direction.waiting = true;
    loop.after_poll.push_back([self = shared_from_this(), &direction] {
      direction.waiting = false;
      if (self->alive && direction.wanted) self->wait(direction);
    });
  }

  Impl& loop;
  stream_descriptor descriptor;
  Direction in{stream_descriptor::wait_read, {}};
  Direction out{stream_descriptor::wait_write, {}};
  bool alive = true;
  bool always_ready = false;
};

class EventLoop::Impl::DescriptorWatch final : public EventLoop::Watch {
 public:
  DescriptorWatch(Impl& loop, int fd, std::function<void()> readable, std::function<void()> writable)
      : shared_(std::make_shared<Descriptor>(loop, fd)) {
    shared_->in.callback = std::move(readable);
    shared_->out.callback = std::move(writable);
    want_read(true);
  }
  ~DescriptorWatch() override { shared_->close(); }

  void want_read(bool on) override { shared_->want(shared_->in, on); }
  void want_write(bool on) override { shared_->want(shared_->out, on); }

 private:
  std::shared_ptr<Descriptor> shared_;
};

class EventLoop::Impl::SignalWatch final : public EventLoop::Watch {
 public:
  SignalWatch(Impl& loop, const std::vector<int>& signals, std::function<void(int)> handler)
      : shared_(std::make_shared<Shared>(loop, std::move(handler))) {
    for (const int signal : signals) {
      boost::system::error_code ec;
      shared_->set.add(signal, ec);
      if (ec) throw Error("cannot catch signal " + std::to_string(signal)).why(ec.message());
    }
    wait(shared_);
  }
  ~SignalWatch() override {
    shared_->alive = false;
    shared_->set.cancel();
    shared_->set.clear();
  }

  // A signal that comes while reading is off is kept.
  void want_read(bool on) override {
    shared_->wanted = on;
    if (on && !shared_->waiting) wait(shared_);
  }
  void want_write(bool) override {}

 private:
  struct Shared {
    Shared(Impl& l, std::function<void(int)> h) : loop(l), set(l.context), handler(std::move(h)) {}

    Impl& loop;
    asio::signal_set set;
    std::function<void(int)> handler;
    bool alive = true;
    bool wanted = true;
    bool waiting = false;
    int kept = 0;
  };

  static void wait(const std::shared_ptr<Shared>& s) {
    s->waiting = true;
    if (s->kept != 0) {
      asio::post(s->loop.context, [s] { arrived(s, std::exchange(s->kept, 0)); });
      return;
    }
    s->set.async_wait([s](const boost::system::error_code& ec, int signal) {
      if (!ec) arrived(s, signal);
    });
  }

  static void arrived(const std::shared_ptr<Shared>& s, int signal) {
    s->loop.handle([&] {
      s->waiting = false;
      if (!s->alive) return;
      if (!s->wanted) {
        s->kept = signal;
        return;
      }
      s->handler(signal);
      if (s->alive && s->wanted && !s->waiting) wait(s);
    });
  }

  std::shared_ptr<Shared> shared_;
};

class EventLoop::Impl::RepeatWatch final : public EventLoop::Watch {
 public:
  RepeatWatch(Impl& loop, std::int64_t period_ns, std::function<void()> work)
      : shared_(std::make_shared<Shared>(loop, period_ns, std::move(work))) {
    shared_->timer.expires_after(shared_->period);
    wait(shared_);
  }
  ~RepeatWatch() override {
    shared_->alive = false;
    shared_->timer.cancel();
  }

  void want_read(bool) override {}
  void want_write(bool) override {}

 private:
  struct Shared {
    Shared(Impl& l, std::int64_t period_ns, std::function<void()> w)
        : loop(l), period(period_ns), timer(l.context), work(std::move(w)) {}

    Impl& loop;
    std::chrono::nanoseconds period;
    asio::steady_timer timer;
    std::function<void()> work;
    bool alive = true;
  };

  static void wait(const std::shared_ptr<Shared>& s) {
    s->timer.async_wait([s](const boost::system::error_code& ec) {
      if (ec) return;
      s->loop.handle([&] {
        if (!s->alive) return;
        s->work();
        if (!s->alive) return;
        s->timer.expires_after(s->period);
        wait(s);
      });
    });
  }

  std::shared_ptr<Shared> shared_;
};

EventLoop::EventLoop(MachineLock& lock) : impl_(std::make_unique<Impl>(lock)) {}

EventLoop::~EventLoop() = default;

void EventLoop::post(std::function<void()> work) {
  asio::post(impl_->context, [impl = impl_.get(), w = std::move(work)] { impl->handle(w); });
}

void EventLoop::run() {
  // stop() may come before run() has begun; it sets its flag before it stops the context, so one of the two is seen.
  impl_->context.restart();
  if (!impl_->stop_requested.load()) impl_->context.run();
  impl_->stop_requested.store(false);
}

std::size_t EventLoop::poll() {
  const std::size_t before = impl_->handled;
  {
    const MachineLock::Guard guard(impl_->lock);
    impl_->run_timers();
  }
  if (impl_->context.stopped()) impl_->context.restart();
  impl_->polling = true;
  struct Rearm {
    Impl& impl;
    ~Rearm() {
      impl.polling = false;
      const MachineLock::Guard guard(impl.lock);
      for (const auto& wait : std::exchange(impl.after_poll, {})) wait();
    }
  };
  {
    const Rearm rearm{*impl_};
    impl_->context.poll();
  }
  return impl_->handled - before;
}

bool EventLoop::run_until(const std::function<bool()>& done, std::int64_t timeout_ns) {
  // Whoever holds the lock lets go of it while this waits, so that other threads get into the machine.
  struct Unlocked {
    explicit Unlocked(MachineLock& l) : lock(l), was_held(l.held()) {
      if (was_held) lock.unlock();
    }
    ~Unlocked() {
      if (was_held) lock.lock();
    }
    MachineLock& lock;
    bool was_held;
  } const unlocked(impl_->lock);

  const auto limit = std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout_ns);
  for (;;) {
    {
      const MachineLock::Guard guard(impl_->lock);
      impl_->run_timers();
      if (done()) return true;
    }
    const auto left = limit - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds::zero()) return false;
    if (impl_->context.stopped()) impl_->context.restart();
    // In slices, since what `done` looks at may also change without a handler of this loop.
    impl_->context.run_one_for(std::min<std::chrono::nanoseconds>(left, std::chrono::milliseconds(10)));
  }
}

void EventLoop::stop() {
  impl_->stop_requested.store(true);
  impl_->context.stop();
}

void EventLoop::drive(Clock& clock) {
  auto d = std::make_shared<Driven>(Driven{clock});
  impl_->driven.push_back(d);
  const auto rearm = [d, wake = std::weak_ptr(impl_->wake)] {
    if (const auto w = wake.lock()) w->arm_no_later_than(d->wake_at());
  };
  rearm();
  clock.on_change(rearm);
  if (clock.kind() == ClockKind::Host) impl_->wait_for_clock_set();
}

std::unique_ptr<EventLoop::Watch> EventLoop::watch(int fd, std::function<void()> readable,
                                                   std::function<void()> writable) {
  return std::make_unique<Impl::DescriptorWatch>(*impl_, fd, std::move(readable), std::move(writable));
}

std::unique_ptr<EventLoop::Watch> EventLoop::on_signal(const std::vector<int>& signals,
                                                       std::function<void(int)> handler) {
  return std::make_unique<Impl::SignalWatch>(*impl_, signals, std::move(handler));
}

std::unique_ptr<EventLoop::Watch> EventLoop::repeat(std::int64_t period_ns, std::function<void()> work) {
  return std::make_unique<Impl::RepeatWatch>(*impl_, period_ns, std::move(work));
}

}  // namespace machina
