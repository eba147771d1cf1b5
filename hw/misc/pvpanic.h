#pragma once
/// Paravirtual panic notifier: one register by which a guest's kernel says that it has crashed.
///
/// Source: QEMU's published interface, docs/specs/pvpanic: reading gives the events that are understood, writing tells
/// of one. Bit 0: the guest has panicked. Bit 1: it has, and another kernel (kdump) takes over. An event that `events`
/// does not offer is ignored.
///
/// `pvpanic` is at an ISA port that ACPI tells of, `pvpanic-pci` a function whose BAR 0 has the register at its start.

#include "core/guest_alarms.h"
#include "hw/acpi/acpi_board.h"
#include "hw/isa/isa_bus.h"
#include "hw/pci/pci_device.h"

namespace machina {

namespace pvpanic {

inline constexpr std::uint8_t kPanicked = 1U << 0;
inline constexpr std::uint8_t kCrashLoaded = 1U << 1;
inline constexpr std::uint8_t kAll = kPanicked | kCrashLoaded;
inline constexpr std::uint16_t kPort = 0x505;

/// What a written value, less what is not offered, says.
void tell(RunControl& control, std::uint8_t events);

}  // namespace pvpanic

class PvPanic final : public IsaDevice, public AcpiContributor {
 public:
  static constexpr const char* kType = "pvpanic";
  static void class_init(DeviceClass& c);

  aml::Terms acpi_objects(AcpiBoard& board) override;

 private:
  void realize() override { map_ports(port_number_, port_); }
  IoResult read(Offset, Width) { return std::uint64_t{events_}; }
  IoResult write(Offset offset, Width width, std::uint64_t value);

  // configuration
  std::uint16_t port_number_ = pvpanic::kPort;
  std::uint8_t events_ = pvpanic::kAll;
  // regions
  IoRegion port_{"pvpanic", 1, Widths::only(1), this, &PvPanic::read, &PvPanic::write};
};

class PvPanicPci final : public PciDevice {
 public:
  static constexpr const char* kType = "pvpanic-pci";
  static void class_init(PciDeviceClass& c);

 private:
  void realize() override { add_bar(0, BarKind::Memory, registers_); }
  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);

  static constexpr std::uint64_t kSize = 16;  // the least that a BAR can map
  // configuration
  std::uint8_t events_ = pvpanic::kAll;
  // regions
  IoRegion registers_{"pvpanic", kSize, Widths::only(1), this, &PvPanicPci::read, &PvPanicPci::write};
};

}  // namespace machina
