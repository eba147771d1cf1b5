#pragma once
/// PCI hot-plug controller: tells the guest that functions have come to slots of the root bus or shall go, and takes
/// out what the guest ejects.
///
/// Source: QEMU's published guest interface "QEMU<->ACPI BIOS PCI hotplug interface" (docs/specs/acpi_pci_hotplug).
/// Ports from `iobase` on, each 32 bits, a bit for each slot:
///     00  slots whose functions have come; read-only, cleared by reading
///     04  slots whose functions shall go; read-only, cleared by the ejection
///     08  write: ejects; reads 0
///     0c  slots that can be ejected; read-only
///     10  bus selector: bus 0 is the one that has slots here
/// Not modelled: several buses, and the ACPI index of a function (port 14h).

#include <cstdint>

#include "hw/acpi/acpi_board.h"
#include "hw/acpi/acpi_events.h"
#include "hw/pci/pci_bus.h"

namespace machina {

class PciHotplug final : public Device, public AcpiContributor {
 public:
  static constexpr const char* kType = "acpi-pci-hotplug";
  static void class_init(DeviceClass& c);

  static constexpr unsigned kPorts = 0x14;

  // --- machine lock held ---
  /// A function, realized on the bus by now, has come to this slot. Throws Error: the slot is empty, or the chipset's.
  void plug(unsigned slot);
  /// Asks the guest to let all functions of a slot go. Throws Error as plug() does.
  void request_unplug(unsigned slot);
  /// Whether what is in the slot, if anything, can come and go: no part of the chipset, nor the firmware's screen.
  bool removable(unsigned slot) const;
  /// What the guest was asked to let go leaves: the machine is about to be reset, and one that starts anew need not
  /// know of it. Main thread.
  void finish_unplug();

  void acpi_facts(AcpiBoard& board) override;
  void reset_enter() override { state_ = {}; }

 private:
  void realize() override;
  std::uint32_t removable_slots() const;
  void require_card(unsigned slot) const;
  void eject(std::uint32_t slots);
  void empty_slot(unsigned slot);
  void raise();
  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);

  // configuration
  std::uint16_t iobase_ = 0;
  // dependencies
  qom::Link<PciBus> bus_;
  qom::Link<AcpiEvents> events_;
  // regions
  IoRegion ports_{"acpi-pci-hotplug", kPorts, Widths::only(4), this, &PciHotplug::read, &PciHotplug::write};

  // bookkeeping
  std::uint32_t leaving_ = 0;  // slots that the main thread is about to empty

  struct State {
    std::uint32_t up = 0, down = 0;  ///< events that the guest has not seen, or not obeyed
    std::uint32_t bus = 0;
  };
  State state_;
};

}  // namespace machina
