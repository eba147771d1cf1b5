#include "accel/jit/far_stack.h"

#include "accel/jit/control_registers.h"
#include "accel/jit/operands.h"

namespace machina::jit {

namespace {

/// Whose rights accesses to a stack of this privilege have.
Tlb* tlb_of(Cpu& cpu, unsigned cpl) {
  if (cpl == cpu.cpl) return cpu.tlb;
  if (cpl == 3) return &cpu.tlbs[static_cast<unsigned>(TlbMode::User)];
  const bool open = (cpu.system_flags & kAc) || !(cpu.cr4 & kCr4Smap);
  return &cpu.tlbs[static_cast<unsigned>(open ? TlbMode::SupervisorOpen : TlbMode::Supervisor)];
}

/// Cpu::tlb for as long as one access takes.
class Borrowed {
 public:
  Borrowed(Cpu& cpu, Tlb* tlb) : cpu_(cpu), before_(cpu.tlb) { cpu.tlb = tlb; }
  ~Borrowed() { cpu_.tlb = before_; }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

 private:
  Cpu& cpu_;
  Tlb* before_;
};

std::uint64_t mask_of(const Segment& ss, bool wide) {
  if (wide) return ~std::uint64_t{0};
  return ss.big() ? 0xffffffff : 0xffff;
}

}  // namespace

FarStack::FarStack(Cpu& cpu, const Segment& ss, std::uint64_t pointer, unsigned cpl, bool wide, std::uint32_t error)
    : cpu_(cpu),
      ss_(ss),
      pointer_(pointer),
      mask_(mask_of(ss, wide)),
      tlb_(tlb_of(cpu, cpl)),
      wide_(wide),
      error_(error) {}

FarStack::FarStack(Cpu& cpu) : FarStack(cpu, cpu.segment[kSs], cpu.gpr[kRsp], cpu.cpl, cpu.long_code()) {}

std::uint64_t FarStack::linear(std::uint64_t offset, unsigned width) const {
  const std::uint64_t last = offset + width - 1;
  if (wide_) {
    if (!canonical(cpu_, offset) || !canonical(cpu_, last)) raise(Vector::StackSegment, error_);
    return offset;
  }
  const bool expand_down = (cpu_.cr0 & kCr0Pe) && !cpu_.virtual_8086() && ss_.conforming_or_down();
  const bool inside = expand_down ? offset > ss_.limit && last <= (ss_.big() ? 0xffffffff : 0xffff) : last <= ss_.limit;
  if (!inside) raise(Vector::StackSegment, error_);
  return (ss_.base + offset) & 0xffffffff;
}

void FarStack::push(unsigned width, std::uint64_t value) {
  const std::uint64_t offset = (pointer_ - width) & mask_;
  const std::uint64_t at = linear(offset, width);
  const Borrowed rights(cpu_, tlb_);
  switch (width) {
    case 2:
      store<std::uint16_t>(cpu_, cpu_.fault_op, at, static_cast<std::uint16_t>(value));
      break;
    case 4:
      store<std::uint32_t>(cpu_, cpu_.fault_op, at, static_cast<std::uint32_t>(value));
      break;
    default:
      store<std::uint64_t>(cpu_, cpu_.fault_op, at, value);
  }
  set(offset);
}

std::uint64_t FarStack::pop(unsigned width) {
  const std::uint64_t offset = pointer_ & mask_;
  const std::uint64_t at = linear(offset, width);
  const Borrowed rights(cpu_, tlb_);
  std::uint64_t value = 0;
  switch (width) {
    case 2:
      value = load<std::uint16_t>(cpu_, cpu_.fault_op, at);
      break;
    case 4:
      value = load<std::uint32_t>(cpu_, cpu_.fault_op, at);
      break;
    default:
      value = load<std::uint64_t>(cpu_, cpu_.fault_op, at);
  }
  set(offset + width);
  return value;
}

std::uint64_t merge_stack_pointer(const Cpu& cpu, const Segment& ss, bool wide, std::uint64_t value) {
  const std::uint64_t mask = mask_of(ss, wide);
  return mask == 0xffff ? (cpu.gpr[kRsp] & ~mask) | (value & mask) : value & mask;
}

}  // namespace machina::jit
