#pragma once
/// What a selector loads into a segment register, with the checks of SDM vol. 3, 5.5 to 5.7 and 3.4.4.
/// Faults are those of Cpu::fault_op.

#include "accel/jit/descriptor.h"
#include "accel/jit/fault.h"

namespace machina::jit {

/// MOV, POP, LxS: of ES, SS, DS, FS or GS in the mode in force. Takes it over; the caller calls update_mode().
void load_segment(Cpu& cpu, unsigned index, std::uint16_t selector);

/// A stack for code at `cpl`. Its faults are `vector`: #GP for MOV and returns, #TS for what a TSS holds. Null: only
/// where `null_allowed`.
Segment stack_segment(Cpu& cpu, std::uint16_t selector, unsigned cpl, Vector vector, bool null_allowed);
/// ES, DS, FS or GS in protected mode.
Segment data_segment(Cpu& cpu, std::uint16_t selector, Vector vector = Vector::GeneralProtection);
Segment null_segment(std::uint16_t selector, unsigned dpl = 0);
/// Real mode: base, and rights that allow everything; limit and size (D/B: CS decodes by it here, too) stay what they
/// were (SDM vol. 3, 9.9.1 relies on it).
Segment real_segment(const Segment& before, std::uint16_t selector);
/// Virtual-8086 mode: SDM vol. 3, 20.2.1.
Segment virtual_segment(std::uint16_t selector);
/// After a return to `cpl`: data segments that it may not use become null. SDM vol. 2, RET.
void drop_inner_segments(Cpu& cpu, unsigned cpl);

/// Code that a far transfer has found to be allowed, at `cpl`.
void set_code_segment(Cpu& cpu, Segment code, unsigned cpl);

}  // namespace machina::jit
