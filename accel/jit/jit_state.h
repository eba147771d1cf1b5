#pragma once
/// Between the state that all accelerators share and that of a software CPU.

#include "accel/jit/cpu.h"
#include "hw/x86/x86_state.h"

namespace machina::jit {

/// The vCPU's thread, or another while it is parked. Of the local APIC, CR8 and IA32_APIC_BASE go by Environment.
void load_state(Cpu& cpu, const X86State& state);
void store_state(Cpu& cpu, X86State& state);
/// The same without MSRs: those that `cpu` has, and those in `state`, stay as they are.
void load_registers(Cpu& cpu, const X86State& state);
void store_registers(Cpu& cpu, X86State& state);

}  // namespace machina::jit
