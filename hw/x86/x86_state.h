#pragma once
/// The whole architectural state of one x86-64 CPU, the same for every accelerator. gdb, `info registers`, snapshots
/// and the move between accelerators read and write nothing else. Names are the Intel SDM's.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace machina {

enum Gpr : unsigned { kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi, kR8, kR9, kR10, kR11, kR12, kR13, kR14, kR15 };
enum SegmentIndex : unsigned { kEs, kCs, kSs, kDs, kFs, kGs };

/// A segment register with its hidden part, as in a descriptor. SDM vol. 3, 3.4.3 and 3.4.5.
struct X86Segment {
  std::uint16_t selector = 0;
  std::uint64_t base = 0;
  std::uint32_t limit = 0xffff;  ///< in bytes, already scaled by G
  std::uint8_t type = 3;         ///< 4 bits
  bool s = true;                 ///< code or data (false: system)
  std::uint8_t dpl = 0;
  bool present = true;
  bool avl = false, l = false, db = false, g = false;
  bool unusable = false;
  friend bool operator==(const X86Segment&, const X86Segment&) = default;
};

struct X86TableRegister {
  std::uint64_t base = 0;
  std::uint16_t limit = 0xffff;
  friend bool operator==(const X86TableRegister&, const X86TableRegister&) = default;
};

struct X86Msr {
  std::uint32_t index = 0;
  std::uint64_t value = 0;
  friend bool operator==(const X86Msr&, const X86Msr&) = default;
};

/// What has been recognised but not delivered. SDM vol. 3, chapter 6.
struct X86Events {
  bool exception_pending = false, exception_injected = false, exception_has_error_code = false;
  std::uint8_t exception_vector = 0;
  std::uint32_t exception_error_code = 0;
  bool exception_has_payload = false;
  std::uint64_t exception_payload = 0;  ///< CR2 or DR6 bits of an exception that is pending
  bool interrupt_injected = false, interrupt_soft = false;
  std::uint8_t interrupt_vector = 0;
  std::uint8_t interrupt_shadow = 0;  ///< 1: STI, 2: MOV SS
  bool nmi_injected = false, nmi_pending = false, nmi_masked = false;
  bool smm = false, smi_pending = false, smm_inside_nmi = false, latched_init = false;
  std::uint32_t sipi_vector = 0;
  bool triple_fault_pending = false;
  friend bool operator==(const X86Events&, const X86Events&) = default;
};

enum class MpState : std::uint8_t { Runnable, Uninitialized, InitReceived, Halted, SipiReceived };

struct X86State {
  std::array<std::uint64_t, 16> gpr{};
  std::uint64_t rip = 0;
  std::uint64_t rflags = 2;

  std::array<X86Segment, 6> segment{};  ///< by SegmentIndex
  X86Segment tr{}, ldt{};
  X86TableRegister gdt{}, idt{};

  std::uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0;
  std::uint64_t efer = 0;
  std::uint64_t apic_base = 0;
  std::uint64_t xcr0 = 1;
  std::array<std::uint64_t, 4> pdptr{};  ///< with PAE paging only
  bool pdptr_valid = false;

  std::array<std::uint64_t, 4> dr{};  ///< DR0 to DR3
  std::uint64_t dr6 = 0xffff0ff0, dr7 = 0x400;

  /// In the standard (non-compacted) form of XSAVE: legacy region, header, components by CPUID leaf 0Dh.
  std::vector<std::uint8_t> xsave;

  std::vector<X86Msr> msrs;  ///< sorted by index; the TSC (10h) and TSC deadline among them
  std::uint32_t tsc_khz = 0;

  X86Events events{};
  MpState mp_state = MpState::Runnable;

  /// Local APIC registers as in its 4 KiB page, where the accelerator holds the APIC (SDM vol. 3, table 11-1).
  std::array<std::uint8_t, 1024> lapic{};
  bool lapic_valid = false;

  std::uint64_t msr(std::uint32_t index, std::uint64_t otherwise = 0) const;
  void set_msr(std::uint32_t index, std::uint64_t value);

  friend bool operator==(const X86State&, const X86State&) = default;

  /// After power-up or RESET: SDM vol. 3, table 10-1. `signature` is CPUID.1:EAX, which DX holds. The bootstrap
  /// processor runs, the others wait for INIT and SIPI. MSRs that are not listed have their value at power-on.
  static X86State at_reset(std::uint32_t signature, bool bootstrap, std::uint32_t apic_id = 0);
  /// After INIT: as reset, but what table 10-1 keeps (XSAVE state, MSRs, TSC, cache bits of CR0) is kept.
  void apply_init(std::uint32_t signature, bool bootstrap);
  /// A start-up IPI: real mode at vector * 4096.
  void apply_sipi(std::uint8_t vector);
};

/// An XSAVE area with what means nothing made equal: components in their initial state hold it, reserved bytes are
/// zero. SDM vol. 1, 13.4 and 13.6.
std::vector<std::uint8_t> canonical_xsave(const std::vector<std::uint8_t>& area);

/// Names of the fields that differ, with both values, one per line: for read-back checks and accelerator comparisons.
std::vector<std::string> differences(const X86State& a, const X86State& b);

}  // namespace machina
