#pragma once
/// Model-specific registers that this CPU keeps itself. IA32_APIC_BASE, the deadline and the x2APIC's are the local
/// APIC's; EFER and the bases of FS and GS are in Cpu. Values are those at power-on: SDM vol. 3, table 10-1.

#include <array>
#include <cstdint>

namespace machina::jit {

struct Msrs {
  static constexpr unsigned kVariableRanges = 8;  ///< MTRRcap.VCNT
  static constexpr unsigned kErrorBanks = 10;     ///< MCG_CAP.Count

  std::uint64_t star = 0, lstar = 0, cstar = 0, fmask = 0;
  std::uint64_t kernel_gs_base = 0;
  std::uint64_t tsc_aux = 0;
  std::uint64_t tsc_adjust = 0;
  std::uint64_t sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;

  // Memory types: state only. This CPU has no cache to obey them.
  std::uint64_t pat = 0x0007040600070406;
  std::uint64_t mtrr_def_type = 0;
  std::array<std::uint64_t, 2 * kVariableRanges> mtrr_variable{};  ///< PHYSBASE0, PHYSMASK0, PHYSBASE1...
  std::array<std::uint64_t, 11> mtrr_fixed{};                      ///< 64K, 2 of 16K, 8 of 4K

  std::uint64_t misc_enable = 1;  ///< fast string operations
  std::uint64_t debugctl = 0;
  std::uint64_t spec_ctrl = 0;
  std::uint64_t feature_control = 1;  ///< locked: no VMX, no SGX
  std::uint64_t microcode = 0;        ///< revision; 0: the vendor's usual one

  std::uint64_t mcg_status = 0, mcg_ctl = ~std::uint64_t{0};
  std::array<std::uint64_t, 4 * kErrorBanks> mc = all_enabled();  ///< CTL, STATUS, ADDR, MISC of each bank

  std::uint64_t hwcr = 0, syscfg = 0, de_cfg = 2;  ///< of AMD's; DE_CFG bit 1: LFENCE waits for all before it

  std::uint64_t wall_clock = 0, system_time = 0;  ///< of KVM's paravirtual clock: see kvmclock.h

  static constexpr std::array<std::uint64_t, 4 * kErrorBanks> all_enabled() {
    std::array<std::uint64_t, 4 * kErrorBanks> banks{};
    for (unsigned i = 0; i < kErrorBanks; ++i) banks[4 * i] = ~std::uint64_t{0};
    return banks;
  }
};

}  // namespace machina::jit
