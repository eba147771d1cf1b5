#include "accel/jit/block_ends.h"

#include <algorithm>

#include "accel/jit/op.h"

namespace machina::jit {

std::shared_ptr<const BlockEnds> BlockEndSets::take(std::span<const std::uint64_t> addresses,
                                                    std::vector<std::uint32_t>& retired) {
  std::bitset<kPageSize> wanted;
  for (const std::uint64_t address : addresses) wanted.set(address & (kPageSize - 1));
  const std::lock_guard guard(mutex_);
  auto made = std::make_shared<BlockEnds>();
  made->offsets = wanted;
  if (!sets_.empty()) {
    const std::bitset<kPageSize>& before = sets_.back()->offsets;
    if ((wanted & ~before).none()) return sets_.back();
    if ((wanted | before).count() <= wanted.count() + kSpare) made->offsets |= before;
  }
  std::erase_if(sets_, [&retired](const std::shared_ptr<const BlockEnds>& set) {
    if (set.use_count() != 1) return false;
    retired.push_back(set->mode);
    return true;
  });
  // The lowest number that is free: there are never more sets than CPUs, and one.
  constexpr std::uint32_t kFirst = kModeEnds & (~kModeEnds + 1);
  const auto taken = [this](std::uint32_t mode) {
    return std::any_of(sets_.begin(), sets_.end(), [mode](const auto& set) { return set->mode == mode; });
  };
  made->mode = kFirst;
  while (taken(made->mode)) made->mode += kFirst;
  sets_.push_back(std::move(made));
  return sets_.back();
}

}  // namespace machina::jit
