#pragma once
/// INT n and IRET in virtual-8086 mode. SDM vol. 3, 20.2 and 20.3.

#include "accel/jit/cpu.h"

namespace machina::jit {

/// INT n: true when CR4.VME and the interrupt redirection map give it to the 8086 program, whose handler has been
/// entered then. Throws #GP(0) where IOPL forbids it. Faults are those of Cpu::fault_op.
bool redirect_interrupt(Cpu& cpu, std::uint8_t vector, std::uint64_t return_rip);

/// IRET: within the 8086 program; #GP(0) where IOPL forbids it. `width` is 2 or 4. Faults are those of Cpu::fault_op.
void return_in_virtual_8086(Cpu& cpu, unsigned width);

}  // namespace machina::jit
