#include "hw/x86/boot/pvh.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/byte_order.h"
#include "core/error.h"
#include "core/units.h"
#include "hw/x86/boot/low_layout.h"

namespace machina::boot {

namespace {

constexpr std::uint32_t kNotePhys32Entry = 18;

// struct hvm_start_info
constexpr std::uint32_t kMagic = 0x336ec578;
constexpr std::size_t kVersion = 4, kNrModules = 12, kModlist = 16, kCmdline = 24, kRsdp = 32, kMemmap = 40,
                      kMemmapEntries = 48;
// struct hvm_modlist_entry
constexpr std::size_t kModuleAddress = 0, kModuleSize = 8;

// Where they are in the boot data.
constexpr std::uint32_t kModlistAt = 0x40, kGdtAt = 0x80, kMemmapAt = 0x100, kMemmapMax = 128, kSetupSize = 0x1000;

}  // namespace

std::optional<std::uint32_t> pvh_entry(const ElfImage& elf) {
  for (const ElfImage::Note& note : elf.notes) {
    if (note.name != "Xen" || note.type != kNotePhys32Entry || note.data.size() < 4) continue;
    return load_le<std::uint32_t>(note.data, 0);  // of 64-bit kernels it has 8 bytes
  }
  return std::nullopt;
}

BootPlan plan_pvh(const ElfImage& elf, std::span<const std::uint8_t> file, const std::string& name, KernelExtras extras,
                  const Target& target) {
  BootPlan plan;
  plan.kernel = name;
  plan.kind = "PVH";
  Blob kernel = flatten(elf, file, name, target);
  const std::uint32_t entry = pvh_entry(elf).value_or(0);
  const std::uint64_t kernel_end = kernel.address + kernel.file.size();
  if (entry < kernel.address || entry >= kernel_end) {
    throw Error(fmt::format("'{}' is not a usable PVH kernel", name))
        .why(fmt::format("its note says that it starts at {:#x}, and it has {:#x} to {:#x}", entry, kernel.address,
                         kernel_end - 1));
  }
  Blob setup{Part::Setup, kLowSetup, std::vector<std::uint8_t>(kSetupSize), 0};
  store_le<std::uint32_t>(setup.file, 0, kMagic);
  store_le<std::uint32_t>(setup.file, kVersion, 1);
  plan.blobs.push_back(std::move(kernel));
  plan.blobs.push_back(cmdline_blob(extras.cmdline, name, kLowCmdlineMax, extras.cmdline_at));
  store_le<std::uint64_t>(setup.file, kCmdline, kLowCmdline);
  if (!extras.initrd.empty()) {
    const std::uint64_t place = high_place(extras, name, kernel_end, usable_ram_end(target));
    store_le<std::uint32_t>(setup.file, kNrModules, 1);
    store_le<std::uint64_t>(setup.file, kModlist, kLowSetup + kModlistAt);
    store_le<std::uint64_t>(setup.file, kModlistAt + kModuleAddress, place);
    store_le<std::uint64_t>(setup.file, kModlistAt + kModuleSize, extras.initrd.size());
    plan.blobs.push_back({Part::Initrd, place, std::move(extras.initrd), 0});
  }
  store_le<std::uint64_t>(setup.file, kMemmap, kLowSetup + kMemmapAt);
  plan.map = {MapSlot::Format::Pvh, kLowSetup + kMemmapAt, kMemmapMax,
              static_cast<std::uint32_t>(kLowSetup + kMemmapEntries)};
  plan.rsdp_slot = static_cast<std::uint32_t>(kLowSetup + kRsdp);

  const auto gdt = flat_gdt(EntryMode::Protected32);
  std::copy(gdt.begin(), gdt.end(), setup.file.begin() + kGdtAt);
  plan.entry.mode = EntryMode::Protected32;
  plan.entry.ip = entry;
  plan.entry.ebx = kLowSetup;
  plan.entry.esp = kLowStack;
  plan.entry.gdt = kLowSetup + kGdtAt;
  plan.blobs.push_back(std::move(setup));
  check_places(plan, target);
  return plan;
}

}  // namespace machina::boot
