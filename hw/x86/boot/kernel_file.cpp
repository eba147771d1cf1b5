#include "hw/x86/boot/kernel_file.h"

#include <fmt/format.h>

#include "core/read_file.h"
#include "core/units.h"
#include "hw/x86/boot/bzimage.h"

namespace machina::boot {

namespace {

/// All kinds load below 4 GiB.
constexpr std::uint64_t kMaxFile = 4 * GiB;

std::vector<std::uint8_t> read_at(const std::string& path, const Origin& at) {
  try {
    return read_file(path, kMaxFile);
  } catch (Error& e) {
    throw e.at(at);
  }
}

}  // namespace

BootPlan plan_kernel(const KernelRequest& request, const Target& target) {
  std::vector<std::uint8_t> kernel = read_at(request.kernel, request.kernel_at);
  KernelExtras extras;
  extras.cmdline = request.cmdline;
  extras.initrd_name = request.initrd;
  if (!request.initrd.empty()) extras.initrd = read_at(request.initrd, request.initrd_at);
  try {
    if (is_bzimage(kernel)) {
      return plan_linux(parse_bzimage(std::move(kernel), request.kernel), request.kernel, std::move(extras),
                        request.entry, target);
    }
    throw Error(fmt::format("'{}' is no kernel that can be started", request.kernel))
        .why("it is not a Linux bzImage (no \"HdrS\" at 0x202)")
        .hint("firmware images are started with -bios, disks with -hda");
  } catch (Error& e) {
    throw e.at(request.kernel_at);
  }
}

}  // namespace machina::boot
