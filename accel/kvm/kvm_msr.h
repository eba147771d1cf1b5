#pragma once
/// Model-specific registers of a KVM vCPU: which of them are state, and how they get in and out when KVM refuses some.

#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "accel/kvm/kvm_calls.h"
#include "accel/kvm/kvm_tsc.h"
#include "hw/x86/cpuid.h"
#include "hw/x86/x86_state.h"

namespace machina::kvm {

/// MSRs that this file's neighbours treat by name. Intel SDM vol. 4.
inline constexpr std::uint32_t kMsrTsc = 0x10;
inline constexpr std::uint32_t kMsrTscAdjust = 0x3b;
inline constexpr std::uint32_t kMsrTscDeadline = 0x6e0;
inline constexpr std::uint32_t kMsrArchCapabilities = 0x10a;
inline constexpr std::uint32_t kMsrPlatformInfo = 0xce;
inline constexpr std::uint32_t kMsrPerfCapabilities = 0x345;
inline constexpr std::uint32_t kMsrMicrocode = 0x8b;
inline constexpr std::uint32_t kMsrAmdDeCfg = 0xc0011029;

/// "IA32_TSC (0x10)", or "0x1234" for one that no table here has.
std::string msr_name(std::uint32_t index);

/// The MSRs of one VM: found out once, shared by its vCPUs. Any thread.
class MsrSet {
 public:
  /// Reads KVM_GET_MSR_INDEX_LIST and KVM_GET_MSR_FEATURE_INDEX_LIST. Throws Error.
  explicit MsrSet(const Fd& system);

  /// Reads from a vCPU that has not run yet which MSRs are there, and their values at power-on. First call only.
  void learn(const Fd& vcpu);

  /// The documented MSRs that this KVM has, in the order of loading.
  std::vector<std::uint32_t> indices() const;

  /// Writes every MSR of the state; one that the state does not have gets its value at power-on. What KVM refuses is
  /// named once in the log and left out from then on. `tsc_as_read` is the TSC that the last store() returned: a state
  /// that is read, changed and written back does not turn the clock back.
  void load(const Fd& vcpu, const X86State& state, std::optional<std::uint64_t> tsc_as_read);
  /// Reads every MSR of the set into the state.
  void store(const Fd& vcpu, X86State& state);

  /// False for those whose value moves by itself, or that KVM has refused.
  bool comparable(std::uint32_t index) const;
  std::uint64_t at_power_on(std::uint32_t index) const;
  bool refused(std::uint32_t index) const;
  void refuse(std::uint32_t index);
  /// In KVM's list of feature MSRs: it tells the host's value of this one.
  bool is_feature(std::uint32_t index) const { return features_.contains(index); }
  TscOffsets& tsc() { return tsc_; }

 private:
  struct Known {
    std::uint32_t index;
    std::uint64_t at_power_on;
  };
  mutable std::mutex mutex_;
  std::set<std::uint32_t> listed_, features_;
  std::vector<Known> known_;
  bool learnt_ = false;
  std::set<std::uint32_t> refused_;
  TscOffsets tsc_;
};

/// Writes them one after the other; returns those that KVM refused.
std::vector<X86Msr> set_msrs(const Fd& vcpu, std::span<const X86Msr> msrs);
/// Reads those that KVM lets read; the others are left out of the answer.
std::vector<X86Msr> get_msrs(const Fd& fd, std::span<const std::uint32_t> indices);
/// A feature MSR of the host's KVM (KVM_GET_MSRS on /dev/kvm), when it has one.
std::optional<std::uint64_t> feature_msr(const Fd& system, std::uint32_t index);

/// Clears the CPUID bits that advertise feature MSRs which KVM has refused another CPU.
void drop_refused_features(const MsrSet& set, CpuidTable& cpuid);

/// Gives the vCPU, which has its CPUID already, the host's feature MSRs that `cpuid` advertises and, when the model is
/// the host's processor (`as_host`), those that no CPUID bit stands for. One that KVM does not have or refuses is named
/// once in the log, and the CPUID bit that advertises it is cleared: returns true then, and `cpuid` must be set again.
///
/// The others stay as KVM makes them with the vCPU: MSR_PLATFORM_INFO, and those of VMX, which KVM derives from CPUID.
bool load_feature_msrs(const Fd& system, const Fd& vcpu, MsrSet& set, CpuidTable& cpuid, bool as_host);

}  // namespace machina::kvm
