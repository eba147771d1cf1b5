/// Accesses: the stack, two pages at once, the ends of segments and of RAM.

#include "tests/support/oracle/difference_facts.h"

namespace machina::jit::difference {

namespace {

bool is_paged(const SystemDifference& d) { return d.c.state.cr0 >> 31 & 1; }
bool is_update(const SystemDifference& d) { return is(d, "add m, r") || is(d, "xchg") || starts(d, "cmpxchg"); }

constexpr Explanation kExplanations[] = {
    {"split-canonical",
     [](const SystemDifference& d) {
       const std::uint64_t at = d.kvm.state.cr2;
       return d.c.state.segment[kCs].l && (d.first_vector == kStackFault || d.first_vector == kProtection) &&
              kvm_raises(d, kPageFault) && at < 0x800000000000 && at > 0x800000000000 - 0x40 &&
              only(d, {"rip", "cr2"}) && only_frame(d, 8);
     },
     "SDM vol. 3, 5.12, and vol. 1, 3.3.7.1: #SS(0) and #GP(0) come before paging; a processor raises #GP(0) for such "
     "a MOV",
     "of an access that reaches beyond the canonical half KVM's emulator looks at the first page only"},
    {"split-update",
     [](const SystemDifference& d) {
       const std::uint64_t ours = d.software.state.cr2, theirs = d.kvm.state.cr2;
       return is_update(d) && d.first_vector == kPageFault && kvm_raises(d, kPageFault) && (theirs & 0xfff) == 0 &&
              ours < theirs && theirs - ours < 8 && only(d, {"cr2"}) && memory_is(d, [&](const MemoryDifference& m) {
                return is_near(m, d.kvm.state, 8) || (is_page_table(m.physical) && ((m.kvm ^ m.software) & ~0x60) == 0);
              });
     },
     "SDM vol. 3, 4.7 does not say which page's fault is told of when both pages of an access fault",
     "KVM's emulator reads both pages before it looks whether the first one may be written"},
    {"split-write",
     [](const SystemDifference& d) {
       return d.first_vector == kPageFault && kvm_raises(d, kPageFault) && only(d, {}) && d.memory.size() <= 8 &&
              memory_is(d, [](const MemoryDifference& m) {
                return m.software == m.before || (is_page_table(m.physical) && (m.kvm ^ m.software) == 0x40);
              });
     },
     "SDM vol. 3, 6.5: a fault leaves the state as it was",
     "KVM has written the first page when the second one faults"},
    {"dirty-flag-of-split-write",
     [](const SystemDifference& d) {
       return d.first_vector == kPageFault && kvm_raises(d, kPageFault) && only(d, {"cr2"}) && !d.memory.empty() &&
              d.memory.size() <= 2 && memory_is(d, [](const MemoryDifference& m) {
                return is_page_table(m.physical) && ((m.kvm ^ m.software) & ~0x60) == 0;
              });
     },
     "SDM vol. 3, 4.8 does not say what a write to two pages of which the second faults leaves",
     "the software CPU has translated the first page for the write when the second one faults"},
    {"accessed-bit-address",
     [](const SystemDifference& d) {
       return d.first_vector == kPageFault && kvm_raises(d, kPageFault) && only(d, {"cr2"}) && d.memory.empty() &&
              ((d.kvm.state.cr2 ^ d.software.state.cr2) & ~7ULL) == 0 && (d.software.state.cr2 & 7) == 5;
     },
     "SDM vol. 3, 4.7: CR2 is an address of the access, whose width for the accessed bit is not said",
     "#PF of setting a descriptor's accessed bit: KVM tells of the descriptor, the software CPU of the byte"},
    {"enter-operand-size",
     [](const SystemDifference& d) {
       const bool prefixed = d.c.code[0] == 0x66, wide = d.c.state.segment[kCs].db != prefixed;
       return is(d, "enter") && (d.c.state.segment[kCs].l ? prefixed : wide != d.c.state.segment[kSs].db);
     },
     "SDM vol. 2, ENTER: the operand size decides what is pushed", "KVM's ENTER goes by the size of the stack"},
    {"enter-final-stack",
     [](const SystemDifference& d) {
       return is(d, "enter") && (d.first_vector == kStackFault || d.first_vector == kPageFault) &&
              !kvm_raises(d, kStackFault);
     },
     "SDM vol. 2, ENTER: #SS(0) or #PF where a write by the final stack pointer would fault",
     "KVM looks at what is pushed only"},
    {"enter-probe",
     [](const SystemDifference& d) {
       return is(d, "enter") && d.first_vector < 0 && only(d, {}) && d.memory.size() == 1 &&
              is_page_table(d.memory[0].physical) && ((d.memory[0].kvm ^ d.memory[0].software) & ~0x60) == 0 &&
              (d.memory[0].software & 0x60) == 0x60;
     },
     "SDM vol. 2, ENTER; whether looking at the final stack pointer's page sets its dirty flag is not said",
     "the software CPU looks at the final stack's page as a write does, KVM does not look"},
    {"push-selector",
     [](const SystemDifference& d) {
       return is(d, "push sreg") && d.first_vector < 0 && only(d, {}) && d.memory.size() <= 6 &&
              memory_is(d, [](const MemoryDifference& m) { return m.kvm == m.before && m.software == 0; });
     },
     "SDM vol. 2, PUSH: the upper part is zero or not written",
     "KVM leaves the upper part of what a selector is pushed to, the software CPU clears it"},
    {"push-selector-limit",
     [](const SystemDifference& d) {
       return is(d, "push sreg") && d.first_vector == kStackFault && !kvm_raises(d, kStackFault);
     },
     "SDM vol. 2, PUSH: an operand size of 32 bits needs room for 32 bits", "KVM looks for room for two bytes"},
    {"pop-selector-width",
     [](const SystemDifference& d) {
       return starts(d, "pop ") && is_family(d, "segment") && d.first_vector < 0 && only(d, {}) &&
              d.memory.size() == 1 && is_page_table(d.memory[0].physical) &&
              (d.memory[0].kvm ^ d.memory[0].software) == 0x20 && (d.memory[0].software & 0x20);
     },
     "SDM vol. 2, POP; whether more than the selector is read is not said",
     "KVM reads two bytes of what a selector is popped from, the software CPU all, which may be on another page"},
    {"store-selector-width",
     [](const SystemDifference& d) {
       constexpr std::size_t kMore = 6,
                             kPageMarks = 2;  // bytes; and what becomes of the entry of a page that they reach
       return (is(d, "str") || is(d, "sldt") || is(d, "smsw")) && only(d, {}) &&
              d.memory.size() <= kMore + kPageMarks &&
              memory_is(d, [](const MemoryDifference& m) { return m.software == m.before; });
     },
     "SDM vol. 2, STR and SLDT: in memory always 16 bits", "KVM stores as many bytes as the operand size says"},
    {"sgdt-24-bits",
     [](const SystemDifference& d) {
       return (is(d, "sgdt") || is(d, "sidt")) && !d.c.state.segment[kCs].l && only(d, {}) && d.memory.size() == 1 &&
              d.memory[0].kvm == 0;
     },
     "SDM vol. 2, SGDT, Operation: 16-bit operand size stores the full 32-bit base",
     "KVM stores 24 bits of the base, as a 286 would"},
    {"wrap-at-4-gib",
     [](const SystemDifference& d) {
       const X86State& x = d.c.state;
       const auto at_the_top = [](std::uint64_t offset) { return offset >= 0xfffffff0 || offset < 0x10; };
       const bool by_stack = at_the_top(x.gpr[kRsp]) || (is(d, "leave") && at_the_top(x.gpr[kRbp]));
       return (is_family(d, "limit") || is_family(d, "delivery")) && !x.segment[kCs].l && !is_real(d) &&
              ((by_stack && x.segment[kSs].limit == 0xffffffff) ||
               (x.gpr[kRbx] >= 0xfffffff0 && x.segment[kDs].limit == 0xffffffff) ||
               (by_stack && (x.segment[kSs].type & 4)) || (x.gpr[kRbx] >= 0xfffffff0 && (x.segment[kDs].type & 4)));
     },
     "SDM vol. 3, 5.3: with an effective limit of 4 GiB, implementation-specific",
     "an access that wraps around at 4 GiB"},
    {"real-stack-wraps",
     [](const SystemDifference& d) {
       const std::uint64_t sp = d.c.state.gpr[kRsp] & 0xffff;
       return is_real(d) &&
              (d.kvm.end == SystemEnd::Shutdown || (is_family(d, "limit") && d.first_vector == kStackFault)) &&
              (sp < 0x10 || sp > 0xffe0);
     },
     "SDM vol. 3, 21.1.4 and vol. 1, 6.2.3: SP wraps around in 16 bits; an access beyond FFFFh is #SS",
     "KVM shuts down when a frame of real mode wraps around the segment's end, and lets ENTER and POPA wrap around"},
    {"real-esp-upper-half",
     [](const SystemDifference& d) {
       return is_real(d) && only(d, {"rsp"}) && d.memory.empty() && kvm_vector(d) == software_vector(d) &&
              d.kvm.state.gpr[kRsp] == (d.software.state.gpr[kRsp] & 0xffff);
     },
     "SDM vol. 1, 6.2.3: with a 16-bit stack SP is what changes", "KVM's delivery in real mode clears the rest of ESP"},
    {"stack-beyond-ram",
     [](const SystemDifference& d) {
       const X86State& s = d.software.state;
       return !is_paged(d) && d.kvm.end != SystemEnd::Halted && d.software.end == SystemEnd::Halted &&
              d.last_vector >= 0 && s.gpr[kRsp] + s.segment[kSs].base + 0x40 > L::kRam;
     },
     "SDM vol. 3, 6.12.1: writes where no memory is are writes",
     "KVM shuts down, or tries for ever, when a frame goes where there is no RAM"},
    {"code-base-ignored",
     [](const SystemDifference& d) {
       const X86State& s = d.c.state;
       return !s.segment[kCs].l && s.segment[kCs].base != 0 && is_paged(d) && d.kvm.state.cr2 == s.rip &&
              d.software.state.cr2 != s.rip;
     },
     "SDM vol. 3, 3.4: code is at CS:EIP",
     "of what it cannot emulate KVM reads the bytes at EIP, without the base of CS"},
    {"code-beyond-ram", [](const SystemDifference& d) { return !is_paged(d) && d.last_rip > L::kRam; },
     "SDM vol. 3, 3.3: what is where in the physical address space is not the processor's",
     "KVM does not fetch code where there is no RAM"},
    {"popa-beyond-ram",
     [](const SystemDifference& d) { return !is_paged(d) && is(d, "popa") && stack_of(d) + 0x40 > L::kRam; },
     "SDM vol. 3, 6.5: a fault leaves the state as it was",
     "KVM's POPA starts over for each access that it has no RAM for, with the registers that it has loaded"},
};

}  // namespace

std::span<const Explanation> of_memory() { return kExplanations; }

}  // namespace machina::jit::difference
