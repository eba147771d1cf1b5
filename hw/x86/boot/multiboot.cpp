#include "hw/x86/boot/multiboot.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/byte_order.h"
#include "core/error.h"
#include "core/log.h"
#include "core/units.h"
#include "hw/x86/boot/elf_image.h"
#include "hw/x86/boot/kernel_extras.h"
#include "hw/x86/boot/low_layout.h"

namespace machina::boot {

namespace {

constexpr std::size_t kSearch = 8192;
constexpr std::uint32_t kHeaderMagic = 0x1badb002, kLoaderMagic = 0x2badb002;
// Header, "3.1.1 The layout of Multiboot header".
constexpr std::size_t kFlags = 4, kChecksum = 8, kHeaderAddr = 12, kLoadAddr = 16, kLoadEndAddr = 20, kBssEndAddr = 24,
                      kEntryAddr = 28, kHeaderSize = 12, kAddressHeaderSize = 32;
constexpr std::uint32_t kWantsVideo = 1U << 2, kKnownRequirements = 0x7, kRequirements = 0xffff;
constexpr std::uint32_t kHasAddresses = 1U << 16;

// Boot information, "3.3 Boot information format".
constexpr std::size_t kMbiFlags = 0, kMemLower = 4, kMemUpper = 8, kMbiCmdline = 16, kModsCount = 20, kModsAddr = 24,
                      kMmapLength = 44, kMmapAddr = 48, kLoaderName = 64;
constexpr std::uint32_t kInfoMem = 1U << 0, kInfoCmdline = 1U << 2, kInfoMods = 1U << 3, kInfoMmap = 1U << 6,
                        kInfoLoaderName = 1U << 9;
constexpr std::size_t kModuleSize = 16;  // start, end, string, reserved

// Where things are in the boot data; module list and strings follow.
constexpr std::uint32_t kGdtAt = 0x80, kNameAt = 0xc0, kMmapAt = 0x100, kMmapMax = 128, kModsAt = 0xe00;
constexpr char kName[] = "Machina";
constexpr std::uint32_t kLowKib = 636;  // the extended BIOS data area and a little more are above

std::optional<std::size_t> find_header(std::span<const std::uint8_t> file) {
  const auto head = file.first(std::min(file.size(), kSearch));
  for (std::size_t at = 0; at + kHeaderSize <= head.size(); at += 4) {
    if (load_le<std::uint32_t>(head, at) != kHeaderMagic) continue;
    const std::uint32_t sum =
        kHeaderMagic + load_le<std::uint32_t>(head, at + kFlags) + load_le<std::uint32_t>(head, at + kChecksum);
    if (sum == 0) return at;
  }
  return std::nullopt;
}

struct Loaded {
  Blob kernel;
  std::uint32_t entry = 0;
};

class Loader {
 public:
  Loader(std::span<const std::uint8_t> file, const std::string& name, std::size_t header, const Target& target)
      : file_(file), name_(name), target_(target), header_(header), flags_(field(kFlags)) {}

  Loaded load() {
    if (const std::uint32_t unknown = flags_ & kRequirements & ~kKnownRequirements) {
      throw refuse(
          fmt::format("its header (at {:#x}) has flags {:#x}, and {:#x} is not understood", header_, flags_, unknown));
    }
    if (flags_ & kWantsVideo) log::warning("'{}' asks for a video mode: it is started without one", name_);
    Loaded loaded = flags_ & kHasAddresses ? load_by_addresses() : load_elf();
    const std::uint64_t end = loaded.kernel.address + loaded.kernel.file.size();
    if (loaded.entry < loaded.kernel.address || loaded.entry >= end) {
      throw refuse(
          fmt::format("it starts at {:#x}, and it has {:#x} to {:#x}", loaded.entry, loaded.kernel.address, end - 1));
    }
    return loaded;
  }

 private:
  std::uint32_t field(std::size_t offset) const { return load_le<std::uint32_t>(file_, header_ + offset); }
  Error refuse(const std::string& why) const {
    return Error(fmt::format("'{}' is not a usable multiboot kernel", name_)).why(why);
  }

