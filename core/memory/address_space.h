#pragma once
/// An address space: a root region, its current flat view, and who listens to its changes.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/machine_lock.h"
#include "core/memory/flat_view.h"

namespace machina {

/// Told of every change of an address space, in order: begin, all removals, all additions, changes of logging, eventfds
/// removed, eventfds added, commit. There is no moment with overlapping ranges, and a change that leaves the view as it
/// was is not told at all. view() is the new one from begin() on. Called with the machine lock held, by the thread that
/// ended the transaction, and must not throw. A change that a listener makes is told after this one.
class MemoryListener {
 public:
  virtual ~MemoryListener() = default;
  virtual void begin() {}
  /// The region may be destroyed already.
  virtual void range_removed(const FlatRange&) {}
  virtual void range_added(const FlatRange&) {}
  /// Only `dirty_log` of a range that stays changed.
  virtual void range_logging(const FlatRange&) {}
  virtual void eventfd_added(const FlatRange&, std::uint64_t /*address*/, const IoEventFd&) {}
  virtual void eventfd_removed(const FlatRange&, std::uint64_t /*address*/, const IoEventFd&) {}
  virtual void commit() {}
  /// Bring the dirty bitmap of the range's RamBlock up to date with what the guest wrote.
  virtual void sync_dirty_log(const FlatRange&) {}
};

enum class MemTxResult : std::uint8_t { Ok, Error };

class AddressSpace {
 public:
  AddressSpace(std::string name, MemoryRegion& root, MachineLock& lock);
  ~AddressSpace();
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;

  const std::string& name() const { return name_; }
  MemoryRegion& root() const { return root_; }
  MachineLock& machine_lock() const { return lock_; }

  /// The view of now. Any thread; the machine lock is not needed.
  std::shared_ptr<const FlatView> view() const;
  /// Changes whenever view() does; for caches.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  /// A new listener is told of everything that is there, between begin and commit. It must remove itself before it
  /// dies; that tells it nothing. Machine lock held.
  void add_listener(MemoryListener& listener);
  void remove_listener(MemoryListener& listener);
  /// Asks the listeners to bring the dirty log of a region up to date, for each range of it that is logged and visible.
  /// Machine lock held.
  void sync_dirty_log(const RamRegion& region);

  /// Copies, for DMA and tests. RAM needs no lock; for registers the machine lock is taken unless held. Unanswered
  /// bytes read as 0xff and make the result Error; all that answers is still transferred. Any thread.
  MemTxResult read(std::uint64_t address, std::span<std::uint8_t> to);
  MemTxResult write(std::uint64_t address, std::span<const std::uint8_t> from);
  /// Little-endian values; `width` 1, 2, 4, 8.
  std::uint64_t load(std::uint64_t address, Width width);
  void store(std::uint64_t address, Width width, std::uint64_t value);
  /// Host memory behind [address, address+size) when it is one piece of RAM (writable if asked), else empty. The keeper
  /// holds the memory alive; who writes marks the pages dirty there afterwards. Any thread, no lock.
  struct HostSpan {
    std::span<std::uint8_t> bytes;
    std::shared_ptr<RamBlock> keeper;
  };
  HostSpan map(std::uint64_t address, std::uint64_t size, bool writable);

 private:
  friend class MemoryRegion;
  friend class MemoryTransaction;
  friend class MemoryDispatch;
  void update();  // render, publish, tell the listeners
  static void notify(MemoryListener& listener, const FlatView& before, const FlatView& after);
  std::pair<std::shared_ptr<const FlatView>, std::uint64_t> snapshot() const;

  std::string name_;
  MemoryRegion& root_;
  MachineLock& lock_;
  // Held for the copy of a pointer. Not std::atomic<std::shared_ptr>: that of libstdc++ 12 is a spin lock inside, whose
  // load ThreadSanitizer (rightly, by the letter) calls a race. Readers in a hurry compare generation() instead.
  mutable std::mutex view_mutex_;
  std::shared_ptr<const FlatView> view_;
  std::atomic<std::uint64_t> generation_{0};
  std::vector<MemoryListener*> listeners_;
};

/// One reader's way into an address space: remembers the view and the last range hit. One per vCPU and space; not
/// shared between threads.
class MemoryDispatch {
 public:
  explicit MemoryDispatch(AddressSpace& space) : space_(space) {}

  /// Width 1, 2, 4 or 8, any alignment; crossing ranges is allowed. Unanswered reads give all ones.
  std::uint64_t read(std::uint64_t address, Width width);
  void write(std::uint64_t address, Width width, std::uint64_t value);
  AddressSpace& space() const { return space_; }

 private:
  friend class AddressSpace;
  const FlatRange* find(std::uint64_t address);
  Width piece_at(std::uint64_t address, std::uint64_t remaining);
  IoResult read_checked(std::uint64_t address, Width width);
  IoResult write_checked(std::uint64_t address, Width width, std::uint64_t value);
  IoResult read_registers(const FlatRange& range, std::uint64_t address, Width width);
  IoResult write_registers(const FlatRange& range, std::uint64_t address, Width width, std::uint64_t value);
  IoResult read_across(std::uint64_t address, Width width);
  IoResult write_across(std::uint64_t address, Width width, std::uint64_t value);

  AddressSpace& space_;
  std::shared_ptr<const FlatView> view_;
  std::uint64_t generation_ = ~std::uint64_t{0};
  const FlatRange* last_ = nullptr;
};

}  // namespace machina
