#pragma once
/// What a board's devices say of themselves for its ACPI tables.
///
/// A device that an operating system finds by ACPI implements AcpiContributor. It is asked twice: first all tell the
/// facts that the fixed tables need (FADT, MADT), then the bridges ask for the objects of what is on their buses, and
/// the namespace grows from the root down. Nothing knows which board it is; what is not on the board says nothing.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "hw/acpi/aml_resource.h"

namespace machina {

class Bus;

/// ACPI 6.4, 5.2.9 and chapter 4.8: registers with a fixed meaning, whose places the FADT tells.
struct AcpiFixedHardware {
  struct Ports {
    std::uint16_t base = 0;
    std::uint8_t length = 0;  ///< bytes; 0: there is none
  };
  Ports pm1_event, pm1_control, pm_timer, gpe0;
  std::optional<unsigned> sci;    ///< global system interrupt
  std::uint16_t smi_command = 0;  ///< port; 0: the machine is in ACPI mode always
  std::uint8_t acpi_enable = 0, acpi_disable = 0;
  /// SUS_TYP of the states that can be entered.
  std::optional<std::uint8_t> s3, s4, s5;
  std::optional<std::uint16_t> reset_port;
  std::uint8_t reset_value = 0;
  std::uint8_t century = 0;  ///< index in CMOS memory; 0: none
  // IAPC_BOOT_ARCH.
  bool isa_devices = false, i8042 = false, vga = false, cmos_rtc = false;
  bool rtc_event = false;  ///< the alarm of the clock is an event in the PM1 registers
  /// "Windows ACPI Emulated Devices Table": reading the timer once gives a right value.
  bool timer_reads_well = false;
};

/// ACPI 6.4, 5.2.12: how interrupts reach the CPUs.
struct AcpiInterrupts {
  struct Ioapic {
    std::uint8_t id;
    std::uint32_t address, gsi_base;
  };
  std::vector<Ioapic> ioapics;
  bool i8259 = false;
  std::map<unsigned, unsigned> moved;  ///< ISA lines whose global system interrupt has another number
  std::set<unsigned> level;            ///< ISA lines that are level-triggered, active high
};

/// "IA-PC HPET Specification" 1.0a, 3.2.4: a block of high precision event timers.
struct AcpiHpet {
  std::uint32_t id = 0;  ///< the low half of its capabilities
  std::uint64_t address = 0;
  std::uint8_t number = 0;
  std::uint16_t min_tick = 0;
};

/// Memory of the guest that a device wants firmware to set aside, and whose address both the AML and the device have to
/// know.
struct AcpiGuestBlock {
  std::string file;  ///< name for the firmware
  std::vector<std::uint8_t> bytes;
  std::uint32_t alignment = 1;
  std::string pointer;       ///< four characters: Name of a DWord in the device's objects that becomes the address
  std::string address_file;  ///< where firmware puts the address of the byte at `offset`, in 8 bytes
  std::uint32_t offset = 0;
  /// Is told that address, after each reset. Machine lock held.
  std::function<void(std::uint64_t address)> placed;
};

class AcpiBoard {
 public:
  AcpiFixedHardware fixed;
  AcpiInterrupts interrupts;
  std::vector<AcpiHpet> hpets;
  std::vector<AcpiGuestBlock> guest_blocks;

  /// Path of the link device that routes PCI interrupt line 0 to 3 (PIRQA# to D#); empty when there is no router.
  std::array<std::string, 4> pci_links;
  /// As that, of single functions whose pin is wired past the router: by slot and pin (0: INTA#).
  std::map<std::pair<unsigned, unsigned>, std::string> wired_pins;
  /// Hot-plug controllers, by their first port (hw/acpi/cpu_hotplug.h, hw/acpi/pci_hotplug.h).
  std::optional<std::uint16_t> cpu_hotplug_port;
  struct PciSlots {
    std::optional<std::uint16_t> port;
    std::uint32_t slots = 0;  ///< those that may become full or empty while the machine runs
  } pci_hotplug;

  /// Ports that no PCI bridge may give away, although they lie in none of its functions.
  void reserve_ports(std::uint16_t base, unsigned length) { reserved_ports_.emplace_back(base, length); }
  const std::vector<std::pair<unsigned, unsigned>>& reserved_ports() const { return reserved_ports_; }

  /// What is done when general-purpose event `n` happens: statements of its method.
  void on_event(unsigned n, aml::Terms body);
  const std::map<unsigned, aml::Terms>& events() const { return events_; }

  /// The objects of all devices on `bus` that have any, in the order of plugging.
  aml::Terms objects_on(const Bus& bus);
  /// A number for _UID that no other device with the same _HID has: 1, 2, …
  unsigned unique_id(std::string_view hid) { return ++unique_ids_[std::string(hid)]; }

 private:
  std::map<unsigned, aml::Terms> events_;
  std::map<std::string, unsigned> unique_ids_;
  std::vector<std::pair<unsigned, unsigned>> reserved_ports_;
};

/// Interface. Called under the machine lock, on realized devices.
class AcpiContributor {
 public:
  static constexpr const char* kType = "acpi-contributor";
  virtual ~AcpiContributor() = default;

  /// First: facts.
  virtual void acpi_facts(AcpiBoard& /*board*/) {}
  /// Then: objects for the scope of the bus that the device is on, or for \_SB when it is on none.
  virtual aml::Terms acpi_objects(AcpiBoard& /*board*/) { return {}; }
};

/// Interface of a chip that needs a firmware before an operating system can use it as ACPI describes it.
class FirmwareSetup {
 public:
  static constexpr const char* kType = "firmware-setup";
  virtual ~FirmwareSetup() = default;
  /// Programs the chip as firmware would, where there is none. After reset, machine lock held.
  virtual void set_up_as_firmware() = 0;
};

}  // namespace machina
