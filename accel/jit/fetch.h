#pragma once
/// From RIP to a block: through the caches, or by decoding.

#include "accel/jit/cpu.h"

namespace machina::jit {

/// The block at cpu.rip in cpu.mode. Throws GuestFault, with cpu.fault_op null, when the fetch faults.
const Block* find_block(Cpu& cpu);

}  // namespace machina::jit
