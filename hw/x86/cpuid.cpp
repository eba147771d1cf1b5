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

void set_apic_id(CpuidTable& table, const CpuTopology& topology, std::uint32_t apic_id) {
  const unsigned thread_bits = topology.threads_bits(), core_bits = topology.cores_bits();
  const std::vector<CpuidLeaf> leaves = table.leaves();
  for (CpuidLeaf l : leaves) {
    if (l.leaf == 1) {
      l.ebx = (l.ebx & 0xffffff) | apic_id << 24;
    } else if (l.leaf == 0xb || l.leaf == 0x1f) {
      l.edx = apic_id;
    } else if (l.leaf == 0x8000001e) {
      const std::uint32_t core = (apic_id >> thread_bits) & ((1U << core_bits) - 1);
      l.eax = apic_id;
      l.ebx = (l.ebx & ~0xffU) | core;
      l.ecx = (l.ecx & ~0xffU) | apic_id >> (thread_bits + core_bits);
    } else {
      continue;
    }
    table.set(l);
  }
}

}  // namespace machina
