#pragma once
/// CPUs and interrupt wires for operating systems that do not read ACPI. Source: Intel MultiProcessor Specification 1.4
/// (242016-006), chapter 4.

#include <cstdint>
#include <vector>

#include "hw/acpi/acpi_board.h"

namespace machina {

struct MpFacts {
  struct Cpu {
    std::uint32_t apic_id = 0;
    bool bootstrap = false;
    std::uint32_t signature = 0, features = 0;  ///< CPUID 1, EAX and EDX
  };
  std::vector<Cpu> cpus;
  AcpiInterrupts interrupts;
  /// Pins of PCI functions and the ISA line that each is routed to.
  struct PciPin {
    unsigned slot = 0, pin = 0;  ///< 0: INTA#
    unsigned line = 0;
    friend bool operator==(const PciPin&, const PciPin&) = default;
  };
  std::vector<PciPin> pci_pins;
  bool pci = false;
};

/// The floating pointer and, behind it, the configuration table, for guest-physical `address` (16-byte aligned). CPUs
/// whose APIC ID does not fit into 8 bits are left out. Empty when there is no I/O APIC to tell about.
std::vector<std::uint8_t> make_mp_table(const MpFacts& facts, std::uint32_t address);

}  // namespace machina
