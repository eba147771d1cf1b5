#pragma once
/// An address space as it looks from outside: disjoint ranges in ascending order. Immutable; readers need no lock.

#include <cstdint>
#include <memory>
#include <vector>

#include "core/memory/memory_region.h"

namespace machina {

struct FlatRange {
  std::uint64_t first = 0;         ///< inclusive
  std::uint64_t last = 0;          ///< inclusive, so that the top of the space can be said
  MemoryRegion* region = nullptr;  ///< RamRegion or IoRegion, never a container or an alias
  Offset offset = 0;               ///< of `first` in the region
  bool readonly = false;
  bool dirty_log = false;
  std::shared_ptr<RamBlock> ram;  ///< set for RAM: kept alive while a view shows it
  std::uint8_t* host = nullptr;   ///< of `first`, for RAM

  std::uint64_t size() const { return last - first + 1; }
  bool contains(std::uint64_t address) const { return address >= first && address <= last; }
  friend bool operator==(const FlatRange&, const FlatRange&) = default;
};

class FlatView {
 public:
  explicit FlatView(std::vector<FlatRange> ranges) : ranges_(std::move(ranges)) {}
  const std::vector<FlatRange>& ranges() const { return ranges_; }
  /// O(log n); null where nothing is mapped.
  const FlatRange* find(std::uint64_t address) const;

 private:
  std::vector<FlatRange> ranges_;
};

}  // namespace machina