  Loaded load_by_addresses() const {
    if (file_.size() - header_ < kAddressHeaderSize) throw refuse("it is cut off within its header");
    const std::uint64_t header_addr = field(kHeaderAddr), load_addr = field(kLoadAddr);
    const std::uint64_t load_end = field(kLoadEndAddr), bss_end = field(kBssEndAddr);
    if (load_addr > header_addr || header_addr - load_addr > header_) {
      throw refuse(fmt::format("load_addr is {:#x}, and the header at {:#x} of the file goes to {:#x} (header_addr)",
                               load_addr, header_, header_addr));
    }
    const std::uint64_t from = header_ - (header_addr - load_addr);
    std::uint64_t size = file_.size() - from;
    if (load_end != 0) {
      if (load_end <= load_addr)
        throw refuse(fmt::format("load_end_addr is {:#x}, not above load_addr {:#x}", load_end, load_addr));
      if (load_end - load_addr > size) {
        throw refuse(
            fmt::format("it is cut off: {:#x} (load_addr) to {:#x} (load_end_addr) is more than the {} bytes "
                        "that it has",
                        load_addr, load_end, size));
      }
      size = load_end - load_addr;
    }
    std::uint64_t memory = size;
    if (bss_end != 0) {
      if (bss_end < load_addr + size)
        throw refuse(
            fmt::format("bss_end_addr is {:#x}, below the end of its data at {:#x}", bss_end, load_addr + size));
      memory = bss_end - load_addr;
    }
    if (memory > kMaxKernel || load_addr + memory > 4 * GiB)
      throw refuse(fmt::format("it needs {:#x} bytes from {:#x} on", memory, load_addr));
    check_room(name_, Part::Kernel, load_addr, memory, target_);
    Loaded loaded{{Part::Kernel, load_addr, {}, 0}, field(kEntryAddr)};
    const auto bytes = file_.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(size));
    loaded.kernel.file.assign(bytes.begin(), bytes.end());
    loaded.kernel.file.resize(static_cast<std::size_t>(memory));
    return loaded;
  }

  Loaded load_elf() const {
    if (!is_elf(file_)) {
      throw refuse(fmt::format("it is no ELF file, and its header (at {:#x}) has no addresses (flags {:#x}, bit 16)",
                               header_, flags_));
    }
    const ElfImage elf = parse_elf(file_, name_);
    const auto entry = elf.physical_entry();
    if (!entry) throw refuse(fmt::format("its entry {:#x} is in none of its segments", elf.entry));
    return {flatten(elf, file_, name_, target_), static_cast<std::uint32_t>(*entry)};
  }

