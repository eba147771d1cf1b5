#include "accel/kvm/kvm_mce.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "accel/kvm/kvm_api.h"
#include "core/log.h"

namespace machina::kvm {

namespace {
// CPUID.1:EDX.
constexpr std::uint32_t kMce = 1U << 7, kMca = 1U << 14;
// IA32_MCG_CAP: SDM vol. 3B, 16.3.1.1. Bits 7 to 0 are the number of banks.
constexpr std::uint64_t kMcgCtlPresent = 1U << 8, kSoftwareRecovery = 1U << 24;
constexpr std::uint32_t kGenu = 0x756e6547;  // CPUID.0:EBX of GenuineIntel
}  // namespace

bool set_up_machine_check(const Fd& system, const Fd& vcpu, int banks, CpuidTable& cpuid) {
  CpuidLeaf leaf = cpuid.find(1);
  if ((leaf.edx & (kMce | kMca)) != (kMce | kMca)) return false;
  std::uint64_t supported = 0;
  if (system.call(KVM_X86_GET_MCE_CAP_SUPPORTED, &supported) < 0) supported = 0;
  if (cpuid.find(0).ebx != kGenu) supported &= ~kSoftwareRecovery;  // reserved in AMD's
  std::uint64_t capability = (supported & (kMcgCtlPresent | kSoftwareRecovery)) |
                             std::min(kMachineCheckBanks, static_cast<unsigned>(std::max(banks, 0)));
  if (vcpu.call(KVM_X86_SETUP_MCE, &capability) == 0) return false;
  log::warn_once("kvm-mce", fmt::format("this host's KVM refuses {} machine check banks (KVM_X86_SETUP_MCE: {}); the "
                                        "guest runs without the CPU features 'mce' and 'mca'",
                                        capability & 0xff, std::strerror(errno)));
  leaf.edx &= ~(kMce | kMca);
  cpuid.set(leaf);
  return true;
}

}  // namespace machina::kvm
