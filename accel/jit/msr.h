#pragma once
/// RDMSR and WRMSR: which registers there are, with which checks, and their way into and out of a saved state.
///
/// Sources: Intel SDM vol. 4, AMD APM vol. 2, appendix A; Linux Documentation/virt/kvm/x86/msr.rst for the paravirtual
/// ones.

#include <cstdint>
#include <vector>

#include "accel/jit/cpu.h"
#include "hw/x86/x86_state.h"

namespace machina::jit {

enum class MsrOrigin : std::uint8_t {
  Guest,  ///< an instruction: read-only registers refuse, and writes do what they do
  Host,   ///< a state is loaded or saved: what was saved comes back as it was
};

/// False: #GP(0).
bool read_msr(Cpu& cpu, std::uint32_t index, std::uint64_t& value, MsrOrigin origin);
/// False, or throws GuestFault for one: #GP(0). The caller updates the mode.
bool write_msr(Cpu& cpu, std::uint32_t index, std::uint64_t value, MsrOrigin origin);

/// The registers of a saved state that this model has, in the order of loading. Not among them, since a state has them
/// elsewhere: EFER, IA32_APIC_BASE and the bases of FS and GS.
std::vector<std::uint32_t> msr_indices(Cpu& cpu);
/// Of all of these; one that `state` does not have gets its value at power-on. Values that this model cannot have are
/// left out, and returned.
std::vector<X86Msr> load_msrs(Cpu& cpu, const X86State& state);
void store_msrs(Cpu& cpu, X86State& state);

}  // namespace machina::jit
