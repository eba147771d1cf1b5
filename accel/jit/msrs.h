#pragma once
/// Model-specific registers that this CPU keeps itself. IA32_APIC_BASE, the deadline and the x2APIC's are the local
/// APIC's; EFER and the bases of FS and GS are in Cpu.

#include <array>
#include <cstdint>

namespace machina::jit {

struct Msrs {
  std::uint64_t star = 0, lstar = 0, cstar = 0, fmask = 0;
  std::uint64_t kernel_gs_base = 0;
  std::uint64_t tsc_aux = 0;
  std::uint64_t sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;
};

}  // namespace machina::jit
