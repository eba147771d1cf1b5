/// How an exception gets to its handler: KVM without hardware help does that itself.

#include "tests/support/oracle/difference_facts.h"

namespace machina::jit::difference {

namespace {

/// The table entry that the software CPU read last before a delivery failed.
bool failed_at_idt(const SystemDifference& d) { return d.failed && is_idt(d.failed_at); }
bool failed_at_table(const SystemDifference& d) { return d.failed && is_table(d.failed_at); }
/// Code that a handler may be in, as far as its descriptor says.
bool failed_at_good_code(const SystemDifference& d) {
  const std::uint64_t code = d.failed_entry;
  const bool is_code = (code >> 43 & 3) == 3, present = code >> 47 & 1, is_long = code >> 53 & 1, wide = code >> 54 & 1;
  return failed_at_table(d) && is_code && present && (!in_long_mode(d) || (is_long && !wide));
}
bool beyond_idt(const SystemDifference& d, int vector) {
  const unsigned size = in_long_mode(d) ? 16 : is_real(d) ? 4 : 8;
  return vector >= 0 && static_cast<unsigned>(vector) * size + size - 1 > d.c.state.idt.limit;
}
unsigned gate_type(const SystemDifference& d, int vector) { return gate_of(d, vector) >> 40 & 0xf; }
bool has_task_gate(const SystemDifference& d) {
  return std::any_of(d.c.patches.begin(), d.c.patches.end(), [](const MemoryPatch& p) {
    return p.physical >= L::kIdt32 && p.physical < L::kTss32 && (p.value >> 40 & 0x1f) == 5;
  });
}
/// KVM goes by DPL of the code segment and RPL of the gate's selector; CPL 0 without either is what it knows.
bool goes_elsewhere(const SystemDifference& d, int vector) {
  if (vector < 0 || is_real(d)) return false;
  const std::uint64_t code = handler_code_of(d, vector);
  return dpl_of(code) != 0 || is_conforming(code) || (gate_of(d, vector) >> 16 & 3) != 0;
}

constexpr Explanation kExplanations[] = {
    {"stack-base-ignored",
     [](const SystemDifference& d) {
       const X86Segment& ss = d.software.state.segment[kSs];
       return !in_long_mode(d) && !is_real(d) && only(d, {"ss.", "rsp", "cs.rights", "cs.selector"}) &&
              !d.memory.empty() && d.kvm.end == d.software.end && d.last_vector >= 0 &&
              kvm_vector(d) == software_vector(d) && (ss.base != 0 || !ss.db);
     },
     "SDM vol. 3, 6.12.1: the frame is pushed on SS:ESP",
     "KVM pushes the frame of an exception at ESP, without the base of SS"},
    {"handler-not-marked",
     [](const SystemDifference& d) {
       return only(d, {"ss.rights", "cs.rights"}) && !d.memory.empty() && memory_is(d, is_accessed_bit) &&
              ((d.kvm.state.segment[kSs].type ^ d.software.state.segment[kSs].type) & ~1) == 0 &&
              ((d.kvm.state.segment[kCs].type ^ d.software.state.segment[kCs].type) & ~1) == 0;
     },
     "SDM vol. 3, 3.4.5.1: the accessed bit is set whenever a segment is loaded",
     "on delivery and IRET, KVM leaves descriptors as they were"},
    {"handler-rpl",
     [](const SystemDifference& d) {
       const std::uint16_t ours = d.software.state.segment[kCs].selector, theirs = d.kvm.state.segment[kCs].selector;
       return software_vector(d) >= 0 && only(d, {"cs.selector", "cs.rights"}) && (ours ^ theirs) < 4 &&
              (ours & 3) == d.software.state.segment[kSs].dpl && memory_is(d, is_accessed_bit);
     },
     "SDM vol. 2, INT n: CS(RPL) := CPL", "KVM's delivery leaves the RPL of the gate"},
    {"shutdown-frame",
     [](const SystemDifference& d) {
       return d.kvm.end == SystemEnd::Shutdown && d.software.end == SystemEnd::Shutdown && only(d, {}) &&
              memory_is(d, [](const MemoryDifference& m) { return m.software == m.before || is_accessed_bit(m); });
     },
     "SDM vol. 2, INT n: the code segment is looked at before anything is pushed",
     "on its way to a shutdown, KVM pushes a frame before it has found a handler"},
    {"tss-of-16-bits",
     [](const SystemDifference& d) {
       return d.c.state.tr.type == 3 && !in_long_mode(d) && d.software.state.segment[kSs].dpl < cpl(d);
     },
     "SDM vol. 3, 8.2.1 and 8.6: a 16-bit TSS has stacks, too", "KVM takes stacks from 32-bit and 64-bit TSSs only"},
    {"delivery-beyond-idt",
     [](const SystemDifference& d) {
       return beyond_idt(d, d.first_vector) || beyond_idt(d, d.last_vector) ||
              (d.failed && d.failed_at == 0 && d.c.state.idt.limit < 0x1ff);
     },
     "SDM vol. 3, 6.10: #GP for a vector beyond the limit of the IDT", "KVM shuts down, or reads on"},
    {"smap-of-tables",
     [](const SystemDifference& d) {
       constexpr std::uint64_t kSmap = 1U << 21;
       return (d.c.state.cr4 & kSmap) && (d.c.state.rflags & kFlagAc) && d.failed && d.last_address >= L::kGdt &&
              d.last_address < L::kPml4;
     },
     "SDM vol. 3, 4.6.1: implicit supervisor-mode accesses may not go to a user's page, whatever AC is",
     "KVM's delivery reads the IDT, the GDT and the TSS from a user's page while AC is set"},
    {"delivery-by-bad-gate", [](const SystemDifference& d) { return failed_at_idt(d) && !good_gate(d); },
     "SDM vol. 3, 6.11, 6.14.1, table 3-2: #GP, and #NP for a gate that is not present",
     "KVM delivers an exception through a gate of 16 bits in long mode, call gates and others, or shuts down"},
    {"delivery-to-no-segment", [](const SystemDifference& d) { return failed_at_idt(d); },
     "SDM vol. 2, INT n, Operation: #GP for a null selector and one beyond its table",
     "KVM does not look whether there is a descriptor"},
    {"delivery-to-bad-segment", [](const SystemDifference& d) { return failed_at_table(d) && !failed_at_good_code(d); },
     "SDM vol. 2, INT n, Operation; vol. 3, 6.12.1: the handler's code segment is checked, and the stack's",
     "KVM does not check the handler's segments when it delivers an exception"},
    {"delivery-to-bad-stack", [](const SystemDifference& d) { return failed_at_good_code(d); },
     "SDM vol. 2, INT n, Operation; vol. 3, 6.12.1: the TSS, the stack's limit and the handler's address are checked",
     "KVM does not check the TSS, the stack and the handler's address when it delivers an exception"},
    {"gate-of-16-bits",
     [](const SystemDifference& d) {
       const auto narrow = [&d](int v) { return v >= 0 && (gate_type(d, v) == 6 || gate_type(d, v) == 7); };
       return !in_long_mode(d) && !is_real(d) && (narrow(d.last_vector) || narrow(d.first_vector));
     },
     "SDM vol. 3, 6.12.1: a 16-bit gate pushes 16 bits", "KVM's delivery pushes 32 bits through any gate"},
    {"task-gate",
     [](const SystemDifference& d) {
       return !in_long_mode(d) && !is_real(d) && d.c.state.tr.base != d.software.state.tr.base && has_task_gate(d);
     },
     "SDM vol. 3, 8.3 and 6.12.2", "KVM's delivery knows no task gates"},
    {"handler-of-the-ldt",
     [](const SystemDifference& d) {
       return d.last_vector >= 0 && !is_real(d) && d.software.end == SystemEnd::Halted &&
              ((d.software.state.segment[kCs].selector | d.software.state.segment[kSs].selector) & 4);
     },
     "SDM vol. 3, 6.12.1: the handler's segments may be of the LDT", "KVM's delivery finds no segments in the LDT"},
    {"handler-of-another-cpl",
     [](const SystemDifference& d) {
       // In user mode the port that ends a case may be a #GP, which is neither.
       const bool ends_by_it = cpl(d) == 3 && d.last_vector >= 0;
       return goes_elsewhere(d, d.first_vector) || goes_elsewhere(d, d.last_vector) ||
              (ends_by_it && goes_elsewhere(d, kProtection));
     },
     "SDM vol. 3, 6.12.1: a handler in conforming code keeps CPL; vol. 2, INT n: the selector's RPL is not looked at",
     "KVM's delivery goes to the DPL of any code segment, with the selector's RPL"},
};

}  // namespace

std::span<const Explanation> of_delivery() { return kExplanations; }

}  // namespace machina::jit::difference
