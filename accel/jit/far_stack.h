#pragma once
/// A stack that transfers of control push to or pop from before it is, or after it has ceased to be, the one in force.
/// Nothing of Cpu changes; whoever uses it takes pointer() over once nothing can fault any more.

#include <cstdint>

#include "accel/jit/cpu.h"

namespace machina::jit {

class FarStack {
 public:
  /// With the rights of `cpl`. `wide`: of 64 bits, without a segment. `error` is the error code of its #SS.
  FarStack(Cpu& cpu, const Segment& ss, std::uint64_t pointer, unsigned cpl, bool wide, std::uint32_t error = 0);
  /// The one in force.
  explicit FarStack(Cpu& cpu);

  void push(unsigned width, std::uint64_t value);  ///< in bytes: 2, 4, 8
  std::uint64_t pop(unsigned width);
  void skip(std::uint64_t bytes) { set(pointer_ + bytes); }  ///< as if popped
  std::uint64_t pointer() const { return pointer_; }         ///< of SP's or ESP's size the low part has moved

 private:
  std::uint64_t linear(std::uint64_t offset, unsigned width) const;
  void set(std::uint64_t pointer) { pointer_ = (pointer_ & ~mask_) | (pointer & mask_); }

  Cpu& cpu_;
  Segment ss_;
  std::uint64_t pointer_;
  std::uint64_t mask_;
  Tlb* tlb_;
  bool wide_;
  std::uint32_t error_;
};

/// RSP as a stack of this segment sees it: only SP changes where SS.B is clear.
std::uint64_t merge_stack_pointer(const Cpu& cpu, const Segment& ss, bool wide, std::uint64_t value);

}  // namespace machina::jit
