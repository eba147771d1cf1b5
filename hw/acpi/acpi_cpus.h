#pragma once
/// CPUs and interrupt controllers in ACPI: the MADT, and processor devices in the namespace.

#include "hw/acpi/acpi_tables.h"

namespace machina {

/// Multiple APIC description table: ACPI 6.4, 5.2.12.
std::vector<std::uint8_t> madt(const AcpiInterrupts& interrupts, const AcpiConfig& config);

/// Processor devices (8.4), for \_SB.
aml::Terms cpu_objects(const AcpiConfig& config);

}  // namespace machina
