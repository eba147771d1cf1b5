#include "accel/jit/far_transfer.h"

#include "accel/jit/call_gate.h"
#include "accel/jit/control_registers.h"
#include "accel/jit/far_stack.h"
#include "accel/jit/load_segment.h"
#include "accel/jit/memory.h"
#include "accel/jit/task.h"

namespace machina::jit {

namespace {

[[noreturn]] void refuse(std::uint16_t selector) { raise(Vector::GeneralProtection, selector_error(selector)); }

/// The descriptor that a far JMP or CALL names.
Descriptor find_target(Cpu& cpu, std::uint16_t selector) {
  if (is_null(selector)) raise(Vector::GeneralProtection, 0);
  Descriptor d;
  if (!read_descriptor(cpu, selector, d)) refuse(selector);
  return d;
}

/// Code that JMP and CALL reach without a gate, at the privilege in force. `d` is what `selector` names.
void check_direct(const Cpu& cpu, std::uint16_t selector, const Descriptor& d) {
  if (cpu.long_mode() && d.long_mode() && d.big()) refuse(selector);
  if (d.conforming() ? d.dpl() > cpu.cpl : (selector & 3U) > cpu.cpl || d.dpl() != cpu.cpl) refuse(selector);
  if (!d.present()) raise(Vector::SegmentNotPresent, selector_error(selector));
}

/// A TSS or a task gate, of which a long mode has none. False: neither.
bool switches_task(Cpu& cpu, TaskSwitch kind, std::uint16_t selector, const Descriptor& d, std::uint64_t return_rip) {
  const bool tss = d.is(SystemType::Tss16) || d.is(SystemType::Tss32);
  if (cpu.long_mode() || (!tss && !d.is(SystemType::TaskGate))) return false;
  if (d.dpl() < cpu.cpl || d.dpl() < (selector & 3U)) refuse(selector);
  if (!d.present()) raise(Vector::SegmentNotPresent, selector_error(selector));
  if (tss) {
    switch_task(cpu, kind, selector, d, {return_rip, cpu.eflags()});
  } else {
    switch_task_by_selector(cpu, kind, d.gate_selector(), Vector::GeneralProtection, {return_rip, cpu.eflags()});
  }
  return true;
}

/// In real and virtual-8086 mode.
void go_real(Cpu& cpu, std::uint16_t selector, std::uint64_t offset) {
  load_segment(cpu, kCs, selector);
  cpu.rip = offset;
}

void check_real(const Cpu& cpu, std::uint64_t offset) {
  const std::uint32_t limit = cpu.virtual_8086() ? 0xffff : cpu.segment[kCs].limit;
  if (offset > limit) raise(Vector::GeneralProtection, 0);
}

}  // namespace

void check_target(const Cpu& cpu, const Descriptor& code, std::uint64_t rip) {
  const bool bad = cpu.long_mode() && code.long_mode() ? !canonical(cpu, rip) : rip > code.limit();
  if (bad) raise(Vector::GeneralProtection, 0);
}

void far_jump(Cpu& cpu, std::uint16_t selector, std::uint64_t offset, std::uint64_t return_rip) {
  if (!cpu.protected_mode()) {
    check_real(cpu, offset);
    return go_real(cpu, selector, offset);
  }
  Descriptor d = find_target(cpu, selector);
  if (!d.code()) {
    if (switches_task(cpu, TaskSwitch::Jump, selector, d, return_rip)) return;
    return jump_through_gate(cpu, selector, d);
  }
  check_direct(cpu, selector, d);
  check_target(cpu, d, offset);
  mark_accessed(cpu, d);
  set_code_segment(cpu, d.segment(selector), cpu.cpl);
  cpu.rip = offset;
}

void far_call(Cpu& cpu, std::uint16_t selector, std::uint64_t offset, unsigned width, std::uint64_t return_rip) {
  FarStack stack(cpu);
  if (!cpu.protected_mode()) {
    check_real(cpu, offset);
    stack.push(width, cpu.segment[kCs].selector);
    stack.push(width, return_rip);
    cpu.gpr[kRsp] = stack.pointer();
    return go_real(cpu, selector, offset);
  }
  Descriptor d = find_target(cpu, selector);
  if (!d.code()) {
    if (switches_task(cpu, TaskSwitch::Call, selector, d, return_rip)) return;
    return call_through_gate(cpu, selector, d, return_rip);
  }
  check_direct(cpu, selector, d);
  check_target(cpu, d, offset);
  stack.push(width, cpu.segment[kCs].selector);
  stack.push(width, return_rip);
  mark_accessed(cpu, d);
  cpu.gpr[kRsp] = stack.pointer();
  set_code_segment(cpu, d.segment(selector), cpu.cpl);
  cpu.rip = offset;
}

Descriptor return_code(Cpu& cpu, std::uint16_t selector) {
  if (is_null(selector)) raise(Vector::GeneralProtection, 0);
  Descriptor d;
  const unsigned rpl = selector & 3;
  if (!read_descriptor(cpu, selector, d) || !d.code() || rpl < cpu.cpl) refuse(selector);
  if (d.conforming() ? d.dpl() > rpl : d.dpl() != rpl) refuse(selector);
  if (cpu.long_mode() && d.long_mode() && d.big()) refuse(selector);
  if (!d.present()) raise(Vector::SegmentNotPresent, selector_error(selector));
  return d;
}

Segment return_stack(Cpu& cpu, std::uint16_t selector, unsigned cpl, const Descriptor& code) {
  const bool null_allowed = cpu.long_mode() && code.long_mode() && cpl != 3;
  return stack_segment(cpu, selector, cpl, Vector::GeneralProtection, null_allowed);
}

void far_return(Cpu& cpu, unsigned width, std::uint64_t release) {
  FarStack stack(cpu);
  const std::uint64_t offset = stack.pop(width);
  const auto selector = static_cast<std::uint16_t>(stack.pop(width));
  stack.skip(release);
  if (!cpu.protected_mode()) {
    check_real(cpu, offset);
    cpu.gpr[kRsp] = stack.pointer();
    return go_real(cpu, selector, offset);
  }
  Descriptor code = return_code(cpu, selector);
  const unsigned cpl = selector & 3;
  const bool to_long = cpu.long_mode() && code.long_mode();
  Segment ss = cpu.segment[kSs];
  std::uint64_t rsp = stack.pointer();
  const bool outer = cpl > cpu.cpl;
  if (outer) {
    const std::uint64_t pointer = stack.pop(width);
    ss = return_stack(cpu, static_cast<std::uint16_t>(stack.pop(width)), cpl, code);
    rsp = merge_stack_pointer(cpu, ss, to_long, pointer);
    rsp = merge_stack_pointer(cpu, ss, to_long, rsp + release);
  }
  check_target(cpu, code, offset);
  mark_accessed(cpu, code);
  cpu.gpr[kRsp] = rsp;
  cpu.set_segment(kSs, ss);
  set_code_segment(cpu, code.segment(selector), cpl);
  cpu.rip = offset;
  if (outer) drop_inner_segments(cpu, cpl);
}

}  // namespace machina::jit
