#include "hw/display/isa_vga.h"

#include <cstring>

#include "core/units.h"
#include "hw/nvram/firmware_file.h"
#include "hw/nvram/fw_cfg.h"

namespace machina {

void IsaVga::class_init(DeviceClass& c) {
  c.description = "Standard VGA, ISA";
  c.category = Category::Display;
  c.property("vgamem_mb", &IsaVga::vgamem_mb_, 8).doc("video memory in MiB").range(1, 256);
  c.output("irq", &IsaVga::irq_).doc("vertical interrupt, on IRQ 9 of a PS/2; unconnected on most boards");
  c.property("romfile", &IsaVga::romfile_, "vgabios.bin").doc("image of its BIOS; none when empty");
  c.property("dirs", &IsaVga::dirs_, std::vector<std::string>{"/usr/share/seabios"})
      .doc("where firmware files are looked for");
}

void IsaVga::realize() {
  create_adapter(clock(), system().memory, vgamem_mb_ * MiB);
  if (irq_.connected()) adapter().connect_interrupt(irq_);
  const MemoryTransaction transaction;
  for (const VgaAdapter::Ports& p : adapter().ports()) map_ports(p.base, *p.region);
  ContainerRegion& memory = system().memory_root;
  map(memory, VgaAdapter::kWindowBase, adapter().window(), 1);
  map(memory, kLinearBase, region(), -1);  // RAM that reaches so far hides it
  install_bios();
}

FwCfg* IsaVga::find_fw_cfg() {
  FwCfg* fw_cfg = nullptr;
  qom::for_each<FwCfg>(root(), [&](FwCfg& found) { fw_cfg = &found; });
  return fw_cfg;
}

void IsaVga::unrealize() {
  if (bios_name_.empty()) return;
  if (FwCfg* fw_cfg = find_fw_cfg()) fw_cfg->remove_file(bios_name_);
  bios_name_.clear();
}

void IsaVga::install_bios() {
  if (romfile_.empty()) return;
  FirmwareFile image = load_firmware_file(romfile_, dirs_, kRomMax);
  if (FwCfg* fw_cfg = find_fw_cfg()) {
    // SeaBIOS runs each file of vgaroms/ as a VGA BIOS.
    const std::string name = "vgaroms/" + image.path.substr(image.path.rfind('/') + 1);
    fw_cfg->add_file(name, std::move(image.bytes));
    bios_name_ = name;
    return;
  }
  auto block = RamBlock::create("vga.rom", image.bytes.size());
  std::memcpy(block->host(), image.bytes.data(), image.bytes.size());
  rom_ = std::make_unique<RamRegion>("vga.rom", std::move(block), true);
  map(system().memory_root, kRomBase, *rom_, 1);
}

MACHINA_TYPE(IsaVga, IsaDevice, DisplaySource, AcpiContributor);

}  // namespace machina
