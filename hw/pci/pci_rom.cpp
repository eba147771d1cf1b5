// The expansion ROM of a PCI function: PCI Local Bus Specification 3.0, 6.2.5.2 and 6.3.

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "core/log.h"
#include "core/units.h"
#include "hw/nvram/firmware_file.h"
#include "hw/pci/pci_device.h"

namespace machina {

namespace {

constexpr std::uint64_t kMaxRom = 16 * MiB;  // what the register can say: 6.2.5.2
constexpr std::uint64_t kMinRom = 2 * KiB;   // its address starts at bit 11

// Where Debian puts option ROMs: the packages seabios and ipxe-qemu.
const std::vector<std::string> kRomDirs = {"/usr/share/seabios", "/usr/lib/ipxe/qemu"};

}  // namespace

void PciDevice::load_rom() {
  if (romfile_.empty() || !rombar_) return;
  std::vector<std::uint8_t> bytes;
  try {
    bytes = load_firmware_file(romfile_, kRomDirs, kMaxRom).bytes;
  } catch (Error& e) {
    if (pci_class().rom_optional && object_class().find_property("romfile")->default_value == qom::Value(romfile_)) {
      log::warn_once("romfile:" + romfile_,
                     fmt::format("{}: {}; the guest cannot boot from it (romfile= says so)", type_name(), e.message()));
      return;
    }
    throw e.hint("name another expansion ROM with romfile=, or hide it with rombar=off");
  }
  const std::uint64_t size = std::bit_ceil(std::max<std::uint64_t>(bytes.size(), kMinRom));
  auto block = RamBlock::create(fmt::format("{}.rom", name()), std::max(size, 4 * KiB));
  std::memcpy(block->host(), bytes.data(), bytes.size());
  rom_ = std::make_unique<RamRegion>(fmt::format("{}.rom", name()), std::move(block), 0, size);
  rom_->set_readonly(true);
  define_config(pci::kRomAddress, 4, 0, static_cast<std::uint32_t>(~(size - 1)) | pci::kRomEnable);
  const std::uint32_t writable = config_get(layout_.writable(), pci::kCommand, 2) | pci::kCommandMemory;
  define_config(pci::kCommand, 2, 0, writable);
}

}  // namespace machina