  std::span<const std::uint8_t> file_;
  const std::string& name_;
  const Target& target_;
  std::size_t header_;
  std::uint32_t flags_;
};

constexpr std::uint64_t page_up(std::uint64_t address) { return (address + 4095) & ~std::uint64_t{4095}; }

/// One blob of all modules, each on a page of its own, behind the kernel; fills in their list and strings.
void add_modules(std::vector<MultibootModule> modules, std::uint64_t kernel_end, const Target& target, Blob& setup,
                 BootPlan& plan) {
  Blob all{Part::Initrd, page_up(kernel_end), {}, 0};
  setup.file.resize(kModsAt + modules.size() * kModuleSize);
  std::size_t entry = kModsAt;
  for (MultibootModule& module : modules) {
    all.file.resize(static_cast<std::size_t>(page_up(all.file.size())));
    const std::uint64_t start = all.address + all.file.size();
    all.file.insert(all.file.end(), module.bytes.begin(), module.bytes.end());
    module.bytes = {};
    store_le<std::uint32_t>(setup.file, entry, static_cast<std::uint32_t>(start));
    store_le<std::uint32_t>(setup.file, entry + 4, static_cast<std::uint32_t>(all.address + all.file.size()));
    store_le<std::uint32_t>(setup.file, entry + 8, static_cast<std::uint32_t>(kLowSetup + setup.file.size()));
    setup.file.insert(setup.file.end(), module.text.begin(), module.text.end());
    setup.file.push_back(0);
    entry += kModuleSize;
  }
  if (setup.file.size() > kLowCmdline - kLowSetup) {
    throw Error(fmt::format("too many modules for '{}'", plan.kernel))
        .why(fmt::format("their names and arguments need {} bytes, and there are {}", setup.file.size() - kModsAt,
                         kLowCmdline - kLowSetup - kModsAt));
  }
  const std::uint64_t end = usable_ram_end(target);
  if (all.address + all.file.size() > end) {
    throw Error(fmt::format("no room for the modules of '{}'", plan.kernel))
        .why(fmt::format("they have {} bytes, and from the end of the kernel at {:#x} to {:#x} there are {}",
                         all.file.size(), all.address, end, end > all.address ? end - all.address : 0))
        .hint("give the machine more memory: -m");
  }
  store_le<std::uint32_t>(setup.file, kModsCount, static_cast<std::uint32_t>(modules.size()));
  store_le<std::uint32_t>(setup.file, kModsAddr, kLowSetup + kModsAt);
  plan.blobs.push_back(std::move(all));
}

}  // namespace

bool is_multiboot(std::span<const std::uint8_t> file) { return find_header(file).has_value(); }

BootPlan plan_multiboot(std::span<const std::uint8_t> file, const std::string& name, const KernelExtras& extras,
                        std::vector<MultibootModule> modules, const Target& target) {
  Loaded loaded = Loader(file, name, find_header(file).value(), target).load();
  BootPlan plan;
  plan.kernel = name;
  plan.kind = "Multiboot";
  const std::uint64_t kernel_end = loaded.kernel.address + loaded.kernel.file.size();
  plan.blobs.push_back(std::move(loaded.kernel));
  plan.blobs.push_back(cmdline_blob(extras.cmdline.empty() ? name : name + " " + extras.cmdline, name, kLowCmdlineMax,
                                    extras.cmdline_at));

  Blob setup{Part::Setup, kLowSetup, std::vector<std::uint8_t>(kModsAt), 0};
  std::uint32_t info = kInfoMem | kInfoCmdline | kInfoMmap | kInfoLoaderName;
  const auto put = [&](std::size_t offset, std::uint64_t value) {
    store_le<std::uint32_t>(setup.file, offset, static_cast<std::uint32_t>(value));
  };
  if (!modules.empty()) {
    info |= kInfoMods;
    try {
      add_modules(std::move(modules), kernel_end, target, setup, plan);
    } catch (Error& e) {
      throw e.at(extras.initrd_at);
    }
  }
  put(kMbiFlags, info);
  put(kMemLower, kLowKib);
  put(kMemUpper, (std::max(usable_ram_end(target), MiB) - MiB) / KiB);
  put(kMbiCmdline, kLowCmdline);
  put(kMmapAddr, kLowSetup + kMmapAt);
  put(kLoaderName, kLowSetup + kNameAt);
  std::copy(std::begin(kName), std::end(kName), setup.file.begin() + kNameAt);
  const auto gdt = flat_gdt(EntryMode::Protected32);
  std::copy(gdt.begin(), gdt.end(), setup.file.begin() + kGdtAt);
  plan.map = {MapSlot::Format::Multiboot, kLowSetup + kMmapAt, kMmapMax,
              static_cast<std::uint32_t>(kLowSetup + kMmapLength)};
  plan.entry.mode = EntryMode::Protected32;
  plan.entry.ip = loaded.entry;
  plan.entry.eax = kLoaderMagic;
  plan.entry.ebx = kLowSetup;
  plan.entry.esp = kLowStack;
  plan.entry.gdt = kLowSetup + kGdtAt;
  plan.blobs.push_back(std::move(setup));
  check_places(plan, target);
  return plan;
}

}  // namespace machina::boot
