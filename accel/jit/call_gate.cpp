#include "accel/jit/call_gate.h"

#include <array>

#include "accel/jit/far_stack.h"
#include "accel/jit/far_transfer.h"
#include "accel/jit/load_segment.h"
#include "accel/jit/memory.h"
#include "accel/jit/task_state.h"

namespace machina::jit {

namespace {

/// Where a call gate leads.
struct Target {
  Descriptor code;
  std::uint16_t selector = 0;
  std::uint64_t offset = 0;
  unsigned width = 4;  ///< of what is pushed
  unsigned parameters = 0;
};

[[noreturn]] void refuse(std::uint16_t selector) { raise(Vector::GeneralProtection, selector_error(selector)); }

/// `inward`: a more privileged segment will do, too.
Target find_target(Cpu& cpu, std::uint16_t selector, Descriptor gate, bool inward) {
  const bool wide = gate.is(SystemType::CallGate32);
  if (!wide && (cpu.long_mode() || !gate.is(SystemType::CallGate16))) refuse(selector);
  if (gate.dpl() < cpu.cpl || gate.dpl() < (selector & 3U)) refuse(selector);
  if (!gate.present()) raise(Vector::SegmentNotPresent, selector_error(selector));
  // The upper half of a gate of 64 bits has type 0 where an ordinary descriptor has its own.
  if (!complete_descriptor(cpu, selector, gate) || (gate.upper >> 40 & 0x1f) != 0) refuse(selector);
  gate.upper &= 0xffffffff;

  Target t;
  t.selector = gate.gate_selector();
  t.width = cpu.long_mode() ? 8 : wide ? 4 : 2;
  t.offset = t.width == 2 ? gate.gate_offset() & 0xffff : gate.gate_offset();
  t.parameters = cpu.long_mode() ? 0 : gate.gate_parameters();
  if (is_null(t.selector)) raise(Vector::GeneralProtection, 0);
  Descriptor& code = t.code;
  if (!read_descriptor(cpu, t.selector, code) || !code.code() || code.dpl() > cpu.cpl) refuse(t.selector);
  if (!inward && !code.conforming() && code.dpl() != cpu.cpl) refuse(t.selector);
  if (cpu.long_mode() && (!code.long_mode() || code.big())) refuse(t.selector);
  if (!code.present()) raise(Vector::SegmentNotPresent, selector_error(t.selector));
  return t;
}

void call_inward(Cpu& cpu, Target& t, std::uint64_t return_rip) {
  const unsigned cpl = t.code.dpl();
  const bool long_mode = cpu.long_mode();
  Segment ss = null_segment(static_cast<std::uint16_t>(cpl), cpl);
  std::uint64_t pointer = 0;
  if (long_mode) {
    pointer = tss_stack_64(cpu, cpl);
  } else {
    const InnerStack inner = tss_stack(cpu, cpl);
    pointer = inner.pointer;
    ss = stack_segment(cpu, inner.selector, cpl, Vector::InvalidTss, false);
  }
  check_target(cpu, t.code, t.offset);

  std::array<std::uint64_t, 31> parameters{};
  FarStack outer(cpu);
  for (unsigned i = 0; i < t.parameters; ++i) parameters[i] = outer.pop(t.width);

  FarStack stack(cpu, ss, pointer, cpl, long_mode, selector_error(ss.selector));
  stack.push(t.width, cpu.segment[kSs].selector);
  stack.push(t.width, cpu.gpr[kRsp]);
  for (unsigned i = t.parameters; i-- > 0;) stack.push(t.width, parameters[i]);
  stack.push(t.width, cpu.segment[kCs].selector);
  stack.push(t.width, return_rip);
  mark_accessed(cpu, t.code);
  cpu.set_segment(kSs, ss);
  cpu.gpr[kRsp] = stack.pointer();
  set_code_segment(cpu, t.code.segment(t.selector), cpl);
  cpu.rip = t.offset;
}

}  // namespace

void jump_through_gate(Cpu& cpu, std::uint16_t selector, const Descriptor& gate) {
  Target t = find_target(cpu, selector, gate, false);
  check_target(cpu, t.code, t.offset);
  mark_accessed(cpu, t.code);
  set_code_segment(cpu, t.code.segment(t.selector), cpu.cpl);
  cpu.rip = t.offset;
}

void call_through_gate(Cpu& cpu, std::uint16_t selector, const Descriptor& gate, std::uint64_t return_rip) {
  Target t = find_target(cpu, selector, gate, true);
  if (!t.code.conforming() && t.code.dpl() < cpu.cpl) return call_inward(cpu, t, return_rip);
  check_target(cpu, t.code, t.offset);
  FarStack stack(cpu, cpu.segment[kSs], cpu.gpr[kRsp], cpu.cpl, cpu.long_mode());
  stack.push(t.width, cpu.segment[kCs].selector);
  stack.push(t.width, return_rip);
  mark_accessed(cpu, t.code);
  cpu.gpr[kRsp] = stack.pointer();
  set_code_segment(cpu, t.code.segment(t.selector), cpu.cpl);
  cpu.rip = t.offset;
}

}  // namespace machina::jit
