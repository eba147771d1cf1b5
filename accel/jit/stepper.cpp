#include "accel/jit/stepper.h"

#include <algorithm>
#include <cstring>

#include "accel/jit/cpuid_leaf.h"
#include "accel/jit/features.h"
#include "accel/jit/host_avx512.h"
#include "accel/jit/jit_cpuid.h"
#include "accel/jit/jit_state.h"
#include "accel/jit/msr.h"
#include "accel/jit/run.h"
#include "accel/jit/xsave.h"

namespace machina::jit {

namespace {

/// Registers that instructions use: SYSCALL, SYSENTER, SWAPGS, RDTSCP and RDPID, memory types, IA32_DEBUGCTL (BTF).
constexpr std::uint32_t kUsedMsrs[] = {0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0xc0000103,
                                       0x174,      0x175,      0x176,      0x277,      0x1a0,      0x1d9};

/// The components that this CPU has, put into an area in standard form that may have more of them.
void put_into(std::vector<std::uint8_t>& area, const std::vector<std::uint8_t>& changed, const Cpu& cpu) {
  if (area.size() < changed.size()) {
    area = changed;
    return;
  }
  const std::uint64_t known = known_components(cpu);
  const XsaveLayout layout = standard_layout(cpu);
  std::uint64_t in_use = 0, before = 0;
  std::memcpy(&in_use, changed.data() + kLegacyRegion, sizeof in_use);
  std::memcpy(&before, area.data() + kLegacyRegion, sizeof before);
  std::memcpy(area.data(), changed.data(), kLegacyRegion);
  for (std::uint64_t rest = in_use & known & ~(kStateX87 | kStateSse); rest != 0; rest &= rest - 1) {
    const auto [offset, size] = layout.place(rest & ~(rest - 1));
    if (offset + size <= changed.size()) std::memcpy(area.data() + offset, changed.data() + offset, size);
  }
  in_use |= before & ~known;
  std::memcpy(area.data() + kLegacyRegion, &in_use, sizeof in_use);
}

}  // namespace

Stepper::Stepper(Environment& environment, BlockCache& blocks, const CpuidTable& cpuid) : cpu_(environment, blocks) {
  cpu_.keeps_blocks = false;
  set_cpuid(cpu_, cpuid);
  // A processor carries out what it has, whatever CPUID shows. Whoever asks for a step got here because the guest uses
  // the instruction; and a KVM without hardware shows its guests more features than it was told (docs/kvm.md).
  const FeatureSet all = features_of(supported_cpuid());
  for (std::size_t i = 0; i < all.size(); ++i) cpu_.features[i] |= all[i];
  // set_cpuid() has left AVX-512 out, for which there must be registers.
  if (!host_has_avx512()) return;
  cpu_.avx512 = std::make_unique<Avx512State>();
  jit::set(cpu_.features, feature::kAvx512f, true);
}

void Stepper::load(const X86State& state) {
  load_registers(cpu_, state);
  for (const std::uint32_t index : kUsedMsrs) {
    const auto found =
        std::find_if(state.msrs.begin(), state.msrs.end(), [&](const X86Msr& m) { return m.index == index; });
    if (found != state.msrs.end()) write_msr(cpu_, index, found->value, MsrOrigin::Host);
  }
  cpu_.update_mode();
  cpu_.requests = 0;
}

Stepper::Outcome Stepper::step() {
  cpu_.requests = 0;
  const auto gpr = cpu_.gpr;
  try {
    run_instruction(cpu_);
  } catch (const NotHere&) {
    cpu_.gpr = gpr;
    return Outcome::Declined;
  }
  if (!(cpu_.requests & kRequestExit)) return Outcome::Done;
  switch (cpu_.exit) {
    case VcpuExit::Shutdown:
      return Outcome::Shutdown;
    case VcpuExit::Debug:
      return Outcome::Debug;
    default:
      return Outcome::Halted;
  }
}

void Stepper::store(X86State& state) {
  const X86Events before = state.events;
  std::vector<std::uint8_t> area = std::move(state.xsave);
  store_registers(cpu_, state);
  put_into(area, state.xsave, cpu_);
  state.xsave = std::move(area);
  // What waits for an interrupt controller's or the host's doing is none of an instruction's.
  X86Events& e = state.events;
  e.interrupt_injected = before.interrupt_injected;
  e.interrupt_soft = before.interrupt_soft;
  e.interrupt_vector = before.interrupt_vector;
  e.nmi_injected = before.nmi_injected;
  e.nmi_pending = before.nmi_pending;
  e.smi_pending = before.smi_pending;
  e.smm_inside_nmi = before.smm_inside_nmi;
  e.latched_init = before.latched_init;
  e.sipi_vector = before.sipi_vector;
  for (const std::uint32_t index : kUsedMsrs) {
    const auto found =
        std::find_if(state.msrs.begin(), state.msrs.end(), [&](const X86Msr& m) { return m.index == index; });
    if (found != state.msrs.end()) read_msr(cpu_, index, found->value, MsrOrigin::Host);
  }
}

}  // namespace machina::jit
