#pragma once
/// The windows of float_state.h.
///
/// Rules for code that runs between guest instructions: it uses neither long double nor MMX, and computes nothing in
/// floating point. What may do so (devices, logging, containers that rehash) is called after leave_guest_float().

#include "accel/jit/cpu.h"

namespace machina::jit {

void close_windows(Cpu& cpu);  // host_float.cpp

/// Puts the guest's floating-point state where Cpu says that it is, and gives the host its own back.
inline void leave_guest_float(Cpu& cpu) {
  if (cpu.x87.window | cpu.vector.window) [[unlikely]]
    close_windows(cpu);
}

/// The same at the end of a scope.
class GuestFloat {
 public:
  explicit GuestFloat(Cpu& cpu) : cpu_(cpu) {}
  ~GuestFloat() { leave_guest_float(cpu_); }
  GuestFloat(const GuestFloat&) = delete;
  GuestFloat& operator=(const GuestFloat&) = delete;

 private:
  Cpu& cpu_;
};

/// A thunk: carries out `op` with its operand in memory, if it has one, at `memory`, and goes on to the next.
using Thunk = const Block* (*)(Cpu&, const Op*, void* memory);

// What a thunk jumps to when the window that it needs is closed; they start it over. Where exceptions are unmasked the
// instruction runs for itself, and is looked at afterwards. These throw.
const Block* enter_x87(Cpu& cpu, const Op* op, void* memory, Thunk thunk);
const Block* enter_sse(Cpu& cpu, const Op* op, void* memory, Thunk thunk);
/// Of an instruction that uses MMX registers as well, and whose x87 window is open.
const Block* enter_sse_of_mmx(Cpu& cpu, const Op* op, void* memory, Thunk thunk);

/// Carries out one thunk and comes back.
void run_alone(Cpu& cpu, const Op* op, void* memory, Thunk thunk);

/// #MF is due: before any waiting x87 instruction. Windows that are open have none pending.
inline bool x87_pending(const Cpu& cpu) { return cpu.x87.image.status & kX87ErrorSummary; }
/// Raises it, also where CR0.NE is clear: the board's way round, by FERR# and IRQ 13, is not modelled (SDM vol.
/// 1, 8.7).
[[noreturn]] void raise_x87(Cpu& cpu, const Op* op);
/// What an MMX instruction makes of the unit: TOP is 0, and no register is empty.
void change_to_mmx(FxImage& image);
/// ES and B of what the flags and masks say.
void update_error_summary(Cpu& cpu);

}  // namespace machina::jit
