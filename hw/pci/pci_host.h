#pragma once
/// What all PC host bridges share: the root bus and configuration mechanism #1 (PCI Local Bus Specification 3.0,
/// 3.2.2.3.2): CONFIG_ADDRESS at CF8h, 32-bit accesses only, and CONFIG_DATA at CFCh-CFFh, of any width.

#include "hw/acpi/acpi_board.h"
#include "hw/pci/pci_bus.h"

namespace machina {

class PciHost : public Device, public AcpiContributor {
 public:
  static constexpr const char* kType = "pci-host-bridge";
  static void class_init(DeviceClass& c);

  static constexpr std::uint16_t kConfigAddress = 0xcf8;
  static constexpr std::uint16_t kConfigData = 0xcfc;

  PciHost();

  PciBus& bus() const { return *bus_; }
  /// Memory as the bus sees it: what shows where RAM does not.
  ContainerRegion& pci_memory() { return pci_memory_; }

  /// Device PCI0: windows, interrupt routing, and what is on the bus.
  aml::Terms acpi_objects(AcpiBoard& board) override;

  void reset_enter() override;

 protected:
  void realize() override;

 private:
  IoResult read_address(Offset offset, Width width);
  IoResult write_address(Offset offset, Width width, std::uint64_t value);
  IoResult read_data(Offset offset, Width width);
  IoResult write_data(Offset offset, Width width, std::uint64_t value);

  // dependencies
  PciBus* bus_ = nullptr;  // a child
  // regions
  ContainerRegion pci_memory_{"pci", MemoryRegion::kWholeSpace};
  IoRegion address_port_{"pci-conf-idx", 4, Widths{1, 4, false}, this, &PciHost::read_address, &PciHost::write_address};
  IoRegion data_port_{"pci-conf-data", 4, Widths{1, 4, false}, this, &PciHost::read_data, &PciHost::write_data};

  struct State {
    std::uint32_t config_address = 0;
  };
  State state_;
};

}  // namespace machina
