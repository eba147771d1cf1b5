#include "hw/x86/boot/boot_rom.h"

#include "core/byte_order.h"
#include "hw/base/byte_writer.h"

extern "C" const std::uint8_t machina_boot_rom[];
extern "C" const std::uint8_t machina_boot_rom_end[];

namespace machina::boot {

namespace {

// Offsets in boot_rom.S.
constexpr std::size_t kPnp = 0x20, kPnpSize = 0x20, kPnpChecksum = kPnp + 9;
constexpr std::size_t kMode = 0x40, kMapBefore = 0x41, kMapBehind = 0x42, kMapUnit = 0x43;
constexpr std::size_t kMapTable = 0x44, kMapCapacity = 0x48, kMapCount = 0x4c, kRsdpSlot = 0x50;
constexpr std::size_t kEntryIp = 0x54, kEntryEax = 0x58, kEntryEbx = 0x5c, kEntryEsi = 0x60, kEntryEsp = 0x64;
constexpr std::size_t kEntrySegment = 0x68, kDataSegment = 0x6a, kGdt = 0x6c, kPageTable = 0x70;

struct Items {
  FwCfgKey address, size, data;
};

Items items_of(Part part) {
  switch (part) {
    case Part::Kernel:
      break;
    case Part::Initrd:
      return {FwCfgKey::InitrdAddr, FwCfgKey::InitrdSize, FwCfgKey::InitrdData};
    case Part::Cmdline:
      return {FwCfgKey::CmdlineAddr, FwCfgKey::CmdlineSize, FwCfgKey::CmdlineData};
    case Part::Setup:
      return {FwCfgKey::SetupAddr, FwCfgKey::SetupSize, FwCfgKey::SetupData};
  }
  return {FwCfgKey::KernelAddr, FwCfgKey::KernelSize, FwCfgKey::KernelData};
}

/// Makes the sum of all bytes zero.
void set_checksum(std::span<std::uint8_t> bytes, std::size_t at) {
  bytes[at] = 0;
  bytes[at] = checksum_of(bytes);
}

}  // namespace

std::vector<std::uint8_t> make_boot_rom(const BootPlan& plan) {
  std::vector<std::uint8_t> rom(machina_boot_rom, machina_boot_rom_end);
  const auto mode = [&] {
    switch (plan.entry.mode) {
      case EntryMode::Real16:
        return 0;
      case EntryMode::Protected32:
        return 1;
      case EntryMode::Long64:
        break;
    }
    return 2;
  }();
  rom[kMode] = static_cast<std::uint8_t>(mode);
  rom[kMapBefore] = plan.map.format == MapSlot::Format::Multiboot ? 4 : 0;
  rom[kMapBehind] = plan.map.format == MapSlot::Format::Pvh ? 4 : 0;
  rom[kMapUnit] = static_cast<std::uint8_t>(plan.map.format == MapSlot::Format::Multiboot ? 24 : 1);
  const auto put = [&](std::size_t offset, std::uint32_t value) { store_le<std::uint32_t>(rom, offset, value); };
  put(kMapTable, plan.map.table);
  put(kMapCapacity, plan.map.capacity);
  put(kMapCount, plan.map.count);
  put(kRsdpSlot, plan.rsdp_slot);
  const Entry& e = plan.entry;
  put(kEntryIp, static_cast<std::uint32_t>(e.ip));  // of 64-bit entries, too: kernels load below 4 GiB
  put(kEntryEax, e.eax);
  put(kEntryEbx, e.ebx);
  put(kEntryEsi, e.esi);
  put(kEntryEsp, e.esp);
  store_le<std::uint16_t>(rom, kEntrySegment, e.segment);
  store_le<std::uint16_t>(rom, kDataSegment, e.data_segment);
  put(kGdt, e.gdt);
  put(kPageTable, e.page_table);
  set_checksum(std::span(rom).subspan(kPnp, kPnpSize), kPnpChecksum - kPnp);
  set_checksum(rom, rom.size() - 1);
  return rom;
}

void offer_plan(FwCfg& fw_cfg, BootPlan plan) {
  fw_cfg.add_file(kBootRomFile, make_boot_rom(plan));
  for (const Part part : kParts) {
    const Blob* blob = plan.blob(part);
    const Items items = items_of(part);
    fw_cfg.add_i32(items.address, blob ? static_cast<std::uint32_t>(blob->address) : 0);
    fw_cfg.add_i32(items.size, blob ? static_cast<std::uint32_t>(blob->bytes().size()) : 0);
  }
  for (Blob& blob : plan.blobs) {
    std::vector<std::uint8_t> bytes = std::move(blob.file);
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(blob.skip));
    fw_cfg.add_bytes(items_of(blob.part).data, std::move(bytes));
  }
}

}  // namespace machina::boot
