#pragma once
/// Loads of control registers, with the checks and consequences of SDM vol. 2, MOV (to control registers), and vol. 3,
/// 2.5, 4.10 and 9.8.5. Each throws #GP(0) before it changes anything; the caller updates the mode and ends the block.
///
/// The TLB holds one address space at a time: with PCIDs in use, a load of CR3 that asks to keep translations keeps
/// them only when it does not change CR3. That is less than the manual allows to keep, never more.

#include "accel/jit/cpu.h"

namespace machina::jit {

void load_cr0(Cpu& cpu, std::uint64_t value);
void load_cr3(Cpu& cpu, std::uint64_t value);
void load_cr4(Cpu& cpu, std::uint64_t value);
void load_xcr0(Cpu& cpu, std::uint64_t value);
/// WRMSR of EFER; LMA is what it was.
void load_efer(Cpu& cpu, std::uint64_t value);

/// What CR0 holds after a load of `value`: bits that are not defined are ignored, ET is always set.
std::uint64_t cr0_holding(std::uint64_t value);
/// Bits that CR4 may have with this model.
std::uint64_t cr4_allowed(const FeatureSet& features);
/// State components of XSAVE that this model has: what CPUID leaf 0Dh tells.
std::uint64_t xcr0_allowed(const FeatureSet& features);

}  // namespace machina::jit
