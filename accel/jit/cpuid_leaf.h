#pragma once
/// CPUID as the instruction answers: the model's table, and what of it moves with the CPU's state.

#include "accel/jit/cpu.h"

namespace machina::jit {

/// Makes the CPU one of the model that `table` describes; the table must outlive it.
void set_cpuid(Cpu& cpu, const CpuidTable& table);

CpuidLeaf cpuid_leaf(Cpu& cpu, std::uint32_t leaf, std::uint32_t subleaf);

}  // namespace machina::jit
