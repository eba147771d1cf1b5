#pragma once
/// An executable in ELF, as far as a loader of kernels reads it: what goes where in physical memory, the entry, notes.
///
/// Source: System V ABI, "Object Files" and "Program Loading". Both classes, little-endian, for x86.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hw/x86/boot/boot_plan.h"

namespace machina::boot {

struct ElfImage {
  struct Segment {
    std::uint64_t offset = 0, file_size = 0;  ///< bytes in the file
    std::uint64_t physical = 0, virtual_address = 0;
    std::uint64_t memory_size = 0;  ///< what the file does not have of it is zero
  };
  bool is_64bit = false;
  std::uint64_t entry = 0;        ///< virtual
  std::vector<Segment> segments;  ///< PT_LOAD that occupy memory, at least one
  struct Note {
    std::string name;
    std::uint32_t type = 0;
    std::span<const std::uint8_t> data;  ///< within the file
  };
  std::vector<Note> notes;

  /// The entry's physical address, when a segment holds it.
  std::optional<std::uint64_t> physical_entry() const;
};

bool is_elf(std::span<const std::uint8_t> file);
/// `file` must outlive the result. Throws Error that names the field, what it holds and what it may.
ElfImage parse_elf(std::span<const std::uint8_t> file, const std::string& name);
/// All segments in one piece, as they are in memory. Throws Error when it is larger than a kernel may be
/// or than there is room for in `target`.
Blob flatten(const ElfImage& elf, std::span<const std::uint8_t> file, const std::string& name, const Target& target);

/// The largest that a kernel may be in memory: 1 GiB, which no field of a file is trusted to exceed.
inline constexpr std::uint64_t kMaxKernel = std::uint64_t{1} << 30;

}  // namespace machina::boot
