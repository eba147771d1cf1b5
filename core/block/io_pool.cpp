#include "core/block/io_pool.h"

#include <pthread.h>
#include <signal.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>

#include "core/event_loop.h"
#include "core/thread_name.h"

namespace machina {

struct IoPool::Shared : std::enable_shared_from_this<Shared> {
  explicit Shared(EventLoop& l) : loop(l) {}

  struct Job {
    std::function<int()> work;
    Completion done;
  };
  struct Finished {
    int error;
    Completion done;
  };

  void work() {
    std::unique_lock guard(lock);
    for (;;) {
      work_ready.wait(guard, [this] { return !jobs.empty() || quit; });
      if (jobs.empty()) return;
      Job job = std::move(jobs.front());
      jobs.pop_front();
      guard.unlock();
      int error = ENOMEM;
      try {
        error = job.work();
      } catch (const std::bad_alloc&) {  // a bounce buffer for a request of a guest
      }
      job.work = {};
      guard.lock();
      finish(error, std::move(job.done));
    }
  }

  // Lock held.
  void finish(int error, Completion done) {
    finished.push_back({error, std::move(done)});
    some_finished.notify_all();
    if (std::exchange(posted, true)) return;
    loop.post([self = shared_from_this()] { self->deliver(); });
  }

  // Machine lock held. One at a time, since a completion may drain the pool, which needs to find the others; and no
  // more than there are now, so that the loop gets to its other work.
  void deliver() {
    std::unique_lock guard(lock);
    for (std::size_t n = finished.size(); n > 0 && !finished.empty() && !closed; --n) {
      Finished f = std::move(finished.front());
      finished.pop_front();
      guard.unlock();
      --in_flight;
      f.done(f.error);
      guard.lock();
    }
    posted = !finished.empty() && !closed;
    if (posted) loop.post([self = shared_from_this()] { self->deliver(); });
  }

  EventLoop& loop;

  // under the machine lock
  unsigned in_flight = 0;
  bool closed = false;

  std::mutex lock;  // guards all below; taken under the machine lock, never the other way round
  std::condition_variable work_ready;
  std::condition_variable some_finished;
  std::deque<Job> jobs;
  std::deque<Finished> finished;
  bool posted = false;  // deliver() is on its way
  bool quit = false;
};

IoPool::IoPool(EventLoop& loop, unsigned threads) : thread_count_(threads), shared_(std::make_shared<Shared>(loop)) {}

IoPool::~IoPool() {
  shared_->closed = true;
  {
    const std::lock_guard guard(shared_->lock);
    shared_->quit = true;
  }
  shared_->work_ready.notify_all();
  for (std::thread& t : threads_) t.join();
  const std::lock_guard guard(shared_->lock);
  shared_->finished.clear();
}

void IoPool::start_threads() {
  // The signals of the process are for the thread that waits for them. SIGXFSZ, which a too large file sends to the
  // thread that writes, is an error code of the write here.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (unsigned i = 0; i < thread_count_; ++i) {
    try {
      threads_.emplace_back([shared = shared_] { shared->work(); });
    } catch (const std::system_error&) {
      break;  // the host gives no more; one is enough
    }
    name_thread(threads_.back(), "block-io");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void IoPool::submit(std::function<int()> work, Completion done) {
  if (threads_.empty()) start_threads();
  if (threads_.empty()) return complete(EAGAIN, std::move(done));  // the next request tries again
  ++shared_->in_flight;
  {
    const std::lock_guard guard(shared_->lock);
    shared_->jobs.push_back({std::move(work), std::move(done)});
  }
  shared_->work_ready.notify_one();
}

void IoPool::complete(int error, Completion done) {
  ++shared_->in_flight;
  const std::lock_guard guard(shared_->lock);
  shared_->finish(error, std::move(done));
}

unsigned IoPool::in_flight() const { return shared_->in_flight; }

void IoPool::drain() {
  const auto shared = shared_;  // a completion may destroy the pool
  while (!shared->closed && shared->in_flight > 0) {
    {
      std::unique_lock guard(shared->lock);
      shared->some_finished.wait(guard, [&] { return !shared->finished.empty(); });
    }
    shared->deliver();
  }
}

}  // namespace machina
