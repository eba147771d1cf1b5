#include "accel/stop_report.h"

#include <fmt/format.h>

#include "accel/fault_text.h"
#include "accel/stop_hint.h"

namespace machina {

namespace {

constexpr std::size_t kLongestInstruction = 15;  // SDM vol. 2, 2.3.11

std::string place_and_instruction(const StopReport& r, const StoppedAt& at) {
  std::string text = fmt::format("at {:04x}:{:x}", r.state->segment[kCs].selector, r.state->rip);
  if (at.bytes.empty()) return text + ", where no memory is\n";
  text += ":";
  const unsigned length = decode_instruction(*r.state, r.state->rip, at.bytes).length;
  for (std::size_t i = 0; i < (length ? length : at.bytes.size()); ++i) text += fmt::format(" {:02x}", at.bytes[i]);
  return text + (length ? fmt::format("  {}\n", at.instruction) : "  (not an instruction)\n");
}

std::string list(const char* title, const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  std::string text = fmt::format("{}:\n", title);
  for (const std::string& line : lines) text += "  " + line + "\n";
  return text;
}

}  // namespace

std::vector<std::uint8_t> bytes_at_rip(const X86State& s, const ReadPhysical& read) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < kLongestInstruction; ++i) {
    std::uint64_t linear = s.rip + i;
    if (!is_64_bit_code(s)) linear = (s.segment[kCs].base + (linear & 0xffffffff)) & 0xffffffff;
    const auto physical = translate(s, linear, read);
    std::uint8_t byte = 0;
    if (!physical || !read(*physical, std::span(&byte, 1))) break;
    bytes.push_back(byte);
  }
  return bytes;
}

std::string describe_registers(const X86State& s) {
  static constexpr const char* kNames[] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                           "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"};
  static constexpr unsigned kOrder[] = {kRax, kRbx, kRcx, kRdx, kRsi, kRdi, kRbp, kRsp,
                                        kR8,  kR9,  kR10, kR11, kR12, kR13, kR14, kR15};
  static constexpr const char* kSegments[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
  std::string text;
  for (unsigned i = 0; i < 16; ++i)
    text += fmt::format("{}={:016x}{}", kNames[kOrder[i]], s.gpr[kOrder[i]], i % 4 == 3 ? "\n" : " ");
  text += fmt::format("RIP={:016x} RFL={:08x} CPL={}\n", s.rip, s.rflags, s.segment[kSs].dpl);
  const auto segment = [](const char* name, const X86Segment& g) {
    const unsigned rights = static_cast<unsigned>(g.type | g.s << 4 | g.dpl << 5 | g.present << 7 | g.avl << 12 |
                                                  g.l << 13 | g.db << 14 | g.g << 15);
    return fmt::format("{:<3}={:04x} {:016x} {:08x} {:04x}{}\n", name, g.selector, g.base, g.limit, rights,
                       g.unusable ? " unusable" : "");
  };
  for (unsigned i = 0; i < 6; ++i) text += segment(kSegments[i], s.segment[i]);
  text += segment("LDT", s.ldt) + segment("TR", s.tr);
  text += fmt::format("GDT=     {:016x} {:08x}\nIDT=     {:016x} {:08x}\n", s.gdt.base, s.gdt.limit, s.idt.base,
                      s.idt.limit);
  text += fmt::format("CR0={:08x} CR2={:016x} CR3={:016x} CR4={:08x}\n", s.cr0, s.cr2, s.cr3, s.cr4);
  text += fmt::format("DR6={:016x} DR7={:016x} EFER={:016x}\n", s.dr6, s.dr7, s.efer);
  return text;
}

std::string make_report(const StopReport& r) {
  std::string text = fmt::format("{} stopped: {}\n", r.cpu, r.why);
  if (r.state) {
    StoppedAt at{r.instruction, {}};
    if (at.bytes.empty() && r.read) at.bytes = bytes_at_rip(*r.state, r.read);
    if (!at.bytes.empty()) at.instruction = disassemble(*r.state, at.bytes);
    text += place_and_instruction(r, at);
    if (!r.chain.empty()) text += "fault chain:\n" + describe_chain(r.chain, is_long_mode(*r.state));
    if (!r.chain_note.empty()) text += r.chain_note + "\n";
    text += describe_registers(*r.state);
    text += list("before that, oldest first", r.earlier);
    text += list("last exits, oldest first", r.last_exits);
    for (const std::string& hint : hints_for(r, at)) text += "hint: " + hint + "\n";
  } else {
    text += list("last exits, oldest first", r.last_exits);
  }
  return text;
}

}  // namespace machina
