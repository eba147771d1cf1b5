#include "hw/x86/cpuid.h"

#include <algorithm>
#include <bit>
#include <tuple>

namespace machina {

namespace {
auto key(const CpuidLeaf& l) { return std::make_tuple(l.leaf, l.subleaf); }
}  // namespace

CpuidLeaf CpuidTable::find(std::uint32_t leaf, std::uint32_t subleaf) const {
  for (const CpuidLeaf& l : leaves_)
    if (l.leaf == leaf && (!l.has_subleaves || l.subleaf == subleaf)) return l;
  return {leaf, subleaf, false, 0, 0, 0, 0};
}

void CpuidTable::set(const CpuidLeaf& leaf) {
  const auto it = std::lower_bound(leaves_.begin(), leaves_.end(), leaf,
                                   [](const auto& a, const auto& b) { return key(a) < key(b); });
  if (it != leaves_.end() && key(*it) == key(leaf)) {
    *it = leaf;
  } else {
    leaves_.insert(it, leaf);
  }
}

void CpuidTable::remove(std::uint32_t leaf) {
  std::erase_if(leaves_, [leaf](const CpuidLeaf& l) { return l.leaf == leaf; });
}

unsigned CpuTopology::threads_bits() const { return static_cast<unsigned>(std::bit_width(threads - 1)); }
unsigned CpuTopology::cores_bits() const { return static_cast<unsigned>(std::bit_width(cores - 1)); }

std::uint32_t CpuTopology::apic_id(unsigned index) const {
  const unsigned thread = index % threads;
  const unsigned core = index / threads % cores;
  const unsigned socket = index / threads / cores;
  return thread | core << threads_bits() | socket << (threads_bits() + cores_bits());
}

}  // namespace machina
