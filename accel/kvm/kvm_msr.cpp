#include "accel/kvm/kvm_msr.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "accel/kvm/kvm_api.h"
#include "core/error.h"
#include "core/log.h"

namespace machina::kvm {

namespace {

enum class Kind : std::uint8_t {
  State,   ///< in KVM_GET_MSR_INDEX_LIST where this KVM has it
  Hidden,  ///< never listed, but there on most: tried once
  Moves,   ///< as State, but its value changes by itself: not compared
};

struct MsrRow {
  std::uint32_t index;
  std::uint32_t count;  ///< consecutive ones
  const char* name;
  Kind kind;
};

/// In the order of loading. Names: Intel SDM vol. 4, AMD APM vol. 2 appendix A, Linux
/// Documentation/virt/kvm/x86/msr.rst. The TSC is first: kvmclock and the deadline are relative to it. The deadline is
/// last, because arming it needs both the TSC and the local APIC's timer mode. EFER, APIC_BASE, FS_BASE and GS_BASE are
/// not here: they travel with the segments.
constexpr MsrRow kTable[] = {
    {kMsrTsc, 1, "IA32_TIME_STAMP_COUNTER", Kind::Moves},
    {kMsrTscAdjust, 1, "IA32_TSC_ADJUST", Kind::State},
    {0xc0000103, 1, "IA32_TSC_AUX", Kind::State},
    {0xc0000104, 1, "AMD_TSC_RATIO", Kind::State},
    {0x3a, 1, "IA32_FEATURE_CONTROL", Kind::State},
    {0x48, 1, "IA32_SPEC_CTRL", Kind::State},
    {0x34, 1, "MSR_SMI_COUNT", Kind::State},
    {0x9e, 1, "IA32_SMBASE", Kind::State},
    {0xe1, 1, "IA32_UMWAIT_CONTROL", Kind::State},
    {0x122, 1, "IA32_TSX_CTRL", Kind::State},
    {0x140, 1, "MSR_MISC_FEATURES_ENABLES", Kind::State},
    {0x174, 1, "IA32_SYSENTER_CS", Kind::State},
    {0x175, 1, "IA32_SYSENTER_ESP", Kind::State},
    {0x176, 1, "IA32_SYSENTER_EIP", Kind::State},
    {0x17a, 1, "IA32_MCG_STATUS", Kind::State},
    {0x17b, 1, "IA32_MCG_CTL", Kind::State},
    {0x1a0, 1, "IA32_MISC_ENABLE", Kind::State},
    {0x1c4, 1, "IA32_XFD", Kind::State},
    {0x1c5, 1, "IA32_XFD_ERR", Kind::State},
    {0x1d9, 1, "IA32_DEBUGCTL", Kind::State},
    {0x1db, 1, "MSR_LASTBRANCHFROMIP", Kind::State},
    {0x1dc, 1, "MSR_LASTBRANCHTOIP", Kind::State},
    {0x1dd, 1, "MSR_LASTINTFROMIP", Kind::State},
    {0x1de, 1, "MSR_LASTINTTOIP", Kind::State},
    {0x1fc, 1, "MSR_POWER_CTL", Kind::State},
    {0x200, 16, "IA32_MTRR_PHYSBASE/MASK", Kind::Hidden},
    {0x250, 1, "IA32_MTRR_FIX64K_00000", Kind::Hidden},
    {0x258, 2, "IA32_MTRR_FIX16K", Kind::Hidden},
    {0x268, 8, "IA32_MTRR_FIX4K", Kind::Hidden},
    {0x277, 1, "IA32_PAT", Kind::State},
    {0x2ff, 1, "IA32_MTRR_DEF_TYPE", Kind::Hidden},  // after the ranges that it switches on
    {0x400, 40, "IA32_MC", Kind::Hidden},
    {0x6a0, 1, "IA32_U_CET", Kind::State},
    {0x6a2, 1, "IA32_S_CET", Kind::State},
    {0x6a4, 5, "IA32_PL_SSP", Kind::State},
    {0xd90, 1, "IA32_BNDCFGS", Kind::State},
    {0xda0, 1, "IA32_XSS", Kind::State},
    {0xc0000081, 1, "IA32_STAR", Kind::State},
    {0xc0000082, 1, "IA32_LSTAR", Kind::State},
    {0xc0000083, 1, "IA32_CSTAR", Kind::State},
    {0xc0000084, 1, "IA32_FMASK", Kind::State},
    {0xc0000102, 1, "IA32_KERNEL_GS_BASE", Kind::State},
    {0xc0010015, 1, "AMD_HWCR", Kind::State},
    {0xc0010117, 1, "AMD_VM_HSAVE_PA", Kind::State},
    {0xc001011f, 1, "AMD_VIRT_SPEC_CTRL", Kind::State},
    // kvmclock before the steal time and asynchronous faults, which a guest sets up in this order too.
    {0x11, 1, "MSR_KVM_WALL_CLOCK", Kind::State},
    {0x12, 1, "MSR_KVM_SYSTEM_TIME", Kind::State},
    {0x4b564d00, 1, "MSR_KVM_WALL_CLOCK_NEW", Kind::State},
    {0x4b564d01, 1, "MSR_KVM_SYSTEM_TIME_NEW", Kind::State},
    {0x4b564d06, 1, "MSR_KVM_ASYNC_PF_INT", Kind::State},  // the vector, before the switch that needs it
    {0x4b564d02, 1, "MSR_KVM_ASYNC_PF_EN", Kind::State},
    {0x4b564d07, 1, "MSR_KVM_ASYNC_PF_ACK", Kind::Moves},  // reads as 0 always
    {0x4b564d03, 1, "MSR_KVM_STEAL_TIME", Kind::State},
    {0x4b564d04, 1, "MSR_KVM_PV_EOI_EN", Kind::State},
    {0x4b564d05, 1, "MSR_KVM_POLL_CONTROL", Kind::State},
    {kMsrTscDeadline, 1, "IA32_TSC_DEADLINE", Kind::Moves},  // reads as 0 once the timer has fired
};

/// MSRs that say what the processor is: set once at creation, never state.
constexpr MsrRow kFeatureTable[] = {
    {kMsrMicrocode, 1, "IA32_BIOS_SIGN_ID", Kind::State},
    {kMsrPlatformInfo, 1, "MSR_PLATFORM_INFO", Kind::State},
    {kMsrArchCapabilities, 1, "IA32_ARCH_CAPABILITIES", Kind::State},
    {kMsrPerfCapabilities, 1, "IA32_PERF_CAPABILITIES", Kind::State},
    {kMsrAmdDeCfg, 1, "AMD_DE_CFG", Kind::State},
};

template <std::size_t N>
const MsrRow* row_of(const MsrRow (&table)[N], std::uint32_t index) {
  for (const MsrRow& row : table)
    if (index >= row.index && index - row.index < row.count) return &row;
  return nullptr;
}

}  // namespace

std::string msr_name(std::uint32_t index) {
  const MsrRow* row = row_of(kTable, index);
  if (!row) row = row_of(kFeatureTable, index);
  return row ? fmt::format("{} ({:#x})", row->name, index) : fmt::format("{:#x}", index);
}

std::vector<X86Msr> set_msrs(const Fd& vcpu, std::span<const X86Msr> msrs) {
  std::vector<X86Msr> refused;
  std::size_t done = 0;
  while (done < msrs.size()) {
    const std::size_t count = msrs.size() - done;
    Flexible<kvm_msrs, kvm_msr_entry> list(count);
    list->nmsrs = static_cast<std::uint32_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
      list.entries()[i].index = msrs[done + i].index;
      list.entries()[i].data = msrs[done + i].value;
    }
    // KVM stops at the first one that it refuses and returns how many it has set.
    const int result = vcpu.call(KVM_SET_MSRS, list.get());
    if (result < 0) throw Error("KVM_SET_MSRS failed").why(std::strerror(errno));
    done += std::min(static_cast<std::size_t>(result), count);
    if (done < msrs.size()) refused.push_back(msrs[done++]);
  }
  return refused;
}

