#include "accel/jit/task.h"

#include <array>

#include "accel/jit/control_registers.h"
#include "accel/jit/debug.h"
#include "accel/jit/environment.h"
#include "accel/jit/far_stack.h"
#include "accel/jit/far_transfer.h"
#include "accel/jit/load_segment.h"
#include "accel/jit/memory.h"
#include "accel/jit/mmu.h"

namespace machina::jit {

namespace {

/// Where things are in a TSS: SDM vol. 3, figures 7-2 and 7-10. What a format lacks is 0.
struct TssFormat {
  unsigned width;  // of a register
  unsigned minimum_limit;
  unsigned cr3, ip, registers, segments, segment_count, ldt, trap;
};
constexpr TssFormat kTss32{4, 0x67, 0x1c, 0x20, 0x28, 0x48, 6, 0x60, 0x64};
constexpr TssFormat kTss16{2, 0x2b, 0, 0x0e, 0x12, 0x22, 4, 0x2a, 0};

const TssFormat& format_of(unsigned type) { return type & 8 ? kTss32 : kTss16; }

/// The part of a task's state that a TSS holds. FLAGS follow IP; segments are in the order of SegmentIndex.
struct TaskState {
  std::uint32_t cr3 = 0, ip = 0, flags = 0;
  std::array<std::uint32_t, 8> registers{};
  std::array<std::uint16_t, 6> segments{};
  std::uint16_t ldt = 0;
  bool trap = false;
};

std::uint64_t at(const Descriptor& tss, unsigned offset) { return (tss.base() + offset) & 0xffffffff; }

TaskState read_task(Cpu& cpu, const Descriptor& tss) {
  const TssFormat& f = format_of(tss.type());
  const auto field = [&](unsigned offset, unsigned width) {
    return static_cast<std::uint32_t>(read_system(cpu, at(tss, offset), width));
  };
  TaskState s;
  if (f.cr3) s.cr3 = field(f.cr3, 4);
  s.ip = field(f.ip, f.width);
  s.flags = field(f.ip + f.width, f.width);
  for (unsigned i = 0; i < 8; ++i) s.registers[i] = field(f.registers + i * f.width, f.width);
  for (unsigned i = 0; i < f.segment_count; ++i)
    s.segments[i] = static_cast<std::uint16_t>(field(f.segments + i * f.width, 2));
  s.ldt = static_cast<std::uint16_t>(field(f.ldt, 2));
  s.trap = f.trap && (field(f.trap, 2) & 1);
  return s;
}

/// What changes of the TSS that is left; all of it can be written once the first check has passed.
void save_task(Cpu& cpu, std::uint64_t rip, std::uint32_t flags) {
  const TssFormat& f = format_of(cpu.tr.type());
  const auto linear = [&](unsigned offset) { return (cpu.tr.base + offset) & 0xffffffff; };
  {
    const SystemAccess rights(cpu);
    check_write(cpu, cpu.fault_op, linear(f.ip), f.segments + f.segment_count * f.width - f.ip);
  }
  write_system(cpu, linear(f.ip), f.width, rip);
  write_system(cpu, linear(f.ip + f.width), f.width, flags);
  for (unsigned i = 0; i < 8; ++i) write_system(cpu, linear(f.registers + i * f.width), f.width, cpu.gpr[i]);
  for (unsigned i = 0; i < f.segment_count; ++i)
    write_system(cpu, linear(f.segments + i * f.width), 2, cpu.segment[i].selector);
}

void change_busy_of_old(Cpu& cpu, bool busy) {
  Descriptor old;
  if (read_descriptor(cpu, cpu.tr.selector, old)) mark_busy(cpu, old, busy);
}

void load_cr3(Cpu& cpu, std::uint64_t cr3) {
  if (!(cpu.cr0 & kCr0Pg) || cr3 == cpu.cr3) return;
  if ((cpu.cr4 & kCr4Pae) && !load_pdptrs(cpu, cpu.environment, cr3)) raise(Vector::GeneralProtection, 0);
  cpu.cr3 = cr3;
  cpu.flush_tlb_non_global();
}

void load_ldt(Cpu& cpu, std::uint16_t selector) {
  cpu.ldt = null_segment(selector);
  if (is_null(selector)) return;
  Descriptor d;
  if ((selector & 4) || !read_descriptor(cpu, selector, d) || !d.is(SystemType::Ldt) || !d.present())
    raise(Vector::InvalidTss, selector_error(selector));
  cpu.ldt = d.segment(selector);
}

Descriptor code_of_task(Cpu& cpu, std::uint16_t selector) {
  const std::uint32_t error = selector_error(selector);
  Descriptor code;
  if (is_null(selector) || !read_descriptor(cpu, selector, code) || !code.code()) raise(Vector::InvalidTss, error);
  const unsigned rpl = selector & 3;
  if (code.conforming() ? code.dpl() > rpl : code.dpl() != rpl) raise(Vector::InvalidTss, error);
  if (!code.present()) raise(Vector::SegmentNotPresent, error);
  mark_accessed(cpu, code);
  return code;
}

/// The hidden parts, once everything else is the new task's. SDM vol. 3, table 7-1.
void load_segments(Cpu& cpu, const TaskState& s) {
  load_ldt(cpu, s.ldt);
  if (cpu.virtual_8086()) {
    for (unsigned i = 0; i < 6; ++i) cpu.set_segment(i, virtual_segment(s.segments[i]));
    return;
  }
  const Descriptor code = code_of_task(cpu, s.segments[kCs]);
  set_code_segment(cpu, code.segment(s.segments[kCs]), cpu.cpl);
  cpu.set_segment(kSs, stack_segment(cpu, s.segments[kSs], cpu.cpl, Vector::InvalidTss, false));
  for (const unsigned i : {kEs, kDs, kFs, kGs})
    cpu.set_segment(i, data_segment(cpu, s.segments[i], Vector::InvalidTss));
  check_target(cpu, code, s.ip);
}

/// From here on, faults are the new task's.
void take_over(Cpu& cpu, const TaskState& s, bool nested) {
  cpu.cr0 |= kCr0Ts;
  constexpr std::uint64_t kLocalBreakpoints = 0x155;
  cpu.dr7 &= ~kLocalBreakpoints;
  cpu.fault_op = nullptr;
  cpu.block = nullptr;  // its bytes may be written: it is over
  cpu.rip = s.ip;
  cpu.set_eflags(s.flags | (nested ? kNt : 0));
  for (unsigned i = 0; i < 8; ++i) cpu.gpr[i] = s.registers[i];
  cpu.cpl = static_cast<std::uint8_t>(cpu.virtual_8086() ? 3 : s.segments[kCs] & 3);
  // Not loaded yet: selectors alone, with nothing behind them. The size of the stack is what pushes go by meanwhile.
  for (unsigned i = 0; i < 6; ++i) cpu.set_segment(i, null_segment(s.segments[i], cpu.cpl));
  cpu.update_mode();
}

}  // namespace

void switch_task(Cpu& cpu, TaskSwitch kind, std::uint16_t selector, Descriptor tss, const Interrupted& old) {
  const TssFormat& format = format_of(tss.type());
  if (tss.limit() < format.minimum_limit) raise(Vector::InvalidTss, selector_error(selector));
  const TaskState state = read_task(cpu, tss);
  const bool nested = kind == TaskSwitch::Call;
  const bool returns = kind == TaskSwitch::Return;
  save_task(cpu, old.rip, returns ? old.flags & ~kNt : old.flags);
  if (nested) write_system(cpu, at(tss, 0), 2, cpu.tr.selector);
  if (!nested) change_busy_of_old(cpu, false);
  if (!returns) mark_busy(cpu, tss, true);

  const bool could_interrupt = cpu.system_flags & kIf;
  cpu.tr = tss.segment(selector);
  take_over(cpu, state, nested);
  if (format.cr3) load_cr3(cpu, state.cr3);
  load_segments(cpu, state);
  cpu.update_mode();
  if (!could_interrupt && (cpu.system_flags & kIf)) cpu.request(kRequestInterrupt);
  if (state.trap) {
    cpu.pending_debug |= kDr6TaskSwitch;
    cpu.request(kRequestInterrupt);
  }
}

void switch_task_by_selector(Cpu& cpu, TaskSwitch kind, std::uint16_t selector, Vector vector, const Interrupted& old) {
  const std::uint32_t error = selector_error(selector);
  Descriptor tss;
  if ((selector & 4) || is_null(selector) || !read_descriptor(cpu, selector, tss)) raise(vector, error);
  const bool right = kind == TaskSwitch::Return ? tss.is(SystemType::BusyTss16) || tss.is(SystemType::BusyTss32)
                                                : tss.is(SystemType::Tss16) || tss.is(SystemType::Tss32);
  if (!right) raise(vector, error);
  if (!tss.present()) raise(Vector::SegmentNotPresent, error);
  switch_task(cpu, kind, selector, tss, old);
}

void enter_task_of_gate(Cpu& cpu, const Event& event, const Descriptor& gate, const Interrupted& old) {
  switch_task_by_selector(cpu, TaskSwitch::Call, gate.gate_selector(), Vector::GeneralProtection, old);
  if (!event.has_error_code) return;
  FarStack stack(cpu);
  stack.push(format_of(cpu.tr.type()).width, event.error_code);
  cpu.gpr[kRsp] = stack.pointer();
}

void return_to_task(Cpu& cpu, std::uint64_t return_rip) {
  const auto selector = static_cast<std::uint16_t>(read_system(cpu, cpu.tr.base, 2));
  switch_task_by_selector(cpu, TaskSwitch::Return, selector, Vector::InvalidTss, {return_rip, cpu.eflags()});
}

}  // namespace machina::jit
