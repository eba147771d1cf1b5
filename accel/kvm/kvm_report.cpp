#include "accel/kvm/kvm_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_exits.h"

namespace machina::kvm {

namespace {

constexpr std::size_t kLongestInstruction = 15;  // SDM vol. 2, 2.3.11

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

std::vector<std::uint8_t> emulation_bytes(const kvm_run& run) {
  if (run.exit_reason != KVM_EXIT_INTERNAL_ERROR || run.internal.suberror != KVM_INTERNAL_ERROR_EMULATION) return {};
  // ndata counts 64-bit words: the flags, then two that hold the size and 15 bytes.
  if (run.emulation_failure.ndata < 3 ||
      !(run.emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
    return {};
  const std::size_t size = std::min<std::size_t>(run.emulation_failure.insn_size, kLongestInstruction);
  const std::uint8_t* bytes = run.emulation_failure.insn_bytes;
  return {bytes, bytes + size};
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

std::string make_report(const ReportInput& in) {
  std::string text = fmt::format("{} stopped: {}\n", in.cpu, in.why);
  std::string instruction;
  if (in.state) {
    std::vector<std::uint8_t> bytes;
    if (in.run) bytes = emulation_bytes(*in.run);
    if (bytes.empty() && in.read) bytes = bytes_at_rip(*in.state, in.read);
    text += fmt::format("at {:04x}:{:x}", in.state->segment[kCs].selector, in.state->rip);
    if (bytes.empty()) {
      text += ", where no memory is\n";
    } else {
      instruction = disassemble(*in.state, bytes);
      text += ":";
      for (const std::uint8_t b : bytes) text += fmt::format(" {:02x}", b);
      text += instruction.empty() ? "  (not an instruction)\n" : fmt::format("  {}\n", instruction);
    }
    text += describe_registers(*in.state);
  }
  if (!in.last_exits.empty()) {
    text += "last exits, oldest first:\n";
    for (const std::string& line : in.last_exits) text += "  " + line + "\n";
  }
  if (in.run && in.run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
      in.run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && !instruction.empty()) {
    const std::string mnemonic = instruction.substr(0, instruction.find(' '));
    text += fmt::format(
        "hint: the KVM of this host emulates kernel mode (it has no hardware virtualization to use) and cannot "
        "emulate\n"
        "      '{}'. A software CPU executes it, and so does a host whose KVM runs on VT-x or AMD-V.\n",
        mnemonic);
  }
  return text;
}

// --- the ring of last exits ---

void ExitRing::add(const kvm_run& run, std::size_t size) {
  Entry& e = entries_[count_++ % kSize];
  e.reason = run.exit_reason;
  std::memcpy(e.detail.data(), &run.hw, e.detail.size());
  e.io_value = 0;
  if (run.exit_reason == KVM_EXIT_IO && run.io.size <= 4 && run.io.data_offset + run.io.size <= size)
    std::memcpy(&e.io_value, reinterpret_cast<const std::uint8_t*>(&run) + run.io.data_offset, run.io.size);
}

std::vector<std::string> ExitRing::describe() const {
  std::vector<std::string> lines;
  std::vector<unsigned> times;
  const std::uint64_t first = count_ > kSize ? count_ - kSize : 0;
  for (std::uint64_t i = first; i < count_; ++i) {
    const Entry& e = entries_[i % kSize];
    // Put back together what describe_exit() looks at: the head of kvm_run and, behind it, the value of a port access.
    std::array<std::uint64_t, (sizeof(kvm_run) + 7) / 8 + 1> storage{};
    auto& run = *reinterpret_cast<kvm_run*>(storage.data());
    run.exit_reason = e.reason;
    std::memcpy(&run.hw, e.detail.data(), e.detail.size());
    if (e.reason == KVM_EXIT_IO) {
      storage.back() = e.io_value;
      run.io.data_offset = sizeof storage - 8;
    }
    std::string line = describe_exit(run, sizeof storage);
    if (!lines.empty() && lines.back() == line) {
      ++times.back();
    } else {
      lines.push_back(std::move(line));
      times.push_back(1);
    }
  }
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (times[i] > 1) lines[i] += fmt::format("  ({} times)", times[i]);
  return lines;
}

}  // namespace machina::kvm
