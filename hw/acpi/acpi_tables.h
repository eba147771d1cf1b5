#pragma once
/// The ACPI tables of a machine, generated from its realized tree: RSDP, RSDT, XSDT, FADT, FACS, DSDT, MADT, WAET,
/// SRAT.
///
/// Source: ACPI specification 6.4, chapter 5. The FADT is of revision 3 (ACPI 2.0), which all systems that boot on a PC
/// understand. A board whose devices include no ACPI event hardware has no tables; one without an I/O APIC no MADT.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hw/acpi/acpi_board.h"
#include "hw/acpi/table_linker.h"
#include "qom/object.h"

namespace machina {

/// Names of the files, as firmware knows them.
inline constexpr const char* kAcpiTablesFile = "etc/acpi/tables";
inline constexpr const char* kAcpiRsdpFile = "etc/acpi/rsdp";

struct AcpiConfig {
  struct Cpu {
    std::uint32_t apic_id = 0;
    bool present = true;
    unsigned node = 0;
  };
  std::vector<Cpu> cpus;  ///< by index, which is the processor UID

  /// -acpitable: whole tables, header included.
  std::vector<std::vector<std::uint8_t>> user_tables;

  /// -numa: bytes of each node, in order of the addresses; empty: no SRAT.
  std::vector<std::uint64_t> node_memory;
};

/// What the devices of a machine say for the fixed tables. Machine lock held.
AcpiBoard collect_acpi_facts(qom::Object& machine);

/// Adds the files and their links. Returns false, having added nothing, when the board has no ACPI hardware. Throws
/// Error. Machine lock held.
bool add_acpi_tables(TableLinker& linker, qom::Object& machine, const AcpiConfig& config);

}  // namespace machina
