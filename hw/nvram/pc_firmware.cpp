#include "hw/nvram/pc_firmware.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/units.h"
#include "hw/nvram/firmware_file.h"

namespace machina {

void PcFirmware::class_init(DeviceClass& c) {
  c.description = "PC firmware ROM";
  c.category = Category::Misc;
  c.property("file", &PcFirmware::file_, "bios-256k.bin").doc("the image; a bare name is looked for in dirs");
  c.property("dirs", &PcFirmware::dirs_, std::vector<std::string>{"/usr/share/seabios"})
      .doc("where firmware files are looked for");
  c.property("writable", &PcFirmware::writable_, false)
      .doc("the guest may write to it, as to firmware that was copied into RAM; a reset restores it");
  c.link("pci", &PcFirmware::pci_).doc("the bus in whose memory it appears; none: system memory, over RAM");
}

void PcFirmware::realize() {
  FirmwareFile image = load_firmware_file(file_, dirs_, kMaxSize);
  const std::uint64_t size = image.bytes.size();
  if (size % kGranule != 0) {
    throw Error(fmt::format("'{}' is not a PC firmware image", image.path))
        .why(fmt::format("its size, {} bytes, is not a multiple of 64 KiB", size));
  }
  auto block = RamBlock::create("pc.bios", size);
  std::memcpy(block->host(), image.bytes.data(), size);
  rom_ = std::make_unique<RamRegion>("pc.bios", std::move(block), !writable_);
  const std::uint64_t low_size = std::min(size, kLowSize);
  low_ = std::make_unique<AliasRegion>("isa-bios", *rom_, size - low_size, low_size);

  const MemoryTransaction transaction;
  ContainerRegion& memory = pci_ ? pci_->memory() : system().memory_root;
  map(memory, 4 * GiB - size, *rom_);
  map(memory, MiB - low_size, *low_, 1);
  path_ = image.path;
  if (writable_) image_ = std::move(image.bytes);
}

void PcFirmware::reset_enter() {
  if (!rom_ || image_.empty()) return;
  std::memcpy(rom_->block()->host(), image_.data(), image_.size());
  rom_->block()->mark_dirty(0, image_.size());
}

void PcFirmware::unrealize() {
  path_.clear();
  image_.clear();
}

MACHINA_TYPE(PcFirmware, Device);

}  // namespace machina
