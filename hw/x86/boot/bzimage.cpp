#include "hw/x86/boot/bzimage.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>

#include "core/byte_order.h"
#include "core/error.h"
#include "core/units.h"
#include "hw/x86/boot/linux_header.h"

namespace machina::boot {

using namespace linux_header;

namespace {

constexpr std::size_t kSector = 512;
constexpr std::uint16_t kOldest = 0x202;
constexpr std::uint32_t kInitrdMaxBefore203 = 0x37ffffff;
constexpr std::uint32_t kCmdlineMaxBefore206 = 255;
constexpr unsigned kSetupSectsDefault = 4;
constexpr unsigned kSetupSectsMax = 64;  // 32 KiB behind the boot sector, and then the heap

std::string version_text(std::uint16_t version) { return fmt::format("{}.{:02}", version >> 8, version & 0xff); }

/// Where the header must end for its version to be true.
std::size_t least_header_end(std::uint16_t version) {
  struct Step {
    std::uint16_t version;
    std::size_t end;
  };
  static constexpr Step kSteps[] = {
      {0x20a, kInitSize + 4},    {0x209, kSetupData + 8},   {0x208, kPayloadOffset + 8}, {0x207, kHardwareSubarch + 4},
      {0x206, kCmdlineSize + 4}, {0x205, kRelocatable + 1}, {0x203, kInitrdAddrMax + 4}, {0, kCmdLinePtr + 4}};
  return std::find_if(std::begin(kSteps), std::end(kSteps), [&](const Step& s) { return version >= s.version; })->end;
}

std::string release_of(const BzImage& image) {
  const auto offset = load_le<std::uint16_t>(image.file, kKernelVersion);
  if (offset == 0) return {};
  std::string text;
  for (std::size_t i = kSector + offset; i < image.setup_size && text.size() < 64; ++i) {
    const auto c = static_cast<unsigned char>(image.file[i]);
    if (c <= ' ' || c > '~') break;
    text += static_cast<char>(c);
  }
  return text;
}

}  // namespace

bool BzImage::has_64bit_entry() const { return protocol >= 0x20c && (xloadflags & kXlfKernel64); }

bool is_bzimage(std::span<const std::uint8_t> file) {
  return file.size() >= kHeader + 4 && load_le<std::uint32_t>(file, kHeader) == kMagic;
}

BzImage parse_bzimage(std::vector<std::uint8_t> bytes, const std::string& name) {
  BzImage image;
  image.file = std::move(bytes);
  const std::span<const std::uint8_t> file = image.file;
  const auto refuse = [&](const std::string& why) {
    return Error(fmt::format("'{}' is not a usable Linux kernel", name)).why(why);
  };
  const auto truncated = [&](std::size_t needed, const char* what) {
    return refuse(fmt::format("it is cut off: it has {} bytes, and its {} needs {}", file.size(), what, needed))
        .hint("copy the file again");
  };

  if (file.size() < kCmdLinePtr + 4) throw truncated(kCmdLinePtr + 4, "setup header");
  const auto flag = load_le<std::uint16_t>(file, kBootFlag);
  if (flag != kBootFlagValue)
    throw refuse(fmt::format("boot_flag (at {:#x}) is {:#06x}, not {:#06x}", kBootFlag, flag, kBootFlagValue));
  image.protocol = load_le<std::uint16_t>(file, kVersion);
  if (image.protocol < kOldest) {
    throw refuse(fmt::format("its boot protocol is {}, and the oldest that is understood is {}",
                             version_text(image.protocol), version_text(kOldest)))
        .hint("kernels from Linux 2.4 on have a newer one");
  }
  if (image.protocol >> 8 != kOldest >> 8) {
    throw refuse(
        fmt::format("its boot protocol is {}, and only versions 2.x are understood", version_text(image.protocol)));
  }
  image.header_end = kHeader + static_cast<std::size_t>(load_le<std::uint16_t>(file, kJump) >> 8);
  const std::size_t least = least_header_end(image.protocol);
  if (image.header_end < least || image.header_end > kHeaderLimit) {
    throw refuse(fmt::format("its setup header ends at {:#x}, and one of boot protocol {} ends at {:#x} to {:#x}",
                             image.header_end, version_text(image.protocol), least, kHeaderLimit));
  }

  unsigned sects = load_le<std::uint8_t>(file, kSetupSects);
  if (sects == 0) sects = kSetupSectsDefault;
  if (sects > kSetupSectsMax) {
    throw refuse(fmt::format("setup_sects (at {:#x}) is {}, and its setup code may have up to {} sectors", kSetupSects,
                             sects, kSetupSectsMax));
  }
  image.setup_size = (sects + 1) * kSector;
  if (file.size() <= image.setup_size) throw truncated(image.setup_size + 1, "setup code");
  const std::size_t kernel_size = file.size() - image.setup_size;
  const std::uint64_t paragraphs =
      image.protocol >= 0x204 ? load_le<std::uint32_t>(file, kSyssize) : load_le<std::uint16_t>(file, kSyssize);
  // Rounded up to whole paragraphs, which the file need not be.
  if (paragraphs > 0 && kernel_size <= (paragraphs - 1) * 16)
    throw truncated(image.setup_size + (paragraphs - 1) * 16 + 1, "kernel (syssize)");

  const auto loadflags = load_le<std::uint8_t>(file, kLoadflags);
  if (!(loadflags & kLoadedHigh)) {
    throw refuse("it is a zImage, which loads below 1 MiB (loadflags has LOADED_HIGH clear)")
        .hint("build it as bzImage");
  }
  image.code32_start = load_le<std::uint32_t>(file, kCode32Start);
  if (image.code32_start != 0 &&
      (image.code32_start < BzImage::kLoadAddress || image.code32_start - BzImage::kLoadAddress >= kernel_size)) {
    throw refuse(fmt::format("code32_start (at {:#x}) is {:#x}, and the kernel will be at {:#x} to {:#x}", kCode32Start,
                             image.code32_start, BzImage::kLoadAddress, BzImage::kLoadAddress + kernel_size - 1));
  }

  image.xloadflags = image.protocol >= 0x20c ? load_le<std::uint16_t>(file, kXloadflags) : std::uint16_t{0};
  if (image.has_64bit_entry() && kernel_size <= kEntry64)
    throw truncated(image.setup_size + kEntry64 + 1, "64-bit entry");
  image.initrd_addr_max = image.protocol >= 0x203 ? load_le<std::uint32_t>(file, kInitrdAddrMax) : kInitrdMaxBefore203;
  if (image.initrd_addr_max <= BzImage::kLoadAddress) {
    throw refuse(fmt::format("initrd_addr_max (at {:#x}) is {:#x}, below the kernel itself", kInitrdAddrMax,
                             image.initrd_addr_max));
  }
  image.cmdline_max = image.protocol >= 0x206 ? load_le<std::uint32_t>(file, kCmdlineSize) : kCmdlineMaxBefore206;

  const bool relocatable = image.protocol >= 0x205 && load_le<std::uint8_t>(file, kRelocatable) != 0;
  const auto alignment = image.protocol >= 0x205 ? load_le<std::uint32_t>(file, kKernelAlignment) : 0;
  if (relocatable && !std::has_single_bit(alignment)) {
    throw refuse(
        fmt::format("kernel_alignment (at {:#x}) is {:#x}, which is no power of two", kKernelAlignment, alignment));
  }
  image.runtime_start = BzImage::kLoadAddress;
  image.runtime_size = kernel_size;
  if (image.protocol >= 0x20a) {
    // A kernel that was loaded below its preferred address decompresses itself to there.
    const auto preferred = load_le<std::uint64_t>(file, kPrefAddress);
    const std::uint64_t aligned =
        relocatable ? (BzImage::kLoadAddress + std::uint64_t{alignment} - 1) & ~(std::uint64_t{alignment} - 1) : 0;
    image.runtime_start = std::max(preferred, aligned);
    image.runtime_size = std::max<std::uint64_t>(load_le<std::uint32_t>(file, kInitSize), 1);
    if (image.runtime_start < MiB || image.runtime_start > 4 * GiB - image.runtime_size) {
      throw refuse(
          fmt::format("it wants to run at {:#x} (pref_address) with {:#x} bytes (init_size), which is not "
                      "between 1 MiB and 4 GiB",
                      image.runtime_start, image.runtime_size));
    }
  }
  image.release = release_of(image);
  return image;
}

}  // namespace machina::boot
