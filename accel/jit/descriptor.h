#pragma once
/// Segment, gate and system descriptors: SDM vol. 3, 3.4.5, 3.5 and 5.8.
///
/// What reads and writes tables here does so as the processor itself; faults are those of Cpu::fault_op.

#include <cstdint>

#include "accel/jit/cpu.h"

namespace machina::jit {

/// Types of system descriptors: SDM vol. 3, table 3-2. In long mode only Ldt, the 32-bit TSS (of 64 bits there), and
/// the 32-bit gates (of 64 bits there) exist.
enum class SystemType : std::uint8_t {
  Tss16 = 1,
  Ldt = 2,
  BusyTss16 = 3,
  CallGate16 = 4,
  TaskGate = 5,
  InterruptGate16 = 6,
  TrapGate16 = 7,
  Tss32 = 9,
  BusyTss32 = 11,
  CallGate32 = 12,
  InterruptGate32 = 14,
  TrapGate32 = 15,
};

struct Descriptor {
  std::uint64_t raw = 0;
  std::uint64_t upper = 0;   ///< bytes 8 to 15 of a system descriptor in long mode
  std::uint64_t linear = 0;  ///< where it was read

  /// As in Segment::rights.
  std::uint16_t rights() const { return static_cast<std::uint16_t>(raw >> 40 & 0xf0ff); }
  unsigned type() const { return raw >> 40 & 0xf; }
  bool is(SystemType t) const { return !code_or_data() && type() == static_cast<unsigned>(t); }
  bool code_or_data() const { return raw >> 44 & 1; }
  bool code() const { return (rights() & 0x18) == 0x18; }
  bool data() const { return (rights() & 0x18) == 0x10; }
  bool writable_data() const { return (rights() & 0x1a) == 0x12; }
  bool readable() const { return data() || (rights() & 0x1a) == 0x1a; }
  bool conforming() const { return (rights() & 0x1c) == 0x1c; }
  unsigned dpl() const { return raw >> 45 & 3; }
  bool present() const { return raw >> 47 & 1; }
  bool long_mode() const { return raw >> 53 & 1; }
  bool big() const { return raw >> 54 & 1; }
  std::uint64_t base() const { return (raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000) | upper << 32; }
  std::uint32_t limit() const {
    const auto units = static_cast<std::uint32_t>((raw & 0xffff) | (raw >> 32 & 0xf0000));
    return raw >> 55 & 1 ? units << 12 | 0xfff : units;
  }

  std::uint16_t gate_selector() const { return static_cast<std::uint16_t>(raw >> 16); }
  std::uint64_t gate_offset() const { return (raw & 0xffff) | (raw >> 32 & 0xffff0000) | upper << 32; }
  unsigned gate_parameters() const { return raw >> 32 & 0x1f; }
  unsigned interrupt_stack() const { return raw >> 32 & 7; }  ///< IST

  Segment segment(std::uint16_t selector) const {
    return {.selector = selector, .rights = rights(), .limit = limit(), .base = base()};
  }
};

constexpr bool is_null(std::uint16_t selector) { return (selector & 0xfffc) == 0; }
/// A selector as an error code: SDM vol. 3, 6.13.
constexpr std::uint32_t selector_error(std::uint16_t selector) { return selector & 0xfffcU; }

/// False: the selector's table ends before it, or there is no LDT. Null selectors are the caller's to see to.
bool read_descriptor(Cpu& cpu, std::uint16_t selector, Descriptor& descriptor);
/// Reads Descriptor::upper, too, when `descriptor` is one of 16 bytes in the mode in force; false: the table ends
/// before it.
bool complete_descriptor(Cpu& cpu, std::uint16_t selector, Descriptor& descriptor);
/// Sets bit 0 of the type, in the table and in `descriptor`, if it is clear.
void mark_accessed(Cpu& cpu, Descriptor& descriptor);
/// Sets or clears bit 1 of the type of a TSS in its table.
void mark_busy(Cpu& cpu, Descriptor& descriptor, bool busy);

/// Little-endian bytes of a table (IDT, TSS), read with the rights of the processor. Width 2, 4, 8.
std::uint64_t read_system(Cpu& cpu, std::uint64_t linear, unsigned width);
void write_system(Cpu& cpu, std::uint64_t linear, unsigned width, std::uint64_t value);

}  // namespace machina::jit
