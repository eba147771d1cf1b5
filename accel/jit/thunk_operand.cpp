#include "accel/jit/thunk_operand.h"

#include <cstring>

namespace machina::jit {

namespace {

constexpr std::uint16_t kX87Precision = 0x20;

/// An x87 store whose exception is unmasked writes nothing, but for one of precision. SDM vol. 1, 8.5.
bool x87_kept_its_result(const Cpu& cpu) {
  const FxImage& image = cpu.x87.image;
  return image.status & ~image.control & kX87Exceptions & ~kX87Precision;
}

}  // namespace

const Block* fail_misaligned(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  raise(Vector::GeneralProtection, 0);
}

const Block* fail_pending(Cpu& cpu, const Op* op) { raise_x87(cpu, op); }

const Block* thunk_with_copy(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width) {
  return thunk_of(op)(cpu, op, fetch_operand(cpu, op, linear, width));
}

void* fetch_operand(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width) {
  void* to = cpu.vector.bounce.data();
  if (width <= 8 && width != 6) {  // as a load of that width: alignment checks, registers
    const std::uint64_t value = read_slow(cpu, op, linear, width);
    std::memcpy(to, &value, width);
  } else {
    read_bytes(cpu, op, linear, to, width);
  }
  return to;
}

void store_in_one(Cpu& cpu, const Op* op, std::uint64_t linear, const void* from, unsigned width) {
  if (width <= 8) {
    std::uint64_t value = 0;
    std::memcpy(&value, from, width);
    write_slow(cpu, op, linear, width, value);
  } else {
    write_bytes(cpu, op, linear, from, width);
  }
}

const Block* store_through_bounce(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width) {
  check_write(cpu, op, linear, width);
  const bool was_pending = x87_pending(cpu);
  run_alone(cpu, op, cpu.vector.bounce.data(), thunk_of(op));
  if (was_pending || !x87_kept_its_result(cpu)) store_in_one(cpu, op, linear, cpu.vector.bounce.data(), width);
  return next(cpu, op);
}

}  // namespace machina::jit
