/// Segment, task and table registers: SDM vol. 3, 27.3.1.2 and 27.3.1.3.

#include "hw/x86/x86_state_faults.h"

namespace machina {

namespace {

constexpr std::uint64_t kUpper = 0xffffffff00000000;
constexpr const char* kNames[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
// Types of 3.4.5.1: accessed; readable (code) or writable (data); code.
constexpr unsigned kAccessed = 1, kReadable = 2, kCode = 8;

bool usable(const X86Segment& s) { return !s.unusable && s.present; }

/// Virtual-8086 mode leaves no choice.
void check_virtual_8086(X86StateFaults& f, const char* name, const X86Segment& s) {
  f.require(s.base == std::uint64_t{s.selector} << 4, std::string(name) + ".base", s.base,
            "in virtual-8086 mode it is 16 times the selector");
  f.require(s.limit == 0xffff, std::string(name) + ".limit", s.limit, "in virtual-8086 mode it is 0xffff");
  f.require(s.type == 3 && s.s && s.dpl == 3 && usable(s), std::string(name) + ".type", s.type,
            "in virtual-8086 mode segments are writable data of DPL 3");
}

void check_limit(X86StateFaults& f, const std::string& name, const X86Segment& s) {
  f.require(s.g || s.limit <= 0xfffff, name + ".limit", s.limit, "with G clear it has 20 bits");
  f.require(!s.g || (s.limit & 0xfff) == 0xfff, name + ".limit", s.limit, "with G set its low 12 bits are ones");
}

void check_code(X86StateFaults& f) {
  const X86Segment& cs = f.state.segment[kCs];
  const X86Segment& ss = f.state.segment[kSs];
  if (!usable(cs)) {
    f.add("CS.selector", cs.selector, "CS is always usable");
    return;
  }
  // Data is what it holds from real mode until the first far transfer.
  const bool data = cs.type == (kReadable | kAccessed);
  f.require(cs.s && (data || (cs.type & (kCode | kAccessed)) == (kCode | kAccessed)), "CS.type", cs.type,
            "it holds accessed code (9, 11, 13, 15), or what real mode makes of it (3)");
  f.require(!f.long_mode || !cs.l || !cs.db, "CS.L", 1, "64-bit code has D clear");
  f.require((cs.base & kUpper) == 0, "CS.base", cs.base, "it has 32 bits");
  if (f.protected_mode) {
    const bool conforming = cs.type >= 13;
    if (data) {
      f.require(cs.dpl == 0, "CS.DPL", cs.dpl, "what real mode makes of CS has DPL 0");
    } else {
      f.require(conforming ? cs.dpl <= ss.dpl : cs.dpl == ss.dpl, "CS.DPL", cs.dpl,
                fmt::format("SS says that the privilege level is {}", ss.dpl));
    }
  }
  check_limit(f, "CS", cs);
}

void check_data(X86StateFaults& f, unsigned index) {
  const X86Segment& s = f.state.segment[index];
  const std::string name = kNames[index];
  if (index == kFs || index == kGs) f.require(f.canonical(s.base), name + ".base", s.base, "it is not canonical");
  if (index == kSs) f.require(f.protected_mode || s.dpl == 0, "SS.DPL", s.dpl, "in real mode it is 0");
  if (!usable(s)) return;
  if (index == kSs) {
    f.require(s.s && (s.type == 3 || s.type == 7), "SS.type", s.type, "a stack is accessed, writable data (3, 7)");
  } else {
    f.require(s.s && (s.type & kAccessed) && (!(s.type & kCode) || (s.type & kReadable)), name + ".type", s.type,
              "it holds accessed data, or accessed code that can be read");
  }
  if (index != kFs && index != kGs) f.require((s.base & kUpper) == 0, name + ".base", s.base, "it has 32 bits");
  check_limit(f, name, s);
}

void check_system(X86StateFaults& f) {
  const X86Segment& tr = f.state.tr;
  // "Busy" follows from being in TR: some hosts do not tell it.
  const unsigned type = tr.type | 2U;
  f.require(usable(tr), "TR.selector", tr.selector, "TR is always usable");
  f.require(!tr.s && (type == 11 || (type == 3 && !f.long_mode)), "TR.type", tr.type,
            f.long_mode ? "in IA-32e mode it holds a 64-bit TSS (11)" : "it holds a busy TSS (3, 11)");
  f.require(!(tr.selector & 4), "TR.selector", tr.selector, "it names a descriptor of the GDT");
  f.require(f.canonical(tr.base), "TR.base", tr.base, "it is not canonical");
  check_limit(f, "TR", tr);
  const X86Segment& ldt = f.state.ldt;
  if (!usable(ldt)) return;
  f.require(!ldt.s && ldt.type == 2, "LDTR.type", ldt.type, "it holds an LDT (2)");
  f.require(!(ldt.selector & 4), "LDTR.selector", ldt.selector, "it names a descriptor of the GDT");
  f.require(f.canonical(ldt.base), "LDTR.base", ldt.base, "it is not canonical");
  check_limit(f, "LDTR", ldt);
}

}  // namespace

void check_segments(X86StateFaults& f) {
  for (unsigned i = 0; i < f.state.segment.size(); ++i) {
    const X86Segment& s = f.state.segment[i];
    f.require(s.type <= 15, std::string(kNames[i]) + ".type", s.type, "it has 4 bits");
    f.require(s.dpl <= 3, std::string(kNames[i]) + ".DPL", s.dpl, "it has 2 bits");
    if (f.virtual_8086) {
      check_virtual_8086(f, kNames[i], s);
    } else if (i == kCs) {
      check_code(f);
    } else {
      check_data(f, i);
    }
  }
  for (const auto& [name, s] : {std::pair("TR", &f.state.tr), std::pair("LDTR", &f.state.ldt)}) {
    f.require(s->type <= 15, std::string(name) + ".type", s->type, "it has 4 bits");
    f.require(s->dpl <= 3, std::string(name) + ".DPL", s->dpl, "it has 2 bits");
  }
  check_system(f);
  f.require(f.canonical(f.state.gdt.base), "GDTR.base", f.state.gdt.base, "it is not canonical");
  f.require(f.canonical(f.state.idt.base), "IDTR.base", f.state.idt.base, "it is not canonical");
}

}  // namespace machina
