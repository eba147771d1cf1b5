#include "accel/jit/task_state.h"

#include "accel/jit/memory.h"

namespace machina::jit {

namespace {

void check_limit(const Cpu& cpu, unsigned last) {
  if (last > cpu.tr.limit) raise(Vector::InvalidTss, selector_error(cpu.tr.selector));
}

std::uint64_t pointer_at(Cpu& cpu, unsigned offset) {
  check_limit(cpu, offset + 7);
  const std::uint64_t pointer = read_system(cpu, cpu.tr.base + offset, 8);
  if (!canonical(cpu, pointer)) raise(Vector::StackSegment, 0);
  return pointer;
}

}  // namespace

InnerStack tss_stack(Cpu& cpu, unsigned cpl) {
  const bool wide = cpu.tr.type() & 8;
  const unsigned offset = wide ? 4 + 8 * cpl : 2 + 4 * cpl;
  const unsigned width = wide ? 4 : 2;
  check_limit(cpu, offset + width + 1);
  return {static_cast<std::uint16_t>(read_system(cpu, cpu.tr.base + offset + width, 2)),
          static_cast<std::uint32_t>(read_system(cpu, cpu.tr.base + offset, width))};
}

std::uint64_t tss_stack_64(Cpu& cpu, unsigned cpl) { return pointer_at(cpu, 4 + 8 * cpl); }

std::uint64_t tss_interrupt_stack(Cpu& cpu, unsigned number) { return pointer_at(cpu, 0x1c + 8 * number); }

}  // namespace machina::jit
