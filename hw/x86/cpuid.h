#pragma once
/// CPUID: tables, topology and what a CPU model is. The instruction's definition is in the Intel SDM vol. 2, CPUID, and
/// the AMD APM vol. 3, appendix E.

#include <cstdint>
#include <string>
#include <vector>

namespace machina {

struct CpuidLeaf {
  std::uint32_t leaf = 0, subleaf = 0;
  bool has_subleaves = false;
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  friend bool operator==(const CpuidLeaf&, const CpuidLeaf&) = default;
};

class CpuidTable {
 public:
  /// The leaf, or zeros when it is not there.
  CpuidLeaf find(std::uint32_t leaf, std::uint32_t subleaf = 0) const;
  /// Adds or replaces.
  void set(const CpuidLeaf& leaf);
  void remove(std::uint32_t leaf);
  const std::vector<CpuidLeaf>& leaves() const { return leaves_; }

 private:
  std::vector<CpuidLeaf> leaves_;  // sorted by leaf, subleaf
};

/// -smp: how CPUs share cores and sockets. APIC ids are packed: socket | core | thread in powers of two.
struct CpuTopology {
  unsigned sockets = 1, cores = 1, threads = 1;  ///< cores per socket, threads per core
  unsigned threads_bits() const;
  unsigned cores_bits() const;
  std::uint32_t apic_id(unsigned index) const;
  friend bool operator==(const CpuTopology&, const CpuTopology&) = default;
};

/// What of a table is of one CPU alone: its APIC ID in the leaves 1, Bh, 1Fh and 8000001Eh, where those are there.
void set_apic_id(CpuidTable& table, const CpuTopology& topology, std::uint32_t apic_id);

}  // namespace machina
