#pragma once
/// An address space as it looks from outside: disjoint ranges in ascending order. Immutable; readers need no lock.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/memory/memory_region.h"

namespace machina {

struct FlatRange {
  std::uint64_t first = 0;  ///< inclusive
  std::uint64_t last = 0;   ///< inclusive, so that the top of the space can be said
  /// RamRegion or IoRegion, never a container or an alias. An identity: the region may be gone by the time a listener
  /// hears of the removal, and is only safe to look into under the machine lock while the view is the current one.
  /// Of merged RAM ranges, the region of the first.
  MemoryRegion* region = nullptr;
  Offset offset = 0;  ///< of `first` in the region
  bool readonly = false;
  bool dirty_log = false;
  std::shared_ptr<RamBlock> ram;       ///< set for RAM: kept alive while a view shows it
  std::uint8_t* host = nullptr;        ///< of `first`, for RAM
  std::shared_ptr<LocklessGate> gate;  ///< set for lockless registers

  /// MemoryRegion::kWholeSpace for all 2^64 bytes.
  std::uint64_t size() const { return last - first == ~std::uint64_t{0} ? last : last - first + 1; }
  bool is_ram() const { return host != nullptr; }
  bool contains(std::uint64_t address) const { return address >= first && address <= last; }
  friend bool operator==(const FlatRange&, const FlatRange&) = default;
};

/// An IoEventFd as seen from outside.
struct FlatEventFd {
  std::uint64_t address = 0;
  IoEventFd event;
  FlatRange range;  ///< that it lies in
};
/// By address, then by what is waited for; the range does not count.
bool operator<(const FlatEventFd& a, const FlatEventFd& b);

class FlatView {
 public:
  explicit FlatView(std::vector<FlatRange> ranges, std::vector<FlatEventFd> eventfds = {})
      : ranges_(std::move(ranges)), eventfds_(std::move(eventfds)) {}
  /// What `root` looks like from outside, with its offset 0 at address 0. Machine lock held.
  static FlatView render(const MemoryRegion& root);

  const std::vector<FlatRange>& ranges() const { return ranges_; }
  /// O(log n); null where nothing is mapped.
  const FlatRange* find(std::uint64_t address) const;
  /// Is nothing mapped in [address, address+size), as far as that is below the top? `size` > 0.
  bool is_empty(std::uint64_t address, std::uint64_t size) const;
  /// In ascending order of their address.
  const std::vector<FlatEventFd>& eventfds() const { return eventfds_; }
  /// The notification that a write of `value` would trigger, if any.
  const FlatEventFd* find_eventfd(std::uint64_t address, Width width, std::uint64_t value) const;
  /// One line a range, for people: "0000000000000000-000000000009ffff ram pc.ram +0x0". Machine lock held.
  std::string describe() const;

 private:
  std::vector<FlatRange> ranges_;
  std::vector<FlatEventFd> eventfds_;
};

}  // namespace machina
