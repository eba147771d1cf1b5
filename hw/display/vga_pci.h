#pragma once
/// Standard VGA on PCI: 1234:1111, what bochs-drm and SeaBIOS's stdvga drive.
///
/// BAR 0: video memory. BAR 2, 4 KiB: EDID from 0, VGA ports 3C0h to 3DFh from 400h, dispi registers from 500h (two
/// bytes each), extended registers from 600h (their size, and the byte order of pixels in memory). Source: QEMU's
/// published interface, docs/specs/standard-vga.

#include <optional>

#include "core/display/display.h"
#include "hw/acpi/acpi_board.h"
#include "hw/display/edid.h"
#include "hw/display/vga_adapter.h"
#include "hw/pci/pci_device.h"

namespace machina {

class VgaPci final : public PciDevice, public VgaDisplay, public AcpiContributor {
 public:
  static constexpr const char* kType = "VGA";
  static void class_init(PciDeviceClass& c);

  void acpi_facts(AcpiBoard& board) override { board.fixed.vga = true; }

  void reset_enter() override;

 private:
  void realize() override;

  IoResult read_mmio(Offset offset, Width width);
  IoResult write_mmio(Offset offset, Width width, std::uint64_t value);

  // configuration
  std::uint32_t vgamem_mb_ = 0;
  std::uint32_t xres_ = 0, yres_ = 0;
  bool edid_enabled_ = true;
  std::array<std::uint8_t, kEdidSize> edid_{};
  // regions
  IoRegion mmio_{"vga.mmio", 0x1000, Widths{1, 4, true}, this, &VgaPci::read_mmio, &VgaPci::write_mmio};
};

}  // namespace machina
