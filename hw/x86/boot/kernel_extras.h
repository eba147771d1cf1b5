#pragma once
/// What -initrd and -append give a kernel, and where that goes.

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "hw/x86/boot/boot_plan.h"

namespace machina::boot {

struct KernelExtras {
  std::vector<std::uint8_t> initrd;  ///< empty: none
  std::string initrd_name;
  std::string cmdline;
  Origin initrd_at, cmdline_at;  ///< what asked for them
};

/// The command line with its final zero, at its place. Throws Error at `at` when it has more than `max` characters, or
/// than there is room for.
Blob cmdline_blob(const std::string& cmdline, const std::string& kernel, std::uint32_t max, const Origin& at);

/// The highest address, on a page, where the initrd lies from `lowest` (the end of the kernel) to before `end`. Throws
/// Error when there is none.
std::uint64_t high_place(const KernelExtras& extras, const std::string& kernel, std::uint64_t lowest,
                         std::uint64_t end);

}  // namespace machina::boot
