/// Model-specific registers: which there are, and what may be in them. Intel SDM vol. 4, AMD APM vol. 2, appendix A,
/// Linux Documentation/virt/kvm/x86/msr.rst.

#include "hw/x86/x86_state_faults.h"

namespace machina {

namespace {

using Value = std::uint64_t;
using Valid = bool (*)(const X86StateFaults& f, std::uint32_t n, Value v);

bool anything(const X86StateFaults&, std::uint32_t, Value) { return true; }
bool is_canonical(const X86StateFaults& f, std::uint32_t, Value v) { return f.canonical(v); }
template <Value Mask>
bool within(const X86StateFaults&, std::uint32_t, Value v) {
  return (v & ~Mask) == 0;
}

// Memory types: SDM vol. 3, tables 12-8 and 12-10. 7 (UC-) is of PAT entries only.
bool is_memory_type(Value v) { return v == 0 || v == 1 || v == 4 || v == 5 || v == 6; }
bool is_pat(const X86StateFaults&, std::uint32_t, Value v) {
  for (unsigned i = 0; i < 8; ++i)
    if (const Value type = v >> (8 * i) & 0xff; !is_memory_type(type) && type != 7) return false;
  return true;
}
bool is_fixed_range(const X86StateFaults&, std::uint32_t, Value v) {
  for (unsigned i = 0; i < 8; ++i)
    if (!is_memory_type(v >> (8 * i) & 0xff)) return false;
  return true;
}
bool is_variable_range(const X86StateFaults& f, std::uint32_t n, Value v) {
  if (v >> f.physical_bits) return false;
  return n & 1 ? (v & 0x7ff) == 0 : (v & 0xf00) == 0 && is_memory_type(v & 0xff);
}
bool is_default_type(const X86StateFaults&, std::uint32_t, Value v) {
  return (v & ~Value{0xcff}) == 0 && is_memory_type(v & 0xff);
}

struct MsrRule {
  std::uint32_t first, count;
  const char* name;
  const char* feature;  ///< without it the register is not there, and can only be 0; null: not looked at
  Valid valid;
  const char* allowed;
};

constexpr const char* kCanonical = "it is not canonical";
constexpr const char* kReserved = "it has reserved bits";

/// Sorted by index. Every register that an accelerator stores is here.
constexpr MsrRule kRules[] = {
    {0x10, 1, "IA32_TIME_STAMP_COUNTER", nullptr, anything, ""},
    {0x11, 2, "MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME", nullptr, anything, ""},
    {0x34, 1, "MSR_SMI_COUNT", nullptr, anything, ""},
    {0x3a, 1, "IA32_FEATURE_CONTROL", nullptr, anything, ""},
    {0x3b, 1, "IA32_TSC_ADJUST", nullptr, anything, ""},
    {0x48, 1, "IA32_SPEC_CTRL", nullptr, within<0x5f7>, kReserved},
    {0x8b, 1, "IA32_BIOS_SIGN_ID", nullptr, anything, ""},
    {0x9e, 1, "IA32_SMBASE", nullptr, within<0xffffffff>, "it has 32 bits"},
    {0xe1, 1, "IA32_UMWAIT_CONTROL", nullptr, within<0xfffffffd>, kReserved},
    {0x122, 1, "IA32_TSX_CTRL", nullptr, within<3>, kReserved},
    {0x140, 1, "MSR_MISC_FEATURES_ENABLES", nullptr, anything, ""},
    {0x174, 1, "IA32_SYSENTER_CS", nullptr, anything, ""},
    {0x175, 2, "IA32_SYSENTER_ESP, IA32_SYSENTER_EIP", nullptr, is_canonical, kCanonical},
    {0x17a, 1, "IA32_MCG_STATUS", nullptr, within<0xf>, kReserved},
    {0x17b, 1, "IA32_MCG_CTL", nullptr, anything, ""},
    {0x1a0, 1, "IA32_MISC_ENABLE", nullptr, anything, ""},
    {0x1c4, 2, "IA32_XFD, IA32_XFD_ERR", "xfd", anything, ""},
    {0x1d9, 1, "IA32_DEBUGCTL", nullptr, within<0xffff>, kReserved},
    {0x1db, 4, "MSR_LASTBRANCHFROMIP", nullptr, anything, ""},
    {0x1fc, 1, "MSR_POWER_CTL", nullptr, anything, ""},
    {0x200, 16, "IA32_MTRR_PHYSBASE/MASK", nullptr, is_variable_range,
     "memory types are 0, 1, 4, 5 and 6; addresses end with the physical address"},
    {0x250, 1, "IA32_MTRR_FIX64K_00000", nullptr, is_fixed_range, "memory types are 0, 1, 4, 5 and 6"},
    {0x258, 2, "IA32_MTRR_FIX16K", nullptr, is_fixed_range, "memory types are 0, 1, 4, 5 and 6"},
    {0x268, 8, "IA32_MTRR_FIX4K", nullptr, is_fixed_range, "memory types are 0, 1, 4, 5 and 6"},
    {0x277, 1, "IA32_PAT", nullptr, is_pat, "memory types are 0, 1, 4, 5, 6 and 7"},
    {0x2ff, 1, "IA32_MTRR_DEF_TYPE", nullptr, is_default_type, "memory types are 0, 1, 4, 5 and 6, flags 11:10"},
    {0x400, 128, "IA32_MC", nullptr, anything, ""},
    {0x6a0, 1, "IA32_U_CET", nullptr, anything, ""},
    {0x6a2, 1, "IA32_S_CET", nullptr, anything, ""},
    {0x6a4, 5, "IA32_PL_SSP", nullptr, is_canonical, kCanonical},
    {0x6e0, 1, "IA32_TSC_DEADLINE", "tsc-deadline", anything, ""},
    {0xd90, 1, "IA32_BNDCFGS", nullptr, anything, ""},
    {0xda0, 1, "IA32_XSS", "xsaves", anything, ""},
    {0x4b564d00, 8, "MSR_KVM", nullptr, anything, ""},
    {0xc0000081, 1, "IA32_STAR", nullptr, anything, ""},
    {0xc0000082, 2, "IA32_LSTAR, IA32_CSTAR", nullptr, is_canonical, kCanonical},
    {0xc0000084, 1, "IA32_FMASK", nullptr, anything, ""},
    {0xc0000102, 1, "IA32_KERNEL_GS_BASE", nullptr, is_canonical, kCanonical},
    {0xc0000103, 1, "IA32_TSC_AUX", nullptr, within<0xffffffff>, "it has 32 bits"},
    {0xc0000104, 1, "AMD_TSC_RATIO", nullptr, anything, ""},
    {0xc0010010, 1, "AMD_SYSCFG", nullptr, anything, ""},
    {0xc0010015, 1, "AMD_HWCR", nullptr, anything, ""},
    {0xc0010117, 1, "AMD_VM_HSAVE_PA", nullptr, anything, ""},
    {0xc001011f, 1, "AMD_VIRT_SPEC_CTRL", nullptr, within<4>, kReserved},
    {0xc0011029, 1, "AMD_DE_CFG", nullptr, anything, ""},
};

const MsrRule* find_rule(std::uint32_t index) {
  for (const MsrRule& rule : kRules)
    if (index >= rule.first && index - rule.first < rule.count) return &rule;
  return nullptr;
}

}  // namespace

void check_msrs(X86StateFaults& f) {
  const std::vector<X86Msr>& msrs = f.state.msrs;
  for (std::size_t i = 0; i < msrs.size(); ++i) {
    const X86Msr& m = msrs[i];
    if (i > 0 && msrs[i - 1].index >= m.index)
      f.add("an MSR's number", m.index, fmt::format("they are sorted, and {:#x} stands before it", msrs[i - 1].index));
    const MsrRule* rule = find_rule(m.index);
    if (!rule) {
      f.add(fmt::format("MSR {:#x}", m.index), m.value, "no CPU has this register as part of its state");
      continue;
    }
    const std::string name = fmt::format("MSR {:#x} ({})", m.index, rule->name);
    if (rule->feature && !f.has(rule->feature)) {
      f.require(m.value == 0, name, m.value, fmt::format("this CPU has no {}", rule->feature));
    } else {
      f.require(rule->valid(f, m.index - rule->first, m.value), name, m.value, rule->allowed);
    }
  }
}

}  // namespace machina
