/// The human monitor's view of a CPU: registers, local APIC, page tables.

#include <fmt/format.h>

#include <cstring>

#include "hw/intc/apic_common.h"
#include "machines/monitor/guest_memory.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;

/// Second word of a descriptor, as QEMU shows the hidden part of a segment register.
std::uint32_t descriptor_flags(const X86Segment& g) {
  return static_cast<std::uint32_t>(g.type) << 8 | static_cast<std::uint32_t>(g.s) << 12 |
         static_cast<std::uint32_t>(g.dpl) << 13 | static_cast<std::uint32_t>(g.present) << 15 |
         static_cast<std::uint32_t>(g.avl) << 20 | static_cast<std::uint32_t>(g.l) << 21 |
         static_cast<std::uint32_t>(g.db) << 22 | static_cast<std::uint32_t>(g.g) << 23;
}

std::string segment_line(const char* name, const X86Segment& g, bool wide) {
  const std::uint32_t base = static_cast<std::uint32_t>(g.base);
  std::string line =
      wide ? fmt::format("{:<3}={:04x} {:016x} {:08x} {:08x}", name, g.selector, g.base, g.limit, descriptor_flags(g))
           : fmt::format("{:<3}={:04x} {:08x} {:08x} {:08x}", name, g.selector, base, g.limit, descriptor_flags(g));
  if (!g.present || g.unusable) return line + "\n";
  line += fmt::format(" DPL={} ", g.dpl);
  if (!g.s) {
    static constexpr const char* kSystem[] = {
        "Reserved", "TSS16-avl", "LDT",      "TSS16-busy", "CallGate16", "TaskGate", "IntGate16", "TrapGate16",
        "Reserved", "TSS32-avl", "Reserved", "TSS32-busy", "CallGate32", "Reserved", "IntGate32", "TrapGate32"};
    line += kSystem[g.type & 15];
  } else if (g.type & 8) {
    line += fmt::format("{} [{}{}{}]",
                        g.l    ? "CS64"
                        : g.db ? "CS32"
                               : "CS16",
                        g.type & 4 ? 'C' : '-', g.type & 2 ? 'R' : '-', g.type & 1 ? 'A' : '-');
  } else {
    line += fmt::format("{} [{}{}{}]", g.db ? "DS  " : "DS16", g.type & 4 ? 'E' : '-', g.type & 2 ? 'W' : '-',
                        g.type & 1 ? 'A' : '-');
  }
  return line + "\n";
}

std::string flags_text(std::uint64_t rflags) {
  static constexpr std::pair<unsigned, char> kFlags[] = {{10, 'D'}, {11, 'O'}, {7, 'S'}, {6, 'Z'},
                                                         {4, 'A'},  {2, 'P'},  {0, 'C'}};
  std::string text;
  for (const auto& [bit, letter] : kFlags) text += rflags >> bit & 1 ? letter : '-';
  return text;
}

/// x87 and SSE registers, from the legacy region of the XSAVE area. SDM vol. 1, table 10-2.
std::string float_text(const X86State& s, bool wide) {
  if (s.xsave.size() < 512) return {};
  const std::uint8_t* area = s.xsave.data();
  const auto at16 = [&](std::size_t o) {
    std::uint16_t v;
    std::memcpy(&v, area + o, sizeof v);
    return v;
  };
  const auto at64 = [&](std::size_t o) {
    std::uint64_t v;
    std::memcpy(&v, area + o, sizeof v);
    return v;
  };
  std::uint32_t mxcsr;
  std::memcpy(&mxcsr, area + 24, sizeof mxcsr);
  const unsigned top = at16(2) >> 11 & 7;
  std::string text = fmt::format("FCW={:04x} FSW={:04x} [ST={}] FTW={:02x} MXCSR={:08x}\n", at16(0),
                                 at16(2) & ~(7U << 11), top, area[4], mxcsr);
  for (unsigned i = 0; i < 8; ++i) {
    // The area holds ST(i); the registers have numbers of their own.
    const std::size_t o = 32 + 16 * ((i - top) & 7);
    text += fmt::format("FPR{}={:016x} {:04x}{}", i, at64(o), at16(o + 8), i % 2 ? "\n" : " ");
  }
  for (unsigned i = 0; i < (wide ? 16U : 8U); ++i) {
    const std::size_t o = 160 + 16 * i;
    text += fmt::format("XMM{:02}={:016x} {:016x}{}", i, at64(o + 8), at64(o), i % 2 ? "\n" : " ");
  }
  return text;
}

