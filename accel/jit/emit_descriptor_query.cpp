/// What a program may ask about selectors: LAR, LSL, VERR, VERW, ARPL. They fault for their operands only; the answer
/// is ZF. SDM vol. 3, 5.10.

#include "accel/jit/descriptor.h"
#include "accel/jit/emitters.h"
#include "accel/jit/system_handler.h"

namespace machina::jit {

namespace {

/// The descriptor, if CPL and RPL may see it.
bool visible(Cpu& cpu, std::uint16_t selector, Descriptor& d) {
  if (is_null(selector) || !read_descriptor(cpu, selector, d)) return false;
  return d.conforming() || (d.dpl() >= cpu.cpl && d.dpl() >= (selector & 3U));
}

/// SDM vol. 2, tables 3-53 and 3-55.
bool has_limit(const Cpu& cpu, const Descriptor& d) {
  if (d.code_or_data() || d.is(SystemType::Ldt) || d.is(SystemType::Tss32) || d.is(SystemType::BusyTss32)) return true;
  return !cpu.long_mode() && (d.is(SystemType::Tss16) || d.is(SystemType::BusyTss16));
}
bool has_rights(const Cpu& cpu, const Descriptor& d) {
  if (has_limit(cpu, d) || d.is(SystemType::CallGate32)) return true;
  return !cpu.long_mode() && (d.is(SystemType::CallGate16) || d.is(SystemType::TaskGate));
}

bool access_rights(Cpu& cpu, std::uint16_t selector, std::uint32_t& value) {
  Descriptor d;
  if (!visible(cpu, selector, d) || !has_rights(cpu, d) || !complete_descriptor(cpu, selector, d)) return false;
  value = static_cast<std::uint32_t>(d.raw >> 32) & 0x00ffff00;
  return true;
}
bool segment_limit(Cpu& cpu, std::uint16_t selector, std::uint32_t& value) {
  Descriptor d;
  if (!visible(cpu, selector, d) || !has_limit(cpu, d) || !complete_descriptor(cpu, selector, d)) return false;
  value = d.limit();
  return true;
}
bool may_read(Cpu& cpu, std::uint16_t selector) {
  Descriptor d;
  return visible(cpu, selector, d) && d.readable();
}
bool may_write(Cpu& cpu, std::uint16_t selector) {
  Descriptor d;
  return visible(cpu, selector, d) && d.writable_data();
}

template <bool Memory>
std::uint16_t selector_of(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if constexpr (Memory) {
    return load_operand<std::uint16_t>(cpu, op);
  } else {
    return get_register<std::uint16_t>(cpu, op->source);
  }
}
void use_selector(Decoding& d, unsigned n) {
  if (d.is_memory(n)) {
    d.use_memory(n);
  } else {
    d.use_source(n);
  }
}

using Ask = bool (*)(Cpu&, std::uint16_t, std::uint32_t&);
template <Ask What, bool Memory, class T>
const Block* ask(Cpu& cpu, const Op* op) {
  std::uint32_t value = 0;
  const bool known = What(cpu, selector_of<Memory>(cpu, op), value);
  if (known) set_register<T>(cpu, op->destination, static_cast<T>(value));
  cpu.flags.set_zf(known);
  return next(cpu, op);
}
template <Ask What>
void emit_ask(Decoding& d) {
  if (!(d.mode & kModeProtected)) return;  // #UD
  d.use_destination(0);
  use_selector(d, 1);
  d.op.handler = by_width(
      d.width(0), [&]<class T>() -> Handler { return d.is_memory(1) ? &ask<What, true, T> : &ask<What, false, T>; });
}

using Verify = bool (*)(Cpu&, std::uint16_t);
template <Verify What, bool Memory>
const Block* verify(Cpu& cpu, const Op* op) {
  cpu.flags.set_zf(What(cpu, selector_of<Memory>(cpu, op)));
  return next(cpu, op);
}
template <Verify What>
void emit_verify(Decoding& d) {
  if (!(d.mode & kModeProtected)) return;
  use_selector(d, 0);
  d.op.handler = d.is_memory(0) ? &verify<What, true> : &verify<What, false>;
}

/// Raises the destination's RPL to the source's.
bool adjust(ArithmeticFlags& flags, std::uint16_t& selector, std::uint16_t by) {
  const bool raised = (selector & 3) < (by & 3);
  if (raised) selector = static_cast<std::uint16_t>((selector & ~3U) | (by & 3U));
  flags.low = static_cast<std::uint8_t>(raised ? flags.low | kZf : flags.low & ~kZf);
  return raised;
}
const Block* arpl_r(Cpu& cpu, const Op* op) {
  auto selector = get_register<std::uint16_t>(cpu, op->destination);
  if (adjust(cpu.flags, selector, get_register<std::uint16_t>(cpu, op->source)))
    set_register<std::uint16_t>(cpu, op->destination, selector);
  return next(cpu, op);
}
const Block* arpl_m(Cpu& cpu, const Op* op) {
  const auto by = get_register<std::uint16_t>(cpu, op->source);
  update<std::uint16_t>(cpu, op, linear_checked(cpu, op, 2, true),
                        [by](ArithmeticFlags& flags, std::uint16_t selector) {
                          adjust(flags, selector, by);
                          return selector;
                        });
  return next(cpu, op);
}
void emit_arpl(Decoding& d) {
  if (!(d.mode & kModeProtected)) return;
  d.use_source(1);
  if (d.is_memory(0)) {
    d.use_memory(0);
    d.op.handler = &arpl_m;
  } else {
    d.use_destination(0);
    d.op.handler = &arpl_r;
  }
}

}  // namespace

void add_descriptor_query_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_LAR] = &emit_ask<&access_rights>;
  table[ZYDIS_MNEMONIC_LSL] = &emit_ask<&segment_limit>;
  table[ZYDIS_MNEMONIC_VERR] = &emit_verify<&may_read>;
  table[ZYDIS_MNEMONIC_VERW] = &emit_verify<&may_write>;
  table[ZYDIS_MNEMONIC_ARPL] = &emit_arpl;
}

}  // namespace machina::jit
