#pragma once
/// System management mode. SDM vol. 3, chapter 31; the state save map is that of the AMD64 APM vol. 2, table 10-1,
/// which firmware for virtual machines expects, on CPUs of either vendor (revision 20064h: SMBASE can be relocated, I/O
/// instructions are not restarted).

#include "accel/jit/cpu.h"

namespace machina::jit {

/// An SMI: saves the state at SMBASE + FE00h and goes to SMBASE + 8000h. Memory is that of SMM from here on.
void enter_smm(Cpu& cpu);
/// RSM. A state that no CPU can be in shuts it down.
void leave_smm(Cpu& cpu);

}  // namespace machina::jit
