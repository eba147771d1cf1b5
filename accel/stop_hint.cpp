#include "accel/stop_hint.h"

#include <fmt/format.h>

#include <algorithm>

#include "accel/entry_check.h"
#include "accel/fault_text.h"
#include "accel/stop_report.h"

namespace machina {

namespace {

constexpr std::uint64_t kCr0Ts = 1U << 3, kCr4Osfxsr = 1U << 9, kCr4Osxsave = 1U << 18, kEferNxe = 1U << 11;
constexpr std::uint64_t kPage = 0x1000;
constexpr std::uint8_t kInvalidOpcode = 6, kNoDevice = 7, kInvalidTss = 10, kStackFault = 12;

struct Known {
  const StopReport& report;
  const StoppedAt& at;
  const X86State& s;

  const FaultRecord* first() const { return report.chain.empty() ? nullptr : &report.chain.front(); }
  /// Of exceptions alone.
  bool began_with(std::uint8_t vector) const { return first() && first()->exception() && first()->vector == vector; }
};

/// Where the top of the stack is, linear.
std::uint64_t stack_top(const X86State& s, std::uint64_t rsp) {
  if (is_64_bit_code(s)) return rsp;
  const X86Segment& ss = s.segment[kSs];
  return (ss.base + (rsp & (ss.db ? 0xffffffff : 0xffff))) & 0xffffffff;
}

bool beside_stack(const X86State& s, const FaultRecord& e) {
  const std::uint64_t top = stack_top(s, e.rsp);
  return e.address + kPage > top && e.address < top + 0x100;
}

/// Bytes of the smallest table that has a gate for each exception up to #PF.
unsigned least_idt(const X86State& s) { return is_real_mode(s) ? 4 : 15 * (is_long_mode(s) ? 16 : 8); }

using Text = std::string;  // empty: the rule does not apply

Text empty_idt(const Known& k) {
  if (!resets_on_purpose(k.report)) return {};
  return fmt::format(
      "the IDT holds nothing (base {:#x}, limit {:#x}). Systems load such a one to reset a PC by a triple fault; if "
      "this\n"
      "      one did not mean to, an exception came before its own IDT was loaded",
      k.s.idt.base, k.s.idt.limit);
}

Text jump_to_nowhere(const Known& k) {
  if (!k.at.bytes.empty() || !k.report.read) return {};
  std::uint64_t linear = k.s.rip;
  if (!is_64_bit_code(k.s)) linear = (k.s.segment[kCs].base + (linear & 0xffffffff)) & 0xffffffff;
  const auto physical = translate(k.s, linear, k.report.read);
  if (!physical)
    return "RIP is not mapped: a jump, call or return to a wrong address, or page tables that do not map the code";
  return fmt::format(
      "RIP leads to physical address {:#x}, where neither RAM nor ROM is: a jump, call or return to a wrong address",
      *physical);
}

Text runs_through_zeros(const Known& k) {
  if (k.at.bytes.size() < 8 || std::any_of(k.at.bytes.begin(), k.at.bytes.end(), [](auto b) { return b != 0; }))
    return {};
  return "there are only zeros at RIP: the CPU jumped to, or ran into, memory that nothing has been loaded to";
}

Text stack(const Known& k) {
  for (const FaultRecord& e : k.report.chain) {
    if (e.page_fault() && beside_stack(k.s, e))
      return fmt::format(
          "CR2 {:#x} lies at the top of the stack (RSP {:#x}): the stack overflowed, or it is not mapped. Without a "
          "stack of\n"
          "      their own (IST, or a task gate) no handler can be entered, that of #DF neither",
          e.address, e.rsp);
    if (e.exception() && e.vector == kStackFault && e.error_code == 0)
      return fmt::format("SS:RSP {:04x}:{:x} is beyond the limit of the stack segment, or not canonical",
                         k.s.segment[kSs].selector, e.rsp);
  }
  return {};
}

Text tables(const Known& k) {
  for (const FaultRecord& e : k.report.chain) {
    for (const TableRead* r : {&e.cause, &e.descriptor, &e.gate}) {
      if (!*r) continue;
      const std::string entry = describe_table_read(*r, is_long_mode(k.s));
      if (r->result == TableRead::Result::Fault)
        return fmt::format("the processor cannot read its own table: {}. Tables must stay mapped", entry);
      if (r->table == TableRead::Table::Vectors) {
        if (r->result == TableRead::Result::BeyondLimit)
          return fmt::format("the IDTR's limit {:#x} leaves no room for vector {:#04x}: in real mode it must be 0x3ff",
                             k.s.idt.limit, r->index);
        continue;
      }
      const bool missing = r->result == TableRead::Result::BeyondLimit || !(r->low >> 47 & 1);
      if (missing && r->table == TableRead::Table::Idt && !resets_on_purpose(k.report))
        return fmt::format("there is no handler for {}: {}", event_name(e), entry);
      if (missing && r->table != TableRead::Table::Idt)
        return fmt::format("a selector leads nowhere: {} (GDT limit {:#x})", entry, k.s.gdt.limit);
    }
  }
  return {};
}

Text handler_code(const Known& k) {
  if (!is_long_mode(k.s)) return {};
  for (const FaultRecord& e : k.report.chain)
    if (e.failed && e.gate && e.descriptor && e.descriptor.result == TableRead::Result::Done &&
        (e.descriptor.low >> 47 & 1) && (e.descriptor.low >> 43 & 3) == 3 && !(e.descriptor.low >> 53 & 1))
      return fmt::format("the gate of {} leads to code that is not 64-bit, which long mode does not allow",
                         event_name(e));
  return {};
}

Text task_state(const Known& k) {
  for (const FaultRecord& e : k.report.chain)
    if (e.exception() && e.vector == kInvalidTss)
      return fmt::format(
          "the task state segment is no good: TR {:04x}, base {:#x}, limit {:#x}, or the stack it names for CPL 0 is "
          "not",
          k.s.tr.selector, k.s.tr.base, k.s.tr.limit);
  return {};
}

Text vector_state(const Known& k) {
  const bool sse = k.at.instruction.find("xmm") != std::string::npos;
  const bool avx = k.at.instruction.find("ymm") != std::string::npos || k.at.instruction.starts_with("v");
  if (k.began_with(kInvalidOpcode) && avx && !(k.s.cr4 & kCr4Osxsave))
    return "an AVX instruction while CR4.OSXSAVE is clear: the guest has not enabled AVX";
  if (k.began_with(kInvalidOpcode) && sse && !(k.s.cr4 & kCr4Osfxsr))
    return "an SSE instruction while CR4.OSFXSR is clear: the guest has not enabled SSE";
  if (k.began_with(kNoDevice) && (k.s.cr0 & kCr0Ts))
    return "CR0.TS is set: the guest has left an x87 or SSE state to be restored by a handler of #NM";
  return {};
}

Text page_tables(const Known& k) {
  const FaultRecord* e = k.first();
  if (!e || !e->page_fault()) return {};
  if (e->error_code & 8)
    return k.s.efer & kEferNxe
               ? "a page table entry has a reserved bit set: an address with more bits than the CPU has?"
               : "a page table entry has a reserved bit set: XD (bit 63) while EFER.NXE is clear?";
  if ((e->error_code & 16) && (e->error_code & 1)) return "the page that is executed is marked as not executable (XD)";
  return {};
}

Text refused(const Known& k) {
  if (k.report.kind != StopKind::EntryRefused) return {};
  const std::vector<std::string> found = entry_offences(k.s);
  if (found.empty())
    return "none of the usual offences against SDM vol. 3, 27.3.1, is in these registers; see the host's kernel log";
  std::string text = "a processor does not enter such a state:";
  for (const std::string& line : found) text += "\n      " + line;
  return text;
}

Text not_emulated(const Known& k) {
  if (k.report.kind != StopKind::NotEmulated || k.at.instruction.empty()) return {};
  return fmt::format(
      "the KVM of this host emulates kernel mode (it has no hardware virtualization to use), or the instruction goes "
      "where\n"
      "      no memory is, and it cannot emulate '{}'. A software CPU executes it (-accel jit), and so does a\n"
      "      host whose KVM runs on VT-x or AMD-V",
      k.at.instruction.substr(0, k.at.instruction.find(' ')));
}

/// The most telling first.
constexpr Text (*kRules[])(const Known&) = {refused,    not_emulated, empty_idt,    jump_to_nowhere, runs_through_zeros,
                                            stack,      task_state,   handler_code, tables,          vector_state,
                                            page_tables};

}  // namespace

bool resets_on_purpose(const StopReport& r) {
  return r.kind == StopKind::TripleFault && r.state->idt.limit < least_idt(*r.state) - 1 &&
         (r.state->idt.base == 0 || r.state->idt.limit < 15);
}

std::vector<std::string> hints_for(const StopReport& report, const StoppedAt& at) {
  const Known known{report, at, *report.state};
  std::vector<std::string> hints;
  for (const auto& rule : kRules)
    if (Text text = rule(known); !text.empty()) hints.push_back(std::move(text));
  return hints;
}

}  // namespace machina
