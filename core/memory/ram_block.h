#pragma once
/// A block of guest-visible memory of the host: a memfd mapping, so that other processes (vhost-user, migration) can
/// share it. Zero-filled, allocated by the host page by page as it is touched.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace machina {

/// Told of writes into a RamBlock that do not go through a CPU. Any thread, after the write; must not wait.
class WriteWatcher {
 public:
  virtual void written(const std::uint8_t* host, std::uint64_t length) = 0;

 protected:
  ~WriteWatcher() = default;
};

class RamBlock {
 public:
  static constexpr std::uint64_t kPageSize = 4096;
  static constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 46;  ///< 64 TiB: half of an x86-64 process

  /// `size` in bytes, 1 to kMaxSize, rounded up to the page size (4096). Throws Error when the host cannot map that
  /// much. Address space is reserved, memory is not: a host with less memory than `size` finds out as it is touched.
  static std::shared_ptr<RamBlock> create(std::string name, std::uint64_t size);
  ~RamBlock();
  RamBlock(const RamBlock&) = delete;
  RamBlock& operator=(const RamBlock&) = delete;

  const std::string& name() const { return name_; }
  std::uint64_t size() const { return size_; }
  std::uint8_t* host() const { return host_; }
  int fd() const { return fd_; }
  std::span<std::uint8_t> bytes() const { return {host_, size_}; }

  /// Dirty bitmap, one bit a page of 4 KiB; exists from the first call of enable_dirty_log() on.
  /// Offsets from the start of the block; what lies beyond its end is ignored. Whoever writes through host() marks
  /// after the write, so that a reader who cleared the bit first finds it set again. Any thread.
  void enable_dirty_log();
  bool dirty_log_enabled() const { return dirty_pages_.load(std::memory_order_acquire) != nullptr; }
  void mark_dirty(std::uint64_t offset, std::uint64_t length);
  /// One watcher at a time, or null; it is told what mark_dirty() is told. Set while nobody writes.
  void watch_writes(WriteWatcher* watcher) { watcher_.store(watcher, std::memory_order_release); }
  /// Somebody wants to know of writes: a dirty log or a watcher.
  bool writes_matter() const { return dirty_log_enabled() || watcher_.load(std::memory_order_acquire) != nullptr; }
  /// True when a page of the range was dirty; clears the bits.
  bool test_and_clear_dirty(std::uint64_t offset, std::uint64_t length);

 private:
  RamBlock() = default;
  std::string name_;
  std::uint64_t size_ = 0;
  std::uint8_t* host_ = nullptr;
  int fd_ = -1;
  std::atomic<std::atomic<std::uint64_t>*> dirty_pages_{nullptr};
  std::atomic<WriteWatcher*> watcher_{nullptr};
  std::once_flag dirty_once_;
  std::vector<std::atomic<std::uint64_t>> dirty_storage_;
};

}  // namespace machina
