#pragma once
/// The loop between blocks: requests, interrupts, faults.

#include "accel/jit/cpu.h"

namespace machina::jit {

/// Runs guest code until somebody kicks the CPU or it has a reason of its own: HLT, a triple fault. The state is whole
/// when it returns. The CPU's thread.
VcpuExit run_blocks(Cpu& cpu);

}  // namespace machina::jit
