#include "accel/jit/interrupt_return.h"

#include "accel/jit/control_registers.h"
#include "accel/jit/environment.h"
#include "accel/jit/far_stack.h"
#include "accel/jit/far_transfer.h"
#include "accel/jit/load_segment.h"
#include "accel/jit/task.h"
#include "accel/jit/virtual_8086.h"

namespace machina::jit {

namespace {

/// What lies on the stack in any mode.
struct Frame {
  std::uint64_t rip;
  std::uint16_t cs;
  std::uint32_t flags;
};

Frame pop_frame(FarStack& stack, unsigned width) {
  Frame f{};
  f.rip = stack.pop(width);
  f.cs = static_cast<std::uint16_t>(stack.pop(width));
  f.flags = static_cast<std::uint32_t>(stack.pop(width));
  return f;
}

void merge_flags(Cpu& cpu, std::uint32_t popped, std::uint32_t changeable) {
  cpu.set_eflags((cpu.eflags() & ~changeable) | (popped & changeable));
}

/// What CPL and IOPL let IRET change.
std::uint32_t changeable_flags(const Cpu& cpu, unsigned width) {
  std::uint32_t mask = kArithmetic | kTf | kDf | kNt;
  if (width > 2) mask |= kRf | kAc | kId;
  if (cpu.cpl <= cpu.iopl()) mask |= kIf;
  if (cpu.cpl == 0) mask |= kIopl | (width > 2 ? kVif | kVip : 0);
  return mask;
}

void return_in_real(Cpu& cpu, unsigned width) {
  FarStack stack(cpu);
  const Frame frame = pop_frame(stack, width);
  if (frame.rip > cpu.segment[kCs].limit) raise(Vector::GeneralProtection, 0);
  cpu.gpr[kRsp] = stack.pointer();
  load_segment(cpu, kCs, frame.cs);
  cpu.rip = frame.rip;
  constexpr std::uint32_t kAll = kArithmetic | kTf | kIf | kDf | kIopl | kNt;
  merge_flags(cpu, frame.flags, width == 2 ? kAll : kAll | kRf | kAc | kId);
}

/// From CPL 0, with VM set in the flags on the stack.
void return_to_virtual_8086(Cpu& cpu, FarStack& stack, const Frame& frame) {
  const std::uint64_t esp = stack.pop(4);
  std::uint16_t selectors[5];  // SS ES DS FS GS
  for (std::uint16_t& s : selectors) s = static_cast<std::uint16_t>(stack.pop(4));
  if (frame.rip > 0xffff) raise(Vector::GeneralProtection, 0);
  cpu.set_eflags(frame.flags);
  constexpr unsigned kOrder[5] = {kSs, kEs, kDs, kFs, kGs};
  for (unsigned i = 0; i < 5; ++i) cpu.set_segment(kOrder[i], virtual_segment(selectors[i]));
  cpu.set_segment(kCs, virtual_segment(frame.cs));
  cpu.gpr[kRsp] = esp;
  cpu.rip = frame.rip;
  cpu.cpl = 3;
}

void return_in_protected(Cpu& cpu, unsigned width) {
  FarStack stack(cpu);
  const Frame frame = pop_frame(stack, width);
  if (width == 4 && (frame.flags & kVm) && cpu.cpl == 0 && !cpu.long_mode())
    return return_to_virtual_8086(cpu, stack, frame);
  Descriptor code = return_code(cpu, frame.cs);
  const unsigned cpl = frame.cs & 3;
  const bool outer = cpl > cpu.cpl;
  const bool to_long = cpu.long_mode() && code.long_mode();
  // 64-bit code pops SS:RSP always.
  const bool pops_stack = outer || cpu.long_code();
  Segment ss = cpu.segment[kSs];
  std::uint64_t rsp = 0;
  if (pops_stack) {
    rsp = stack.pop(width);
    ss = return_stack(cpu, static_cast<std::uint16_t>(stack.pop(width)), cpl, code);
  }
  check_target(cpu, code, frame.rip);
  mark_accessed(cpu, code);

  cpu.gpr[kRsp] = pops_stack ? merge_stack_pointer(cpu, ss, to_long, rsp) : stack.pointer();
  merge_flags(cpu, frame.flags, changeable_flags(cpu, width));
  cpu.set_segment(kSs, ss);
  set_code_segment(cpu, code.segment(frame.cs), cpl);
  cpu.rip = frame.rip;
  if (outer) drop_inner_segments(cpu, cpl);
}

}  // namespace

void return_from_interrupt(Cpu& cpu, unsigned width, std::uint64_t return_rip) {
  // Also when the rest faults: SDM vol. 3, 6.7.1 and 25.3.
  if (cpu.nmi_masked) {
    cpu.nmi_masked = false;
    cpu.environment.merge_nmis();
    cpu.request(kRequestInterrupt);
  }
  const bool could_interrupt = cpu.system_flags & kIf;
  if (!(cpu.cr0 & kCr0Pe)) {
    return_in_real(cpu, width);
  } else if (cpu.virtual_8086()) {
    return_in_virtual_8086(cpu, width);
  } else if (cpu.system_flags & kNt) {
    if (cpu.long_mode()) raise(Vector::GeneralProtection, 0);
    return_to_task(cpu, return_rip);
  } else {
    return_in_protected(cpu, width);
  }
  if (!could_interrupt && (cpu.system_flags & kIf)) cpu.request(kRequestInterrupt);
}

}  // namespace machina::jit