std::vector<X86Msr> get_msrs(const Fd& fd, std::span<const std::uint32_t> indices) {
  std::vector<X86Msr> values;
  std::size_t done = 0;
  while (done < indices.size()) {
    const std::size_t count = indices.size() - done;
    Flexible<kvm_msrs, kvm_msr_entry> list(count);
    list->nmsrs = static_cast<std::uint32_t>(count);
    for (std::size_t i = 0; i < count; ++i) list.entries()[i].index = indices[done + i];
    const int result = fd.call(KVM_GET_MSRS, list.get());
    if (result < 0) throw Error("KVM_GET_MSRS failed").why(std::strerror(errno));
    const std::size_t got = std::min(static_cast<std::size_t>(result), count);
    for (std::size_t i = 0; i < got; ++i) values.push_back({list.entries()[i].index, list.entries()[i].data});
    done += got;
    if (done < indices.size()) ++done;  // this one cannot be read
  }
  return values;
}

std::optional<std::uint64_t> feature_msr(const Fd& system, std::uint32_t index) {
  Flexible<kvm_msrs, kvm_msr_entry> list(1);
  list->nmsrs = 1;
  list.entries()[0].index = index;
  if (system.call(KVM_GET_MSRS, list.get()) != 1) return std::nullopt;
  return list.entries()[0].data;
}

