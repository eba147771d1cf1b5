#pragma once
/// Far JMP and CALL through call gates of 16, 32 and 64 bits. SDM vol. 3, 5.8.3 to 5.8.5.

#include "accel/jit/descriptor.h"

namespace machina::jit {

/// `gate` is what `selector` names; #GP when it is no call gate. Faults are those of Cpu::fault_op and change nothing.
void jump_through_gate(Cpu& cpu, std::uint16_t selector, const Descriptor& gate);
void call_through_gate(Cpu& cpu, std::uint16_t selector, const Descriptor& gate, std::uint64_t return_rip);

}  // namespace machina::jit
