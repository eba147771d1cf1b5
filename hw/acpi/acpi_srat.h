#pragma once
/// System resource affinity table: which CPUs and which memory make up a NUMA node. ACPI 6.4, 5.2.16.

#include "core/system.h"
#include "hw/acpi/acpi_tables.h"

namespace machina {

/// The nodes of `config`, laid over the machine's RAM from address 0 on, around the hole below 4 GiB.
std::vector<std::uint8_t> srat(const System& system, const AcpiConfig& config);

}  // namespace machina
