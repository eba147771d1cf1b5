#pragma once
/// Where generated code finds the fields of a Cpu and an Op.

#include <cstddef>

#include "accel/jit/cpu.h"

namespace machina::jit::layout {

// Cpu has references and so no standard layout; every compiler that we build with has fixed offsets there all the same.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
constexpr std::size_t gpr(unsigned number) { return offsetof(Cpu, gpr) + 8 * number; }
constexpr std::size_t ymm(unsigned number) {
  return offsetof(Cpu, vector) + offsetof(VectorState, ymm) + 32 * std::size_t{number};
}
inline constexpr std::size_t kFlagsLow = offsetof(Cpu, flags) + offsetof(ArithmeticFlags, low);
inline constexpr std::size_t kFlagsOf = offsetof(Cpu, flags) + offsetof(ArithmeticFlags, of);
inline constexpr std::size_t kSseWindow = offsetof(Cpu, vector) + offsetof(VectorState, window);
inline constexpr std::size_t kX87Window = offsetof(Cpu, x87) + offsetof(FloatState, window);
inline constexpr std::size_t kX87Opcode = offsetof(Cpu, x87) + offsetof(FloatState, opcode);
inline constexpr std::size_t kX87LastIp = offsetof(Cpu, x87) + offsetof(FloatState, last_ip);
inline constexpr std::size_t kX87LastCs = offsetof(Cpu, x87) + offsetof(FloatState, last_cs);
inline constexpr std::size_t kCsSelector = offsetof(Cpu, segment) + kCs * sizeof(Segment) + offsetof(Segment, selector);
inline constexpr std::size_t kOpOffset = offsetof(Op, offset), kOpHandler = offsetof(Op, handler);
#pragma GCC diagnostic pop

}  // namespace machina::jit::layout
