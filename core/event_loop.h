#pragma once
/// The main thread's event loop: posted work, descriptors, signals, and the timers of the machine's clocks.
/// Built on Boost.Asio, which stays behind this header.
///
/// Each handler runs on the thread that calls run(), with the machine lock held. The lock is not held while the loop
/// waits. An exception that leaves a handler leaves run().

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace machina {

class MachineLock;
class Clock;

class EventLoop {
 public:
  explicit EventLoop(MachineLock& lock);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Any thread. Handlers run in the order of posting.
  void post(std::function<void()> work);

  /// Runs handlers until stop() is called. The machine lock must not be held by the caller.
  void run();
  /// Runs what is ready now, without waiting; for tests. Returns the number of handlers that ran.
  std::size_t poll();
  /// Waits for at most `timeout_ns` for `done` to become true, running handlers. For tests and shutdown. `done` is
  /// asked with the machine lock held; a caller that holds the lock gets it back at the end, but not while this waits.
  bool run_until(const std::function<bool()>& done, std::int64_t timeout_ns);
  /// Any thread, also a signal handler's thread.
  void stop();

  /// Timers of `clock` are run by this loop as long as both live. Main thread, before run(). Arming a timer from
  /// another thread moves the host's timer and does not wake the loop.
  void drive(Clock& clock);

  /// Calls `readable` (and, while `want_write` is set, `writable`) when the descriptor is ready. Level triggered. The
  /// descriptor stays the caller's: it must outlive the watch. Destroying the watch cancels it; handlers that were
  /// about to run do not. Main thread, or under the machine lock. A watch starts with reading on and writing off and
  /// must not outlive the loop. Regular files count as always ready. Throws Error for a descriptor that is closed or
  /// watched already.
  class Watch {
   public:
    virtual ~Watch() = default;
    virtual void want_read(bool on) = 0;
    virtual void want_write(bool on) = 0;
  };
  std::unique_ptr<Watch> watch(int fd, std::function<void()> readable, std::function<void()> writable = {});

  /// Calls `handler(signo)` in the loop when the process gets one of these signals, until the watch is destroyed. One
  /// that comes while want_read() is off is kept.
  std::unique_ptr<Watch> on_signal(const std::vector<int>& signals, std::function<void(int)> handler);

  /// Calls `work` every `period_ns` of real time, first in a period from now, until the watch is destroyed, which
  /// `work` may do. For what the host does not tell, such as a peer that is there again; takes no descriptor.
  std::unique_ptr<Watch> repeat(std::int64_t period_ns, std::function<void()> work);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace machina