namespace {

/// One of KVM's two lists of MSR numbers; nullopt, with errno, when it cannot be had.
std::optional<std::set<std::uint32_t>> msr_list(const Fd& system, unsigned long request) {
  for (std::uint32_t count = 256;; count *= 2) {
    Flexible<kvm_msr_list, std::uint32_t> list(count);
    list->nmsrs = count;
    if (system.call(request, list.get()) == 0)
      return std::set<std::uint32_t>(list.entries(), list.entries() + std::min(list->nmsrs, count));
    if (errno != E2BIG || count >= 65536) return std::nullopt;
  }
}

}  // namespace

MsrSet::MsrSet(const Fd& system) {
  auto all = msr_list(system, KVM_GET_MSR_INDEX_LIST);
  if (!all) throw Error("KVM_GET_MSR_INDEX_LIST failed").why(std::strerror(errno));
  listed_ = std::move(*all);
  // Without KVM_CAP_GET_MSR_FEATURES there is no such list, and KVM has no feature MSRs.
  if (auto features = msr_list(system, KVM_GET_MSR_FEATURE_INDEX_LIST)) features_ = std::move(*features);
}

void MsrSet::learn(const Fd& vcpu) {
  const std::lock_guard guard(mutex_);
  if (learnt_) return;
  learnt_ = true;
  std::vector<std::uint32_t> wanted;
  for (const MsrRow& row : kTable)
    for (std::uint32_t i = row.index; i < row.index + row.count; ++i)
      if (row.kind == Kind::Hidden || listed_.contains(i)) wanted.push_back(i);
  for (const X86Msr& m : get_msrs(vcpu, wanted)) known_.push_back({m.index, m.index == kMsrTsc ? 0 : m.value});
}

std::vector<std::uint32_t> MsrSet::indices() const {
  const std::lock_guard guard(mutex_);
  std::vector<std::uint32_t> all;
  for (const Known& k : known_) all.push_back(k.index);
  return all;
}

void MsrSet::load(const Fd& vcpu, const X86State& state, std::optional<std::uint64_t> tsc_as_read) {
  std::vector<X86Msr> list;
  {
    const std::lock_guard guard(mutex_);
    for (const Known& k : known_) {
      if (refused_.contains(k.index)) continue;
      const std::uint64_t value = state.msr(k.index, k.at_power_on);
      if (k.index == kMsrTsc && (tsc_as_read == value || tsc_.set(vcpu, value))) continue;
      list.push_back({k.index, value});
    }
  }
  for (const X86Msr& m : set_msrs(vcpu, list)) {
    const std::vector<X86Msr> there = get_msrs(vcpu, std::array{m.index});
    if (!there.empty() && there.front() == m) continue;  // it has that value already: nothing is lost
    log::warn_once(fmt::format("kvm-msr-{:#x}", m.index),
                   fmt::format("KVM refuses MSR {} the value {:#x}; the guest keeps what KVM gives it",
                               msr_name(m.index), m.value));
    refuse(m.index);
  }
}

