/// Instructions that KVM's emulator carries out in another way, or of which the manuals leave something open.

#include "tests/support/oracle/difference_facts.h"

namespace machina::jit::difference {

namespace {

bool in_64_bit_code(const SystemDifference& d) { return d.c.state.segment[kCs].l; }
bool has_rex_w(const SystemDifference& d) { return d.c.code[0] == 0x48; }
bool is_mov_to(const SystemDifference& d, std::string_view mnemonic) { return is(d, mnemonic); }
std::uint64_t operand(const SystemDifference& d) { return d.c.state.gpr[kRax]; }
bool writes_msr(const SystemDifference& d, std::uint32_t index) {
  return is(d, "wrmsr") && cpl(d) == 0 && static_cast<std::uint32_t>(d.c.state.gpr[kRcx]) == index;
}
/// KVM's IRET of long mode returns within these bounds.
bool kvm_knows_return(const SystemDifference& d) {
  const std::uint64_t cs = popped(d, 1), ss = popped(d, 4), code = descriptor_of(d, cs);
  const bool null_stack = (ss & 0xfffc) == 0 && ss != 0;
  return is(d, "iretq") && !((cs | ss) & 4) && !null_stack && !(is_conforming(code) && dpl_of(code) != (cs & 3));
}
bool is_64_bit_code(std::uint64_t descriptor) { return (descriptor >> 43 & 3) == 3 && (descriptor >> 53 & 3) == 1; }
bool is_writable_data(std::uint64_t descriptor) { return (descriptor >> 40 & 0x1a) == 0x12; }
bool is_sysret_for_amd(const SystemDifference& d) { return starts(d, "sysret") && d.amd; }

constexpr Explanation kExplanations[] = {
    // --- IRET ---
    {"iret-refused",
     [](const SystemDifference& d) {
       return starts(d, "iret") && in_long_mode(d) && kvm_raises(d, kProtection) && !kvm_knows_return(d);
     },
     "SDM vol. 2, IRET, IA-32e-MODE",
     "KVM's IRET of long mode raises #GP(0) for operands of 16 and 32 bits, selectors of the LDT, null selectors with "
     "an RPL for SS, and conforming code "
     "of "
     "another DPL"},
    {"iret-order",
     [](const SystemDifference& d) {
       return is(d, "iretq") && d.first_vector >= kNotPresent && d.first_vector <= kProtection &&
              (kvm_raises(d, kProtection) || kvm_raises(d, kStackFault) || kvm_raises(d, kNotPresent)) &&
              only(d, {"rip"}) && only_frame(d, 8);
     },
     "SDM vol. 2, IRET: CS and SS are checked, CS first", "KVM's IRET finds another of several faults first"},
    {"iret-checks",
     [](const SystemDifference& d) {
       return is(d, "iretq") && d.first_vector == kProtection && !kvm_faulted_at_once(d) &&
              (!is_canonical(popped(d, 0)) || (popped(d, 4) & 0xfffc) == 0 ||
               !is_64_bit_code(descriptor_of(d, popped(d, 1))) || !is_writable_data(descriptor_of(d, popped(d, 4))));
     },
     "SDM vol. 2, IRET: #GP for CS that is no code, or 64-bit code with D, an address that is not canonical or beyond "
     "the "
     "limit, SS that is not writable data, and a null SS with CPL 3 or outside of 64-bit code",
     "KVM's IRET of long mode loads them all the same"},
    {"iret-flags",
     [](const SystemDifference& d) {
       return is(d, "iretq") && d.first_vector < 0 && !kvm_faulted_at_once(d) &&
              only(d, {"rflags", "es.", "ds.", "fs.", "gs.", "cs.rights", "ss.rights"}) &&
              ((d.kvm.state.rflags ^ d.software.state.rflags) & 0xcd5) == 0 &&
              memory_is(d,
                        [&](const MemoryDifference& m) { return is_accessed_bit(m) || is_near(m, d.kvm.state, 0x30); });
     },
     "SDM vol. 2, IRET, Operation: reserved bits stay, IOPL is CPL 0's to change, RF is loaded; "
     "RETURN-TO-OUTER-PRIVILEGE-LEVEL: data segments of the inner level become null",
     "KVM's IRET of long mode loads reserved bits of EFLAGS, leaves IOPL and RF, and leaves DS, ES, FS and GS"},
    // --- INT ---
    {"int-calls-kvm",
     [](const SystemDifference& d) {
       return is(d, "int") && d.c.code[1] >= 0x17 && d.c.code[1] <= 0x1b && !is_real(d);
     },
     "SDM vol. 2, INT n", "KVM takes INT 17h to 1Bh of kernels for calls to itself"},
    {"int-real-endless",
     [](const SystemDifference& d) { return is(d, "int") && d.kvm.end == SystemEnd::Endless && is_real(d); },
     "SDM vol. 2, INT n", "KVM never comes back from an INT n in real mode"},
    // --- tables ---
    {"ltr-local",
     [](const SystemDifference& d) {
       return is(d, "ltr") && (operand(d) & 4) && d.first_vector == kProtection && kvm_raises(d, kProtection) &&
              only(d, {}) && only_frame(d, 8) && memory_is(d, [](const MemoryDifference& m) { return m.kvm == 0; });
     },
     "SDM vol. 2, LTR: #GP(selector) if the selector is not of the GDT",
     "KVM's error code is 0 for a selector of the LDT"},
    {"ltr-16-bit-tss",
     [](const SystemDifference& d) {
       return is(d, "ltr") && in_long_mode(d) && d.first_vector == kProtection && !kvm_faulted_at_once(d) &&
              d.kvm.state.tr.selector == (operand(d) & 0xffff) && d.kvm.state.tr.type == 3;
     },
     "SDM vol. 2, LTR; vol. 3, table 3-2: type 1 is reserved in IA-32e mode: #GP(selector)",
     "KVM's LTR takes a 16-bit TSS in long mode"},
    {"lldt-local",
     [](const SystemDifference& d) {
       return is(d, "lldt") && (operand(d) & 4) && d.first_vector == kProtection &&
              (d.kvm.state.ldt.selector == (operand(d) & 0xffff) || (kvm_raises(d, kNotPresent) && only(d, {"rip"})));
     },
     "SDM vol. 2, LLDT: #GP(selector) if the selector is not of the GDT",
     "KVM takes a descriptor of the LDT for the LDT"},
    // --- control, debug and model-specific registers ---
    {"cr-upper-half",
     [](const SystemDifference& d) {
       return (is_mov_to(d, "mov cr0, r") || is_mov_to(d, "mov cr4, r")) && cpl(d) == 0 &&
              d.first_vector == kProtection && operand(d) >> 32 != 0 && !kvm_faulted_at_once(d);
     },
     "SDM vol. 3, 2.5: #GP for bits 63 to 32 of CR0 and CR4", "KVM ignores them"},
    {"cr4-without-cpuid",
     [](const SystemDifference& d) {
       return is_mov_to(d, "mov cr4, r") && cpl(d) == 0 && d.first_vector == kProtection &&
              d.kvm.state.cr4 != d.c.state.cr4 && operand(d) >> 32 == 0;
     },
     "SDM vol. 3, 2.5: #GP for bits of features that CPUID does not show",
     "KVM takes OSXSAVE, FSGSBASE and others without their bit of CPUID"},
    {"la57-refused",
     [](const SystemDifference& d) {
       constexpr std::uint64_t kLa57 = 0x1000;
       return is_mov_to(d, "mov cr4, r") && (operand(d) & kLa57) && !(d.c.state.cr4 & kLa57) && d.first_vector < 0 &&
              kvm_raises(d, kProtection) && d.kvm.state.cr4 == d.c.state.cr4;
     },
     "SDM vol. 3, 2.5: CR4.LA57 is there where CPUID.07H:ECX[16] is", "KVM shows LA57 in CPUID and refuses it in CR4"},
    {"illegal-control-register",
     [](const SystemDifference& d) {
       return is_family(d, "control") && cpl(d) != 0 && d.first_vector == kUndefined && kvm_raises(d, kProtection);
     },
     "SDM vol. 3, 6.9 does not order #UD of a control register that is none and #GP of CPL",
     "KVM, and the host's processor, look at CPL first"},
    {"dr6-rtm",
     [](const SystemDifference& d) {
       return is(d, "mov dr, r") && only(d, {"dr6"}) && d.memory.empty() &&
              (d.kvm.state.dr6 ^ d.software.state.dr6) == 0x10000;
     },
     "SDM vol. 3, 18.2.3: bit 16 is always 1 where there is no RTM",
     "KVM keeps what is written to bit 16 of DR6 where CPUID shows no RTM"},
    {"dr6-of-general-detect",
     [](const SystemDifference& d) {
       return d.first_vector == kDebug && is_family(d, "debug") && (d.c.state.dr7 & 0x2000) && only(d, {"dr6"}) &&
              ((d.kvm.state.dr6 ^ d.software.state.dr6) & ~0x1000fULL) == 0;
     },
     "SDM vol. 3, 18.2.3: certain debug exceptions may clear B0 to B3",
     "KVM clears B0 to B3 with BD, the software CPU leaves them"},
    {"dr7-bit-11",
     [](const SystemDifference& d) {
       return is(d, "mov dr, r") && only(d, {"dr7"}) && (d.kvm.state.dr7 ^ d.software.state.dr7) == 0x800;
     },
     "SDM vol. 3, 18.2.4: bit 11 is RTM, and reserved without it; APM vol. 2, 13.1.1.4",
     "KVM keeps bit 11 of DR7 where there is no RTM"},
    {"dr-upper-half",
     [](const SystemDifference& d) {
       const unsigned number = d.c.code.back() >> 3 & 7;
       return is(d, "mov dr, r") && (number == 4 || number == 5) && d.first_vector == kProtection &&
              operand(d) >> 32 != 0 && !kvm_faulted_at_once(d);
     },
     "SDM vol. 3, 18.2: #GP for bits 63 to 32 of DR6 and DR7, by their other names, too",
     "KVM does not look when they are called DR4 and DR5"},
    {"general-detect-or-upper-half",
     [](const SystemDifference& d) {
       return is(d, "mov dr, r") && (d.c.state.dr7 & 0x2000) && operand(d) >> 32 != 0 && d.first_vector == kDebug &&
              kvm_raises(d, kProtection);
     },
     "SDM vol. 2, MOV DR has #DB of general detect and #GP(0) for bits 63 to 32 of DR6 and DR7, in no order",
     "KVM looks at the upper half first, the software CPU at DR7.GD"},
    {"pat-types",
     [](const SystemDifference& d) {
       return writes_msr(d, kPat) && d.first_vector == kProtection && !kvm_faulted_at_once(d);
     },
     "SDM vol. 3, 12.12.2: #GP for a reserved memory type", "KVM takes any value for IA32_PAT"},
    {"sysenter-canonical",
     [](const SystemDifference& d) {
       return (writes_msr(d, kSysenterEsp) || writes_msr(d, kSysenterEip)) && d.first_vector == kProtection &&
              !kvm_faulted_at_once(d);
     },
     "SDM vol. 2, WRMSR: #GP for an address that is not canonical; APM vol. 2 has no such check",
     "KVM makes IA32_SYSENTER_ESP and _EIP canonical instead of refusing them, as AMD's processors do not look"},
    {"sfmask-upper-half",
     [](const SystemDifference& d) {
       return writes_msr(d, kSfmask) && only(d, {"msr 0xc0000084"}) &&
              (d.kvm.state.msr(kSfmask) & 0xffffffff) == d.software.state.msr(kSfmask);
     },
     "SDM vol. 3, 5.8.8 and APM vol. 2, 6.1.1: bits 63 to 32 are reserved",
     "KVM keeps them, the software CPU does not"},
    // --- fast calls ---
    {"swapgs-outside-64-bit",
     [](const SystemDifference& d) { return is(d, "swapgs") && !in_64_bit_code(d) && d.first_vector == kUndefined; },
     "SDM vol. 2, SWAPGS: #UD outside of 64-bit mode", "KVM carries it out in every protected mode, or raises #GP"},
    {"swapgs-inner-cpl",
     [](const SystemDifference& d) {
       return is(d, "swapgs") && in_64_bit_code(d) && (cpl(d) == 1 || cpl(d) == 2) && d.first_vector == kProtection &&
              kvm_went_on_to(d, kProtection) && only(d, {"gs.base", "msr 0xc0000102"});
     },
     "SDM vol. 2, SWAPGS: #GP(0) if CPL is not 0", "KVM carries it out at CPL 1 and 2"},
    {"sysret-outside-64-bit",
     [](const SystemDifference& d) {
       return !d.amd && starts(d, "sysret") && !in_64_bit_code(d) && d.first_vector == kUndefined;
     },
     "SDM vol. 2, SYSRET: #UD outside of 64-bit mode", "KVM carries it out in every mode, as AMD's processors do"},
    {"sysret-permission",
     [](const SystemDifference& d) {
       const bool undefined = (d.c.state.efer & 1) == 0 && d.first_vector == kUndefined;
       return starts(d, "sysret") && !native(d.c.state) &&
              (undefined || (cpl(d) != 0 && d.first_vector == kProtection));
     },
     "SDM vol. 2, SYSRET: #UD without EFER.SCE, #GP(0) outside of CPL 0", "KVM's SYSRET looks at neither"},
    {"sysret-canonical",
     [](const SystemDifference& d) {
       return !d.amd && is(d, "sysretq") && cpl(d) == 0 && !is_canonical(d.c.state.gpr[kRcx]) &&
              d.first_vector == kProtection && (kvm_went_on_to(d, kProtection) || kvm_went_on_to(d, kPageFault));
     },
     "SDM vol. 2, SYSRET: #GP(0) for RCX that is not canonical, at CPL 0",
     "KVM raises it at CPL 3, where the code is fetched, as AMD's processors do"},
    {"sysret-64-bit-always",
     [](const SystemDifference& d) {
       return is(d, "sysret") && in_64_bit_code(d) && cpl(d) == 0 && d.first_vector < 0 &&
              only(d, {"rflags", "rip", "cr2", "cs.", "rsp"});
     },
     "SDM and APM, SYSRET: without REX.W to compatibility mode, at ECX and with SYSRET_CS itself",
     "KVM's SYSRET goes to 64-bit code, to RCX"},
    {"sysret-legacy",
     [](const SystemDifference& d) { return is_sysret_for_amd(d) && d.first_vector < 0 && !in_long_mode(d); },
     "APM vol. 3, SYSRET: outside of long mode only IF changes, and 32-bit code is at SYSRET_CS itself",
     "KVM's SYSRET takes flags from R11 and the 64-bit selector in every mode"},
    {"sysret-flags",
     [](const SystemDifference& d) {
       return starts(d, "sysret") && d.first_vector < 0 && only(d, {"rflags", "rip", "cr2"}) && only_frame(d);
     },
     "SDM vol. 2, SYSRET: RFLAGS from R11 but for RF and VM; what R11 has in reserved bits is not loaded",
     "KVM runs what follows natively, without NT, IOPL and AC, and raises #GP where it is not canonical"},
    {"sysexit-null-selector",
     [](const SystemDifference& d) {
       return is(d, "sysexit") && cpl(d) == 0 && has_rex_w(d) && d.c.state.msr(kSysenterCs) != 0 &&
              (d.c.state.msr(kSysenterCs) & 0xfffc) == 0 && d.first_vector == kProtection && !kvm_faulted_at_once(d);
     },
     "SDM vol. 2, SYSEXIT: #GP(0) if IA32_SYSENTER_CS[15:2] is 0",
     "KVM's SYSEXIT to 64-bit code looks whether all of IA32_SYSENTER_CS is 0"},
    {"sysenter-in-long-mode",
     [](const SystemDifference& d) {
       return d.amd && in_long_mode(d) && (is(d, "sysenter") || is(d, "sysexit")) && d.first_vector == kUndefined;
     },
     "APM vol. 3, SYSENTER and SYSEXIT: #UD in long mode", "KVM carries them out, or raises #GP"},
    {"sysenter-null-stack",
     [](const SystemDifference& d) {
       return is(d, "sysenter") && !(d.c.state.cr0 >> 31) && d.kvm.end == SystemEnd::Shutdown &&
              d.c.state.msr(kSysenterEsp) + 0x40 > L::kRam;
     },
     "SDM vol. 2, SYSENTER: RSP is IA32_SYSENTER_ESP", "KVM shuts down when a frame goes where there is no RAM"},
    {"syscall-of-compatibility-mode",
     [](const SystemDifference& d) {
       return d.amd && is(d, "syscall") && in_long_mode(d) && !in_64_bit_code(d) && d.c.state.msr(kCstar) >> 32 != 0;
     },
     "APM vol. 3, SYSCALL: RIP is CSTAR, all of it", "KVM takes 32 bits of CSTAR"},
    // --- flags, ports, calls ---
    {"virtual-interrupt-flag",
     [](const SystemDifference& d) {
       const bool interrupts = is(d, "cli") || is(d, "sti");
       return (d.c.state.cr4 & kCr4Pvi) && cpl(d) == 3 && interrupts && !is_real(d) &&
              (d.c.state.rflags & kFlagIopl) != kFlagIopl && d.first_vector < 0 && kvm_raises(d, kProtection);
     },
     "SDM vol. 2, CLI, STI; vol. 3, 21.4: with CR4.PVI they change VIF", "KVM knows nothing of VIF and PVI"},
    {"io-bitmap-last-byte",
     [](const SystemDifference& d) {
       return is_family(d, "port") && cpl(d) != 0 && d.first_vector == kProtection && !kvm_faulted_at_once(d) &&
              differs(d, "ports");
     },
     "SDM vol. 1, 19.5.2: two bytes of the bitmap are read, and both must be within the TSS",
     "KVM looks whether the first of them is"},
    {"far-call-to-64-bit",
     [](const SystemDifference& d) {
       return is(d, "callf") && in_long_mode(d) && !in_64_bit_code(d) && d.first_vector < 0 &&
              d.c.state.segment[kSs].base != 0 && only(d, {"rflags"});
     },
     "SDM vol. 2, CALL: the return address is pushed as the mode of the CALL has it",
     "KVM pushes it when CS is 64-bit code already, without the base of SS"},
    {"far-transfer-accessed",
     [](const SystemDifference& d) {
       return is_family(d, "far") && d.first_vector >= 0 && kvm_raises(d, d.first_vector) && only(d, {}) &&
              memory_is(d, is_accessed_bit);
     },
     "SDM vol. 3, 3.4.5.1: the accessed bit is set when the segment is loaded",
     "KVM has marked the descriptor when the transfer faults later"},
};

}  // namespace

std::span<const Explanation> of_instructions() { return kExplanations; }

}  // namespace machina::jit::difference
