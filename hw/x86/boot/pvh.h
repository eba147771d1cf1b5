#pragma once
/// Kernels with a PVH entry: an ELF file (Linux's vmlinux with CONFIG_PVH, others) that says where it wants to be
/// entered in 32-bit mode, and is told about the machine by a hvm_start_info.
///
/// Source: Xen, "x86/HVM direct boot ABI" (docs/misc/pvh) and public/arch-x86/hvm/start_info.h, version 1.

#include <span>

#include "hw/x86/boot/boot_plan.h"
#include "hw/x86/boot/elf_image.h"
#include "hw/x86/boot/kernel_extras.h"

namespace machina::boot {

/// The 32-bit physical entry of note XEN_ELFNOTE_PHYS32_ENTRY; nothing without it.
std::optional<std::uint32_t> pvh_entry(const ElfImage& elf);

/// `elf` is that of `file` and has a PVH entry. Throws Error.
BootPlan plan_pvh(const ElfImage& elf, std::span<const std::uint8_t> file, const std::string& name, KernelExtras extras,
                  const Target& target);

}  // namespace machina::boot
