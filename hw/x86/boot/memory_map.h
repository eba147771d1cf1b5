#pragma once
/// The memory map that a guest is told: what INT 15h, AX=E820h returns on a PC (ACPI specification 6.4, 15.1 and table
/// 15.3, "Address Range Types").

#include <cstdint>
#include <vector>

namespace machina {

enum class MemoryType : std::uint32_t { Ram = 1, Reserved = 2, Acpi = 3, Nvs = 4 };

struct MemoryRange {
  std::uint64_t address = 0, size = 0;  ///< bytes; size is not 0
  MemoryType type = MemoryType::Ram;
  friend bool operator==(const MemoryRange&, const MemoryRange&) = default;
};

/// Disjoint ranges in order of address.
class MemoryMap {
 public:
  /// Adds a range; of what it overlaps only the rest stays. Ranges of one type that touch are kept apart, as firmware
  /// does. A size of 0 adds nothing; what would go around the end of the address space is cut off there.
  void set(const MemoryRange& range);
  const std::vector<MemoryRange>& ranges() const { return ranges_; }

 private:
  std::vector<MemoryRange> ranges_;
};

/// A PC that no firmware has touched: RAM up to the extended BIOS data area's usual place (9FC00h) and from 1 MiB on;
/// what lies there and in the BIOS's 64 KiB is reserved, since kernels look for tables in both.
MemoryMap pc_memory_map(std::uint64_t ram_below_4g, std::uint64_t ram_above_4g);

}  // namespace machina
