#include "accel/jit/msr_table.h"

#include <array>

#include "accel/jit/control.h"
#include "accel/jit/environment.h"
#include "accel/jit/features.h"
#include "accel/jit/kvmclock.h"
#include "accel/jit/memory.h"
#include "accel/jit/vendor.h"

namespace machina::jit {

namespace {

using Value = std::uint64_t;
constexpr Value kAll = ~Value{0};

// --- which models have it ---

template <FeatureBit... Any>
bool with(const Cpu& cpu) {
  return (has(cpu.features, Any) || ...);
}
bool always(const Cpu&) { return true; }
bool intel(const Cpu& cpu) { return !is_amd(cpu); }
bool amd(const Cpu& cpu) { return is_amd(cpu); }

// --- kept in Msrs, and what may be written there ---

template <auto Member>
Value& slot(Msrs& m, std::uint32_t n) {
  if constexpr (requires { (m.*Member)[0]; }) {
    return (m.*Member)[n];
  } else {
    (void)n;
    return m.*Member;
  }
}
template <auto Member>
Value read_slot(Cpu& cpu, std::uint32_t n) {
  return slot<Member>(cpu.msrs, n);
}

using Check = bool (*)(const Cpu&, std::uint32_t n, Value);
template <auto Member, Check Valid>
bool write_slot(Cpu& cpu, std::uint32_t n, Value value) {
  if (!Valid(cpu, n, value)) return false;
  slot<Member>(cpu.msrs, n) = value;
  return true;
}

bool anything(const Cpu&, std::uint32_t, Value) { return true; }
bool canonical_value(const Cpu& cpu, std::uint32_t, Value v) { return canonical_for_model(cpu, v); }
template <Value Mask>
bool within(const Cpu&, std::uint32_t, Value v) {
  return (v & ~Mask) == 0;
}

template <auto Member, Check Valid = &anything>
constexpr MsrRow kept(std::uint32_t first, const char* name, bool (*present)(const Cpu&), std::uint32_t count = 1) {
  return {first, count, name, present, &read_slot<Member>, &write_slot<Member, Valid>, &slot<Member>};
}
/// Bits outside of `Mask` are ignored.
template <auto Member, Value Mask>
bool write_masked(Cpu& cpu, std::uint32_t n, Value value) {
  slot<Member>(cpu.msrs, n) = value & Mask;
  return true;
}
template <auto Member, Value Mask>
constexpr MsrRow masked(std::uint32_t first, const char* name, bool (*present)(const Cpu&)) {
  return {first, 1, name, present, &read_slot<Member>, &write_masked<Member, Mask>, &slot<Member>};
}

template <Value V>
Value constant(Cpu&, std::uint32_t) {
  return V;
}
bool ignore(Cpu&, std::uint32_t, Value) { return true; }
template <Value V>
constexpr MsrRow fixed(std::uint32_t first, const char* name, bool (*present)(const Cpu&), std::uint32_t count = 1) {
  return {first, count, name, present, &constant<V>, nullptr, nullptr};
}
/// Reads as a value that says "nothing here"; writes are let pass, as by processors that have it.
template <Value V = 0>
constexpr MsrRow inert(std::uint32_t first, const char* name, bool (*present)(const Cpu&), std::uint32_t count = 1) {
  return {first, count, name, present, &constant<V>, &ignore, nullptr};
}

// --- memory types: SDM vol. 3, tables 12-8 and 12-10 ---

bool is_mtrr_type(Value v) { return v == 0 || v == 1 || v == 4 || v == 5 || v == 6; }
bool valid_pat(const Cpu&, std::uint32_t, Value v) {
  for (unsigned i = 0; i < 8; ++i)
    if (const Value type = v >> (8 * i) & 0xff; !is_mtrr_type(type) && type != 7) return false;
  return true;
}
bool valid_fixed_range(const Cpu&, std::uint32_t, Value v) {
  for (unsigned i = 0; i < 8; ++i)
    if (!is_mtrr_type(v >> (8 * i) & 0xff)) return false;
  return true;
}
bool valid_variable_range(const Cpu& cpu, std::uint32_t n, Value v) {
  if (v >> cpu.physical_bits) return false;
  if (n & 1) return (v & 0x7ff) == 0;                 // PHYSMASK: bit 11 is V
  return (v & 0xf00) == 0 && is_mtrr_type(v & 0xff);  // PHYSBASE
}
bool valid_def_type(const Cpu&, std::uint32_t, Value v) { return (v & ~Value{0xcff}) == 0 && is_mtrr_type(v & 0xff); }
constexpr Value kMtrrCap = Msrs::kVariableRanges | 1U << 8 | 1U << 10;  // fixed ranges, write combining

// --- machine check: SDM vol. 3, chapter 16 ---

constexpr Value kMcgCap = Msrs::kErrorBanks | 1U << 8;  // MCG_CTL is there
constexpr Value kHwcrStatusWrites = 1U << 18;           // AMD: McStatusWrEn
bool valid_mc(const Cpu& cpu, std::uint32_t n, Value v) {
  switch (n & 3) {
    case 0:
      return v == 0 || (v | 1U << 10) == kAll;  // some kernels leave bit 10 out, for the sake of an old erratum
    case 1:
      return v == 0 || (is_amd(cpu) && (cpu.msrs.hwcr & kHwcrStatusWrites));
    default:
      return true;
  }
}

// --- time ---

Value read_tsc(Cpu& cpu, std::uint32_t) { return cpu.environment.tsc(); }
/// IA32_TSC_ADJUST follows: SDM vol. 3, 18.17.3.
bool write_tsc(Cpu& cpu, std::uint32_t, Value value) {
  cpu.msrs.tsc_adjust += value - cpu.environment.tsc();
  cpu.environment.set_tsc(value);
  update_kvmclock(cpu);
  return true;
}
bool write_tsc_adjust(Cpu& cpu, std::uint32_t, Value value) {
  cpu.environment.set_tsc(cpu.environment.tsc() + (value - cpu.msrs.tsc_adjust));
  cpu.msrs.tsc_adjust = value;
  update_kvmclock(cpu);
  return true;
}

// --- what is elsewhere in Cpu ---

Value read_efer(Cpu& cpu, std::uint32_t) { return cpu.efer; }
bool write_efer(Cpu& cpu, std::uint32_t, Value value) {
  load_efer(cpu, value);
  return true;
}
template <unsigned Segment>
Value read_base(Cpu& cpu, std::uint32_t) {
  return cpu.segment[Segment].base;
}
template <unsigned Index>
bool write_base(Cpu& cpu, std::uint32_t, Value value) {
  if (!canonical_for_model(cpu, value)) return false;
  cpu.segment[Index].base = value;
  cpu.segment_base[Index] = value;
  return true;
}
/// There only in SMM for the guest (SDM vol. 4), for whom SMBASE changes by RSM.
Value read_smbase(Cpu& cpu, std::uint32_t) { return cpu.smbase; }
bool in_smm(const Cpu& cpu) { return cpu.smm && intel(cpu); }

// --- what the processor is ---

/// Microcode revisions that kernels take as "new enough, and not to be updated here".
Value read_microcode(Cpu& cpu, std::uint32_t) {
  if (cpu.msrs.microcode) return cpu.msrs.microcode;
  return intel(cpu) ? Value{1} << 32 : 0x01000065;
}
/// RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO,
/// BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO, ITS_NO: these are about what a processor predicts, does ahead of a fault, or
/// keeps in buffers; this one does one instruction at a time, and checks an address before it reads.
constexpr Value kArchCapabilities = 1U << 0 | 1U << 1 | 1U << 3 | 1U << 4 | 1U << 5 | 1U << 6 | 1U << 8 | 1U << 13 |
                                    1U << 14 | 1U << 15 | 1U << 20 | 1U << 24 | 1U << 26 | 1U << 27 | Value{1} << 62;

bool valid_spec_ctrl(const Cpu& cpu, std::uint32_t, Value v) {
  using namespace feature;
  Value allowed = 0;
  if (with<kSpecCtrl, kIbrs>(cpu)) allowed |= 1;
  if (with<kStibp, kAmdStibp>(cpu)) allowed |= 2;
  if (with<kSsbd, kAmdSsbd>(cpu)) allowed |= 4;
  return (v & ~allowed) == 0;
}
/// IBPB: a command, and nothing is predicted here.
bool write_pred_cmd(Cpu&, std::uint32_t, Value v) { return (v & ~Value{1}) == 0; }

/// Bit 0 locks it.
bool write_feature_control(Cpu& cpu, std::uint32_t, Value) { return !(cpu.msrs.feature_control & 1); }

bool has_kvmclock(const Cpu& cpu) { return with<feature::kKvmclock>(cpu) && cpu.tsc_khz != 0; }
bool has_old_kvmclock(const Cpu& cpu) { return with<feature::kKvmclockOld>(cpu) && cpu.tsc_khz != 0; }
bool write_wall_clock_msr(Cpu& cpu, std::uint32_t, Value v) {
  cpu.msrs.wall_clock = v;
  write_wall_clock(cpu);
  return true;
}
bool write_system_time_msr(Cpu& cpu, std::uint32_t, Value v) {
  cpu.msrs.system_time = v;
  update_kvmclock(cpu);
  return true;
}

bool no_xss(const Cpu&, std::uint32_t, Value v) { return v == 0; }
bool write_xss(Cpu& cpu, std::uint32_t n, Value v) { return no_xss(cpu, n, v); }

constexpr Value kMiscEnableWritable = 1 | 1U << 3 | 1U << 16 | 1U << 18 | 1U << 22 | 1U << 23 | Value{1} << 34;

using M = Msrs;
namespace f = feature;

constexpr MsrRow kRows[] = {
    {0x10, 1, "IA32_TIME_STAMP_COUNTER", &with<f::kTsc>, &read_tsc, &write_tsc, nullptr},
    {0x11, 1, "MSR_KVM_WALL_CLOCK", &has_old_kvmclock, &read_slot<&M::wall_clock>, &write_wall_clock_msr, nullptr},
    {0x12, 1, "MSR_KVM_SYSTEM_TIME", &has_old_kvmclock, &read_slot<&M::system_time>, &write_system_time_msr, nullptr},
    fixed<0>(0x17, "IA32_PLATFORM_ID", &intel),
    inert(0x2a, "MSR_EBL_CR_POWERON", &intel),
    {0x3a, 1, "IA32_FEATURE_CONTROL", &intel, &read_slot<&M::feature_control>, &write_feature_control,
     &slot<&M::feature_control>},
    {0x3b, 1, "IA32_TSC_ADJUST", &with<f::kTscAdjust>, &read_slot<&M::tsc_adjust>, &write_tsc_adjust,
     &slot<&M::tsc_adjust>},
    kept<&M::spec_ctrl, &valid_spec_ctrl>(
        0x48, "IA32_SPEC_CTRL", &with<f::kSpecCtrl, f::kStibp, f::kSsbd, f::kIbrs, f::kAmdStibp, f::kAmdSsbd>),
    {0x49, 1, "IA32_PRED_CMD", &with<f::kSpecCtrl, f::kIbpb>, nullptr, &write_pred_cmd, nullptr},
    {0x79, 1, "IA32_BIOS_UPDT_TRIG", &intel, nullptr, &ignore, nullptr},  // no update is ever taken
    {0x8b, 1, "IA32_BIOS_SIGN_ID", &always, &read_microcode, &ignore, &slot<&M::microcode>},
    {0x9e, 1, "IA32_SMBASE", &in_smm, &read_smbase, nullptr, nullptr},
    fixed<3>(0xcd, "MSR_FSB_FREQ", &intel),
    inert(0xce, "MSR_PLATFORM_INFO", &intel),
    fixed<kMtrrCap>(0xfe, "IA32_MTRRCAP", &with<f::kMtrr>),
    fixed<kArchCapabilities>(0x10a, "IA32_ARCH_CAPABILITIES", &with<f::kArchCapabilities>),
    fixed<0xbe702111>(0x11e, "MSR_BBL_CR_CTL3", &intel),
    kept<&M::sysenter_cs>(0x174, "IA32_SYSENTER_CS", &with<f::kSep>),
    kept<&M::sysenter_esp, &canonical_value>(0x175, "IA32_SYSENTER_ESP", &with<f::kSep>),
    kept<&M::sysenter_eip, &canonical_value>(0x176, "IA32_SYSENTER_EIP", &with<f::kSep>),
    fixed<kMcgCap>(0x179, "IA32_MCG_CAP", &with<f::kMca>),
    kept<&M::mcg_status, &within<7>>(0x17a, "IA32_MCG_STATUS", &with<f::kMca>),
    kept<&M::mcg_ctl>(0x17b, "IA32_MCG_CTL", &with<f::kMca>),
    fixed<1000 | Value{4} << 40>(0x198, "IA32_PERF_STATUS", &intel),
    inert(0x199, "IA32_PERF_CTL", &intel),
    masked<&M::misc_enable, kMiscEnableWritable>(0x1a0, "IA32_MISC_ENABLE", &always),
    // Branches are not recorded. Bit 1: single step stops at branches only.
    masked<&M::debugctl, 2>(0x1d9, "IA32_DEBUGCTL", &always),
    fixed<0>(0x1db, "MSR_LASTBRANCHFROMIP", &always, 4),
    kept<&M::mtrr_variable, &valid_variable_range>(0x200, "IA32_MTRR_PHYSBASE/MASK", &with<f::kMtrr>,
                                                   2 * Msrs::kVariableRanges),
    {0x250, 1, "IA32_MTRR_FIX64K_00000", &with<f::kMtrr>, &read_slot<&M::mtrr_fixed>,
     &write_slot<&M::mtrr_fixed, &valid_fixed_range>, &slot<&M::mtrr_fixed>},
    {0x258, 2, "IA32_MTRR_FIX16K", &with<f::kMtrr>, [](Cpu& c, std::uint32_t n) { return c.msrs.mtrr_fixed[1 + n]; },
     [](Cpu& c, std::uint32_t n, Value v) { return write_slot<&M::mtrr_fixed, &valid_fixed_range>(c, 1 + n, v); },
     [](Msrs& m, std::uint32_t n) -> Value& { return m.mtrr_fixed[1 + n]; }},
    {0x268, 8, "IA32_MTRR_FIX4K", &with<f::kMtrr>, [](Cpu& c, std::uint32_t n) { return c.msrs.mtrr_fixed[3 + n]; },
     [](Cpu& c, std::uint32_t n, Value v) { return write_slot<&M::mtrr_fixed, &valid_fixed_range>(c, 3 + n, v); },
     [](Msrs& m, std::uint32_t n) -> Value& { return m.mtrr_fixed[3 + n]; }},
    kept<&M::pat, &valid_pat>(0x277, "IA32_PAT", &with<f::kPat>),
    kept<&M::mtrr_def_type, &valid_def_type>(0x2ff, "IA32_MTRR_DEF_TYPE", &with<f::kMtrr>),
    kept<&M::mc, &valid_mc>(0x400, "IA32_MC", &with<f::kMca>, 4 * Msrs::kErrorBanks),
    {0xda0, 1, "IA32_XSS", &with<f::kXsaves>, &constant<0>, &write_xss, nullptr},
    {0x4b564d00, 1, "MSR_KVM_WALL_CLOCK_NEW", &has_kvmclock, &read_slot<&M::wall_clock>, &write_wall_clock_msr,
     &slot<&M::wall_clock>},
    {0x4b564d01, 1, "MSR_KVM_SYSTEM_TIME_NEW", &has_kvmclock, &read_slot<&M::system_time>, &write_system_time_msr,
     &slot<&M::system_time>},
    {0xc0000080, 1, "IA32_EFER", &with<f::kLm, f::kNx, f::kSyscall>, &read_efer, &write_efer, nullptr},
    kept<&M::star>(0xc0000081, "IA32_STAR", &with<f::kSyscall>),
    kept<&M::lstar, &canonical_value>(0xc0000082, "IA32_LSTAR", &with<f::kLm>),
    kept<&M::cstar, &canonical_value>(0xc0000083, "IA32_CSTAR", &with<f::kLm>),
    masked<&M::fmask, 0xffffffff>(0xc0000084, "IA32_FMASK", &with<f::kSyscall>),
    {0xc0000100, 1, "IA32_FS_BASE", &with<f::kLm>, &read_base<kFs>, &write_base<kFs>, nullptr},
    {0xc0000101, 1, "IA32_GS_BASE", &with<f::kLm>, &read_base<kGs>, &write_base<kGs>, nullptr},
    kept<&M::kernel_gs_base, &canonical_value>(0xc0000102, "IA32_KERNEL_GS_BASE", &with<f::kLm>),
    kept<&M::tsc_aux, &within<0xffffffff>>(0xc0000103, "IA32_TSC_AUX", &with<f::kRdtscp, f::kRdpid>),
    // AMD's, as far as kernels look at them while they find out where they are: BIOS and Kernel Developer's Guides.
    inert(0xc0010000, "PERF_CTL", &amd, 4),  // counters that never count
    inert(0xc0010004, "PERF_CTR", &amd, 4),
    masked<&M::syscfg, 0x7c0000>(0xc0010010, "SYSCFG", &amd),
    masked<&M::hwcr, kAll & ~Value{1U << 6 | 1U << 8 | 1U << 3}>(0xc0010015, "HWCR", &amd),
    inert(0xc001001a, "TOP_MEM", &amd),
    inert(0xc001001d, "TOP_MEM2", &amd),
    inert(0xc001001f, "NB_CFG", &amd),
    {0xc0010020, 1, "PATCH_LOADER", &amd, nullptr, &ignore, nullptr},
    inert(0xc0010055, "INT_PENDING", &amd),
    inert(0xc0010058, "MMIO_CFG_BASE", &amd),
    inert(0xc0010112, "SMM_ADDR", &amd),
    inert(0xc0010113, "SMM_MASK", &amd),
    inert<0x10>(0xc0010114, "VM_CR", &amd),  // SVM is switched off
    inert(0xc0011020, "LS_CFG", &amd, 4),    // IC_CFG, DC_CFG, TW_CFG
    masked<&M::de_cfg, kAll>(0xc0011029, "DE_CFG", &amd),
    inert(0xc001102a, "BU_CFG2", &amd),
    inert(0xc001102c, "EX_CFG", &amd),
};

}  // namespace

std::span<const MsrRow> msr_rows() { return kRows; }

}  // namespace machina::jit
