/// IN, OUT, INS, OUTS. Each ends its block: what a port access does may change the memory map, A20, interrupts.

#include "accel/jit/debug.h"
#include "accel/jit/emitters.h"
#include "accel/jit/environment.h"
#include "accel/jit/host_float.h"
#include "accel/jit/string_operation.h"
#include "accel/jit/system.h"

namespace machina::jit {

namespace {

constexpr std::uint32_t kIoMapBase = 0x66;  // in a 32-bit or 64-bit TSS: SDM vol. 3, 8.2.1 and 8.7
constexpr std::uint32_t kSmallestTss = 0x67;

/// SDM vol. 1, 19.5.2: each port of the access has a bit, which must be clear. The processor reads two bytes always, so
/// both must be within the TSS.
bool allowed_by_bitmap(Cpu& cpu, const Op* op, std::uint16_t port, unsigned width) {
  const bool tss32 = cpu.tr.present() && (cpu.tr.type() == 9 || cpu.tr.type() == 11);
  if (!tss32 || cpu.tr.limit < kSmallestTss) return false;
  const SystemAccess as_processor(cpu);
  std::uint16_t base = 0;
  read_bytes(cpu, op, cpu.tr.base + kIoMapBase, &base, sizeof base);
  const std::uint32_t at = base + port / 8U;
  if (at + 1 > cpu.tr.limit) return false;
  std::uint16_t bits = 0;
  read_bytes(cpu, op, cpu.tr.base + at, &bits, sizeof bits);
  return (bits >> (port & 7) & ((1U << width) - 1)) == 0;
}

/// Virtual-8086 mode asks the bitmap whatever IOPL is.
void require_port(Cpu& cpu, const Op* op, std::uint16_t port, unsigned width) {
  cpu.fault_op = op;
  const bool restricted = cpu.virtual_8086() || (cpu.protected_mode() && cpu.cpl > cpu.iopl());
  if (restricted && !allowed_by_bitmap(cpu, op, port, width)) refuse();
}

template <class T>
T read_port(Cpu& cpu, std::uint16_t port) {
  leave_guest_float(cpu);
  const auto value = static_cast<T>(cpu.environment.read_port(port, sizeof(T)));
  note_port_access(cpu, port, sizeof(T));
  return value;
}
template <class T>
void write_port(Cpu& cpu, std::uint16_t port, T value) {
  leave_guest_float(cpu);
  cpu.environment.write_port(port, sizeof(T), value);
  note_port_access(cpu, port, sizeof(T));
}

template <bool Immediate>
std::uint16_t port_of(const Cpu& cpu, const Op* op) {
  return static_cast<std::uint16_t>(Immediate ? op->immediate : cpu.gpr[kRdx]);
}

template <class T, bool Immediate>
const Block* in(Cpu& cpu, const Op* op) {
  const std::uint16_t port = port_of<Immediate>(cpu, op);
  require_port(cpu, op, port, sizeof(T));
  set_register<T>(cpu, 0, read_port<T>(cpu, port));
  return leave(cpu, op);
}
template <class T, bool Immediate>
const Block* out(Cpu& cpu, const Op* op) {
  const std::uint16_t port = port_of<Immediate>(cpu, op);
  require_port(cpu, op, port, sizeof(T));
  write_port<T>(cpu, port, get_register<T>(cpu, 0));
  return leave(cpu, op);
}

/// Ports are 32 bits wide at most: REX.W changes nothing.
Handler by_port_width(unsigned bits, auto choose) { return by_width(bits == 64 ? 32 : bits, choose); }

void emit_in(Decoding& d) {
  d.ends_block = true;
  const bool immediate = d.is_immediate(1);
  if (immediate) d.use_immediate(1);
  d.op.immediate &= 0xff;
  d.op.handler =
      by_port_width(d.width(0), [&]<class T>() -> Handler { return immediate ? &in<T, true> : &in<T, false>; });
}
void emit_out(Decoding& d) {
  d.ends_block = true;
  const bool immediate = d.is_immediate(0);
  if (immediate) d.use_immediate(0);
  d.op.immediate &= 0xff;
  d.op.handler =
      by_port_width(d.width(1), [&]<class T>() -> Handler { return immediate ? &out<T, true> : &out<T, false>; });
}

// --- strings ---

/// Everything that can fault comes before the port is read: reading it twice would lose what it gave.
template <class T>
void ins_once(Cpu& cpu, const Op* op, std::uint16_t port) {
  const std::uint64_t linear = linear_in_segment(cpu, op, kEs, string_offset(cpu, op, kRdi), sizeof(T), true);
  check_write(cpu, op, linear, sizeof(T));
  const T value = read_port<T>(cpu, port);
  store<T>(cpu, op, linear, value);
  advance_string_register(cpu, op, kRdi, string_step(cpu, sizeof(T)));
}
template <class T>
void outs_once(Cpu& cpu, const Op* op, std::uint16_t port) {
  const std::uint64_t linear = linear_in_segment(cpu, op, op->segment, string_offset(cpu, op, kRsi), sizeof(T), false);
  const T value = load<T>(cpu, op, linear);
  write_port<T>(cpu, port, value);
  advance_string_register(cpu, op, kRsi, string_step(cpu, sizeof(T)));
}

/// With REP, registers say after each item how far it came, so that a fault, an interrupt or a trap between two items
/// starts the instruction over with the rest. SDM vol. 2, REP.
template <class T, void (*Once)(Cpu&, const Op*, std::uint16_t), bool Rep>
const Block* string_io(Cpu& cpu, const Op* op) {
  const auto port = static_cast<std::uint16_t>(cpu.gpr[kRdx]);
  require_port(cpu, op, port, sizeof(T));
  if constexpr (!Rep) {
    Once(cpu, op, port);
    return leave(cpu, op);
  }
  while (string_offset(cpu, op, kRcx) != 0) {
    Once(cpu, op, port);
    advance_string_register(cpu, op, kRcx, ~std::uint64_t{0});
    if (string_offset(cpu, op, kRcx) != 0 && !repeat_on(cpu)) return leave_repetition(cpu, op);
  }
  return leave(cpu, op);
}

/// Zydis shows the operands of string instructions as hidden ones; `memory` is which of them is in memory.
template <class T, void (*Once)(Cpu&, const Op*, std::uint16_t), unsigned Memory>
void emit_string_io(Decoding& d) {
  d.ends_block = true;
  d.use_memory(Memory);
  // F2 repeats as F3 does.
  const bool rep = d.instruction.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
  d.op.handler = rep ? &string_io<T, Once, true> : &string_io<T, Once, false>;
}

}  // namespace

void add_io_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_IN] = &emit_in;
  table[ZYDIS_MNEMONIC_OUT] = &emit_out;
  table[ZYDIS_MNEMONIC_INSB] = &emit_string_io<std::uint8_t, &ins_once<std::uint8_t>, 0>;
  table[ZYDIS_MNEMONIC_INSW] = &emit_string_io<std::uint16_t, &ins_once<std::uint16_t>, 0>;
  table[ZYDIS_MNEMONIC_INSD] = &emit_string_io<std::uint32_t, &ins_once<std::uint32_t>, 0>;
  table[ZYDIS_MNEMONIC_OUTSB] = &emit_string_io<std::uint8_t, &outs_once<std::uint8_t>, 1>;
  table[ZYDIS_MNEMONIC_OUTSW] = &emit_string_io<std::uint16_t, &outs_once<std::uint16_t>, 1>;
  table[ZYDIS_MNEMONIC_OUTSD] = &emit_string_io<std::uint32_t, &outs_once<std::uint32_t>, 1>;
}

}  // namespace machina::jit
