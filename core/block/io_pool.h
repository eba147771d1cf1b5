#pragma once
/// Threads that do blocking host I/O, and bring the results back into the event loop.
///
/// The threads start with the first job and take no lock of the machine, so that drain() may wait for them with the
/// machine lock held. They run with all signals blocked.

#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace machina {

class EventLoop;

class IoPool {
 public:
  using Completion = std::function<void(int error)>;

  IoPool(EventLoop& loop, unsigned threads);
  /// Waits for the jobs that were submitted; completions that were not called yet are dropped.
  ~IoPool();
  IoPool(const IoPool&) = delete;
  IoPool& operator=(const IoPool&) = delete;

  /// Runs `work` on a thread of the pool and then calls `done` with its result in the loop, or with EAGAIN when the
  /// host has no thread to give. Jobs start in the order of submission and end in any. Machine lock held, here and
  /// below.
  void submit(std::function<int()> work, Completion done);
  /// Calls `done` in the loop, later, without a thread: for what is refused at once.
  void complete(int error, Completion done);
  /// Jobs whose completion has not been called.
  unsigned in_flight() const;
  /// Until nothing is in flight, what the completions submit included. Calls them.
  void drain();

 private:
  struct Shared;
  void start_threads();

  unsigned thread_count_;
  std::shared_ptr<Shared> shared_;
  std::vector<std::thread> threads_;
};

}  // namespace machina
