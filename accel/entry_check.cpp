#include "accel/entry_check.h"

#include <fmt/format.h>

namespace machina {

namespace {

constexpr std::uint64_t kPe = 1, kNw = 1U << 29, kCd = 1U << 30, kPg = 1U << 31;  // CR0
constexpr std::uint64_t kPae = 1U << 5, kPcide = 1U << 17;                        // CR4
constexpr std::uint64_t kLme = 1U << 8, kLma = 1U << 10;                          // EFER
constexpr std::uint64_t kFixed = 1U << 1, kIf = 1U << 9, kVm = 1U << 17;          // RFLAGS
constexpr std::uint64_t kNeverInFlags = ~std::uint64_t{0x3fffff} | 1U << 15 | 1U << 5 | 1U << 3;

bool canonical(const X86State& s, std::uint64_t address) {
  const unsigned unused = (s.cr4 >> 12 & 1) ? 7 : 16;  // LA57
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(address << unused) >> unused) == address;
}

/// 27.3.1.1
void control_registers(const X86State& s, std::vector<std::string>& found) {
  if ((s.cr0 & kPg) && !(s.cr0 & kPe)) found.emplace_back("CR0.PG is set without CR0.PE");
  if ((s.cr0 & kNw) && !(s.cr0 & kCd)) found.emplace_back("CR0.NW is set without CR0.CD");
  const bool active = (s.efer & kLme) && (s.cr0 & kPg);
  if (active != static_cast<bool>(s.efer & kLma))
    found.emplace_back("EFER.LMA is not what EFER.LME and CR0.PG together make it");
  if (active && !(s.cr4 & kPae)) found.emplace_back("long mode (EFER.LME and CR0.PG) without CR4.PAE");
  if ((s.cr4 & kPcide) && !(s.efer & kLma)) found.emplace_back("CR4.PCIDE is set outside of long mode");
}

/// 27.3.1.2
void segments(const X86State& s, std::vector<std::string>& found) {
  static constexpr const char* kNames[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
  const X86Segment& cs = s.segment[kCs];
  if (s.rflags & kVm) {
    for (unsigned i = 0; i < 6; ++i)
      if (s.segment[i].base != std::uint64_t{s.segment[i].selector} << 4)
        found.push_back(fmt::format("virtual-8086 mode with a base of {} that is not its selector * 16", kNames[i]));
    return;
  }
  if ((s.efer & kLma) && cs.l && cs.db) found.emplace_back("CS has both L and D set in long mode");
  if (!cs.present || !cs.s || cs.unusable) found.emplace_back("CS is no segment that is present");
  for (unsigned i = 0; i < 6; ++i) {
    const X86Segment& g = s.segment[i];
    if (g.unusable || !g.present) continue;
    // With G set the low 12 bits of the limit are ones, without it there are none above bit 19.
    if (g.g ? (g.limit & 0xfff) != 0xfff : g.limit > 0xfffff)
      found.push_back(fmt::format("the limit of {} ({:#x}) does not go with its granularity", kNames[i], g.limit));
  }
  if (!s.tr.present || (s.tr.type != 11 && s.tr.type != 3)) found.emplace_back("TR is no busy TSS");
}

/// 27.3.1.3 and 27.3.1.4
void tables_and_rip(const X86State& s, std::vector<std::string>& found) {
  if (!canonical(s, s.gdt.base)) found.push_back(fmt::format("the GDT's base {:#x} is not canonical", s.gdt.base));
  if (!canonical(s, s.idt.base)) found.push_back(fmt::format("the IDT's base {:#x} is not canonical", s.idt.base));
  if ((s.efer & kLma) && s.segment[kCs].l) {
    if (!canonical(s, s.rip)) found.push_back(fmt::format("RIP {:#x} is not canonical", s.rip));
  } else if (s.rip >> 32) {
    found.push_back(fmt::format("RIP {:#x} has more than 32 bits outside of 64-bit code", s.rip));
  }
  if (!(s.rflags & kFixed) || (s.rflags & kNeverInFlags))
    found.emplace_back("reserved bits of RFLAGS are not what they must be");
  if ((s.rflags & kVm) && ((s.efer & kLma) || !(s.cr0 & kPe)))
    found.emplace_back("RFLAGS.VM is set in long mode, or in real mode");
  if (s.events.interrupt_injected && !(s.rflags & kIf))
    found.emplace_back("an external interrupt is to be delivered while RFLAGS.IF is clear");
}

}  // namespace

std::vector<std::string> entry_offences(const X86State& state) {
  std::vector<std::string> found;
  control_registers(state, found);
  segments(state, found);
  tables_and_rip(state, found);
  return found;
}

}  // namespace machina
