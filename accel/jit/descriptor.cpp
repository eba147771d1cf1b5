#include "accel/jit/descriptor.h"

#include "accel/jit/operands.h"

namespace machina::jit {

namespace {

/// Where `size` bytes at `offset` of a table are; false: beyond its limit.
bool find(const Cpu& cpu, std::uint16_t selector, unsigned size, std::uint64_t& linear) {
  const bool local = selector & 4;
  if (local && !cpu.ldt.present()) return false;
  const std::uint32_t offset = selector & 0xfff8U;
  const std::uint32_t limit = local ? cpu.ldt.limit : cpu.gdt.limit;
  if (offset + size - 1 > limit) return false;
  linear = (local ? cpu.ldt.base : cpu.gdt.base) + offset;
  if (!cpu.long_mode()) linear &= 0xffffffff;
  return true;
}

/// The byte with the type, P and DPL.
constexpr unsigned kRightsByte = 5;

void change_rights(Cpu& cpu, const Descriptor& descriptor, std::uint8_t clear, std::uint8_t set) {
  const SystemAccess rights(cpu);
  update_locked<std::uint8_t>(
      cpu, cpu.fault_op, descriptor.linear + kRightsByte,
      [=](ArithmeticFlags&, std::uint8_t old) { return static_cast<std::uint8_t>((old & ~clear) | set); });
}

}  // namespace

bool read_descriptor(Cpu& cpu, std::uint16_t selector, Descriptor& descriptor) {
  TableRead& read = cpu.fault_chain.descriptor;
  read = {.table = selector & 4 ? TableRead::Table::Ldt : TableRead::Table::Gdt,
          .result = TableRead::Result::BeyondLimit,
          .index = selector};
  if (!find(cpu, selector, 8, descriptor.linear)) return false;
  read.linear = descriptor.linear;
  read.result = TableRead::Result::Fault;
  descriptor.raw = read_system(cpu, descriptor.linear, 8);
  descriptor.upper = 0;
  read.low = descriptor.raw;
  read.result = TableRead::Result::Done;
  return true;
}

bool complete_descriptor(Cpu& cpu, std::uint16_t selector, Descriptor& descriptor) {
  if (!cpu.long_mode() || descriptor.code_or_data()) return true;
  if (!find(cpu, selector, 16, descriptor.linear)) return false;
  descriptor.upper = read_system(cpu, descriptor.linear + 8, 8);
  cpu.fault_chain.descriptor.high = descriptor.upper;
  cpu.fault_chain.descriptor.size = 16;
  return true;
}

void mark_accessed(Cpu& cpu, Descriptor& descriptor) {
  constexpr std::uint64_t kAccessed = std::uint64_t{1} << 40;
  if (descriptor.raw & kAccessed) return;
  change_rights(cpu, descriptor, 0, 1);
  descriptor.raw |= kAccessed;
}

void mark_busy(Cpu& cpu, Descriptor& descriptor, bool busy) {
  constexpr std::uint64_t kBusy = std::uint64_t{2} << 40;
  change_rights(cpu, descriptor, 2, busy ? 2 : 0);
  descriptor.raw = (descriptor.raw & ~kBusy) | (busy ? kBusy : 0);
}

std::uint64_t read_system(Cpu& cpu, std::uint64_t linear, unsigned width) {
  const SystemAccess rights(cpu);
  switch (width) {
    case 2:
      return load<std::uint16_t>(cpu, cpu.fault_op, linear);
    case 4:
      return load<std::uint32_t>(cpu, cpu.fault_op, linear);
    default:
      return load<std::uint64_t>(cpu, cpu.fault_op, linear);
  }
}

void write_system(Cpu& cpu, std::uint64_t linear, unsigned width, std::uint64_t value) {
  const SystemAccess rights(cpu);
  switch (width) {
    case 2:
      return store<std::uint16_t>(cpu, cpu.fault_op, linear, static_cast<std::uint16_t>(value));
    case 4:
      return store<std::uint32_t>(cpu, cpu.fault_op, linear, static_cast<std::uint32_t>(value));
    default:
      return store<std::uint64_t>(cpu, cpu.fault_op, linear, value);
  }
}

}  // namespace machina::jit
