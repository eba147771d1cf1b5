#include "hw/x86/boot/linux_boot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string_view>

#include "core/byte_order.h"
#include "core/error.h"
#include "core/units.h"
#include "hw/x86/boot/linux_header.h"
#include "hw/x86/boot/low_layout.h"

namespace machina::boot {

using namespace linux_header;

namespace {

// Real-mode setup: its stack and heap end here, from its start. boot.rst, "The real-mode code".
constexpr std::uint32_t kHeapEnd = 0xe000;
constexpr std::uint32_t kHeapEndBias = 0x200;
// Of a zero page with what belongs to it.
constexpr std::uint32_t kGdtOffset = 0x1000, kPageTableOffset = 0x2000;

EntryMode choose_entry(const BzImage& image, const std::string& name, KernelEntry entry, const Target& target) {
  const auto refuse = [&](int bits, const char* why) {
    return Error(fmt::format("'{}' cannot be started through its {}-bit entry", name, bits)).why(why);
  };
  const auto narrow = [&] {
    if (image.code32_start == 0)
      throw refuse(32, "it has none (code32_start is 0)").hint("start it through firmware: on a board that has it");
    return EntryMode::Protected32;
  };
  switch (entry) {
    case KernelEntry::Auto:
      break;
    case KernelEntry::Bits16:
      if (target.firmware) return EntryMode::Real16;
      throw refuse(16, "its real-mode code asks a BIOS about the machine, and this board runs without firmware")
          .hint("leave kernel-entry out, or give the board its firmware");
    case KernelEntry::Bits32:
      return narrow();
    case KernelEntry::Bits64:
      if (image.has_64bit_entry()) return EntryMode::Long64;
      throw refuse(64, "it has none (xloadflags has XLF_KERNEL_64 clear)").hint("write kernel-entry=32");
  }
  if (target.firmware) return EntryMode::Real16;
  return image.has_64bit_entry() ? EntryMode::Long64 : narrow();
}

/// As high as the kernel and the machine allow, where it is out of the way of what the kernel unpacks.
std::uint64_t initrd_place(const BzImage& image, const std::string& name, const KernelExtras& extras,
                           const Target& target) {
  const std::uint64_t lowest =
      std::max(image.runtime_start + image.runtime_size, BzImage::kLoadAddress + std::uint64_t{image.kernel().size()});
  return high_place(extras, name, lowest, std::min(std::uint64_t{image.initrd_addr_max} + 1, usable_ram_end(target)));
}

/// The setup header's fields that a boot loader fills in, in real-mode code or in a zero page alike.
void fill_header(std::span<std::uint8_t> header, const BootPlan& plan) {
  store_le<std::uint8_t>(header, kTypeOfLoader, kLoaderUnspecified);
  store_le<std::uint32_t>(header, kCmdLinePtr, kLowCmdline);
  const Blob* initrd = plan.blob(Part::Initrd);
  store_le<std::uint32_t>(header, kRamdiskImage, initrd ? static_cast<std::uint32_t>(initrd->address) : 0);
  store_le<std::uint32_t>(header, kRamdiskSize, initrd ? static_cast<std::uint32_t>(initrd->bytes().size()) : 0);
}

/// boot.rst, "Special Command Line Options": vga= is the loader's to read, since the setup code sets the mode before
/// the kernel looks at its command line. The last one counts. Throws Error.
std::optional<std::uint16_t> video_mode(const std::string& cmdline) {
  constexpr std::string_view kOption = "vga=";
  constexpr std::pair<const char*, std::uint16_t> kNames[] = {{"normal", 0xffff}, {"ext", 0xfffe}, {"ask", 0xfffd}};
  std::optional<std::uint16_t> mode;
  std::istringstream words(cmdline);
  for (std::string word; words >> word;) {
    if (!word.starts_with(kOption)) continue;
    const std::string value = word.substr(kOption.size());
    const auto* const named =
        std::find_if(std::begin(kNames), std::end(kNames), [&](const auto& n) { return value == n.first; });
    if (named != std::end(kNames)) {
      mode = named->second;
      continue;
    }
    // A number as C writes it: decimal, octal or hexadecimal.
    char* end = nullptr;
    const unsigned long number = std::strtoul(value.c_str(), &end, 0);
    if (value.empty() || !std::isdigit(static_cast<unsigned char>(value[0])) || *end != 0 || number > 0xffff) {
      throw Error(fmt::format("no such video mode: '{}'", word))
          .hint("expected vga=normal, vga=ext, vga=ask, or a number up to 0xffff");
    }
    mode = static_cast<std::uint16_t>(number);
  }
  return mode;
}

void plan_real_mode(const BzImage& image, const KernelExtras& extras, BootPlan& plan) {
  Blob setup{Part::Setup, kLowSetup, {image.setup().begin(), image.setup().end()}, 0};
  fill_header(setup.file, plan);
  setup.file[kLoadflags] |= kCanUseHeap;
  try {
    if (const auto mode = video_mode(extras.cmdline)) store_le<std::uint16_t>(setup.file, kVidMode, *mode);
  } catch (Error& e) {
    throw e.at(extras.cmdline_at);
  }
  store_le<std::uint16_t>(setup.file, kHeapEndPtr, kHeapEnd - kHeapEndBias);
  plan.entry.mode = EntryMode::Real16;
  plan.entry.data_segment = kLowSetup >> 4;
  plan.entry.segment = static_cast<std::uint16_t>(plan.entry.data_segment + 0x20);
  plan.entry.esp = kHeapEnd;
  plan.blobs.push_back(std::move(setup));
}

void plan_zero_page(const BzImage& image, EntryMode mode, BootPlan& plan) {
  Blob setup{Part::Setup, kLowSetup, std::vector<std::uint8_t>(kZeroPageSize), 0};
  std::copy(image.file.begin() + kSetupSects, image.file.begin() + static_cast<std::ptrdiff_t>(image.header_end),
            setup.file.begin() + kSetupSects);
  fill_header(setup.file, plan);
  const auto append_at = [&](std::uint32_t offset, std::span<const std::uint8_t> bytes) {
    setup.file.resize(offset);
    setup.file.insert(setup.file.end(), bytes.begin(), bytes.end());
  };
  append_at(kGdtOffset, flat_gdt(mode));
  Entry& entry = plan.entry;
  entry.mode = mode;
  entry.esi = kLowSetup;
  entry.ip = image.code32_start;
  entry.gdt = kLowSetup + kGdtOffset;
  entry.esp = kLowStack;
  if (mode == EntryMode::Long64) {
    entry.ip = BzImage::kLoadAddress + kEntry64;
    entry.page_table = kLowSetup + kPageTableOffset;
    append_at(kPageTableOffset, identity_page_tables(entry.page_table));
  }
  plan.map = {MapSlot::Format::E820, static_cast<std::uint32_t>(kLowSetup + kE820Table), kE820Max,
              static_cast<std::uint32_t>(kLowSetup + kE820Entries)};
  plan.rsdp_slot = kLowSetup + kAcpiRsdpAddr;
  plan.blobs.push_back(std::move(setup));
}

}  // namespace

BootPlan plan_linux(BzImage image, const std::string& name, KernelExtras extras, KernelEntry choice,
                    const Target& target) {
  const EntryMode mode = choose_entry(image, name, choice, target);
  if (image.runtime_start + image.runtime_size > usable_ram_end(target)) {
    throw Error(fmt::format("no room for '{}'", name))
        .why(fmt::format("it needs {:#x} to {:#x} to start, and memory that it may use ends at {:#x}",
                         image.runtime_start, image.runtime_start + image.runtime_size - 1, usable_ram_end(target)))
        .hint("give the machine more memory: -m");
  }
  BootPlan plan;
  plan.kernel = name;
  const int bits = mode == EntryMode::Long64 ? 64 : mode == EntryMode::Protected32 ? 32 : 16;
  plan.kind = fmt::format("Linux {}, {}-bit entry", image.release, bits);
  plan.blobs.push_back(cmdline_blob(extras.cmdline, name, image.cmdline_max, extras.cmdline_at));
  if (!extras.initrd.empty()) {
    const std::uint64_t place = initrd_place(image, name, extras, target);
    plan.blobs.push_back({Part::Initrd, place, std::move(extras.initrd), 0});
  }
  if (mode == EntryMode::Real16) {
    plan_real_mode(image, extras, plan);
  } else {
    plan_zero_page(image, mode, plan);
  }
  plan.blobs.push_back({Part::Kernel, BzImage::kLoadAddress, std::move(image.file), image.setup_size});
  check_places(plan, target);
  return plan;
}

}  // namespace machina::boot
