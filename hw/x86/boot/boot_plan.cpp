#include "hw/x86/boot/boot_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/byte_order.h"
#include "core/error.h"
#include "core/units.h"
#include "hw/x86/boot/low_layout.h"

namespace machina::boot {

namespace {

constexpr std::uint64_t kLowEnd = 0x9fc00;   // the extended BIOS data area follows
constexpr std::uint64_t kLowStart = 0x1000;  // below: real mode's vectors, the BIOS's data
constexpr std::uint64_t kCr0Pe = 1U << 0, kCr0Et = 1U << 4, kCr0Pg = 1U << 31;
constexpr std::uint64_t kCr4Pae = 1U << 5;
constexpr std::uint64_t kEferLme = 1U << 8, kEferLma = 1U << 10;

struct Region {
  const char* what;
  std::uint64_t first, last;
};

X86Segment flat(std::uint16_t selector, std::uint8_t type) {
  X86Segment s;
  s.selector = selector;
  s.limit = 0xffffffff;
  s.type = type;
  s.g = true;
  s.db = true;
  return s;
}

X86Segment real(std::uint16_t selector, std::uint8_t type) {
  X86Segment s;
  s.selector = selector;
  s.base = static_cast<std::uint64_t>(selector) << 4;
  s.type = type;
  return s;
}

}  // namespace

const char* part_name(Part part) {
  switch (part) {
    case Part::Kernel:
      return "kernel";
    case Part::Initrd:
      return "initrd";
    case Part::Cmdline:
      return "command line";
    case Part::Setup:
      return "boot data";
  }
  return "";
}

const Blob* BootPlan::blob(Part part) const {
  const auto it = std::find_if(blobs.begin(), blobs.end(), [&](const Blob& b) { return b.part == part; });
  return it == blobs.end() ? nullptr : &*it;
}

namespace {

std::string need(Part part, std::uint64_t address, std::uint64_t size) {
  return fmt::format("its {} needs {:#x} to {:#x}", part_name(part), address, address + (size - 1));
}

}  // namespace

void check_room(const std::string& kernel, Part part, std::uint64_t address, std::uint64_t size, const Target& target) {
  const std::uint64_t end = usable_ram_end(target);
  if (size == 0 || (address < end && size <= end - address)) return;
  throw Error(fmt::format("no room for '{}'", kernel))
      .why(fmt::format("{}, and memory that it may use ends at {:#x}", need(part, address, size), end))
      .hint("give the machine more memory: -m");
}

void check_places(const BootPlan& plan, const Target& target) {
  std::vector<Region> taken;
  // What the option ROM loads must not hit the stack it runs on.
  if (target.firmware) taken.push_back({"loader's stack", kLowStack - kLowStackSize, kLowStack - 1});
  for (const Blob& b : plan.blobs) {
    if (b.bytes().empty()) continue;
    check_room(plan.kernel, b.part, b.address, b.bytes().size(), target);
    const std::uint64_t last = b.address + (b.bytes().size() - 1);
    const auto place = [&] { return need(b.part, b.address, b.bytes().size()); };
    if (b.address < kLowStart || (b.address < MiB && last >= kLowEnd)) {
      throw Error(fmt::format("'{}' cannot be loaded", plan.kernel))
          .why(fmt::format("{}, of which a PC has something else at 0 to {:#x} or {:#x} to 0xfffff", place(),
                           kLowStart - 1, kLowEnd))
          .hint("link it to run from 1 MiB on");
    }
    for (const Region& r : taken) {
      if (last < r.first || b.address > r.last) continue;
      throw Error(fmt::format("'{}' cannot be loaded", plan.kernel))
          .why(fmt::format("{}, where the {} is ({:#x} to {:#x})", place(), r.what, r.first, r.last));
    }
    taken.push_back({part_name(b.part), b.address, last});
  }
}

std::vector<std::uint8_t> map_bytes(const MapSlot& slot, const MemoryMap& map) {
  constexpr std::uint32_t kEntry = 20;
  std::vector<std::uint8_t> bytes;
  std::uint32_t entries = 0;
  for (const MemoryRange& r : map.ranges()) {
    if (entries++ == slot.capacity) break;
    std::array<std::uint8_t, 28> e{};
    store_le<std::uint32_t>(e, 0, kEntry);
    store_le<std::uint64_t>(e, 4, r.address);
    store_le<std::uint64_t>(e, 12, r.size);
    store_le<std::uint32_t>(e, 20, static_cast<std::uint32_t>(r.type));
    const auto* first = e.data() + (slot.format == MapSlot::Format::Multiboot ? 0 : 4);
    bytes.insert(bytes.end(), first, first + (slot.format == MapSlot::Format::E820 ? 20 : 24));
  }
  return bytes;
}

std::uint32_t map_count(const MapSlot& slot, std::size_t bytes) {
  const auto size = static_cast<std::uint32_t>(bytes);
  switch (slot.format) {
    case MapSlot::Format::E820:
      return size / 20;
    case MapSlot::Format::Pvh:
      return size / 24;
    case MapSlot::Format::Multiboot:
      break;
  }
  return size;
}

std::array<std::uint8_t, kGdtEntries * 8> flat_gdt(EntryMode mode) {
  std::array<std::uint8_t, kGdtEntries * 8> gdt{};
  constexpr std::uint64_t kCode32 = 0x00cf9b000000ffff, kCode64 = 0x00af9b000000ffff, kData = 0x00cf93000000ffff;
  store_le<std::uint64_t>(gdt, kCodeSelector, mode == EntryMode::Long64 ? kCode64 : kCode32);
  store_le<std::uint64_t>(gdt, kDataSelector, kData);
  return gdt;
}

std::vector<std::uint8_t> identity_page_tables(std::uint32_t address) {
  constexpr std::size_t kPage = 4096;
  constexpr std::uint64_t kPresentWritable = 3, kLarge = 1U << 7;
  std::vector<std::uint8_t> pages(kIdentityPages * kPage);
  const std::uint64_t pdpt = address + kPage, directories = address + 2 * kPage;
  store_le<std::uint64_t>(pages, 0, pdpt | kPresentWritable);
  for (std::uint64_t i = 0; i < 4; ++i)
    store_le<std::uint64_t>(pages, kPage + 8 * i, (directories + i * kPage) | kPresentWritable);
  for (std::uint64_t i = 0; i < 2048; ++i)
    store_le<std::uint64_t>(pages, 2 * kPage + 8 * i, i * 2 * MiB | kLarge | kPresentWritable);
  return pages;
}

void enter(const Entry& entry, X86State& s) {
  constexpr std::uint8_t kCode = 11, kData = 3;  // accessed
  s.gpr = {};
  s.gpr[kRax] = entry.eax;
  s.gpr[kRbx] = entry.ebx;
  s.gpr[kRsi] = entry.esi;
  s.gpr[kRsp] = entry.esp;
  s.rip = entry.ip;
  s.rflags = 2;
  s.cr3 = 0;
  s.cr4 = 0;
  s.efer = 0;
  if (entry.mode == EntryMode::Real16) {
    s.cr0 = kCr0Et;
    s.segment.fill(real(entry.data_segment, kData));
    s.segment[kCs] = real(entry.segment, kCode);
    return;
  }
  s.cr0 = kCr0Pe | kCr0Et;
  s.segment.fill(flat(kDataSelector, kData));
  s.segment[kCs] = flat(kCodeSelector, kCode);
  s.gdt = {entry.gdt, kGdtEntries * 8 - 1};
  s.idt = {0, 0};  // an exception before the kernel has its own table is a triple fault, not a jump to nowhere
  // A task register that the kernel need not load: 32-bit (in long mode: 64-bit) TSS, busy. SDM vol. 3, 8.2.2.
  s.tr = {};
  s.tr.s = false;
  s.tr.type = 11;
  s.tr.limit = 0x67;
  if (entry.mode == EntryMode::Long64) {
    s.cr0 |= kCr0Pg;
    s.cr3 = entry.page_table;
    s.cr4 = kCr4Pae;
    s.efer = kEferLme | kEferLma;
    s.segment[kCs].l = true;
    s.segment[kCs].db = false;
  }
}

}  // namespace machina::boot
