#pragma once
/// Breakpoints of DR0 to DR7 and single step. SDM vol. 3, chapter 18.
///
/// While DR7 has a breakpoint enabled, blocks have one instruction (kModeSingle), and the traps of data and I/O
/// breakpoints gather in Cpu::pending_debug until it has ended. Pages with an enabled data breakpoint are never in the
/// TLB, so that all their accesses come by note_access(); so do those that a debugger outside watches (debugger.h).

#include "accel/jit/cpu.h"
#include "accel/jit/debugger.h"

namespace machina::jit {

inline constexpr std::uint32_t kDr6DataBreakpoints = 0xf;  ///< in Cpu::pending_debug
inline constexpr std::uint32_t kDr6SingleStep = 1U << 14, kDr6Access = 1U << 13, kDr6TaskSwitch = 1U << 15;
inline constexpr std::uint64_t kDebugctlBranchStep = 2;  ///< IA32_DEBUGCTL.BTF: single step stops after branches only
inline constexpr std::uint64_t kDr7Enables = 0xff, kDr7GeneralDetect = 1U << 13;

/// Is there an instruction breakpoint at cpu.rip? Sets DR6. Asked only while DR7 has one enabled and RF is clear.
bool meets_instruction_breakpoint(Cpu& cpu);

/// An access to data at a linear address. Cheap while DR7 enables nothing.
void match_data_breakpoints(Cpu& cpu, std::uint64_t linear, unsigned width, bool write);
inline void note_access(Cpu& cpu, std::uint64_t linear, unsigned width, Debugger::Accesses accesses) {
  if (cpu.dr7 & kDr7Enables) [[unlikely]]
    match_data_breakpoints(cpu, linear, width, accesses != Debugger::Accesses::Read);
  if (cpu.debugger) [[unlikely]]
    cpu.debugger->note(linear, width, accesses);
}
/// Before an access that cannot be made twice.
inline void announce_access(const Cpu& cpu, std::uint64_t linear, unsigned width, Debugger::Accesses accesses) {
  if (cpu.debugger) [[unlikely]]
    cpu.debugger->look_ahead(linear, width, accesses);
}
/// Must the page of `linear` stay out of the TLB?
bool page_is_watched(const Cpu& cpu, std::uint64_t linear);
/// IN, OUT, INS and OUTS, with CR4.DE.
void note_port_access(Cpu& cpu, std::uint16_t port, unsigned width);

/// The checks of MOV to and from DRn, whose faults are those of `op`; the register that `n` stands for (DR4 and DR5 are
/// others' names).
unsigned accessible_debug_register(Cpu& cpu, const Op* op, unsigned n);
/// What DR6 and DR7 hold after a load of `value`.
std::uint64_t dr6_holding(std::uint64_t value);
std::uint64_t dr7_holding(std::uint64_t value);
std::uint64_t read_debug_register(const Cpu& cpu, unsigned n);
/// Throws #GP(0) for bits 63 to 32 of DR6 and DR7. The caller updates the mode.
void write_debug_register(Cpu& cpu, unsigned n, std::uint64_t value);

}  // namespace machina::jit
