#pragma once
/// What a CPU remembers of where its jumps went: from a linear address and mode to a block, and from a page of code to
/// host memory. Its own; forgotten as a whole whenever a translation might have changed.

#include <array>
#include <cstdint>

#include "accel/jit/op.h"

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

/// Pages that may be executed, for one privilege each.
class CodeTlb {
 public:
  static constexpr unsigned kEntries = 512;

  struct Entry {
    std::uint64_t key = ~std::uint64_t{0};  ///< the linear page; bit 0: for CPL 3
    std::uint8_t* host = nullptr;           ///< of the page
  };
  Entry& entry(std::uint64_t linear) { return entries_[linear >> 12 & (kEntries - 1)]; }
  void forget() { entries_.fill({}); }

 private:
  std::array<Entry, kEntries> entries_{};
};

}  // namespace machina::jit
