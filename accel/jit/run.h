#pragma once
/// The loop between blocks: requests, interrupts, faults.

#include "accel/jit/cpu.h"

namespace machina::jit {

/// Runs guest code until somebody kicks the CPU or it has a reason of its own: HLT, a triple fault. The state is whole
/// when it returns. The CPU's thread.
VcpuExit run_blocks(Cpu& cpu);

/// One instruction, or the delivery of the fault that it raises, or of the event that waits from before. No interrupt
/// is taken, requests stay as they are; kRequestExit is among them when the CPU asks to leave with Cpu::exit. What
/// Environment throws comes through, with the instruction not begun: so it is for those who throw before the access.
void run_instruction(Cpu& cpu);

}  // namespace machina::jit
