#pragma once
/// Multiboot kernels, version 1: a file with a header in its first 8 KiB that says, itself or as ELF, what goes where.
///
/// Source: Multiboot Specification 0.6.96. Given to the kernel: memory sizes, command line (the kernel's name first, as
/// it is given to programs), modules, memory map, the boot loader's name. Not given: symbols, drives, the BIOS's
/// configuration table, APM, video modes; a kernel that asks for one of the latter is started without.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hw/x86/boot/boot_plan.h"
#include "hw/x86/boot/kernel_extras.h"

namespace machina::boot {

struct MultibootModule {
  std::vector<std::uint8_t> bytes;
  std::string text;  ///< its "string": file name and arguments
};

bool is_multiboot(std::span<const std::uint8_t> file);

/// Of `extras` the command line is taken, and where it and the modules come from. Throws Error that names the field,
/// what it holds and what it may.
BootPlan plan_multiboot(std::span<const std::uint8_t> file, const std::string& name, const KernelExtras& extras,
                        std::vector<MultibootModule> modules, const Target& target);

}  // namespace machina::boot
