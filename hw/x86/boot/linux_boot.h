#pragma once
/// How a bzImage is started: through its 16-bit entry by firmware, or through its 32- or 64-bit entry.

#include <string>
#include <utility>
#include <vector>

#include "hw/x86/boot/boot_plan.h"
#include "hw/x86/boot/bzimage.h"
#include "hw/x86/boot/kernel_extras.h"
#include "qom/property.h"

namespace machina::boot {

/// -M kernel-entry=: which way in. Auto: with firmware the 16-bit one, which asks it about the machine; without, the
/// 64-bit one of a kernel that has it, else the 32-bit one.
enum class KernelEntry : std::uint8_t { Auto, Bits16, Bits32, Bits64 };

/// Throws Error: an entry that the kernel or the board does not have, a command line that is too long, too little
/// memory.
BootPlan plan_linux(BzImage image, const std::string& name, KernelExtras extras, KernelEntry entry,
                    const Target& target);

}  // namespace machina::boot

template <>
struct machina::qom::EnumNames<machina::boot::KernelEntry> {
  static constexpr const char* name = "KernelEntry";
  static constexpr std::pair<machina::boot::KernelEntry, const char*> values[] = {
      {machina::boot::KernelEntry::Auto, "auto"},
      {machina::boot::KernelEntry::Bits16, "16"},
      {machina::boot::KernelEntry::Bits32, "32"},
      {machina::boot::KernelEntry::Bits64, "64"}};
};
