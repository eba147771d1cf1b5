#pragma once
/// What -m and -smp ask for, checked against what the board can have.

#include "machines/board/board.h"
#include "machines/cli/command_line.h"
#include "machines/machine.h"

namespace machina {

/// Throws Error pointing at the option.
Origin ram_origin(const CommandLine& cl);  ///< that of the size; unknown without -m
RamConfig ram_of(const CommandLine& cl, const Board& board);
CpuConfig cpus_of(const CommandLine& cl, const Board& board);

/// For a machine whose CPUs are realized: throws Error unless they can address all of its RAM.
void refuse_ram_beyond_cpus(Machine& machine);

}  // namespace machina
