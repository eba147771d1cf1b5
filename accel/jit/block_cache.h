#pragma once
/// All blocks of a machine, shared by its CPUs. Found by where their bytes are in this process, and mode; each CPU
/// remembers what it jumps to often (JumpCache), so that this is asked seldom.
///
/// Any thread. A block lives until the cache is emptied, even when its bytes have changed: a CPU may be in it. Emptying
/// needs every CPU outside of its blocks.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "accel/jit/block_ends.h"
#include "accel/jit/code_map.h"
#include "accel/jit/op.h"
#include "accel/jit/thunk_cache.h"

namespace machina::jit {

class BlockCache {
 public:
  /// Bytes of decoded instructions and thunks after which full() asks for the cache to be emptied.
  static constexpr std::size_t kLimit = std::size_t{256} << 20;

  explicit BlockCache(std::size_t limit = kLimit) : limit_(limit) {}

  const Block* find(std::uintptr_t host, std::uint32_t mode);
  /// The block, or the one that another CPU made meanwhile, or null: start over. Its pages are claimed. `unchanged`
  /// compares the bytes with those that were decoded, before anybody can find the block.
  const Block* insert(std::unique_ptr<Block> block, const std::function<bool(const Block&)>& unchanged);
  /// Memory at [host, host + size) has just been written; within a page. True when blocks died.
  bool written(std::uintptr_t host, unsigned size);
  /// A block is about to be made of bytes on this page: it counts as one with code until release(). True: it is new,
  /// and the caller takes the right to write it from every TLB, calls settled(), and only then reads the bytes.
  bool claim(std::uintptr_t host_page);
  void settled(std::uintptr_t host_page);
  void release(std::uintptr_t host_page);
  /// Where blocks end for these addresses, which a CPU has as part of its mode. Not between find() and the use of what
  /// it gave, of a CPU that had such a set before.
  std::shared_ptr<const BlockEnds> ends_for(std::span<const std::uint64_t> addresses);
  /// The memory at [host, host + size) is about to go.
  void forget_range(std::uintptr_t host, std::uint64_t size);
  bool full() const { return bytes_.load(std::memory_order_relaxed) + thunks_.bytes() > limit_; }
  /// No CPU is in a block, nor keeps one.
  void clear();

  CodeMap& code() { return code_; }
  /// What blocks call; emptied with them.
  ThunkCache& thunks() { return thunks_; }

  struct Statistics {
    std::size_t blocks = 0, bytes = 0;
    std::uint64_t decoded = 0, invalidated = 0, emptied = 0;
  };
  Statistics statistics();

 private:
  struct Key {
    std::uintptr_t host;
    std::uint32_t mode;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    std::size_t operator()(const Key& k) const { return (k.host ^ std::uint64_t{k.mode} << 32) * 0x9e3779b97f4a7c15; }
  };
  /// A page with code, or one that is about to have some.
  struct Page {
    std::vector<Block*> blocks;  ///< that touch it
    unsigned claims = 0;
    bool settled = false;
  };
  using Pages = std::unordered_map<std::uintptr_t, Page>;
  void kill(Block* block);              // lock held
  void drop_if_empty(Pages::iterator);  // lock held

  const std::size_t limit_;
  CodeMap code_;
  BlockEndSets ends_;
  ThunkCache thunks_;
  std::mutex mutex_;
  std::unordered_map<Key, std::unique_ptr<Block>, Hash> blocks_;
  Pages pages_;
  std::vector<std::unique_ptr<Block>> dead_;
  std::atomic<std::size_t> bytes_{0};
  std::uint64_t decoded_ = 0, invalidated_ = 0, emptied_ = 0;
};

}  // namespace machina::jit
