#pragma once
/// CPUs and interrupt controllers in ACPI: the MADT, and processor devices in the namespace.

#include "hw/acpi/acpi_tables.h"

namespace machina {

/// From this APIC ID on a CPU is described as an x2APIC; 255 is the broadcast of the xAPIC.
inline constexpr std::uint32_t kFirstX2Apic = 255;

/// Multiple APIC description table: ACPI 6.4, 5.2.12.
std::vector<std::uint8_t> madt(const AcpiBoard& board, const AcpiConfig& config);

/// Processor devices (8.4), for \_SB; on a board with a CPU hot-plug controller also those that there can be, and the
/// methods that serve it.
aml::Terms cpu_objects(const AcpiBoard& board, const AcpiConfig& config);

}  // namespace machina
