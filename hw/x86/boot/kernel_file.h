#pragma once
/// From the files that -kernel and -initrd name to a plan of how to start them.

#include <optional>
#include <string>

#include "core/error.h"
#include "hw/x86/boot/boot_plan.h"
#include "hw/x86/boot/linux_boot.h"

namespace machina::boot {

struct KernelRequest {
  std::string kernel;                 ///< file
  std::optional<std::string> initrd;  ///< file
  std::string cmdline;
  KernelEntry entry = KernelEntry::Auto;
  Origin kernel_at, initrd_at, cmdline_at;
};

/// Tells by its content what kind of kernel it is. Throws Error.
BootPlan plan_kernel(const KernelRequest& request, const Target& target);

}  // namespace machina::boot
