#pragma once
/// Page tables: from a linear to a physical address. SDM vol. 3, chapter 4: no paging, 32-bit, PAE, 4-level, 5-level.

#include "accel/jit/cpu.h"

namespace machina::jit {

enum class Access : std::uint8_t { Read, Write, Fetch };

struct Translation {
  std::uint64_t physical = 0;
  std::uint64_t page_size = kPageSize;
  bool writable = false;  ///< a write would need no further check: the dirty bit is set
  bool global = false;
};

/// What a page table may be read from and have its accessed and dirty bits set in. Physical addresses.
class PhysicalMemory {
 public:
  virtual ~PhysicalMemory() = default;
  virtual std::uint64_t load_entry(std::uint64_t physical, unsigned width) = 0;
  /// One compare-and-exchange; false: the entry was not `expected` any more.
  virtual bool replace_entry(std::uint64_t physical, unsigned width, std::uint64_t expected, std::uint64_t value) = 0;
};

/// What translate() returns when there is no fault.
inline constexpr std::uint32_t kTranslated = ~std::uint32_t{0};

/// Walks the tables for `mode`'s rights and sets accessed and dirty bits. The error code of the #PF that its caller
/// throws, since each function that an exception passes costs as much as a walk; or kTranslated. `linear` is canonical.
std::uint32_t translate(Cpu& cpu, PhysicalMemory& memory, std::uint64_t linear, Access access, TlbMode mode,
                        Translation& result);

/// Reads the four PDPTEs of PAE paging at a load of CR3 (SDM vol. 3, 4.4.1); false: a reserved bit is set, #GP(0).
bool load_pdptrs(Cpu& cpu, PhysicalMemory& memory, std::uint64_t cr3);

}  // namespace machina::jit
