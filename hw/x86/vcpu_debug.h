#pragma once
/// What a debugger asks of vCPUs, and why one of them stopped for it. The same for every accelerator; an accelerator
/// may use whatever it has (debug registers, int3 in memory, looking at each instruction) as long as the guest sees
/// none of it.

#include <cstdint>
#include <string>
#include <vector>

namespace machina {

/// The kinds of gdb's Z packets, in their order. For an accelerator Software and Hardware may be the same; the one is a
/// breakpoint of which there may be any number, the other must not be lost when the guest overwrites its code.
enum class BreakpointKind : std::uint8_t { Software, Hardware, Write, Read, Access };

struct Breakpoint {
  BreakpointKind kind = BreakpointKind::Software;
  std::uint64_t linear = 0;  ///< of an instruction's first byte, or of data: CS.base and the like are worked in
  std::uint64_t size = 1;    ///< bytes of data that are watched, any number; of code always 1
  bool is_code() const { return kind == BreakpointKind::Software || kind == BreakpointKind::Hardware; }
  friend bool operator==(const Breakpoint&, const Breakpoint&) = default;
};

/// What is asked of one vCPU, as a whole: a new request takes the place of the last.
struct DebugRequest {
  /// Of all address spaces: whoever executes or touches the linear address stops. A code breakpoint stops before its
  /// instruction, also when that is where the vCPU goes on from; a debugger that wants to get on takes it out first.
  std::vector<Breakpoint> breakpoints;
  /// Stop after one instruction: a repeated string instruction may stop after each of its elements, an exception or
  /// interrupt that is delivered counts as one, HLT has ended when it has halted.
  bool single_step = false;
  /// INTR, NMI and SMI wait: with single_step, so that a step does not end in an interrupt handler.
  bool hold_interrupts = false;
  bool empty() const { return breakpoints.empty() && !single_step && !hold_interrupts; }
  friend bool operator==(const DebugRequest&, const DebugRequest&) = default;
};

/// Why run() returned VcpuExit::Debug.
struct DebugStop {
  enum class Why : std::uint8_t { Step, Breakpoint, Watchpoint };
  Why why = Why::Step;
  BreakpointKind kind = BreakpointKind::Software;  ///< of the breakpoint that was met
  /// Breakpoint: its address, which is where the next instruction is. Watchpoint: where the data is; the access has
  /// been carried out.
  std::uint64_t linear = 0;
  /// The instruction was HLT: the CPU sleeps when it goes on, until something wakes it. Only where that is not for the
  /// accelerator to know (Accelerator::handles_mp_state()).
  bool halted = false;
};

}  // namespace machina