std::string registers_text(const X86State& s, bool a20) {
  const bool wide = is_long_mode(s);
  std::string text;
  if (wide) {
    static constexpr std::pair<const char*, unsigned> kOrder[] = {
        {"RAX", kRax}, {"RBX", kRbx}, {"RCX", kRcx}, {"RDX", kRdx}, {"RSI", kRsi}, {"RDI", kRdi},
        {"RBP", kRbp}, {"RSP", kRsp}, {"R8 ", kR8},  {"R9 ", kR9},  {"R10", kR10}, {"R11", kR11},
        {"R12", kR12}, {"R13", kR13}, {"R14", kR14}, {"R15", kR15}};
    unsigned n = 0;
    for (const auto& [name, index] : kOrder)
      text += fmt::format("{}={:016x}{}", name, s.gpr[index], ++n % 4 ? " " : "\n");
    text += fmt::format("RIP={:016x} RFL={:08x} [{}]", s.rip, s.rflags, flags_text(s.rflags));
  } else {
    static constexpr std::pair<const char*, unsigned> kOrder[] = {{"EAX", kRax}, {"EBX", kRbx}, {"ECX", kRcx},
                                                                  {"EDX", kRdx}, {"ESI", kRsi}, {"EDI", kRdi},
                                                                  {"EBP", kRbp}, {"ESP", kRsp}};
    unsigned n = 0;
    for (const auto& [name, index] : kOrder)
      text += fmt::format("{}={:08x}{}", name, static_cast<std::uint32_t>(s.gpr[index]), ++n % 4 ? " " : "\n");
    text +=
        fmt::format("EIP={:08x} EFL={:08x} [{}]", static_cast<std::uint32_t>(s.rip), s.rflags, flags_text(s.rflags));
  }
  text += fmt::format(" CPL={} II={} A20={} SMM={} HLT={}\n", s.segment[kSs].dpl,
                      static_cast<int>(s.events.interrupt_shadow), a20 ? 1 : 0, s.events.smm ? 1 : 0,
                      s.mp_state == MpState::Halted ? 1 : 0);
  static constexpr std::pair<const char*, unsigned> kSegments[] = {{"ES", kEs}, {"CS", kCs}, {"SS", kSs},
                                                                   {"DS", kDs}, {"FS", kFs}, {"GS", kGs}};
  for (const auto& [name, index] : kSegments) text += segment_line(name, s.segment[index], wide);
  text += segment_line("LDT", s.ldt, wide) + segment_line("TR", s.tr, wide);
  if (wide) {
    text += fmt::format("GDT=     {:016x} {:08x}\nIDT=     {:016x} {:08x}\n", s.gdt.base, s.gdt.limit, s.idt.base,
                        s.idt.limit);
    text += fmt::format("CR0={:08x} CR2={:016x} CR3={:016x} CR4={:08x}\n", s.cr0, s.cr2, s.cr3, s.cr4);
  } else {
    text += fmt::format("GDT=     {:08x} {:08x}\nIDT=     {:08x} {:08x}\n", s.gdt.base, s.gdt.limit, s.idt.base,
                        s.idt.limit);
    text += fmt::format("CR0={:08x} CR2={:08x} CR3={:08x} CR4={:08x}\n", s.cr0, s.cr2, s.cr3, s.cr4);
  }
  text += fmt::format("DR0={:016x} DR1={:016x} DR2={:016x} DR3={:016x}\n", s.dr[0], s.dr[1], s.dr[2], s.dr[3]);
  text += fmt::format("DR6={:016x} DR7={:016x}\nEFER={:016x}\n", s.dr6, s.dr7, s.efer);
  return text + float_text(s, wide);
}

/// The CPU that the command is about, or those; an error for people when there is none.
std::vector<X86Cpu*> chosen(HumanContext& c, const QmpArguments& arguments) {
  std::vector<X86Cpu*> cpus;
  for (X86Cpu* cpu : c.machine().cpus().cpus()) {
    if (!cpu->vcpu()) continue;
    const bool wanted =
        arguments.boolean_or("a", false) ||
        (arguments.has("vcpu") ? arguments.integer("vcpu") == cpu->index() : cpu->index() == c.session().cpu_index());
    if (wanted) cpus.push_back(cpu);
  }
  return cpus;
}

