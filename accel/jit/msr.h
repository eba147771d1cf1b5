#pragma once
/// RDMSR and WRMSR.

#include "accel/jit/cpu.h"
#include "hw/x86/x86_state.h"

namespace machina::jit {

/// All MSRs, to and from the shared state: by the machine, not by the guest, so that nothing is refused.
void load_msrs(Cpu& cpu, const X86State& state);
void store_msrs(Cpu& cpu, X86State& state);

}  // namespace machina::jit
