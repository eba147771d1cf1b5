#include "hw/x86/boot/kernel_extras.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "hw/x86/boot/low_layout.h"

namespace machina::boot {

Blob cmdline_blob(const std::string& cmdline, const std::string& kernel, std::uint32_t max, const Origin& at) {
  max = std::min(max, kLowCmdlineMax);
  if (cmdline.size() > max) {
    throw Error(fmt::format("the command line for '{}' is too long", kernel))
        .at(at)
        .why(fmt::format("it has {} characters, and the kernel takes {}", cmdline.size(), max))
        .hint("shorten -append");
  }
  Blob blob{Part::Cmdline, kLowCmdline, {cmdline.begin(), cmdline.end()}, 0};
  blob.file.push_back(0);
  return blob;
}

std::uint64_t high_place(const KernelExtras& extras, const std::string& kernel, std::uint64_t lowest,
                         std::uint64_t end) {
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t size = extras.initrd.size();
  const std::uint64_t place = end < size ? 0 : (end - size) & ~(kPage - 1);
  if (place >= lowest) return place;
  throw Error(fmt::format("no room for the initrd '{}'", extras.initrd_name))
      .at(extras.initrd_at)
      .why(fmt::format("it has {} bytes, and from the end of '{}' at {:#x} to {:#x} there are {}", size, kernel, lowest,
                       end, end > lowest ? end - lowest : 0))
      .hint("give the machine more memory: -m");
}

}  // namespace machina::boot
