#pragma once
/// VGA on the ISA bus, with the Bochs display interface. Video memory also shows at E0000000h, where that interface has
/// its linear frame buffer. Its BIOS goes to the firmware as a file; without a firmware configuration device it is a
/// ROM at C0000h, as on a real card.

#include "core/display/display.h"
#include "hw/acpi/acpi_board.h"
#include "hw/display/vga_adapter.h"
#include "hw/isa/isa_bus.h"

namespace machina {

class FwCfg;

class IsaVga final : public IsaDevice, public VgaDisplay, public AcpiContributor {
 public:
  static constexpr const char* kType = "isa-vga";
  static void class_init(DeviceClass& c);

  void acpi_facts(AcpiBoard& board) override { board.fixed.vga = true; }

  void reset_enter() override { adapter().reset(); }

 private:
  static constexpr std::uint64_t kLinearBase = 0xe0000000;
  static constexpr std::uint64_t kRomBase = 0xc0000;
  static constexpr std::uint64_t kRomMax = 0x20000;

  void realize() override;
  void unrealize() override;
  FwCfg* find_fw_cfg();
  void install_bios();

  // configuration
  std::uint32_t vgamem_mb_ = 0;
  std::string romfile_;
  std::vector<std::string> dirs_;
  // sub-parts
  IrqOut irq_;
  // regions
  std::unique_ptr<RamRegion> rom_;
  // bookkeeping
  std::string bios_name_;  // as the firmware knows it
};

}  // namespace machina
