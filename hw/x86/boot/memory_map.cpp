#include "hw/x86/boot/memory_map.h"

#include <algorithm>

#include "core/units.h"

namespace machina {

void MemoryMap::set(const MemoryRange& range) {
  if (range.size == 0) return;
  const std::uint64_t first = range.address;
  const std::uint64_t last = first + (range.size - 1) < first ? ~std::uint64_t{0} : first + (range.size - 1);
  std::vector<MemoryRange> next;
  for (const MemoryRange& r : ranges_) {
    const std::uint64_t r_last = r.address + (r.size - 1);
    if (r_last < first || r.address > last) {
      next.push_back(r);
      continue;
    }
    if (r.address < first) next.push_back({r.address, first - r.address, r.type});
    if (r_last > last) next.push_back({last + 1, r_last - last, r.type});
  }
  next.push_back({first, last - first + 1, range.type});
  std::sort(next.begin(), next.end(), [](const auto& a, const auto& b) { return a.address < b.address; });
  ranges_ = std::move(next);
}

MemoryMap pc_memory_map(std::uint64_t ram_below_4g, std::uint64_t ram_above_4g) {
  constexpr std::uint64_t kEbda = 0x9fc00, kLowEnd = 0xa0000, kBios = 0xf0000;
  MemoryMap map;
  map.set({0, std::min(ram_below_4g, kEbda), MemoryType::Ram});
  map.set({kEbda, kLowEnd - kEbda, MemoryType::Reserved});
  map.set({kBios, MiB - kBios, MemoryType::Reserved});
  if (ram_below_4g > MiB) map.set({MiB, ram_below_4g - MiB, MemoryType::Ram});
  map.set({4 * GiB, ram_above_4g, MemoryType::Ram});
  return map;
}

}  // namespace machina
