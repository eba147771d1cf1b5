#pragma once
/// Handlers that find the memory operand of a thunk, in Op::immediate, and go on with it: in RAM itself where the TLB
/// has the page, else by way of VectorState::bounce.

#include <bit>

#include "accel/jit/decoding.h"
#include "accel/jit/host_float.h"

namespace machina::jit {

inline Thunk thunk_of(const Op* op) { return std::bit_cast<Thunk>(op->immediate); }

// thunk_operand.cpp: all that is off the quick way, in functions that handlers end with, so that these need no frame.
/// The operand, read into the bounce buffer. Throws.
void* fetch_operand(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width);
/// Goes on with a copy of the operand. Throws.
const Block* thunk_with_copy(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width);
/// Runs the thunk for itself on the bounce buffer, and writes that. Throws before anything has changed.
const Block* store_through_bounce(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width);
const Block* fail_misaligned(Cpu& cpu, const Op* op);  ///< raises #GP(0)
const Block* fail_pending(Cpu& cpu, const Op* op);     ///< raises #MF
/// Writes `width` bytes, as a store of one operand.
void store_in_one(Cpu& cpu, const Op* op, std::uint64_t linear, const void* from, unsigned width);

/// How the operand of an instruction is looked at before it is used.
enum class Operand : std::uint8_t {
  Any,             ///< at any address
  Aligned,         ///< by its size, or #GP(0)
  Waiting,         ///< at any address, by an MMX or x87 instruction: #MF comes first
  WaitingAligned,  ///< both
};

template <unsigned Width>
constexpr std::uint64_t page_of_all(std::uint64_t linear) {
  return (linear + Width - 1) & kPageMask;
}

template <unsigned Width, Addressing A>
inline std::uint64_t operand_linear(Cpu& cpu, const Op* op, bool write) {
  if constexpr (A == Addressing::Flat) {
    (void)write;
    return linear_flat(cpu, op);
  } else {
    return linear_checked(cpu, op, Width, write);
  }
}

constexpr bool waits(Operand kind) { return kind == Operand::Waiting || kind == Operand::WaitingAligned; }
/// Is it #GP(0) for where it lies?
template <unsigned Width, Operand Kind>
constexpr bool misaligned(std::uint64_t linear) {
  return (Kind == Operand::Aligned || Kind == Operand::WaitingAligned) && (linear & (Width - 1));
}

/// Where the operand can be read, or null.
template <unsigned Width>
inline void* readable(Cpu& cpu, std::uint64_t linear) {
  const TlbEntry& e = cpu.tlb->entry(linear);
  if (e.read.load(std::memory_order_relaxed) == page_of_all<Width>(linear)) [[likely]]
    return reinterpret_cast<void*>(linear + e.addend);
  return nullptr;
}
/// Where it can be written, or null.
template <unsigned Width>
inline void* writable(Cpu& cpu, std::uint64_t linear) {
  const TlbEntry& e = cpu.tlb->entry(linear);
  if (e.write.load(std::memory_order_relaxed) == page_of_all<Width>(linear)) [[likely]]
    return reinterpret_cast<void*>(linear + e.addend);
  return nullptr;
}

template <unsigned Width, Operand Kind, Addressing A>
const Block* thunk_with_source(Cpu& cpu, const Op* op) {
  if (waits(Kind) && x87_pending(cpu)) [[unlikely]]
    return fail_pending(cpu, op);
  const std::uint64_t linear = operand_linear<Width, A>(cpu, op, false);
  if (misaligned<Width, Kind>(linear)) [[unlikely]]
    return fail_misaligned(cpu, op);
  if (void* host = readable<Width>(cpu, linear)) [[likely]]
    return thunk_of(op)(cpu, op, host);
  return thunk_with_copy(cpu, op, linear, Width);
}

/// `Direct`: what the thunk writes is written, whatever exceptions the instruction raises.
template <unsigned Width, Operand Kind, Addressing A, bool Direct = true>
const Block* thunk_with_destination(Cpu& cpu, const Op* op) {
  if (waits(Kind) && x87_pending(cpu)) [[unlikely]]
    return fail_pending(cpu, op);
  const std::uint64_t linear = operand_linear<Width, A>(cpu, op, true);
  if (misaligned<Width, Kind>(linear)) [[unlikely]]
    return fail_misaligned(cpu, op);
  if constexpr (Direct) {
    if (void* host = writable<Width>(cpu, linear)) [[likely]]
      return thunk_of(op)(cpu, op, host);
  }
  return store_through_bounce(cpu, op, linear, Width);
}

/// `choose.template operator()<Width>()` for an operand of that many bytes.
template <class Choose>
Handler by_operand_width(unsigned bytes, Choose choose) {
  switch (bytes) {
    case 1:
      return choose.template operator()<1>();
    case 2:
      return choose.template operator()<2>();
    case 4:
      return choose.template operator()<4>();
    case 8:
      return choose.template operator()<8>();
    case 10:
      return choose.template operator()<10>();
    case 16:
      return choose.template operator()<16>();
    case 32:
      return choose.template operator()<32>();
    default:
      return nullptr;
  }
}

}  // namespace machina::jit
