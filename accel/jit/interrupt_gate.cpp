#include "accel/jit/interrupt_gate.h"

#include "accel/jit/control_registers.h"
#include "accel/jit/far_stack.h"
#include "accel/jit/load_segment.h"
#include "accel/jit/memory.h"
#include "accel/jit/task.h"
#include "accel/jit/task_state.h"
#include "accel/jit/virtual_8086.h"

namespace machina::jit {

namespace {

constexpr std::uint32_t kIdtError = 2;  // error codes: the index is into the IDT

bool is_software(const Event& e) { return e.kind == Event::Kind::Software || e.kind == Event::Kind::SoftwareException; }

/// Exceptions whose instruction starts over: SDM vol. 3, table 6-1. #DB of an instruction breakpoint is the exception,
/// since RF is what keeps it from coming again.
bool is_fault(const Event& e) {
  constexpr std::uint32_t kFaults = 0x7b7ce1;  // 0, 5 to 7, 10 to 14, 16, 17, 19 to 22
  return e.kind == Event::Kind::Exception && e.vector < 32 && (kFaults >> e.vector & 1);
}

/// EFLAGS as they are pushed. RF: SDM vol. 3, 18.3.1.1.
std::uint32_t pushed_flags(const Cpu& cpu, const Event& event) {
  return cpu.eflags() | (is_fault(event) || cpu.mid_repetition ? kRf : 0);
}

/// Once nothing can fault any more. SDM vol. 3, 6.12.1.2.
void clear_flags(Cpu& cpu, bool interrupt_gate) {
  cpu.system_flags &= ~(kTf | kNt | kRf | kVm | (interrupt_gate ? kIf : 0U));
}

/// SDM vol. 3, 20.1.4.
void enter_real(Cpu& cpu, const Event& event, std::uint64_t return_rip) {
  const std::uint32_t entry = event.vector * 4U;
  TableRead& read = cpu.fault_chain.gate;
  read = {
      .table = TableRead::Table::Vectors, .result = TableRead::Result::BeyondLimit, .size = 4, .index = event.vector};
  if (entry + 3 > cpu.idt.limit) raise(Vector::GeneralProtection, 0);
  read.linear = cpu.idt.base + entry;
  read.result = TableRead::Result::Fault;
  const auto to = static_cast<std::uint32_t>(read_system(cpu, read.linear, 4));
  read.low = to;
  read.result = TableRead::Result::Done;
  FarStack stack(cpu);
  stack.push(2, cpu.eflags());
  stack.push(2, cpu.segment[kCs].selector);
  stack.push(2, return_rip);
  cpu.gpr[kRsp] = stack.pointer();
  load_segment(cpu, kCs, static_cast<std::uint16_t>(to >> 16));
  cpu.rip = to & 0xffff;
  cpu.system_flags &= ~(kIf | kTf | kAc | kRf);
}

struct Gate {
  Descriptor descriptor;
  std::uint32_t error;  // that names the gate
  unsigned width;       // of what is pushed, in bytes
  bool interrupt;       // clears IF
};

/// SDM vol. 2, INT n, PROTECTED-MODE and IA-32e-MODE, up to the kind of gate.
Gate find_gate(Cpu& cpu, const Event& event) {
  const unsigned size = cpu.long_mode() ? 16 : 8;
  Gate gate{{}, event.vector * 8U | kIdtError, 0, false};
  Descriptor& d = gate.descriptor;
  TableRead& read = cpu.fault_chain.gate;
  read = {.table = TableRead::Table::Idt,
          .result = TableRead::Result::BeyondLimit,
          .size = static_cast<std::uint8_t>(size),
          .index = event.vector};
  if (event.vector * size + size - 1 > cpu.idt.limit) raise(Vector::GeneralProtection, gate.error);
  d.linear = cpu.idt.base + event.vector * size;
  read.linear = d.linear;
  read.result = TableRead::Result::Fault;
  d.raw = read_system(cpu, d.linear, 8);
  if (size == 16) d.upper = read_system(cpu, d.linear + 8, 8) & 0xffffffff;
  read.low = d.raw, read.high = d.upper;
  read.result = TableRead::Result::Done;
  const bool wide = d.is(SystemType::InterruptGate32) || d.is(SystemType::TrapGate32);
  const bool narrow = d.is(SystemType::InterruptGate16) || d.is(SystemType::TrapGate16);
  const bool known = wide || (!cpu.long_mode() && (narrow || d.is(SystemType::TaskGate)));
  if (!known) raise(Vector::GeneralProtection, gate.error);
  if (is_software(event) && d.dpl() < cpu.cpl) raise(Vector::GeneralProtection, gate.error);
  if (!d.present()) raise(Vector::SegmentNotPresent, gate.error);
  gate.width = cpu.long_mode() ? 8 : wide ? 4 : 2;
  gate.interrupt = d.is(SystemType::InterruptGate32) || d.is(SystemType::InterruptGate16);
  return gate;
}

/// The code segment of the handler, not yet marked as accessed.
Descriptor handler_code(Cpu& cpu, std::uint16_t selector) {
  if (is_null(selector)) raise(Vector::GeneralProtection, 0);
  const std::uint32_t error = selector_error(selector);
  Descriptor code;
  if (!read_descriptor(cpu, selector, code)) raise(Vector::GeneralProtection, error);
  if (!code.code() || code.dpl() > cpu.cpl) raise(Vector::GeneralProtection, error);
  if (cpu.long_mode() && (!code.long_mode() || code.big())) raise(Vector::GeneralProtection, error);
  if (!code.present()) raise(Vector::SegmentNotPresent, error);
  // Out of virtual-8086 mode there is only one way: to CPL 0.
  if (cpu.virtual_8086() && (code.conforming() || code.dpl() != 0)) raise(Vector::GeneralProtection, error);
  return code;
}

/// The stack that a handler runs on.
struct Target {
  Segment ss;
  std::uint64_t pointer;
  bool other;  // than the one in force: SS and RSP are pushed
};

Target choose_stack(Cpu& cpu, const Gate& gate, unsigned cpl) {
  const bool inner = cpl < cpu.cpl;
  if (cpu.long_mode()) {
    const unsigned ist = gate.descriptor.interrupt_stack();
    if (!inner && ist == 0) return {cpu.segment[kSs], cpu.gpr[kRsp] & ~std::uint64_t{15}, true};
    const std::uint64_t pointer = ist ? tss_interrupt_stack(cpu, ist) : tss_stack_64(cpu, cpl);
    return {inner ? null_segment(static_cast<std::uint16_t>(cpl), cpl) : cpu.segment[kSs], pointer & ~std::uint64_t{15},
            true};
  }
  if (!inner) return {cpu.segment[kSs], cpu.gpr[kRsp], false};
  const InnerStack stack = tss_stack(cpu, cpl);
  return {stack_segment(cpu, stack.selector, cpl, Vector::InvalidTss, false), stack.pointer, true};
}

void enter_gate(Cpu& cpu, const Event& event, const Gate& gate, std::uint64_t return_rip) {
  const std::uint16_t selector = gate.descriptor.gate_selector();
  Descriptor code = handler_code(cpu, selector);
  const bool long_mode = cpu.long_mode();
  const bool from_virtual = cpu.virtual_8086();
  const unsigned cpl = code.conforming() ? cpu.cpl : code.dpl();
  const Target target = choose_stack(cpu, gate, cpl);
  const std::uint32_t stack_error = target.other && !long_mode ? selector_error(target.ss.selector) : 0;
  FarStack stack(cpu, target.ss, target.pointer, cpl, long_mode, stack_error);

  std::uint64_t rip = gate.descriptor.gate_offset();
  if (gate.width == 2) rip &= 0xffff;
  if (long_mode ? !canonical(cpu, rip) : rip > code.limit()) raise(Vector::GeneralProtection, 0);

  const unsigned width = gate.width;
  if (from_virtual)
    for (const unsigned i : {kGs, kFs, kDs, kEs}) stack.push(width, cpu.segment[i].selector);
  if (target.other) {
    stack.push(width, cpu.segment[kSs].selector);
    stack.push(width, cpu.gpr[kRsp]);
  }
  stack.push(width, pushed_flags(cpu, event));
  stack.push(width, cpu.segment[kCs].selector);
  stack.push(width, return_rip);
  if (event.has_error_code) stack.push(width, event.error_code);
  mark_accessed(cpu, code);

  // Nothing faults from here on.
  clear_flags(cpu, gate.interrupt);
  if (from_virtual)
    for (const unsigned i : {kGs, kFs, kDs, kEs}) cpu.set_segment(i, null_segment(0));
  cpu.set_segment(kSs, target.ss);
  cpu.gpr[kRsp] = stack.pointer();
  set_code_segment(cpu, code.segment(selector), cpl);
  cpu.rip = rip;
}

}  // namespace

bool is_external(const Event& event) { return !is_software(event); }

GuestFault of_external_event(GuestFault fault) {
  const Vector v = fault.vector;
  if (v == Vector::InvalidTss || v == Vector::SegmentNotPresent || v == Vector::StackSegment ||
      v == Vector::GeneralProtection)
    fault.error_code |= 1;
  return fault;
}

void enter_handler(Cpu& cpu, const Event& event, std::uint64_t return_rip) {
  if (!(cpu.cr0 & kCr0Pe)) return enter_real(cpu, event, return_rip);
  if (cpu.virtual_8086() && event.kind == Event::Kind::Software && redirect_interrupt(cpu, event.vector, return_rip))
    return;
  const Gate gate = find_gate(cpu, event);
  if (gate.descriptor.is(SystemType::TaskGate))
    return enter_task_of_gate(cpu, event, gate.descriptor, {return_rip, pushed_flags(cpu, event)});
  enter_gate(cpu, event, gate, return_rip);
}

}  // namespace machina::jit
