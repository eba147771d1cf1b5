#pragma once
/// What the user adds to the firmware tables, and how CPUs and memory make up NUMA nodes.

#include <cstdint>
#include <string>
#include <vector>

#include "hw/smbios/smbios.h"

namespace machina {

struct TableOptions {
  std::vector<std::vector<std::uint8_t>> acpi_tables;  ///< whole, header included
  SmbiosOptions smbios;
  std::string product = "PC";  ///< what SMBIOS calls the machine

  /// -numa. Empty: memory and CPUs are not told apart.
  std::vector<std::uint64_t> node_memory;  ///< bytes of each node
  std::vector<unsigned> node_of_cpu;       ///< by index, up to maxcpus
};

}  // namespace machina
