#pragma once
/// What a CPU remembers of the events that it delivered last, so that somebody whose machine resets by a triple fault
/// can be told how it came to that.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "accel/fault_record.h"

namespace machina::jit {

/// Rings, overwritten all the time; the CPU's thread.
struct FaultChain {
  static constexpr unsigned kDeliveries = 16, kJumps = 8;

  /// From the block that begins at the one address to the other: jumps that a block does not know the way of yet.
  struct Jump {
    std::uint64_t from = 0, to = 0;
  };

  std::array<FaultRecord, kDeliveries> deliveries{};
  std::array<Jump, kJumps> jumps{};
  std::uint64_t delivery_count = 0, jump_count = 0;
  TableRead gate{}, descriptor{};  ///< read last, by INT n and loads of segments, too

  FaultRecord& add_delivery() { return deliveries[delivery_count++ % kDeliveries] = {}; }
  FaultRecord& last_delivery() { return deliveries[(delivery_count - 1) % kDeliveries]; }
  void add_jump(std::uint64_t from, std::uint64_t to) { jumps[jump_count++ % kJumps] = {from, to}; }

  /// The events that ended in a shutdown: the last one, and those before it that gave rise to it.
  FaultRecords shutdown() const;
  /// Those that are still known of before them, oldest first, and then the jumps, in words.
  std::vector<std::string> earlier() const;
};

}  // namespace machina::jit