void info_registers(HumanContext& c, const QmpArguments& arguments) {
  const auto cpus = chosen(c, arguments);
  if (cpus.empty())
    return c.write(arguments.has("vcpu") ? "CPU#" + arguments.value("vcpu").to_string() + " not available\n"
                                         : "No CPU available\n");
  const CpusAside aside(c.machine());
  for (X86Cpu* cpu : cpus) {
    c.print("\nCPU#{}\n", cpu->index());
    c.write(registers_text(cpu->state(), cpu->a20_enabled()));
  }
}

// --- local APIC. SDM vol. 3, table 11-1 -----------------------------------------------------------------------------

class ApicText {
 public:
  explicit ApicText(const std::array<std::uint8_t, 1024>& page) : page_(page) {}

  std::uint32_t reg(std::uint32_t offset) const {
    std::uint32_t v;
    std::memcpy(&v, page_.data() + offset, sizeof v);
    return v;
  }

  std::string lvt(const char* name, std::uint32_t offset, bool timer = false) const {
    const std::uint32_t v = reg(offset);
    const unsigned mode = v >> 8 & 7;
    const char* const timer_mode = v & apic::kLvtTimerDeadline   ? "tsc-deadline"
                                   : v & apic::kLvtTimerPeriodic ? "periodic"
                                                                 : "one-shot";
    return fmt::format("{:<8} 0x{:08x} {} {:<5} {:<6} {:<3} {:<12} {:<6} (vec {})\n", name, v,
                       v & apic::kLvtActiveLow ? "active-lo" : "active-hi", v & apic::kLvtLevel ? "level" : "edge",
                       v & apic::kLvtMasked ? "masked" : "", v & 1U << 12 ? "pnd" : "", timer ? timer_mode : "",
                       kModes[mode], v & 0xff);
  }

  std::string vectors(const char* name, std::uint32_t offset) const {
    std::string list;
    for (unsigned v = 0; v < 256; ++v) {
      if (!(reg(offset + 0x10 * (v / 32)) >> v % 32 & 1)) continue;
      list += fmt::format("{}{}", v, reg(apic::Tmr + 0x10 * (v / 32)) >> v % 32 & 1 ? "(level) " : " ");
    }
    return fmt::format("{:<8} {}\n", name, list.empty() ? "(none)" : list);
  }

  static constexpr const char* kModes[] = {"Fixed", "LowPri", "SMI", "...", "NMI", "INIT", "SIPI", "ExtINT"};

 private:
  const std::array<std::uint8_t, 1024>& page_;
};

void info_lapic(HumanContext& c, const QmpArguments& arguments) {
  X86Cpu* cpu = nullptr;
  for (X86Cpu* one : c.machine().cpus().cpus()) {
    const bool wanted = arguments.has("apic-id") ? arguments.integer("apic-id") == one->apic_id()
                                                 : one->index() == c.session().cpu_index();
    if (wanted && one->vcpu()) cpu = one;
  }
  if (!cpu) return c.write("No CPU available\n");
  const CpusAside aside(c.machine());
  const X86State s = cpu->state();
  if (!s.lapic_valid) return c.write("No LAPIC available\n");
  const ApicText a(s.lapic);
  c.print("dumping local APIC state for CPU {}\n\n", cpu->index());
  c.write(a.lvt("LVT0", apic::LvtLint0) + a.lvt("LVT1", apic::LvtLint1) + a.lvt("LVTPC", apic::LvtPerformance) +
          a.lvt("LVTERR", apic::LvtError) + a.lvt("LVTTHMR", apic::LvtThermal) + a.lvt("LVTT", apic::LvtTimer, true));
  const std::uint32_t divide = a.reg(apic::TimerDivide);
  const unsigned shift = (((divide & 3) | (divide >> 1 & 4)) + 1) & 7;  // 0 divides by 2, 7 by 1
  c.print("{:<8} DCR=0x{:x} (divide by {}) initial_count = {} current_count = {}\n", "Timer", divide, 1U << shift,
          a.reg(apic::TimerInitial), a.reg(apic::TimerCurrent));
  const std::uint32_t spiv = a.reg(apic::Svr);
  c.print("{:<8} 0x{:08x} APIC {}, focus={}, spurious vec {}\n", "SPIV", spiv,
          spiv & apic::kSvrEnable ? "enabled" : "disabled", spiv & apic::kSvrNoFocus ? "off" : "on", spiv & 0xff);
  const std::uint32_t icr = a.reg(apic::IcrLow), icr2 = a.reg(apic::IcrHigh);
  static constexpr const char* kShorthands[] = {"no-shorthand", "self", "all-self", "all"};
  c.print("{:<8} 0x{:08x} {} {} {} {} {}\n", "ICR", icr, icr & apic::kIcrLogical ? "logical" : "physical",
          icr & 1U << 15 ? "level" : "edge", icr & 1U << 14 ? "assert" : "de-assert", kShorthands[icr >> 18 & 3],
          ApicText::kModes[icr >> 8 & 7]);
  c.print("{:<8} 0x{:08x}\n{:<8} 0x{:08x}\n", "ICR2", icr2, "ESR", a.reg(apic::Esr));
  c.write(a.vectors("ISR", apic::Isr) + a.vectors("IRR", apic::Irr));
  c.print("\nAPR 0x{:02x} TPR 0x{:02x} DFR 0x{:02x} LDR 0x{:02x} PPR 0x{:02x}\n", a.reg(apic::Apr) & 0xff,
          a.reg(apic::Tpr) & 0xff, a.reg(apic::Dfr) >> 28, a.reg(apic::Ldr) >> 24, a.reg(apic::Ppr) & 0xff);
}

