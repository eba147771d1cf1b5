#pragma once
/// The way into the handler of one event. What deliver() and INT n have in common.

#include "accel/jit/interrupt.h"

namespace machina::jit {

/// Enters the handler: through the real-mode vectors, the IDT's gates of protected or long mode, or, for INT n in
/// virtual-8086 mode with CR4.VME, the 8086 program's own vectors. `return_rip` is what is pushed. A fault on the way
/// is thrown, with the state as it was; its EXT bit is the caller's. The caller calls update_mode().
void enter_handler(Cpu& cpu, const Event& event, std::uint64_t return_rip);

/// Did the event come from outside of the program? Then EXT is set in error codes: SDM vol. 3, 6.13.
bool is_external(const Event& event);
/// The fault that kept such an event from its handler, with EXT in its error code, if it has one with that bit.
GuestFault of_external_event(GuestFault fault);

}  // namespace machina::jit
