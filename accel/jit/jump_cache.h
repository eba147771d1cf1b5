#pragma once
/// What a CPU remembers of where its jumps went: from a linear address and mode to a block, and from a page of code to
/// host memory. Its own; forgotten as a whole whenever a translation might have changed.

#include <array>
#include <cstdint>

#include "accel/jit/op.h"
#include "accel/jit/tlb.h"

namespace machina::jit {

class JumpCache {
 public:
  static constexpr unsigned kEntries = 4096;

  const Block* find(std::uint64_t linear, std::uint32_t mode) const {
    const Entry& e = entries_[index(linear)];
    return e.linear == linear && e.mode == mode && e.generation == generation_ &&
                   e.block->valid.load(std::memory_order_acquire)
               ? e.block
               : nullptr;
  }
  void remember(std::uint64_t linear, std::uint32_t mode, const Block* block) {
    entries_[index(linear)] = {linear, mode, generation_, block};
  }
  void forget() {
    if (++generation_ == 0) {  // wrapped: entries of old must not look new
      entries_.fill({});
      generation_ = 1;
    }
  }

 private:
  struct Entry {
    std::uint64_t linear = 0;
    std::uint32_t mode = 0;
    std::uint32_t generation = 0;
    const Block* block = nullptr;
  };
  static unsigned index(std::uint64_t linear) { return static_cast<unsigned>(linear ^ linear >> 12) & (kEntries - 1); }

  std::array<Entry, kEntries> entries_{};
  std::uint32_t generation_ = 1;
};

/// Pages that may be executed, for one privilege each. It knows of every page that has been executed since it was made
/// to forget, or else that it has lost count: what JumpCache holds is of those pages.
class CodeTlb {
 public:
  static constexpr unsigned kEntries = 512;

  /// The page of `linear` in this process, or null.
  std::uint8_t* find(std::uint64_t linear, bool user) const {
    const Entry& e = entries_[index(linear)];
    return e.key == key(linear, user) && e.generation == generation_ ? e.host : nullptr;
  }
  void remember(std::uint64_t linear, bool user, std::uint8_t* host, std::uint64_t page_size) {
    Entry& e = entries_[index(linear)];
    if (e.generation == generation_ && !e.large && e.key >> kPageBits != linear >> kPageBits) lost_ = true;
    e = {key(linear, user), host, generation_, page_size > kPageSize};
    if (e.large) remember_large(linear, page_size);
  }
  /// Has anything of this page, or of a large one that it is a piece of, been executed?
  bool knows(std::uint64_t linear) const {
    if (lost_) return true;
    for (unsigned i = 0; i < large_count_; ++i)
      if (((linear ^ large_[i].first) & ~(large_[i].size - 1)) == 0) return true;
    const Entry& e = entries_[index(linear)];
    return e.generation == generation_ && e.key >> kPageBits == linear >> kPageBits;
  }
  void forget() {
    ++generation_;
    lost_ = false;
    large_count_ = 0;
  }

 private:
  struct Entry {
    std::uint64_t key = ~std::uint64_t{0};  // the linear page; bit 0: for CPL 3
    std::uint8_t* host = nullptr;           // of the page
    std::uint64_t generation = 0;
    bool large = false;  // a piece of a large page
  };
  struct Large {
    std::uint64_t first = 0, size = 0;
  };
  static constexpr unsigned kLarge = 8;

  static unsigned index(std::uint64_t linear) { return static_cast<unsigned>(linear >> kPageBits) & (kEntries - 1); }
  static std::uint64_t key(std::uint64_t linear, bool user) { return (linear & kPageMask) | (user ? 1 : 0); }

  void remember_large(std::uint64_t linear, std::uint64_t size) {
    for (unsigned i = 0; i < large_count_; ++i)
      if (large_[i].size == size && ((linear ^ large_[i].first) & ~(size - 1)) == 0) return;
    if (large_count_ == kLarge) {
      lost_ = true;
    } else {
      large_[large_count_++] = {linear, size};
    }
  }

  std::array<Entry, kEntries> entries_;
  std::uint64_t generation_ = 1;
  std::array<Large, kLarge> large_{};
  unsigned large_count_ = 0;
  bool lost_ = false;
};

}  // namespace machina::jit
