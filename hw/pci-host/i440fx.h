#pragma once
/// Intel 440FX: the host bridge of the pc board, 82441FX (PMC) and 82442FX (DBX).
///
/// System memory is laid out by priority: PCI memory lies below the machine's RAM and so shows wherever RAM ends, which
/// makes the hole below 4 GiB and all above RAM; the PAM segments and the VGA window are laid over the RAM that is
/// behind them.
///
/// What guests depend on: the reset that ends a suspend to RAM leaves the PAM registers as they are. Firmware for this
/// machine (SeaBIOS) finds in its shadowed copy that it has been here, and with it the way back to the operating
/// system; the chip's own RST# would show it the ROM.
///
/// Not modelled: DRAM timing, row boundaries and the fixed hole (FDHC) are stored and have no effect, as what memory
/// there is follows from the board; error reporting (ERRSTS) never has anything to report; D_CLS (data accesses of SMM
/// to the screen behind SMRAM) is stored. Code cannot be executed by an accelerator from a segment whose reads go to
/// PCI and whose writes go to RAM: such a segment has registers behind it, no host memory.

#include <array>
#include <memory>

#include "hw/acpi/acpi_board.h"
#include "hw/pci-host/i440fx_regs.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pci_host.h"

namespace machina {

/// Function 0 of device 0: who shows what below 1 MiB.
class I440fx final : public PciDevice, public FirmwareSetup {
 public:
  static constexpr const char* kType = "i440FX";
  static void class_init(PciDeviceClass& c);

  /// RAM shows from C0000h to FFFFFh.
  void set_up_as_firmware() override;

 private:
  /// A PAM segment in the three states that differ from plain RAM.
  struct Segment {
    Segment(const i440fx::PamSegment& where, System& system, MemoryRegion& pci, AddressSpace& pci_space);
    std::uint8_t shown = 0xff;  ///< attribute bits in effect
    AliasRegion pci_window;     ///< reads and writes to PCI
    RamRegion write_protected;  ///< reads from RAM; what is written goes to PCI, where ROM ignores it
    IoRegion shadow;            ///< reads from PCI, writes to RAM: how a BIOS copies itself
  };

  void realize() override;
  void post_unrealize() override;
  void reset_enter() override;
  void adjust(const ConfigLayout::Bytes& before) override;
  void apply(bool force) override;
  void apply_pam(bool force);
  void apply_smram();

  // regions
  std::unique_ptr<AddressSpace> pci_space_;  // what a segment reads while it shadows
  std::vector<std::unique_ptr<Segment>> segments_;
  std::unique_ptr<AliasRegion> vga_window_;  // A0000h-BFFFFh, while SMRAM is not open
  std::unique_ptr<RamRegion> smram_;
};

/// The bridge: bus `pci.0` with the function above in slot 0, and the configuration ports.
class I440fxHost final : public PciHost {
 public:
  static constexpr const char* kType = "i440FX-pcihost";
  static void class_init(DeviceClass& c);

  I440fxHost();

 private:
  void realize() override;

  // regions
  IoRegion master_abort_;  // legacy memory that no PCI function claims, where RAM must not show through
  // sub-parts
  I440fx* function_ = nullptr;  // a child
};

}  // namespace machina
