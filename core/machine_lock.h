#pragma once
/// The machine lock: guards the device model of one machine (objects, device state, memory topology, timers).
///
/// Held by: the event loop while a handler runs, and a vCPU thread while it is inside a device. Never held while a vCPU
/// runs guest code, nor while a host file or socket blocks. It is the outermost lock: any other lock is taken under it,
/// never the other way round.

#include <atomic>
#include <mutex>
#include <thread>

namespace machina {

class MachineLock {
 public:
  void lock() {
    mutex_.lock();
    owner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }
  void unlock() {
    owner_.store(std::thread::id(), std::memory_order_relaxed);
    mutex_.unlock();
  }
  /// Does the calling thread hold it?
  bool held() const { return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  /// Takes the lock unless this thread has it already (DMA from a device, dispatch from a vCPU).
  class Guard {
   public:
    explicit Guard(MachineLock& lock) : lock_(lock), taken_(!lock.held()) {
      if (taken_) lock_.lock();
    }
    ~Guard() {
      if (taken_) lock_.unlock();
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    MachineLock& lock_;
    bool taken_;
  };

 private:
  std::mutex mutex_;
  std::atomic<std::thread::id> owner_{};
};

}  // namespace machina
