#pragma once
/// What string instructions have in common: operands by RSI and RDI, REP, DF, and the ways out in the middle. INS and
/// OUTS use it, too. SDM vol. 2, REP; vol. 1, 7.3.9.
///
/// Op::extra is a Repeat, Op::segment that of the source, Op::address_mask the size of RSI, RDI and RCX; INS and OUTS
/// have no use for the first.

#include "accel/jit/decoding.h"
#include "accel/jit/operands.h"

namespace machina::jit {

enum class Repeat : std::uint8_t { None, WhileEqual, WhileNotEqual };  ///< REP is WhileEqual where nothing is compared

/// Fills in those fields of the Op.
void use_string(Decoding& d);

/// The linear address of an element; faults as the segment says.
inline std::uint64_t string_linear(Cpu& cpu, const Op* op, unsigned segment, std::uint64_t offset, unsigned width,
                                   bool write) {
  if ((cpu.mode & (kModeLong | kModeFlat)) && segment < kFs) [[likely]]
    return offset;
  return linear_in_segment(cpu, op, segment, offset, width, write);
}

inline std::uint64_t string_offset(const Cpu& cpu, const Op* op, unsigned reg) {
  return cpu.gpr[reg] & op->address_mask;
}

/// Register += by, in the size of addresses: 16 bits leave the rest, 32 clear it.
inline void advance_string_register(Cpu& cpu, const Op* op, unsigned reg, std::uint64_t by) {
  std::uint64_t& r = cpu.gpr[reg];
  const std::uint64_t sum = (r + by) & op->address_mask;
  r = op->address_mask == 0xffff ? (r & ~op->address_mask) | sum : sum;
}

/// What DF makes of an element's size.
inline std::uint64_t string_step(const Cpu& cpu, std::uint64_t size) {
  return cpu.system_flags & kDf ? std::uint64_t{0} - size : size;
}

/// May this repetition go on without a look at requests, breakpoints and TF?
inline bool repeat_on(const Cpu& cpu) {
  return !(cpu.mode & kModeSingle) && cpu.requests.load(std::memory_order_relaxed) == 0;
}

/// Leaves the instruction in the middle: it starts over with what registers say now.
inline const Block* leave_repetition(Cpu& cpu, const Op* op) {
  cpu.rip = cpu.rip_of(op);
  cpu.mid_repetition = true;
  return nullptr;
}

}  // namespace machina::jit