void MsrSet::store(const Fd& vcpu, X86State& state) {
  state.msrs.clear();
  for (const X86Msr& m : get_msrs(vcpu, indices()))
    state.set_msr(m.index, m.index == kMsrTsc ? tsc_.as_stored(vcpu, m.value) : m.value);
}

bool MsrSet::comparable(std::uint32_t index) const {
  const MsrRow* row = row_of(kTable, index);
  return row && row->kind != Kind::Moves && !refused(index);
}

std::uint64_t MsrSet::at_power_on(std::uint32_t index) const {
  const std::lock_guard guard(mutex_);
  for (const Known& k : known_)
    if (k.index == index) return k.at_power_on;
  return 0;
}

bool MsrSet::refused(std::uint32_t index) const {
  const std::lock_guard guard(mutex_);
  return refused_.contains(index);
}

void MsrSet::refuse(std::uint32_t index) {
  const std::lock_guard guard(mutex_);
  refused_.insert(index);
}

// --- feature MSRs ---

namespace {

/// A feature MSR, and the CPUID bit that tells the guest that it is there. Without a leaf: part of what the host's
/// processor is, for the models that are that processor.
struct Feature {
  std::uint32_t msr;
  std::uint32_t leaf;
  std::uint32_t CpuidLeaf::*reg;
  unsigned bit;
  const char* flag;  ///< name of the bit, as -cpu spells it
};

constexpr Feature kFeatures[] = {
    {kMsrArchCapabilities, 7, &CpuidLeaf::edx, 29, "arch-capabilities"},
    {kMsrPerfCapabilities, 1, &CpuidLeaf::ecx, 15, "pdcm"},
    {kMsrMicrocode, 0, nullptr, 0, nullptr},
    {kMsrAmdDeCfg, 0, nullptr, 0, nullptr},
};

void clear(const Feature& f, CpuidTable& cpuid) {
  CpuidLeaf leaf = cpuid.find(f.leaf, 0);
  leaf.*f.reg &= ~(1U << f.bit);
  cpuid.set(leaf);
}

bool advertised(const Feature& f, const CpuidTable& cpuid) { return cpuid.find(f.leaf, 0).*f.reg >> f.bit & 1; }

}  // namespace

void drop_refused_features(const MsrSet& set, CpuidTable& cpuid) {
  for (const Feature& f : kFeatures)
    if (f.flag && set.refused(f.msr) && advertised(f, cpuid)) clear(f, cpuid);
}

bool load_feature_msrs(const Fd& system, const Fd& vcpu, MsrSet& set, CpuidTable& cpuid, bool as_host) {
  bool changed = false;
  for (const Feature& f : kFeatures) {
    if (f.flag ? !advertised(f, cpuid) : !as_host || !set.is_feature(f.msr)) continue;
    const std::optional<std::uint64_t> value =
        set.is_feature(f.msr) ? feature_msr(system, f.msr) : std::optional<std::uint64_t>();
    const X86Msr wanted{f.msr, value.value_or(0)};
    if (value && !set.refused(f.msr) && set_msrs(vcpu, std::span(&wanted, 1)).empty()) continue;
    set.refuse(f.msr);
    const std::string what = value ? fmt::format("this host's KVM does not accept its own value {:#x} of MSR {}",
                                                 wanted.value, msr_name(f.msr))
                                   : fmt::format("this host's KVM has no value of MSR {}", msr_name(f.msr));
    if (!f.flag) {
      log::warn_once(fmt::format("kvm-msr-{:#x}", f.msr), what + ": the guest keeps what KVM gives it");
      continue;
    }
    // Without its MSR the bit would promise what is not there: a guest that reads it would get zeros or #GP.
    log::warn_once(fmt::format("kvm-msr-{:#x}", f.msr),
                   fmt::format("{}: the guest runs without the CPU feature '{}', and all else is as asked for "
                               "(add ,-{} to -cpu to silence this)",
                               what, f.flag, f.flag));
    clear(f, cpuid);
    changed = true;
  }
  return changed;
}

}  // namespace machina::kvm
