#include "accel/jit/fault.h"

#include "accel/jit/cpu.h"

namespace machina::jit {

void raise(Vector vector) { throw GuestFault{vector}; }
void raise(Vector vector, std::uint32_t error) { throw GuestFault{vector, true, error}; }
void raise_of(Cpu& cpu, const Op* op, Vector vector) {
  cpu.fault_op = op;
  raise(vector);
}
void raise_segment_fault(bool stack) { raise(stack ? Vector::StackSegment : Vector::GeneralProtection, 0); }

}  // namespace machina::jit
