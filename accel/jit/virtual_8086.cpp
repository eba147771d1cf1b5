#include "accel/jit/virtual_8086.h"

#include "accel/jit/control_registers.h"
#include "accel/jit/far_stack.h"
#include "accel/jit/load_segment.h"

namespace machina::jit {

namespace {

/// Is the interrupt the protected-mode handler's? The map is the 32 bytes below the I/O map: SDM vol. 3, 20.3.3.
bool map_says_protected(Cpu& cpu, std::uint8_t vector) {
  constexpr unsigned kIoMapBase = 0x66;
  if (cpu.tr.limit < kIoMapBase + 1) raise(Vector::GeneralProtection, 0);
  const auto io_map = static_cast<std::uint32_t>(read_system(cpu, cpu.tr.base + kIoMapBase, 2));
  const std::uint32_t word = io_map - 32 + (vector / 16U) * 2;
  if (io_map < 32 || word + 1 > cpu.tr.limit) raise(Vector::GeneralProtection, 0);
  return read_system(cpu, cpu.tr.base + word, 2) >> (vector % 16) & 1;
}

void set_code(Cpu& cpu, std::uint16_t selector, std::uint64_t ip) {
  cpu.set_segment(kCs, virtual_segment(selector));
  cpu.rip = ip;
}

}  // namespace

// SDM vol. 3, table 20-2: methods 1, 4 (IOPL and the map say whose), 5 and 6 (the program's own vectors).
bool redirect_interrupt(Cpu& cpu, std::uint8_t vector, std::uint64_t return_rip) {
  const bool full_iopl = cpu.iopl() == 3;
  if (!(cpu.cr4 & kCr4Vme) || map_says_protected(cpu, vector)) {
    if (!full_iopl) raise(Vector::GeneralProtection, 0);
    return false;
  }
  const auto to = static_cast<std::uint32_t>(read_system(cpu, vector * 4U, 4));
  std::uint32_t flags = cpu.eflags();
  // Where IOPL keeps IF from the program, it sees VIF in its place.
  if (!full_iopl) flags = (flags & ~kIf) | kIopl | (flags & kVif ? kIf : 0);
  FarStack stack(cpu);
  stack.push(2, flags);
  stack.push(2, cpu.segment[kCs].selector);
  stack.push(2, return_rip);
  cpu.gpr[kRsp] = stack.pointer();
  set_code(cpu, static_cast<std::uint16_t>(to >> 16), to & 0xffff);
  cpu.system_flags &= ~(kTf | kNt | kRf | (full_iopl ? kIf : kVif));
  return true;
}

void return_in_virtual_8086(Cpu& cpu, unsigned width) {
  const bool full_iopl = cpu.iopl() == 3;
  if (!full_iopl && (!(cpu.cr4 & kCr4Vme) || width != 2)) raise(Vector::GeneralProtection, 0);
  FarStack stack(cpu);
  const std::uint64_t ip = stack.pop(width);
  const auto selector = static_cast<std::uint16_t>(stack.pop(width));
  const auto popped = static_cast<std::uint32_t>(stack.pop(width));
  if (ip > 0xffff) raise(Vector::GeneralProtection, 0);
  std::uint32_t kept = kIopl | kVm | kVif | kVip | (width == 2 ? 0xffff0000U : 0);
  std::uint32_t given = popped;
  if (!full_iopl) {
    if ((popped & kTf) || ((popped & kIf) && (cpu.system_flags & kVip))) raise(Vector::GeneralProtection, 0);
    kept = (kept | kIf) & ~kVif;
    given = popped & kIf ? given | kVif : given & ~kVif;
  }
  cpu.gpr[kRsp] = stack.pointer();
  set_code(cpu, selector, ip);
  cpu.set_eflags((cpu.eflags() & kept) | (given & ~kept));
}

}  // namespace machina::jit
