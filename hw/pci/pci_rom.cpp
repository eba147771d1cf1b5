// The expansion ROM of a PCI function: PCI Local Bus Specification 3.0, 6.2.5.2 and 6.3.

#include <fmt/format.h>

#include <algorithm>
#include <array>
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

/// 6.3.1.1 and 6.3.1.2: an image that is for no function in particular (both IDs 0, as some of iPXE are) becomes one
/// for this function, or firmware would pass it over. Byte 6 keeps the sum of the image.
void name_function(std::vector<std::uint8_t>& rom, std::uint16_t vendor, std::uint16_t device) {
  constexpr std::size_t kPointer = 0x18, kVendor = 4, kSum = 6;
  constexpr std::array<std::uint8_t, 4> kSignature = {'P', 'C', 'I', 'R'};
  if (rom.size() < kPointer + 2 || rom[0] != 0x55 || rom[1] != 0xaa) return;
  const std::size_t data = rom[kPointer] | static_cast<std::size_t>(rom[kPointer + 1]) << 8;
  if (data < kPointer + 2 || data + kVendor + 4 > rom.size()) return;
  const auto at = rom.begin() + static_cast<std::ptrdiff_t>(data);
  if (!std::equal(kSignature.begin(), kSignature.end(), at)) return;
  if (std::any_of(at + kVendor, at + kVendor + 4, [](std::uint8_t b) { return b != 0; })) return;
  const std::uint32_t ids = vendor | std::uint32_t{device} << 16;
  for (unsigned i = 0; i < 4; ++i) {
    const auto byte = static_cast<std::uint8_t>(ids >> (8 * i));
    rom[data + kVendor + i] = byte;
    rom[kSum] = static_cast<std::uint8_t>(rom[kSum] - byte);
  }
}

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
  name_function(bytes, pci_class().vendor_id, pci_class().device_id);
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
