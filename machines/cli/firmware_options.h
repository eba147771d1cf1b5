#pragma once
/// -acpitable, -smbios and -numa.

#include "machines/cli/command_line.h"
#include "machines/machine.h"

namespace machina {

/// Reads the files that are named. Throws Error pointing at the option.
TableOptions table_options_of(const CommandLine& cl, const RamConfig& ram, const CpuConfig& cpus);

}  // namespace machina
