/// Registers of descriptor tables and tasks: LGDT, LIDT, SGDT, SIDT, LLDT, LTR, SLDT, STR.

#include <array>
#include <cstring>

#include "accel/jit/control_registers.h"
#include "accel/jit/descriptor.h"
#include "accel/jit/emitters.h"
#include "accel/jit/load_segment.h"
#include "accel/jit/system_handler.h"

namespace machina::jit {

namespace {

/// `Width` of the base in bytes; operands of 16 bits have 3. SDM vol. 2, LGDT.
template <DescriptorTable Cpu::*Table, unsigned Width>
const Block* load_table(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  constexpr unsigned kStored = Width == 8 ? 8 : 4;
  const std::uint64_t linear = linear_checked(cpu, op, 2 + kStored, false);
  DescriptorTable table;
  table.limit = load<std::uint16_t>(cpu, op, linear);
  if constexpr (Width == 8) {
    table.base = load<std::uint64_t>(cpu, op, linear + 2);
    if (!canonical_for_model(cpu, table.base)) raise(Vector::GeneralProtection, 0);
  } else {
    table.base = load<std::uint32_t>(cpu, op, linear + 2) & (Width == 3 ? 0xffffffU : 0xffffffffU);
  }
  cpu.*Table = table;
  return next_fetched(cpu, op);
}
template <DescriptorTable Cpu::*Table>
void emit_load_table(Decoding& d) {
  d.use_memory(0);
  if (d.mode & kModeLong) {
    d.op.handler = &load_table<Table, 8>;
  } else {
    d.op.handler = d.instruction.operand_width == 16 ? &load_table<Table, 3> : &load_table<Table, 4>;
  }
}

template <DescriptorTable Cpu::*Table, unsigned Width>
const Block* store_table(Cpu& cpu, const Op* op) {
  check_umip(cpu, op);
  const DescriptorTable& table = cpu.*Table;
  std::array<std::uint8_t, 2 + Width> image;
  std::memcpy(image.data(), &table.limit, 2);
  std::memcpy(image.data() + 2, &table.base, Width);
  write_bytes(cpu, op, linear_checked(cpu, op, 2 + Width, true), image.data(), 2 + Width);
  return next(cpu, op);
}
template <DescriptorTable Cpu::*Table>
void emit_store_table(Decoding& d) {
  d.use_memory(0);
  d.op.handler = d.mode & kModeLong ? &store_table<Table, 8> : &store_table<Table, 4>;
}

/// What LLDT and LTR load. Null selectors are seen to. Descriptors have 16 bytes in 64-bit code only, not in
/// compatibility mode: SDM vol. 3, 7.2.3.
Descriptor system_segment(Cpu& cpu, std::uint16_t selector, bool (*right)(const Cpu&, const Descriptor&)) {
  const std::uint32_t error = selector_error(selector);
  Descriptor d;
  if ((selector & 4) || !read_descriptor(cpu, selector, d) || !right(cpu, d)) raise(Vector::GeneralProtection, error);
  if (!d.present()) raise(Vector::SegmentNotPresent, error);
  if (cpu.long_code() && (!complete_descriptor(cpu, selector, d) || !canonical_for_model(cpu, d.base())))
    raise(Vector::GeneralProtection, error);
  return d;
}
bool is_ldt(const Cpu&, const Descriptor& d) { return d.is(SystemType::Ldt); }
bool is_free_tss(const Cpu& cpu, const Descriptor& d) {
  return d.is(SystemType::Tss32) || (d.is(SystemType::Tss16) && !cpu.long_mode());
}

void load_ldt(Cpu& cpu, std::uint16_t selector) {
  if (is_null(selector)) {
    cpu.ldt = null_segment(selector);
    return;
  }
  cpu.ldt = system_segment(cpu, selector, &is_ldt).segment(selector);
}
void load_task_register(Cpu& cpu, std::uint16_t selector) {
  if (is_null(selector)) raise(Vector::GeneralProtection, 0);
  Descriptor d = system_segment(cpu, selector, &is_free_tss);
  mark_busy(cpu, d, true);
  cpu.tr = d.segment(selector);
}

template <void (*Load)(Cpu&, std::uint16_t)>
const Block* load_r(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  Load(cpu, get_register<std::uint16_t>(cpu, op->source));
  return next_fetched(cpu, op);
}
template <void (*Load)(Cpu&, std::uint16_t)>
const Block* load_m(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  Load(cpu, load_operand<std::uint16_t>(cpu, op));
  return next_fetched(cpu, op);
}
template <void (*Load)(Cpu&, std::uint16_t)>
void emit_load(Decoding& d) {
  if (!(d.mode & kModeProtected)) return;  // #UD
  if (d.is_memory(0)) {
    d.use_memory(0);
    d.op.handler = &load_m<Load>;
  } else {
    d.use_source(0);
    d.op.handler = &load_r<Load>;
  }
}

template <Segment Cpu::*Register, class T>
const Block* store_r(Cpu& cpu, const Op* op) {
  check_umip(cpu, op);
  set_register<T>(cpu, op->destination, static_cast<T>((cpu.*Register).selector));
  return next(cpu, op);
}
template <Segment Cpu::*Register>
const Block* store_m(Cpu& cpu, const Op* op) {
  check_umip(cpu, op);
  store_operand<std::uint16_t>(cpu, op, (cpu.*Register).selector);
  return next(cpu, op);
}
template <Segment Cpu::*Register>
void emit_store(Decoding& d) {
  if (!(d.mode & kModeProtected)) return;
  if (d.is_memory(0)) {
    d.use_memory(0);
    d.op.handler = &store_m<Register>;
    return;
  }
  d.use_destination(0);
  d.op.handler = by_width(d.width(0), []<class T>() -> Handler { return &store_r<Register, T>; });
}

}  // namespace

void add_table_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_LGDT] = &emit_load_table<&Cpu::gdt>;
  table[ZYDIS_MNEMONIC_LIDT] = &emit_load_table<&Cpu::idt>;
  table[ZYDIS_MNEMONIC_SGDT] = &emit_store_table<&Cpu::gdt>;
  table[ZYDIS_MNEMONIC_SIDT] = &emit_store_table<&Cpu::idt>;
  table[ZYDIS_MNEMONIC_LLDT] = &emit_load<&load_ldt>;
  table[ZYDIS_MNEMONIC_LTR] = &emit_load<&load_task_register>;
  table[ZYDIS_MNEMONIC_SLDT] = &emit_store<&Cpu::ldt>;
  table[ZYDIS_MNEMONIC_STR] = &emit_store<&Cpu::tr>;
}

}  // namespace machina::jit
