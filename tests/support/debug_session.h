#pragma once
/// A guest of a few bytes that a test puts into RAM, in a mode that it puts the CPU into, and a debugger's requests to
/// it.

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qom/error.h"
#include "tests/support/guest_machine.h"

namespace machina::test {

inline constexpr std::uint64_t kCode = 0x7c00, kData = 0x20000, kTables = 0x100000;
using Bytes = std::vector<std::uint8_t>;
enum class Mode { Real, Protected16, Protected32, Long };

inline Breakpoint software(std::uint64_t linear) { return {BreakpointKind::Software, linear, 1}; }
inline Breakpoint hardware(std::uint64_t linear) { return {BreakpointKind::Hardware, linear, 1}; }
inline DebugRequest stops(std::vector<Breakpoint> breakpoints) {
  DebugRequest r;
  r.breakpoints = std::move(breakpoints);
  return r;
}

/// A machine whose CPUs are at kCode in a mode, with a debugger.
class DebugSession {
 public:
  explicit DebugSession(const GuestOptions& options) : machine_(options) {}

  GuestMachine& machine() { return machine_; }
  void put(std::uint64_t address, const Bytes& bytes) {
    const MachineLock::Guard guard(machine_.system().lock);
    for (std::size_t i = 0; i < bytes.size(); ++i) machine_.system().memory.store(address + i, 1, bytes[i]);
  }
  std::uint64_t get(std::uint64_t address, unsigned width) {
    const MachineLock::Guard guard(machine_.system().lock);
    return machine_.system().memory.load(address, width);
  }
  X86State state(unsigned n = 0) {
    const MachineLock::Guard guard(machine_.system().lock);
    return machine_.cpu(n).state();
  }
  void set(const X86State& state, unsigned n = 0) {
    const MachineLock::Guard guard(machine_.system().lock);
    machine_.cpu(n).set_state(state);
  }
  void enter(Mode mode, unsigned n = 0, std::uint64_t rip = kCode) {
    X86State s = state(n);
    s.rip = rip;
    s.mp_state = MpState::Runnable;
    s.gpr[kRsp] = 0x7000;
    const bool flat = mode == Mode::Protected32 || mode == Mode::Long;
    for (X86Segment& segment : s.segment) {
      segment.selector = mode == Mode::Real ? 0 : 0x10;
      segment.base = 0;
      segment.limit = flat ? 0xffffffff : 0xffff;
      segment.g = flat;
      segment.db = flat;
    }
    X86Segment& cs = s.segment[kCs];
    cs.selector = mode == Mode::Real ? 0 : 8;
    cs.type = 11;
    if (mode != Mode::Real) s.cr0 |= 1;
    if (mode == Mode::Long) {
      cs.l = true;
      cs.db = false;
      // The first 16 MiB in pages of 2 MiB, to themselves, and once more at FFFF800000000000h.
      put_entry(kTables, kTables + 0x1003);
      put_entry(kTables + 8 * 256, kTables + 0x1003);
      put_entry(kTables + 0x1000, kTables + 0x2003);
      for (std::uint64_t i = 0; i < 8; ++i) put_entry(kTables + 0x2000 + 8 * i, i << 21 | 0x83);
      s.cr3 = kTables;
      s.cr4 |= 0x20;
      s.efer |= 0x500;
      s.cr0 |= 0x80000030;
    }
    set(s, n);
  }
  void put_entry(std::uint64_t address, std::uint64_t entry) {
    const MachineLock::Guard guard(machine_.system().lock);
    machine_.system().memory.store(address, 8, entry);
  }

  /// "ok", or why it was refused.
  std::string ask(const DebugRequest& request) {
    const MachineLock::Guard guard(machine_.system().lock);
    try {
      for (X86Cpu* cpu : machine_.machine().cpus().cpus()) cpu->set_debug(request);
    } catch (const Error& e) {
      return e.what();
    }
    return "ok";
  }
  void ask_one(unsigned n, const DebugRequest& request) {
    const MachineLock::Guard guard(machine_.system().lock);
    machine_.cpu(n).set_debug(request);
  }
  /// As gdb's stub asks: in force for CPUs and accelerators that come later, too. "ok", or why it was refused.
  std::string set_breakpoints(std::vector<Breakpoint> breakpoints) {
    const MachineLock::Guard guard(machine_.system().lock);
    try {
      machine_.machine().cpus().set_breakpoints(std::move(breakpoints));
    } catch (const Error& e) {
      return e.what();
    }
    return "ok";
  }
  /// Another accelerator: "ok", or why it was refused.
  std::string go_to(qom::Ref<Accelerator> next) {
    const MachineLock::Guard guard(machine_.system().lock);
    try {
      machine_.machine().change_accelerator(std::move(next));
    } catch (const Error& e) {
      return e.what();
    }
    return "ok";
  }
  /// Runs until the machine stops: "breakpoint 0x7c01", "step 0x7c02", "write 0x20000 before 0x7c05", or the state that
  /// the machine is in. With several CPUs, of the first one that says something.
  std::string go(double seconds = 20) {
    {
      const MachineLock::Guard guard(machine_.system().lock);
      machine_.machine().start();
    }
    const bool stopped =
        machine_.run_until([this] { return machine_.machine().run_state() != RunState::Running; }, seconds);
    const MachineLock::Guard guard(machine_.system().lock);
    if (!stopped) {
      machine_.machine().stop();
      return "runs on";
    }
    if (machine_.machine().run_state() != RunState::Debug) return run_state_name(machine_.machine().run_state());
    for (X86Cpu* cpu : machine_.machine().cpus().cpus())
      if (const std::optional<DebugStop> stop = cpu->take_debug_stop()) return describe(*cpu, *stop);
    return "nobody stopped";
  }
  std::string step() {
    DebugRequest r;
    r.single_step = r.hold_interrupts = true;
    if (const std::string refusal = ask(r); refusal != "ok") return refusal;
    return go();
  }

 private:
  static std::string describe(X86Cpu& cpu, const DebugStop& stop) {
    const X86State s = cpu.state();
    const bool long_code = (s.efer & 0x400) && s.segment[kCs].l;
    const std::uint64_t linear = long_code ? s.rip : (s.segment[kCs].base + s.rip) & 0xffffffff;
    switch (stop.why) {
      case DebugStop::Why::Step:
        return fmt::format("step {:#x}", linear);
      case DebugStop::Why::Breakpoint:
        return fmt::format("breakpoint {:#x}{}", linear, stop.linear == linear ? "" : " but says another");
      case DebugStop::Why::Watchpoint:
        break;
    }
    const char* kinds[] = {"?", "?", "write", "read", "access"};
    return fmt::format("{} {:#x} before {:#x}", kinds[static_cast<unsigned>(stop.kind)], stop.linear, linear);
  }

  GuestMachine machine_;
};

}  // namespace machina::test
