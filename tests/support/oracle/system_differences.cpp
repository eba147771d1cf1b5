#include "tests/support/oracle/system_differences.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <string_view>

#include "accel/kvm/kvm_sregs.h"
#include "tests/support/oracle/system_builder.h"

namespace machina::jit {

namespace {

using L = SystemLayout;
constexpr std::uint64_t kFlagIf = 0x200, kFlagIopl = 0x3000, kFlagRf = 1U << 16, kFlagVm = 1U << 17, kFlagAc = 1U << 18,
                        kFlagsOfInterrupts = 3U << 19;
constexpr std::uint64_t kCr4Pvi = 3;  // VME, PVI
constexpr int kDebug = 1, kUndefined = 6, kStackFault = 12, kProtection = 13;

// --- what a case is ---

bool is(const SystemDifference& d, std::string_view mnemonic) { return d.c.mnemonic == mnemonic; }
bool starts(const SystemDifference& d, std::string_view mnemonic) { return d.c.mnemonic.starts_with(mnemonic); }
bool in_long_mode(const SystemDifference& d) { return d.c.state.efer & 0x400; }
unsigned cpl(const SystemDifference& d) { return d.c.state.segment[kSs].dpl; }
/// KVM lets the host's processor run such code.
bool native(const X86State& s) { return (s.efer & 0x400) && s.segment[kCs].l && s.segment[kSs].dpl == 3; }

bool is_real(const SystemDifference& d) { return !(d.c.state.cr0 & 1); }

// --- what differs ---

/// Nothing but these; "es." stands for all of ES.
bool only(const SystemDifference& d, std::initializer_list<std::string_view> permitted) {
  return std::all_of(d.fields.begin(), d.fields.end(), [&](const std::string& field) {
    return std::any_of(permitted.begin(), permitted.end(),
                       [&](std::string_view p) { return field == p || (p.ends_with('.') && field.starts_with(p)); });
  });
}
bool differs(const SystemDifference& d, std::string_view field) {
  return std::find(d.fields.begin(), d.fields.end(), field) != d.fields.end();
}
template <class Predicate>
bool memory_is(const SystemDifference& d, Predicate predicate) {
  return std::all_of(d.memory.begin(), d.memory.end(), predicate);
}
bool is_table(std::uint64_t physical) { return physical >= L::kGdt && physical < L::kIdt32; }
bool is_page_table(std::uint64_t physical) {
  return (physical >= L::kPml4 && physical < L::kCode) || physical >= L::kWindowTable;
}
/// Bit 0 of a descriptor's type, or the dirty flag of the page that it is on.
bool is_accessed_bit(const MemoryDifference& m) {
  const bool of_tables = m.physical == L::kTable + 8 * (L::kGdt >> 12) || m.physical == L::kTable + 8 * (L::kLdt >> 12);
  return of_tables ? (m.kvm ^ m.software) == 0x40
                   : is_table(m.physical) && m.physical % 8 == 5 && (m.kvm ^ m.software) == 1;
}
/// RSP of the state that the case starts with, as an address.
std::uint64_t stack_of(const SystemDifference& d) {
  return d.c.state.gpr[kRsp] + (d.c.state.segment[kCs].l ? 0 : d.c.state.segment[kSs].base);
}

/// The vector whose handler it halted in, -1 for none.
int vector_of(const SystemOutcome& o) {
  const X86Segment& cs = o.state.segment[kCs];
  return o.end == SystemEnd::Halted ? handler_of(o.state.rip + (cs.l ? 0 : cs.base)) : -1;
}
int kvm_vector(const SystemDifference& d) { return vector_of(d.kvm); }
int software_vector(const SystemDifference& d) { return vector_of(d.software); }

/// In what has been pushed last.
bool is_near(const MemoryDifference& m, const X86State& s, std::uint64_t size) {
  return m.physical >= s.gpr[kRsp] && m.physical < s.gpr[kRsp] + size;
}
/// The frame that KVM pushed last names the instruction under test.
bool kvm_faulted_at_once(const SystemDifference& d) { return raised_at_once(d.c, d.kvm, d.kvm_ram) >= 0; }
bool is_idt(std::uint64_t linear) {
  return (linear >= L::kIdt32 && linear < L::kTss32) || (linear >= L::kIdt64 && linear < L::kIdt64 + 0x1000);
}
/// Is a gate one that an exception goes through, as far as the gate itself says? SDM vol. 3, 6.11 and 6.14.1.
bool good_gate(const SystemDifference& d) {
  const unsigned type = d.failed_entry >> 40 & 0x1f;
  const bool fits = in_long_mode(d) ? type == 14 || type == 15 : (type & 0x17) == 6 || (type & 0x17) == 7 || type == 5;
  return fits && (d.failed_entry >> 47 & 1);
}

std::uint64_t gate_of(const SystemDifference& d, int vector) {
  std::uint64_t gate = 0;
  const auto n = static_cast<unsigned>(vector);
  std::memcpy(&gate, d.kvm_ram + (in_long_mode(d) ? L::kIdt64 + 16 * n : L::kIdt32 + 8 * n), sizeof gate);
  return gate;
}
/// The descriptor of the code segment that a gate names.
std::uint64_t handler_code_of(const SystemDifference& d, int vector) {
  const auto selector = static_cast<std::uint16_t>(gate_of(d, vector) >> 16);
  if ((selector & ~7U) > gdt::kLimit) return 0;
  std::uint64_t descriptor = 0;
  std::memcpy(&descriptor, d.kvm_ram + (selector & 4 ? L::kLdt : L::kGdt) + (selector & ~7U), sizeof descriptor);
  return descriptor;
}

constexpr Explanation kExplanations[] = {
    {"sysexit-null-selector",
     [](const SystemDifference& d) {
       return is(d, "sysexit") && cpl(d) == 0 && d.c.code[0] == 0x48 && d.c.state.msr(0x174) - 1 < 3 &&
              d.first_vector == kProtection && !kvm_faulted_at_once(d);
     },
     "SDM vol. 2, SYSEXIT: #GP(0) if IA32_SYSENTER_CS[15:2] is 0",
     "KVM's SYSEXIT to 64-bit code looks whether all of IA32_SYSENTER_CS is 0"},
    {"ltr-16-bit-tss",
     [](const SystemDifference& d) {
       return is(d, "ltr") && in_long_mode(d) && d.first_vector == kProtection && d.kvm.end == SystemEnd::Halted &&
              d.kvm.state.tr.selector != d.c.state.tr.selector && d.kvm.state.tr.type == 3;
     },
     "SDM vol. 2, LTR; vol. 3, table 3-2: type 1 is reserved in IA-32e mode: #GP(selector)",
     "KVM's LTR takes a 16-bit TSS in long mode"},
    {"enter-probe",
     [](const SystemDifference& d) {
       return is(d, "enter") && d.first_vector < 0 && only(d, {}) && d.memory.size() == 1 &&
              is_page_table(d.memory[0].physical) && (d.memory[0].kvm ^ d.memory[0].software) == 0x40 &&
              (d.memory[0].software & 0x40);
     },
     "SDM vol. 2, ENTER: #PF where a write by the final stack pointer would fault; whether the dirty flag is set is "
     "open",
     "the software CPU looks at the final stack's page as a write does, KVM does not look"},
    {"general-detect-or-upper-half",
     [](const SystemDifference& d) {
       return is(d, "mov dr, r") && (d.c.state.dr7 & 0x2000) && d.c.state.gpr[kRax] >> 32 != 0 &&
              d.first_vector == kDebug && kvm_faulted_at_once(d) && kvm_vector(d) == kProtection;
     },
     "SDM vol. 2, MOV DR has #DB of general detect and #GP(0) for bits 63 to 32 of DR6 and DR7, in no order",
     "KVM looks at the upper half first, the software CPU at DR7.GD"},
    {"dr6-rtm",
     [](const SystemDifference& d) {
       return is(d, "mov dr, r") && only(d, {"dr6"}) && d.memory.empty() &&
              (d.kvm.state.dr6 ^ d.software.state.dr6) == 0x10000;
     },
     "SDM vol. 3, 18.2.3: bit 16 is always 1 where there is no RTM",
     "KVM keeps what is written to bit 16 of DR6 where CPUID shows no RTM"},
    {"swapgs-inner-cpl",
     [](const SystemDifference& d) {
       return is(d, "swapgs") && d.c.state.segment[kCs].l && (cpl(d) == 1 || cpl(d) == 2) &&
              d.first_vector == kProtection && kvm_vector(d) == kProtection && !kvm_faulted_at_once(d) &&
              only(d, {"gs.base", "msr 0xc0000102"});
     },
     "SDM vol. 2, SWAPGS: #GP(0) if CPL is not 0", "KVM carries it out at CPL 1 and 2"},
    {"sysenter-native",
     [](const SystemDifference& d) {
       return native(d.c.state) && is(d, "sysenter") && d.first_vector != kUndefined && kvm_faulted_at_once(d) &&
              kvm_vector(d) == kUndefined;
     },
     "SDM vol. 2, SYSENTER: carried out in IA-32e mode, #GP(0) with IA32_SYSENTER_CS of 0",
     "natively run SYSENTER ends in #UD"},
    {"la57-refused",
     [](const SystemDifference& d) {
       constexpr std::uint64_t kLa57 = 0x1000;
       return is(d, "mov cr4, r") && (d.c.state.gpr[kRax] & kLa57) && !(d.c.state.cr4 & kLa57) && d.first_vector < 0 &&
              kvm_faulted_at_once(d) && kvm_vector(d) == kProtection && d.kvm.state.cr4 == d.c.state.cr4;
     },
     "SDM vol. 3, 2.5: CR4.LA57 is there where CPUID.07H:ECX[16] is", "KVM shows LA57 in CPUID and refuses it in CR4"},
    {"split-canonical",
     [](const SystemDifference& d) {
       const std::uint64_t at = d.kvm.state.cr2;
       return d.c.state.segment[kCs].l && (d.first_vector == kStackFault || d.first_vector == kProtection) &&
              kvm_faulted_at_once(d) && kvm_vector(d) == 14 && at < 0x800000000000 && at > 0x800000000000 - 0x40 &&
              only(d, {"rip", "cr2"}) &&
              memory_is(d, [&](const MemoryDifference& m) { return is_near(m, d.kvm.state, 8); });
     },
     "SDM vol. 3, 5.12 with 5.3.1: #SS(0) and #GP(0) come before paging; a processor raises #GP(0) for such a MOV",
     "of an access that reaches beyond the canonical half KVM's emulator looks at the first page only"},
    {"split-update",
     [](const SystemDifference& d) {
       const std::uint64_t ours = d.software.state.cr2, theirs = d.kvm.state.cr2;
       return (is(d, "add m, r") || is(d, "xchg") || starts(d, "cmpxchg")) && d.first_vector == 14 &&
              kvm_faulted_at_once(d) && kvm_vector(d) == 14 && (theirs & 0xfff) == 0 && ours < theirs &&
              theirs - ours < 8 && only(d, {"cr2"}) &&
              memory_is(d, [&](const MemoryDifference& m) { return is_near(m, d.kvm.state, 8); });
     },
     "SDM vol. 3, 4.7 does not say which page's fault is told of when both pages of an access fault",
     "KVM's emulator reads both pages before it looks whether the first one may be written"},
    {"sysret-outside-64-bit",
     [](const SystemDifference& d) {
       return !d.amd && starts(d, "sysret") && !d.c.state.segment[kCs].l && d.first_vector == kUndefined;
     },
     "SDM vol. 2, SYSRET: #UD outside of 64-bit mode", "KVM carries it out in every mode, as AMD's processors do"},
    {"sysret-canonical",
     [](const SystemDifference& d) {
       const std::uint64_t rcx = d.c.state.gpr[kRcx];
       return !d.amd && is(d, "sysretq") && cpl(d) == 0 &&
              static_cast<std::uint64_t>(static_cast<std::int64_t>(rcx << 16) >> 16) != rcx &&
              d.first_vector == kProtection && kvm_vector(d) == kProtection && !kvm_faulted_at_once(d);
     },
     "SDM vol. 2, SYSRET: #GP(0) for RCX that is not canonical, at CPL 0",
     "KVM raises it at CPL 3, where the code is fetched, as AMD's processors do"},
    {"native-iopl",
     [](const SystemDifference& d) {
       return in_long_mode(d) && only(d, {"rflags"}) &&
              ((d.kvm.state.rflags ^ d.software.state.rflags) & ~(kFlagIopl | kFlagAc)) == 0 &&
              (d.kvm.state.rflags & kFlagIopl) == 0 && d.memory.size() <= 1 &&
              memory_is(d, [](const MemoryDifference& m) { return ((m.kvm ^ m.software) & ~0x30) == 0; });
     },
     "SDM vol. 3, 2.3: IOPL is changed by POPF and IRET at CPL 0 only",
     "KVM runs 64-bit code of CPL 3 natively with IOPL 0, and forgets the guest's"},
    {"stack-base-ignored",
     [](const SystemDifference& d) {
       return !in_long_mode(d) && (d.c.state.cr0 & 1) && only(d, {"ss.", "rsp", "cs.rights", "cs.selector"}) &&
              !d.memory.empty() && d.kvm.end == d.software.end && software_vector(d) >= 0 &&
              (d.software.state.segment[kSs].base != 0 || !d.software.state.segment[kSs].db);
     },
     "SDM vol. 3, 6.12.1: the frame is pushed on SS:ESP",
     "KVM pushes the frame of an exception at ESP, without the base of SS"},
    {"native-segment-load",
     [](const SystemDifference& d) { return native(d.c.state) && std::string_view(d.c.family) == "segment"; },
     "SDM vol. 2, MOV, POP, LDS/LES/LFS/LGS/LSS: the segment is loaded",
     "natively run code loads data segments from the host's tables, and KVM does not look at what came of it"},
    {"sgdt-24-bits",
     [](const SystemDifference& d) {
       return (is(d, "sgdt") || is(d, "sidt")) && only(d, {}) && d.memory.size() == 1 && d.memory[0].kvm == 0;
     },
     "SDM vol. 2, SGDT, Operation: 16-bit operand size stores the full 32-bit base",
     "KVM stores 24 bits of the base, as a 286 would"},
    {"ltr-local",
     [](const SystemDifference& d) {
       return is(d, "ltr") && only(d, {}) && d.first_vector == kProtection && d.memory.size() <= 2 &&
              memory_is(d, [](const MemoryDifference& m) { return m.kvm == 0; });
     },
     "SDM vol. 2, LTR: #GP(selector) if the selector is not of the GDT",
     "KVM's error code is 0 for a selector of the LDT"},
    {"lldt-local",
     [](const SystemDifference& d) {
       return is(d, "lldt") && d.first_vector == kProtection &&
              ((d.kvm.state.ldt.selector & 4) || (kvm_vector(d) == 11 && only(d, {"rip"})));
     },
     "SDM vol. 2, LLDT: #GP(selector) if the selector is not of the GDT",
     "KVM takes a descriptor of the LDT for the LDT"},
    {"delivery-no-accessed-flag",
     [](const SystemDifference& d) {
       return only(d, {"ss.rights", "cs.rights"}) && !d.memory.empty() && memory_is(d, is_accessed_bit) &&
              ((d.kvm.state.segment[kSs].type ^ d.software.state.segment[kSs].type) & ~1) == 0 &&
              ((d.kvm.state.segment[kCs].type ^ d.software.state.segment[kCs].type) & ~1) == 0;
     },
     "SDM vol. 3, 3.4.5.1: the accessed bit is set whenever a segment is loaded",
     "on delivery and IRET, KVM leaves descriptors as they were; on a far transfer that faults later it has marked "
     "them"},
    {"dr6-of-general-detect",
     [](const SystemDifference& d) {
       return d.first_vector == kDebug && only(d, {"dr6"}) && ((d.kvm.state.dr6 ^ d.software.state.dr6) & ~0xfULL) == 0;
     },
     "SDM vol. 3, 18.2.3: certain debug exceptions may clear B0 to B3",
     "KVM clears B0 to B3 with BD, the software CPU leaves them"},
    {"dr7-bit-11",
     [](const SystemDifference& d) { return only(d, {"dr7"}) && (d.kvm.state.dr7 ^ d.software.state.dr7) == 0x800; },
     "SDM vol. 3, 18.2.4: bit 11 is RTM, and reserved without it; APM vol. 2, 13.1.1.4",
     "KVM keeps bit 11 of DR7 where there is no RTM"},
    {"pat-types",
     [](const SystemDifference& d) {
       return is(d, "wrmsr") && d.c.state.gpr[kRcx] == 0x277 && d.first_vector == kProtection;
     },
     "SDM vol. 3, 12.12.2: #GP for a reserved memory type", "KVM takes any value for IA32_PAT"},
    {"sysenter-canonical",
     [](const SystemDifference& d) {
       const std::uint64_t index = d.c.state.gpr[kRcx];
       return is(d, "wrmsr") && (index == 0x175 || index == 0x176) && d.first_vector == kProtection;
     },
     "SDM vol. 2, WRMSR: #GP for an address that is not canonical; APM vol. 2 has no such check",
     "KVM makes IA32_SYSENTER_ESP and _EIP canonical instead of refusing them, as AMD's processors do not look"},
    {"sysenter-in-long-mode",
     [](const SystemDifference& d) {
       return in_long_mode(d) && (is(d, "sysenter") || is(d, "sysexit")) && d.first_vector == kUndefined;
     },
     "APM vol. 3, SYSENTER and SYSEXIT: #UD in long mode (the CPU is one of AMD's)",
     "KVM carries them out, or raises #GP"},
    {"ac-of-handler",
     [](const SystemDifference& d) {
       return only(d, {"rflags"}) && d.memory.empty() && (d.kvm.state.rflags ^ d.software.state.rflags) == kFlagAc &&
              (d.software.state.rflags & kFlagAc) && software_vector(d) >= 0;
     },
     "SDM vol. 3, 6.12.1.2: TF, VM, RF, NT are cleared, and IF by an interrupt gate",
     "KVM clears AC on its way to a handler"},
    {"virtual-interrupt-flag",
     [](const SystemDifference& d) {
       return (d.c.state.cr4 & kCr4Pvi) && (is(d, "cli") || is(d, "sti") || is(d, "popf") || is(d, "pushf"));
     },
     "SDM vol. 2, CLI, STI; vol. 3, 20.3 and 20.4", "KVM knows nothing of VIF and PVI"},
    {"sysenter-null-stack",
     [](const SystemDifference& d) {
       return is(d, "sysenter") && d.kvm.end == SystemEnd::Shutdown && d.c.state.msr(0x175) + 0x40 > L::kRam;
     },
     "SDM vol. 2, SYSENTER: RSP is IA32_SYSENTER_ESP", "KVM shuts down when a frame goes where there is no RAM"},
    {"io-bitmap-last-byte",
     [](const SystemDifference& d) {
       return std::string_view(d.c.family) == "port" && cpl(d) != 0 && d.first_vector == kProtection &&
              differs(d, "ports");
     },
     "SDM vol. 1, 19.5.2: two bytes of the bitmap are read, and both must be within the TSS",
     "KVM looks whether the first of them is"},
    {"native-port",
     [](const SystemDifference& d) {
       return native(d.c.state) && std::string_view(d.c.family) == "port" && d.first_vector < 0 &&
              kvm_vector(d) == kProtection;
     },
     "SDM vol. 1, 19.5: IOPL and the TSS decide",
     "KVM runs 64-bit code of CPL 3 natively, and the host permits no port"},
    {"enter-operand-size",
     [](const SystemDifference& d) {
       const bool prefixed = d.c.code[0] == 0x66, wide = d.c.state.segment[kCs].db != prefixed;
       return is(d, "enter") && (d.c.state.segment[kCs].l ? prefixed : wide != d.c.state.segment[kSs].db);
     },
     "SDM vol. 2, ENTER: the operand size decides what is pushed", "KVM's ENTER goes by the size of the stack"},
    {"cr4-without-cpuid",
     [](const SystemDifference& d) {
       return is(d, "mov cr4, r") && d.first_vector == kProtection && d.kvm.state.cr4 != d.c.state.cr4;
     },
     "SDM vol. 3, 2.5: #GP for bits of features that CPUID does not show",
     "KVM takes OSXSAVE, FSGSBASE and others without their bit of CPUID"},
    {"int-real-endless",
     [](const SystemDifference& d) { return is(d, "int") && d.kvm.end == SystemEnd::Endless && is_real(d); },
     "SDM vol. 2, INT n", "KVM never comes back from an INT n in real mode"},
    {"native-debugger-int",
     [](const SystemDifference& d) { return native(d.c.state) && (is(d, "int1") || is(d, "int3")); },
     "SDM vol. 2, INT n: the gate's DPL counts; INT1 is a trap",
     "natively run INT3 and INT1 become exceptions of the host, of which KVM knows neither length nor DPL"},
    {"int-emulation", [](const SystemDifference& d) { return starts(d, "int") && !native(d.c.state) && !is_real(d); },
     "SDM vol. 2, INT n", "KVM takes some INT n outside of real mode for calls to itself, and raises #GP for others"},
    {"native-cli",
     [](const SystemDifference& d) {
       return native(d.c.state) && (is(d, "cli") || is(d, "sti")) && (d.c.state.rflags & kFlagIopl) == kFlagIopl;
     },
     "SDM vol. 2, CLI and STI: permitted where CPL is not above IOPL",
     "KVM runs 64-bit code of CPL 3 natively with IOPL 0"},
    {"native-iret", [](const SystemDifference& d) { return native(d.c.state) && starts(d, "iret"); },
     "SDM vol. 2, IRET", "natively run IRET goes by the host's descriptors"},
    {"native-query",
     [](const SystemDifference& d) { return native(d.c.state) && std::string_view(d.c.family) == "query"; },
     "SDM vol. 2, LAR, LSL, VERR and VERW", "natively run, they tell of the host's descriptors"},
    {"native-upper-half",
     [](const SystemDifference& d) { return native(d.c.state) && kvm_vector(d) == 14 && d.kvm.state.cr2 >> 47 != 0; },
     "SDM vol. 3, 4.6: U/S decides, not the address", "the host keeps the upper half of the address space to itself"},
    {"iret-flags",
     [](const SystemDifference& d) {
       return starts(d, "iret") && in_long_mode(d) && d.first_vector < 0 &&
              only(d, {"rflags", "es.", "ds.", "fs.", "gs.", "cs.rights", "ss.rights"}) &&
              memory_is(d,
                        [&](const MemoryDifference& m) { return is_accessed_bit(m) || is_near(m, d.kvm.state, 0x30); });
     },
     "SDM vol. 2, IRET, Operation: reserved bits stay, IOPL is CPL 0's to change, RF is loaded",
     "KVM's IRET of long mode loads reserved bits of EFLAGS, or leaves IOPL and RF, and with them inner data segments"},
    {"iret-refused",
     [](const SystemDifference& d) { return starts(d, "iret") && in_long_mode(d) && kvm_faulted_at_once(d); },
     "SDM vol. 2, IRET, IA-32e-MODE",
     "KVM's IRET of long mode raises #GP(0) for selectors of the LDT, 16-bit operands, segments of its own dislike"},
    {"push-selector",
     [](const SystemDifference& d) {
       if (is(d, "push sreg") && d.first_vector == kStackFault && d.kvm.end == SystemEnd::Halted) return true;
       return is(d, "push sreg") && only(d, {}) && d.memory.size() <= 6 &&
              memory_is(d, [](const MemoryDifference& m) { return m.kvm == m.before && m.software == 0; });
     },
     "SDM vol. 2, PUSH: the upper part is zero or not written",
     "KVM leaves the upper part of what a selector is pushed to, the software CPU clears it"},
    {"accessed-bit-address",
     [](const SystemDifference& d) {
       return only(d, {"cr2"}) && d.memory.empty() && ((d.kvm.state.cr2 ^ d.software.state.cr2) & ~7ULL) == 0;
     },
     "SDM vol. 3, 4.7: CR2 is an address of the access, whose width for the accessed bit is not said",
     "#PF of setting a descriptor's accessed bit: KVM tells of the descriptor, the software CPU of the byte"},
    {"stack-beyond-ram",
     [](const SystemDifference& d) {
       const X86State& s = d.software.state;
       const bool paging = d.c.state.cr0 >> 31 & 1;
       return !paging && d.kvm.end == SystemEnd::Shutdown && d.software.end == SystemEnd::Halted &&
              s.gpr[kRsp] + s.segment[kSs].base + 0x40 > L::kRam;
     },
     "SDM vol. 3, 6.12.1: writes where no memory is are writes",
     "KVM shuts down when a frame goes where there is no RAM"},
    {"real-stack-wraps",
     [](const SystemDifference& d) {
       const std::uint64_t sp = d.c.state.gpr[kRsp] & 0xffff;
       return is_real(d) && d.kvm.end == SystemEnd::Shutdown && (sp < 8 || sp > 0xfff0);
     },
     "SDM vol. 3, 20.1.4 and vol. 1, 6.2.3: SP wraps around in 16 bits",
     "KVM shuts down when a frame of real mode wraps around the segment's end"},
    {"tss-of-16-bits",
     [](const SystemDifference& d) { return d.c.state.tr.type == 3 && d.software.state.segment[kSs].dpl < cpl(d); },
     "SDM vol. 3, 8.2.1 and 8.6: a 16-bit TSS has stacks, too", "KVM takes stacks from 32-bit and 64-bit TSSs only"},
    {"far-call-to-64-bit",
     [](const SystemDifference& d) { return is(d, "callf") && in_long_mode(d) && d.c.state.segment[kSs].base != 0; },
     "SDM vol. 2, CALL: the return address is pushed as the mode of the CALL has it",
     "KVM pushes it when CS is 64-bit code already, without the base of SS"},
    {"dirty-flag-of-split-write",
     [](const SystemDifference& d) {
       return d.first_vector == 14 && only(d, {"cr2"}) && memory_is(d, [](const MemoryDifference& m) {
                return m.physical >= L::kPml4 && ((m.kvm ^ m.software) & ~0x60) == 0;
              });
     },
     "SDM vol. 3, 4.8 does not say what a write to two pages of which the second faults leaves",
     "the software CPU has translated the first page for the write when the second one faults"},
    {"shutdown-frame",
     [](const SystemDifference& d) {
       return d.kvm.end == SystemEnd::Shutdown && d.software.end == SystemEnd::Shutdown && only(d, {}) &&
              memory_is(d, [](const MemoryDifference& m) { return m.software == m.before || is_accessed_bit(m); });
     },
     "SDM vol. 2, INT n: the code segment is looked at before anything is pushed",
     "on its way to a shutdown, KVM pushes a frame before it has found a handler"},
    {"delivery-by-bad-gate", [](const SystemDifference& d) { return d.failed && is_idt(d.failed_at) && !good_gate(d); },
     "SDM vol. 3, 6.11, 6.14.1, table 3-2: #GP, and #NP for a gate that is not present",
     "KVM delivers an exception through a gate of 16 bits in long mode, call gates and others, or shuts down"},
    {"delivery-beyond-idt",
     [](const SystemDifference& d) { return d.failed && d.failed_at == 0 && d.c.state.idt.limit < 0x7ff; },
     "SDM vol. 3, 6.10: #GP for a vector beyond the limit of the IDT", "KVM shuts down, or reads on"},
    {"delivery-to-bad-segment", [](const SystemDifference& d) { return d.failed && d.failed_at != 0; },
     "SDM vol. 2, INT n, Operation; vol. 3, 6.12.1: code segment, TSS and stack are checked",
     "KVM does not check the handler's code segment, the TSS and the stack when it delivers an exception"},
    {"syscall-native", [](const SystemDifference& d) { return native(d.c.state) && is(d, "syscall"); },
     "SDM vol. 2, SYSCALL: CPL 0 from there on, R11 is RFLAGS",
     "KVM leaves SYSCALL of native code at CPL 3, with the host's RFLAGS in R11"},
    {"sysret-legacy",
     [](const SystemDifference& d) {
       if (is(d, "sysret") && d.c.state.segment[kCs].l && cpl(d) == 0 && d.first_vector < 0 &&
           only(d, {"rflags", "cr2", "cs."}))
         return true;
       return is(d, "sysret") && d.first_vector < 0 && (!in_long_mode(d) || differs(d, "cs.selector"));
     },
     "APM vol. 3, SYSRET: outside of long mode only IF changes, and 32-bit code is at SYSRET_CS itself",
     "KVM's SYSRET takes flags from R11 and the 64-bit selector in every mode"},
    {"sysret-flags",
     [](const SystemDifference& d) {
       return starts(d, "sysret") && d.first_vector < 0 && only(d, {"rflags", "cs.selector"});
     },
     "SDM vol. 2, SYSRET: RFLAGS from R11 but for RF and VM",
     "KVM runs what follows natively, without NT, IOPL and AC"},
    {"sysret-fault",
     [](const SystemDifference& d) { return starts(d, "sysret") && kvm_vector(d) != software_vector(d); },
     "APM vol. 3, SYSRET",
     "KVM raises #GP where code that is not canonical or not in memory faults at its first fetch"},
    {"swapgs-outside-64-bit",
     [](const SystemDifference& d) {
       return is(d, "swapgs") && !d.c.state.segment[kCs].l && d.first_vector == kUndefined;
     },
     "SDM vol. 2, SWAPGS: #UD outside of 64-bit mode", "KVM carries it out in every protected mode"},
    {"sfmask-upper-half",
     [](const SystemDifference& d) {
       return is(d, "wrmsr") && d.c.state.gpr[kRcx] == 0xc0000084 && only(d, {"msr 0xc0000084"}) &&
              (d.kvm.state.msr(0xc0000084) & 0xffffffff) == d.software.state.msr(0xc0000084);
     },
     "SDM vol. 3, 5.8.8 and APM vol. 2, 6.1.1: bits 63 to 32 are reserved",
     "KVM keeps them, the software CPU does not"},
    {"store-selector-width",
     [](const SystemDifference& d) {
       return (is(d, "str") || is(d, "sldt") || is(d, "smsw")) && only(d, {"rflags"}) &&
              (native(d.c.state) || !differs(d, "rflags")) && d.memory.size() <= 8 &&
              memory_is(d, [&](const MemoryDifference& m) {
                return m.software == m.before || (native(d.c.state) && is_near(m, d.kvm.state, 0x30));
              });
     },
     "SDM vol. 2, STR and SLDT: in memory always 16 bits", "KVM stores as many bytes as the operand size says"},
    {"native-flags",
     [](const SystemDifference& d) {
       constexpr std::uint64_t kOfHost = kFlagIopl | kFlagIf | kFlagAc;
       return native(d.c.state) && (is(d, "pushf") || is(d, "popf")) && only(d, {"rflags"}) &&
              ((d.kvm.state.rflags ^ d.software.state.rflags) & ~kOfHost) == 0 && d.memory.size() <= 4;
     },
     "SDM vol. 2, PUSHF and POPF", "natively run, they see and change the host's IF and IOPL"},
    {"native-int", [](const SystemDifference& d) { return native(d.c.state) && (starts(d, "int")); },
     "SDM vol. 2, INT n", "natively run INT n ends in #UD"},
    {"native-far", [](const SystemDifference& d) { return native(d.c.state) && std::string_view(d.c.family) == "far"; },
     "SDM vol. 2, CALL, JMP and RET", "natively run far transfers go by the host's descriptors"},
    {"cr-upper-half",
     [](const SystemDifference& d) {
       return (is(d, "mov cr0, r") || is(d, "mov cr4, r")) && d.first_vector == kProtection &&
              d.c.state.gpr[kRax] >> 32 != 0;
     },
     "SDM vol. 3, 2.5: #GP for bits 63 to 32 of CR0 and CR4", "KVM ignores them"},
    {"dr-upper-half",
     [](const SystemDifference& d) {
       return is(d, "mov dr, r") && d.first_vector == kProtection && d.c.state.gpr[kRax] >> 32 != 0;
     },
     "SDM vol. 3, 18.2: #GP for bits 63 to 32 of DR6 and DR7, by their other names, too",
     "KVM does not look when they are called DR4 and DR5"},
    {"split-write",
     [](const SystemDifference& d) {
       return d.first_vector == 14 && only(d, {}) && memory_is(d, [](const MemoryDifference& m) {
                return m.software == m.before || (m.physical >= L::kPml4 && (m.kvm ^ m.software) == 0x40);
              });
     },
     "SDM vol. 3, 6.5: a fault leaves the state as it was",
     "KVM has written the first page when the second one faults"},
    {"handler-of-the-ldt",
     [](const SystemDifference& d) {
       return d.software.end == SystemEnd::Halted &&
              ((d.software.state.segment[kCs].selector | d.software.state.segment[kSs].selector) & 4);
     },
     "SDM vol. 3, 6.12.1: the handler's segments may be of the LDT", "KVM's delivery finds no segments in the LDT"},
    {"gate-of-16-bits",
     [](const SystemDifference& d) {
       return !in_long_mode(d) && !is_real(d) && d.last_vector >= 0 && (gate_of(d, d.last_vector) >> 43 & 1) == 0;
     },
     "SDM vol. 3, 6.12.1: a 16-bit gate pushes 16 bits", "KVM's delivery pushes 32 bits through any gate"},
    {"handler-of-another-cpl",
     [](const SystemDifference& d) {
       const auto elsewhere = [&d](int vector) {
         const std::uint64_t code = vector < 0 ? 0 : handler_code_of(d, vector);
         const bool conforming = (code >> 40 & 0x1c) == 0x1c;
         return (code >> 45 & 3) != 0 || conforming || (vector >= 0 && (gate_of(d, vector) >> 16 & 3) != 0);
       };
       return !is_real(d) && cpl(d) != 0 && (elsewhere(d.first_vector) || elsewhere(d.last_vector));
     },
     "SDM vol. 3, 6.12.1: a handler in conforming code keeps CPL",
     "KVM's delivery goes to the DPL of any code segment"},
    {"wrap-at-4-gib",
     [](const SystemDifference& d) {
       const X86State& x = d.c.state;
       return !x.segment[kCs].l && (x.gpr[kRbx] >= 0xfffffff0 || x.gpr[kRsp] >= 0xfffffff0 || x.gpr[kRsp] < 0x10);
     },
     "SDM vol. 3, 5.3: with a limit of 4 GiB, implementation-specific", "an access that wraps around at 4 GiB"},
    {"sysret-permission",
     [](const SystemDifference& d) {
       return starts(d, "sysret") && ((d.c.state.efer & 1) == 0 || cpl(d) != 0) && d.first_vector >= 0;
     },
     "SDM vol. 2, SYSRET: #UD without EFER.SCE, #GP(0) outside of CPL 0", "KVM's SYSRET looks at neither"},
    {"illegal-control-register",
     [](const SystemDifference& d) {
       return std::string_view(d.c.family) == "control" && cpl(d) != 0 && d.first_vector == kUndefined &&
              kvm_vector(d) == kProtection;
     },
     "SDM vol. 3, 6.9 does not order #UD of a control register that is none and #GP of CPL",
     "KVM, and the host's processor, look at CPL first"},
    {"enter-final-stack", [](const SystemDifference& d) { return is(d, "enter") && d.first_vector == kStackFault; },
     "SDM vol. 2, ENTER: #SS(0) if the new ESP is outside of the stack segment", "KVM looks at what is pushed only"},
    {"native-alignment-check",
     [](const SystemDifference& d) { return native(d.c.state) && kvm_vector(d) == 17 && !(d.c.state.cr0 >> 18 & 1); },
     "SDM vol. 3, 6.15, #AC: with CR0.AM only", "natively run code has the host's CR0.AM"},
    {"task-gate",
     [](const SystemDifference& d) {
       return !in_long_mode(d) && d.c.state.tr.base != d.software.state.tr.base &&
              std::string_view(d.c.family) != "table";
     },
     "SDM vol. 3, 8.3", "KVM's delivery knows no task gates"},
    {"native-emulation-bit", [](const SystemDifference& d) { return native(d.c.state) && is(d, "fninit"); },
     "SDM vol. 3, 2.5: #NM with CR0.EM", "natively run, x87 instructions go by the host's CR0"},
    {"iret-checks",
     [](const SystemDifference& d) {
       return starts(d, "iret") && in_long_mode(d) && d.first_vector == kProtection && !kvm_faulted_at_once(d);
     },
     "SDM vol. 2, IRET: #GP for an address that is not canonical, and for a null SS outside of 64-bit code",
     "KVM's IRET of long mode loads them all the same"},
    {"handler-rpl",
     [](const SystemDifference& d) {
       const std::uint16_t ours = d.software.state.segment[kCs].selector, theirs = d.kvm.state.segment[kCs].selector;
       return only(d, {"cs.selector", "cs.rights"}) && (ours ^ theirs) < 4 &&
              (ours & 3) == d.software.state.segment[kSs].dpl && memory_is(d, is_accessed_bit);
     },
     "SDM vol. 2, INT n: CS(RPL) := CPL", "KVM's delivery leaves the RPL of the gate"},
    {"syscall-of-compatibility-mode",
     [](const SystemDifference& d) {
       return is(d, "syscall") && in_long_mode(d) && !d.c.state.segment[kCs].l && d.c.state.msr(0xc0000083) >> 32 != 0;
     },
     "APM vol. 3, SYSCALL: RIP is CSTAR, all of it", "KVM takes 32 bits of CSTAR"},
    {"native-push-selector", [](const SystemDifference& d) { return native(d.c.state) && is(d, "push sreg"); },
     "SDM vol. 2, PUSH", "natively run, the host's selector is pushed"},
    {"code-beyond-ram", [](const SystemDifference& d) { return !(d.c.state.cr0 >> 31) && d.last_rip > L::kRam; },
     "SDM vol. 3, 5.3", "KVM does not fetch code where there is no RAM"},
    {"beyond-ram",
     [](const SystemDifference& d) {
       const X86State& s = d.c.state;
       return !(s.cr0 >> 31) && (stack_of(d) + 0x40 > L::kRam || s.gpr[kRbx] + s.segment[kDs].base + 0x10 > L::kRam);
     },
     "SDM vol. 3, 5.3: limits of 4 GiB, and accesses that wrap around",
     "KVM's emulator starts instructions over for each access that it has no RAM for"},
    {"iret-inner-segments",
     [](const SystemDifference& d) {
       return starts(d, "iret") && d.first_vector < 0 &&
              only(d, {"es.", "ds.", "fs.", "gs.", "cs.rights", "ss.rights"}) && memory_is(d, is_accessed_bit);
     },
     "SDM vol. 2, IRET, RETURN-TO-OUTER-PRIVILEGE-LEVEL: data segments of the inner level become null",
     "KVM's IRET leaves DS, ES, FS and GS"},
};

}  // namespace

int raised_at_once(const SystemCase& c, const SystemOutcome& o, const std::uint8_t* ram) {
  const X86State& s = o.state;
  const int vector = vector_of(o);
  if (vector < 0) return -1;
  const bool is_long = s.efer & 0x400, has_code = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
  const unsigned width = is_long ? 8 : s.cr0 & 1 ? 4 : 2;
  const auto names_it = [&](std::uint64_t base) {
    const std::uint64_t at = base + s.gpr[kRsp] + (has_code && width != 2 ? width : 0);
    std::uint64_t rip = 0;
    if (at + sizeof rip <= L::kRam) std::memcpy(&rip, ram + at, width);
    return rip == c.state.rip;
  };
  // KVM may push it without the base of SS: see "stack-base-ignored".
  return names_it(is_long ? 0 : s.segment[kSs].base) || names_it(0) ? vector : -1;
}

std::string describe_kind(const SystemDifference& d) {
  std::string text = fmt::format("{}|{} cpl {}|kvm {} {}{}|software {} {}, first {}|", d.c.mnemonic, d.c.mode, cpl(d),
                                 name_of(d.kvm.end), kvm_vector(d), kvm_faulted_at_once(d) ? " at once" : "",
                                 name_of(d.software.end), software_vector(d), d.first_vector);
  for (const std::string& field : d.fields) text += field + ' ';
  bool accessed = false, frame = false, tables = false, other = false;
  for (const MemoryDifference& m : d.memory) {
    const bool is_frame = is_near(m, d.kvm.state, 0x30) || is_near(m, d.software.state, 0x30);
    (is_accessed_bit(m) ? accessed : is_frame ? frame : is_page_table(m.physical) ? tables : other) = true;
  }
  text += '|';
  if (accessed) text += " accessed";
  if (frame) text += " frame";
  if (tables) text += " tables";
  if (other) text += " memory";
  return text;
}

std::span<const Explanation> explanations() { return kExplanations; }

void mask_undefined(const SystemCase& /*c*/, SystemOutcome& kvm, SystemOutcome& software) {
  kvm::normalize_segments(kvm.state);
  kvm::normalize_segments(software.state);
  if (!kvm.state.pdptr_valid || !software.state.pdptr_valid)
    for (SystemOutcome* o : {&kvm, &software}) o->state.pdptr_valid = false, o->state.pdptr = {};
  // In shutdown only RESET, INIT, NMI and SMI are seen, and what the registers of the event that failed hold is not
  // said: SDM vol. 3, 6.15, interrupt 8.
  if (kvm.end == SystemEnd::Shutdown && software.end == SystemEnd::Shutdown) {
    for (SystemOutcome* o : {&kvm, &software}) {
      o->state.rflags &= ~kFlagRf;
      o->state.cr2 = 0;
    }
  }
  // What a null SS of 64-bit mode has besides DPL is nobody's: SDM vol. 3, 5.4.1.1.
  for (SystemOutcome* o : {&kvm, &software}) {
    X86Segment& ss = o->state.segment[kSs];
    if ((o->state.efer & 0x400) && (ss.selector & 0xfffc) == 0) ss.unusable = true;
  }
  // A null or unusable segment's limit and rights mean nothing: SDM vol. 3, 24.4.1. The bases of FS and GS do.
  for (SystemOutcome* o : {&kvm, &software}) {
    for (unsigned i = 0; i < 6; ++i) {
      X86Segment& s = o->state.segment[i];
      if (!s.unusable || i == kCs) continue;
      const X86Segment whole = s;
      s = {};
      s.selector = whole.selector;
      s.base = i == kFs || i == kGs ? whole.base : 0;
      s.dpl = i == kSs ? whole.dpl : 0;
      s.present = false;
      s.unusable = true;
      s.limit = 0;
      s.type = 0;
    }
  }
}

bool drop_open_accessed_flags(SystemDifference& d) {
  // A processor may set accessed flags for what it looks at ahead of time, or for a walk that ends in a fault; where
  // an instruction has no fault, those that it needs are set all the same: the software CPU may not lack one that KVM
  // has for data. SDM vol. 3, 4.8 and 4.10.2.3.
  const bool faulted = d.first_vector >= 0 || d.software.end == SystemEnd::Shutdown || software_vector(d) >= 0;
  const auto open = [&](const MemoryDifference& m) {
    if (!is_page_table(m.physical) || (m.kvm ^ m.software) != 0x20) return false;
    return faulted || (m.kvm & 0x20);
  };
  const auto first = std::remove_if(d.memory.begin(), d.memory.end(), open);
  const bool any = first != d.memory.end();
  d.memory.erase(first, d.memory.end());
  return any;
}

}  // namespace machina::jit
