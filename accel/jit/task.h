#pragma once
/// Task switches. SDM vol. 3, 7.3. Faults are those of Cpu::fault_op.

#include "accel/jit/descriptor.h"
#include "accel/jit/interrupt.h"

namespace machina::jit {

enum class TaskSwitch : std::uint8_t {
  Jump,    ///< the old task is no longer busy
  Call,    ///< CALL, an interrupt or an exception: the new one is nested in the old
  Return,  ///< IRET with NT: the old one is no longer busy, the new one is already
};

/// To the task whose TSS `descriptor` is, which `selector` names: checks whether it is present and long enough, then
/// switches. What is saved as the old task's RIP and EFLAGS is the caller's to say. Faults that belong to the new task
/// are thrown with its state in force. The caller has checked type, busy bit and privilege, and calls update_mode().
struct Interrupted {
  std::uint64_t rip;
  std::uint32_t flags;
};
void switch_task(Cpu& cpu, TaskSwitch kind, std::uint16_t selector, Descriptor descriptor, const Interrupted& old);

/// Through a task gate of the IDT, the GDT or an LDT, or by IRET: finds the TSS that `selector` names; a bad one is
/// `vector`.
void switch_task_by_selector(Cpu& cpu, TaskSwitch kind, std::uint16_t selector, Vector vector, const Interrupted& old);

/// An event whose gate in the IDT is a task gate; the error code is pushed on the new task's stack.
void enter_task_of_gate(Cpu& cpu, const Event& event, const Descriptor& gate, const Interrupted& old);
/// IRET with NT set.
void return_to_task(Cpu& cpu, std::uint64_t return_rip);

}  // namespace machina::jit
