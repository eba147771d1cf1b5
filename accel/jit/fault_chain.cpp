#include "accel/jit/fault_chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "accel/fault_text.h"
#include "accel/jit/cpu.h"

namespace machina::jit {

namespace {

/// What a ring holds, oldest first.
template <class Ring>
auto in_order(const Ring& ring, std::uint64_t count) {
  std::vector<typename Ring::value_type> all;
  for (std::uint64_t i = count - std::min<std::uint64_t>(count, ring.size()); i < count; ++i)
    all.push_back(ring[i % ring.size()]);
  return all;
}

/// The last event, and those before it of which each failed.
auto begin_of_shutdown(const FaultRecords& all) {
  auto first = all.end();
  if (first != all.begin()) --first;
  while (first != all.begin() && std::prev(first)->failed) --first;
  return first;
}

}  // namespace

FaultRecords FaultChain::shutdown() const {
  const FaultRecords all = in_order(deliveries, delivery_count);
  return {begin_of_shutdown(all), all.end()};
}

std::vector<std::string> FaultChain::earlier() const {
  std::vector<std::string> lines;
  const FaultRecords all = in_order(deliveries, delivery_count);
  std::for_each(all.begin(), begin_of_shutdown(all), [&](const FaultRecord& e) { lines.push_back(describe_event(e)); });
  std::string text;
  for (const Jump& j : in_order(jumps, jump_count)) text += fmt::format(" {:x}->{:x}", j.from, j.to);
  if (!text.empty()) lines.push_back("jumps, by the start of the block:" + text);
  return lines;
}

std::string describe(const Cpu& cpu) {
  std::string text = "Events that this CPU delivered last:\n";
  const FaultRecords all = in_order(cpu.fault_chain.deliveries, cpu.fault_chain.delivery_count);
  text += all.empty() ? "  none\n" : describe_chain(all, cpu.long_mode());
  const auto segment = [&](const char* name, const Segment& s) {
    fmt::format_to(std::back_inserter(text), "{}={:04x} base {:x} limit {:x} rights {:04x}\n", name, s.selector, s.base,
                   s.limit, s.rights);
  };
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