// --- page tables ---

/// Runs `print` with the state of the chosen CPU, unless it does not page.
template <class F>
void with_paging(HumanContext& c, F&& print) {
  X86Cpu* cpu = c.session().cpu();
  if (!cpu || !cpu->vcpu()) return c.write("No CPU available\n");
  const CpusAside aside(c.machine());
  const X86State s = cpu->state();
  if (!paging_enabled(s)) return c.write("PG disabled\n");
  print(s);
}

constexpr std::size_t kMaxLines = 100'000;

void info_tlb(HumanContext& c, const QmpArguments&) {
  with_paging(c, [&](const X86State& s) {
    const GuestMemory memory(c.machine());
    std::size_t lines = 0;
    for_each_page(s, memory.reader(), [&](const PageMapping& p) {
      const auto flag = [&](unsigned bit, char letter) { return p.entry >> bit & 1 ? letter : '-'; };
      c.print("{:016x}: {:016x} {}{}{}{}{}{}{}{}{}\n", p.linear, p.physical, flag(63, 'X'), flag(8, 'G'),
              p.size > 4096 ? 'P' : '-', flag(6, 'D'), flag(5, 'A'), flag(4, 'C'), flag(3, 'T'), flag(2, 'U'),
              flag(1, 'W'));
      return ++lines < kMaxLines;
    });
    if (lines == kMaxLines) c.write("…\n");
  });
}

void info_mem(HumanContext& c, const QmpArguments&) {
  with_paging(c, [&](const X86State& s) {
    const GuestMemory memory(c.machine());
    struct Piece {
      std::uint64_t first = 0, size = 0;
      unsigned rights = 0;
    } piece;
    std::size_t lines = 0;
    const auto flush = [&] {
      if (piece.size == 0) return;
      c.print("{:016x}-{:016x} {:016x} {}r{}\n", piece.first, piece.first + piece.size, piece.size,
              piece.rights & 4 ? 'u' : '-', piece.rights & 2 ? 'w' : '-');
      ++lines;
    };
    for_each_page(s, memory.reader(), [&](const PageMapping& p) {
      const auto rights = static_cast<unsigned>(p.entry & 6);
      if (piece.size > 0 && piece.first + piece.size == p.linear && piece.rights == rights) {
        piece.size += p.size;
      } else {
        flush();
        piece = {p.linear, p.size, rights};
      }
      return lines < kMaxLines;
    });
    flush();
  });
}

void add(MonitorTable& t) {
  t.human({.name = "info registers",
           .arguments = "-a, *vcpu: int",
           .doc = "registers of a CPU; -a: of all",
           .run = info_registers});
  t.human({.name = "info lapic", .arguments = "*apic-id: int", .doc = "a CPU's local APIC", .run = info_lapic});
  t.human({.name = "info tlb", .doc = "each page that is mapped, with its flags", .run = info_tlb});
  t.human({.name = "info mem", .doc = "ranges of linear addresses that are mapped", .run = info_mem});
}

const MonitorFamily kFamily{"Processors: a closer look", add};

}  // namespace
}  // namespace machina
