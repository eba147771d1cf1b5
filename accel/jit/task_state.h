#pragma once
/// What the processor reads of the task state segment in force: stacks of inner privileges, interrupt stacks, and the
/// interrupt redirection map. SDM vol. 3, 7.2.1, 7.7 and 20.3.3. Faults are those of Cpu::fault_op.

#include "accel/jit/descriptor.h"

namespace machina::jit {

struct InnerStack {
  std::uint16_t selector;
  std::uint32_t pointer;
};
/// SSn:ESPn. Throws #TS(TR) where the segment ends before them.
InnerStack tss_stack(Cpu& cpu, unsigned cpl);
/// RSPn. Throws #TS(TR), or #SS(0) for an address that is not canonical.
std::uint64_t tss_stack_64(Cpu& cpu, unsigned cpl);
/// IST1 to IST7, likewise.
std::uint64_t tss_interrupt_stack(Cpu& cpu, unsigned number);

}  // namespace machina::jit
