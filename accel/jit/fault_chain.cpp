#include "accel/jit/fault_chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "accel/jit/cpu.h"

namespace machina::jit {

namespace {

constexpr std::uint8_t kPageFaultVector = 14;

/// SDM vol. 3, table 6-1.
const char* name_of(const FaultChain::Delivery& d) {
  if (d.external) return "interrupt";
  if (d.software) return "INT";
  constexpr std::array<const char*, 22> kNames{"#DE", "#DB",       "NMI", "#BP", "#OF", "#BR", "#UD", "#NM",
                                               "#DF", "exception", "#TS", "#NP", "#SS", "#GP", "#PF", "exception",
                                               "#MF", "#AC",       "#MC", "#XM", "#VE", "#CP"};
  return d.vector < kNames.size() ? kNames[d.vector] : "exception";
}

/// Calls `use` for what a ring holds, the oldest first.
template <class Ring, class Use>
void for_each(const Ring& ring, std::uint64_t count, Use use) {
  for (std::uint64_t i = count - std::min<std::uint64_t>(count, ring.size()); i < count; ++i)
    use(ring[i % ring.size()]);
}

void add(std::string& text, const FaultChain::Delivery& d) {
  auto to = std::back_inserter(text);
  fmt::format_to(to, "  {} ({:#04x})", name_of(d), d.vector);
  if (d.has_error_code) fmt::format_to(to, " error code {:#06x}", d.error_code);
  if (d.vector == kPageFaultVector && !d.external && !d.software) fmt::format_to(to, " CR2 {:#x}", d.address);
  fmt::format_to(to, " at {:04x}:{:x} CPL {} RSP {:x}", d.cs, d.rip, d.cpl, d.rsp);
  const auto& e = d.last_read;
  if (e.linear != 0) {
    fmt::format_to(to, "; read at {:#x}: {:016x}", e.linear, e.low);
    if (e.high != 0) fmt::format_to(to, " {:016x}", e.high);
  }
  text += d.failed ? "; could not be delivered\n" : "\n";
}

}  // namespace

std::string describe(const Cpu& cpu) {
  const FaultChain& chain = cpu.fault_chain;
  std::string text = "Events that this CPU delivered last:\n";
  for_each(chain.deliveries, chain.delivery_count, [&](const auto& d) { add(text, d); });
  if (chain.delivery_count == 0) text += "  none\n";
  text += "Jumps that it made last, by the start of the block:";
  for_each(chain.jumps, chain.jump_count,
           [&](const auto& j) { fmt::format_to(std::back_inserter(text), " {:x}->{:x}", j.from, j.to); });
  const auto segment = [&](const char* name, const Segment& s) {
    fmt::format_to(std::back_inserter(text), "{}={:04x} base {:x} limit {:x} rights {:04x}\n", name, s.selector, s.base,
                   s.limit, s.rights);
  };
  text += '\n';
  fmt::format_to(std::back_inserter(text), "CR0={:x} CR2={:x} CR3={:x} CR4={:x} EFER={:x} EFLAGS={:x} CPL={}\n",
                 cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4, cpu.efer, cpu.eflags(), cpu.cpl);
  fmt::format_to(std::back_inserter(text), "GDT={:x} limit {:x} IDT={:x} limit {:x}\n", cpu.gdt.base, cpu.gdt.limit,
                 cpu.idt.base, cpu.idt.limit);
  segment("CS", cpu.segment[kCs]);
  segment("SS", cpu.segment[kSs]);
  segment("TR", cpu.tr);
  return text;
}

}  // namespace machina::jit
