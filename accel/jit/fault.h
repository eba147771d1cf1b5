#pragma once
/// What ends an instruction early. Thrown from slow paths only: a handler that can fault has changed nothing by then,
/// or has put back what it changed.

#include <cstdint>

namespace machina::jit {

struct Cpu;
struct Op;

/// SDM vol. 3, table 6-1.
enum class Vector : std::uint8_t {
  DivideError = 0,
  Debug = 1,
  Nmi = 2,
  Breakpoint = 3,
  Overflow = 4,
  BoundRange = 5,
  InvalidOpcode = 6,
  DeviceNotAvailable = 7,
  DoubleFault = 8,
  InvalidTss = 10,
  SegmentNotPresent = 11,
  StackSegment = 12,
  GeneralProtection = 13,
  PageFault = 14,
  X87 = 16,
  AlignmentCheck = 17,
  MachineCheck = 18,
  Simd = 19,
};

/// An exception of the guest. Its instruction starts over once the handler has returned.
struct GuestFault {
  Vector vector;
  bool has_error_code = false;
  std::uint32_t error_code = 0;
  std::uint64_t address = 0;  ///< CR2 of a page fault
};

[[noreturn]] void raise(Vector vector);                       ///< without an error code
[[noreturn]] void raise(Vector vector, std::uint32_t error);  ///< with one
/// The same of this instruction, for handlers that have no other slow path.
[[noreturn, gnu::cold]] void raise_of(Cpu& cpu, const Op* op, Vector vector);
/// The fault that a segment limit or a non-canonical address gives: #SS(0) for the stack segment, else #GP(0).
[[noreturn]] void raise_segment_fault(bool stack);

/// Bits of a page fault's error code: SDM vol. 3, 4.7.
inline constexpr std::uint32_t kPfPresent = 1, kPfWrite = 2, kPfUser = 4, kPfReserved = 8, kPfFetch = 16, kPfKey = 32;

}  // namespace machina::jit
