/// Far JMP, CALL and RET; INT n, INT3, INTO, INT1; IRET.

#include <utility>

#include "accel/jit/emitters.h"
#include "accel/jit/far_transfer.h"
#include "accel/jit/interrupt_gate.h"
#include "accel/jit/interrupt_return.h"
#include "accel/jit/system_handler.h"

namespace machina::jit {

namespace {

struct FarPointer {
  std::uint16_t selector;
  std::uint64_t offset;
};

/// ptr16:16 and ptr16:32: the selector is in Op::displacement.
template <class T>
FarPointer direct_pointer(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  return {static_cast<std::uint16_t>(op->displacement), static_cast<T>(op->immediate)};
}
/// m16:16, m16:32, m16:64: the offset comes first.
template <class T>
FarPointer pointer_in_memory(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  const std::uint64_t linear = linear_checked(cpu, op, sizeof(T) + 2, false);
  return {load<std::uint16_t>(cpu, op, linear + sizeof(T)), load<T>(cpu, op, linear)};
}

template <class T, FarPointer (*Pointer)(Cpu&, const Op*)>
const Block* jmp_far(Cpu& cpu, const Op* op) {
  const FarPointer to = Pointer(cpu, op);
  far_jump(cpu, to.selector, to.offset, next_rip(cpu, op));
  return leave_block(cpu);
}
template <class T, FarPointer (*Pointer)(Cpu&, const Op*)>
const Block* call_far(Cpu& cpu, const Op* op) {
  const FarPointer to = Pointer(cpu, op);
  far_call(cpu, to.selector, to.offset, sizeof(T), next_rip(cpu, op));
  return leave_block(cpu);
}
template <class T>
const Block* ret_far(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  far_return(cpu, sizeof(T), op->immediate);
  return leave_block(cpu);
}

template <class T>
Handler choose_far(bool call, bool memory) {
  if constexpr (sizeof(T) == 1) {
    return nullptr;
  } else if (memory) {
    return call ? &call_far<T, &pointer_in_memory<T>> : &jmp_far<T, &pointer_in_memory<T>>;
  } else {
    return call ? &call_far<T, &direct_pointer<T>> : &jmp_far<T, &direct_pointer<T>>;
  }
}

const Block* enter(Cpu& cpu, const Op* op, const Event& event) {
  cpu.fault_op = op;
  enter_handler(cpu, event, next_rip(cpu, op));
  cpu.skip_trap = true;
  return leave_block(cpu);
}

const Block* int_n(Cpu& cpu, const Op* op) {
  return enter(cpu, op, {.vector = static_cast<std::uint8_t>(op->immediate), .kind = Event::Kind::Software});
}
const Block* int3(Cpu& cpu, const Op* op) {
  return enter(cpu, op,
               {.vector = static_cast<std::uint8_t>(Vector::Breakpoint), .kind = Event::Kind::SoftwareException});
}
const Block* into(Cpu& cpu, const Op* op) {
  if (!cpu.flags.of) return go_direct(cpu, op, 1, next_rip(cpu, op));
  return enter(cpu, op,
               {.vector = static_cast<std::uint8_t>(Vector::Overflow), .kind = Event::Kind::SoftwareException});
}
/// As if the processor had found it: the gate's DPL does not count, and faults on the way have EXT. SDM vol. 2, INT n.
/// Breakpoints that wait come with it.
const Block* int1(Cpu& cpu, const Op* op) {
  try {
    enter(cpu, op, {.vector = static_cast<std::uint8_t>(Vector::Debug)});
  } catch (const GuestFault& fault) {
    throw of_external_event(fault);
  }
  cpu.dr6 |= std::exchange(cpu.pending_debug, 0U);
  return nullptr;
}

void emit_int(Decoding& d) {
  d.use_immediate(0);
  d.op.handler = &int_n;
  d.ends_block = true;
}

template <class T>
const Block* iret(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  return_from_interrupt(cpu, sizeof(T), next_rip(cpu, op));
  return leave_block(cpu);
}

void emit_far_branch(Decoding& d) {
  d.ends_block = true;
  const bool call = d.instruction.mnemonic == ZYDIS_MNEMONIC_CALL;
  const bool memory = d.is_memory(0);
  if (memory) {
    d.use_memory(0);
  } else {
    d.op.immediate = d.operand(0).ptr.offset;
    d.op.displacement = d.operand(0).ptr.segment;
  }
  d.op.handler = by_width(d.instruction.operand_width, [&]<class T>() { return choose_far<T>(call, memory); });
}

void emit_far_return(Decoding& d) {
  d.ends_block = true;
  d.op.immediate = d.instruction.operand_count_visible > 0 && d.is_immediate(0) ? d.operand(0).imm.value.u : 0;
  d.op.handler = by_width(d.instruction.operand_width, []<class T>() -> Handler { return &ret_far<T>; });
}

}  // namespace

void add_far_emitters(EmitterTable& table) {
  table[kRowFarJmp] = table[kRowFarCall] = &emit_far_branch;
  table[kRowFarRet] = &emit_far_return;
  table[ZYDIS_MNEMONIC_INT] = &emit_int;
  table[ZYDIS_MNEMONIC_INT1] = &emit_fixed<&int1, true>;
  table[ZYDIS_MNEMONIC_INT3] = &emit_fixed<&int3, true>;
  table[ZYDIS_MNEMONIC_INTO] = &emit_fixed<&into, true>;
  table[ZYDIS_MNEMONIC_IRET] = &emit_fixed<&iret<std::uint16_t>, true>;
  table[ZYDIS_MNEMONIC_IRETD] = &emit_fixed<&iret<std::uint32_t>, true>;
  table[ZYDIS_MNEMONIC_IRETQ] = &emit_fixed<&iret<std::uint64_t>, true>;
}

}  // namespace machina::jit
