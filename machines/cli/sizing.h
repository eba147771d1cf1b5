#pragma once
/// What -m and -smp ask for, checked against what the board can have.

#include "machines/board/board.h"
#include "machines/cli/command_line.h"
#include "machines/machine.h"

namespace machina {

/// Throws Error pointing at the option.
RamConfig ram_of(const CommandLine& cl, const Board& board);
CpuConfig cpus_of(const CommandLine& cl, const Board& board);

}  // namespace machina
