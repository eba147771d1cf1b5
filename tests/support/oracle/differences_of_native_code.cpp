/// 64-bit code of CPL 3 runs on the host's processor where KVM has no hardware help: with the host's descriptor tables,
/// its CR0, its IOPL of 0.

#include "tests/support/oracle/difference_facts.h"

namespace machina::jit::difference {

namespace {

/// What the host decides of EFLAGS.
constexpr std::uint64_t kOfHost = kFlagIopl | kFlagIf | kFlagAc | kFlagsOfInterrupts;

bool is_native(const SystemDifference& d) { return native(d.c.state); }

constexpr Explanation kExplanations[] = {
    {"native-segment-load",
     [](const SystemDifference& d) {
       // Into the handler of the HLT behind it in any case; the register is that of LFS and LGS.
       const bool loaded = only(d, {"es.", "ds.", "fs.", "gs."}) && d.memory.empty();
       const bool faulted = only(d, {"es.", "ds.", "fs.", "gs.", "rax", "rcx", "rdx", "rbp", "rsi", "rdi", "rip"});
       return is_native(d) && is_family(d, "segment") && kvm_went_on_to(d, kProtection) &&
              (d.first_vector < 0 ? loaded : faulted && only_frame(d));
     },
     "SDM vol. 2, MOV, POP, LFS/LGS: the segment is loaded, or is not, by its descriptor",
     "natively run code loads data segments from the host's tables, and KVM does not look at what came of it"},
    {"native-far",
     [](const SystemDifference& d) {
       // Without a TSS that has a stack, not even in that.
       const bool shut_down = d.kvm.end == SystemEnd::Shutdown && d.kvm.state.rip == d.c.state.rip;
       return is_native(d) && is_family(d, "far") && (kvm_raises(d, kUndefined) || shut_down);
     },
     "SDM vol. 2, CALL, JMP and RET", "natively run far transfers end in #UD"},
    {"native-iret",
     [](const SystemDifference& d) {
       const bool faults = kvm_raises(d, kProtection) || kvm_raises(d, kNotPresent) || kvm_raises(d, kPageFault);
       const bool nested = d.c.state.rflags & kFlagNt;
       return is_native(d) && starts(d, "iret") &&
              (faults || (nested && d.first_vector == kProtection) ||
               (kvm_vector(d) == kProtection && only(d, {"rflags", "rsp", "rip", "cr2"})));
     },
     "SDM vol. 2, IRET", "natively run IRET goes by the host's descriptors, and without NT"},
    {"native-query",
     [](const SystemDifference& d) {
       return is_native(d) && is_family(d, "query") && d.first_vector < 0 && kvm_went_on_to(d, kProtection) &&
              only(d, {"rax", "rflags"}) && only_frame(d);
     },
     "SDM vol. 2, LAR, LSL, VERR and VERW", "natively run, they tell of the host's descriptors"},
    {"native-push-selector",
     [](const SystemDifference& d) {
       return is_native(d) && is(d, "push sreg") && d.first_vector < 0 && only(d, {}) && d.memory.size() <= 8;
     },
     "SDM vol. 2, PUSH", "natively run, the host's selector is pushed"},
    {"native-port",
     [](const SystemDifference& d) {
       // The software CPU's case is over where the port is the one that says so.
       const bool ends = (d.c.state.gpr[kRdx] & 0xffff) == L::kEndPort && d.last_vector < 0;
       return is_native(d) && is_family(d, "port") && d.first_vector < 0 && kvm_raises(d, kProtection) &&
              (ends || only(d, {"rax", "rsi", "rdi", "rip", "rsp", "rflags", "cr2", "ports"}));
     },
     "SDM vol. 1, 19.5: IOPL and the TSS decide", "the host permits natively run code no port"},
    {"native-cli",
     [](const SystemDifference& d) {
       return is_native(d) && (is(d, "cli") || is(d, "sti")) && (d.c.state.rflags & kFlagIopl) == kFlagIopl &&
              d.first_vector < 0 && kvm_raises(d, kProtection) && only(d, {"rflags"}) && only_frame(d);
     },
     "SDM vol. 2, CLI and STI: permitted where CPL is not above IOPL", "natively run code has an IOPL of 0"},
    {"native-flags",
     [](const SystemDifference& d) {
       return is_native(d) && (is(d, "pushf") || is(d, "popf")) && only(d, {"rflags"}) &&
              ((d.kvm.state.rflags ^ d.software.state.rflags) & ~kOfHost) == 0 && d.memory.size() <= 4 &&
              kvm_vector(d) == software_vector(d);
     },
     "SDM vol. 2, PUSHF and POPF", "natively run, they see and change the host's IF and IOPL"},
    {"native-alignment-check",
     [](const SystemDifference& d) {
       return is_native(d) && kvm_vector(d) == 17 && !(d.c.state.cr0 >> 18 & 1) &&
              ((d.c.state.rflags | d.software.state.rflags) & kFlagAc);
     },
     "SDM vol. 3, 6.15, #AC: with CR0.AM only", "natively run code has the host's CR0.AM"},
    {"native-emulation-bit",
     [](const SystemDifference& d) {
       return is_native(d) && is(d, "fninit") && (d.c.state.cr0 & 4) && d.first_vector == 7;
     },
     "SDM vol. 3, 2.5: #NM with CR0.EM", "natively run x87 instructions go by the host's CR0"},
    {"native-int-n",
     [](const SystemDifference& d) {
       // INT 3 and INT 4 by two bytes are exceptions of the host, too.
       return is_native(d) && is(d, "int") &&
              (kvm_raises(d, kUndefined) || d.c.code[1] == 3 || d.c.code[1] == 4 || has_patch(d, L::kIdt64, L::kPml4));
     },
     "SDM vol. 2, INT n", "natively run INT n ends in #UD, INT 3 and 4 in exceptions whose gate's DPL does not count"},
    {"native-debugger-int", [](const SystemDifference& d) { return is_native(d) && (is(d, "int1") || is(d, "int3")); },
     "SDM vol. 2, INT n: the gate's DPL counts; INT1 is a trap",
     "natively run INT3 and INT1 become exceptions of the host, of which KVM knows neither length nor DPL"},
    {"native-syscall",
     [](const SystemDifference& d) {
       // Where there is no EFER.SCE, LSTAR is anywhere.
       const bool disabled = (d.c.state.efer & 1) == 0 && d.first_vector == kUndefined;
       return is_native(d) && is(d, "syscall") && !kvm_faulted_at_once(d) &&
              (disabled || only(d, {"rcx", "r11", "rsp", "rip", "rflags", "cs.", "ss.", "cr2", "end"}));
     },
     "SDM vol. 2, SYSCALL: CPL 0 from there on, R11 is RFLAGS",
     "KVM leaves SYSCALL of native code at CPL 3, with the host's RFLAGS in R11"},
    {"native-sysenter",
     [](const SystemDifference& d) {
       return is_native(d) && is(d, "sysenter") && d.first_vector != kUndefined && kvm_raises(d, kUndefined);
     },
     "SDM vol. 2, SYSENTER: carried out in IA-32e mode, #GP(0) with IA32_SYSENTER_CS of 0",
     "natively run SYSENTER ends in #UD"},
    {"native-sysret",
     [](const SystemDifference& d) {
       return is_native(d) && starts(d, "sysret") && (d.c.state.efer & 1) == 0 && d.first_vector == kUndefined &&
              kvm_raises(d, kProtection);
     },
     "SDM vol. 2, SYSRET: #UD without EFER.SCE", "natively run SYSRET goes by the host's EFER, and is #GP(0) of CPL"},
    {"native-upper-half",
     [](const SystemDifference& d) {
       if (kvm_vector(d) != kPageFault || d.kvm.state.cr2 >> 47 == 0) return false;
       if (is_native(d) && kvm_faulted_at_once(d) && d.first_vector < 0) return true;
       const bool goes_native = is_native(d) || starts(d, "sysexit") || starts(d, "sysret");
       return goes_native && software_vector(d) == kPageFault && only(d, {}) && only_frame(d, 8);
     },
     "SDM vol. 3, 4.6 and 4.7: U/S decides, and P of the error code",
     "the host keeps the upper half of the address space to itself"},
};

}  // namespace

std::span<const Explanation> of_native_code() { return kExplanations; }

}  // namespace machina::jit::difference
