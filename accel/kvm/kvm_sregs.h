#pragma once
/// Segments, tables and control registers between X86State and KVM's structures.

#include "accel/kvm/kvm_api.h"
#include "hw/x86/x86_state.h"

namespace machina::kvm {

inline kvm_segment to_kvm(const X86Segment& s) {
  kvm_segment k{};
  k.base = s.base;
  k.limit = s.limit;
  k.selector = s.selector;
  k.type = s.type;
  k.present = s.present;
  k.dpl = s.dpl;
  k.db = s.db;
  k.s = s.s;
  k.l = s.l;
  k.g = s.g;
  k.avl = s.avl;
  k.unusable = s.unusable;
  return k;
}

inline X86Segment from_kvm(const kvm_segment& k) {
  X86Segment s;
  s.base = k.base;
  s.limit = k.limit;
  s.selector = k.selector;
  s.type = k.type & 0xf;
  s.s = k.s;
  s.dpl = k.dpl & 3;
  s.present = k.present;
  s.avl = k.avl;
  s.l = k.l;
  s.db = k.db;
  s.g = k.g;
  s.unusable = k.unusable;
  return s;
}

inline kvm_dtable to_kvm(const X86TableRegister& t) {
  kvm_dtable k{};
  k.base = t.base;
  k.limit = t.limit;
  return k;
}

/// kvm_sregs and kvm_sregs2 have these fields under the same names.
template <class Sregs>
void fill_sregs(Sregs& k, const X86State& s) {
  k.es = to_kvm(s.segment[kEs]);
  k.cs = to_kvm(s.segment[kCs]);
  k.ss = to_kvm(s.segment[kSs]);
  k.ds = to_kvm(s.segment[kDs]);
  k.fs = to_kvm(s.segment[kFs]);
  k.gs = to_kvm(s.segment[kGs]);
  k.tr = to_kvm(s.tr);
  k.ldt = to_kvm(s.ldt);
  k.gdt = to_kvm(s.gdt);
  k.idt = to_kvm(s.idt);
  k.cr0 = s.cr0;
  k.cr2 = s.cr2;
  k.cr3 = s.cr3;
  k.cr4 = s.cr4;
  k.cr8 = s.cr8;
  k.efer = s.efer;
  k.apic_base = s.apic_base;
}

template <class Sregs>
void take_sregs(const Sregs& k, X86State& s) {
  s.segment[kEs] = from_kvm(k.es);
  s.segment[kCs] = from_kvm(k.cs);
  s.segment[kSs] = from_kvm(k.ss);
  s.segment[kDs] = from_kvm(k.ds);
  s.segment[kFs] = from_kvm(k.fs);
  s.segment[kGs] = from_kvm(k.gs);
  s.tr = from_kvm(k.tr);
  s.ldt = from_kvm(k.ldt);
  s.gdt = {k.gdt.base, k.gdt.limit};
  s.idt = {k.idt.base, k.idt.limit};
  s.cr0 = k.cr0;
  s.cr2 = k.cr2;
  s.cr3 = k.cr3;
  s.cr4 = k.cr4;
  s.cr8 = k.cr8;
  s.efer = k.efer;
  s.apic_base = k.apic_base;
}

/// Makes equal what may differ after a round trip although nothing was lost. "Unusable" is how VMX says "not present";
/// SVM and emulating KVMs derive one from the other. The busy bit of a TSS is always set in a loaded TR (SDM vol. 3,
/// 7.2.2), and G follows from a limit that is beyond 1 MiB.
inline void normalize_segments(X86State& s) {
  const auto plain = [](X86Segment& segment) {
    segment.unusable = segment.unusable || !segment.present;
    if (segment.limit > 0xfffff) segment.g = true;
    if (segment.limit <= 0xfffff && (segment.limit & 0xfff) != 0xfff) segment.g = false;
  };
  for (X86Segment& segment : s.segment) plain(segment);
  plain(s.tr);
  plain(s.ldt);
  s.tr.type |= 2;
}

}  // namespace machina::kvm
