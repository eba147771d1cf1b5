#pragma once
/// What a CPU remembers of the events that it delivered last, so that somebody whose machine resets by a triple fault
/// can be told how it came to that.

#include <array>
#include <cstdint>
#include <string>

namespace machina::jit {

struct Cpu;

/// Rings, overwritten all the time; the CPU's thread.
struct FaultChain {
  static constexpr unsigned kDeliveries = 16, kJumps = 8;

  /// A descriptor or gate as it was read from its table.
  struct TableEntry {
    std::uint64_t linear = 0, low = 0, high = 0;
  };
  struct Delivery {
    std::uint8_t vector = 0;
    std::uint8_t cpl = 0;
    bool external = false;  ///< INTR
    bool software = false;  ///< INT n and its like
    bool has_error_code = false;
    bool failed = false;  ///< another event took its place
    std::uint16_t cs = 0;
    std::uint32_t error_code = 0;
    std::uint64_t address = 0;  ///< CR2 of a page fault
    std::uint64_t rip = 0, rsp = 0;
    TableEntry last_read;  ///< what of the tables was read last on the way
  };
  /// From the block that begins at the one address to the other: jumps that a block does not know the way of yet.
  struct Jump {
    std::uint64_t from = 0, to = 0;
  };

  std::array<Delivery, kDeliveries> deliveries{};
  std::array<Jump, kJumps> jumps{};
  std::uint64_t delivery_count = 0, jump_count = 0;
  TableEntry last_read{};

  Delivery& add_delivery() { return deliveries[delivery_count++ % kDeliveries] = {}; }
  void add_jump(std::uint64_t from, std::uint64_t to) { jumps[jump_count++ % kJumps] = {from, to}; }
};

/// The chain as text of several lines, the oldest event first, with the registers that decide about delivery.
std::string describe(const Cpu& cpu);

}  // namespace machina::jit
