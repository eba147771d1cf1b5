#pragma once
/// General registers as operands. Op::destination and Op::source are offsets in bytes into Cpu::gpr, so that AH to BH
/// (offset 8n + 1) need no code of their own.

#include <cstring>
#include <type_traits>

#include "accel/jit/cpu.h"

namespace machina::jit {

template <class T>
inline T get_register(const Cpu& cpu, std::uint8_t offset) {
  T value;
  std::memcpy(&value, reinterpret_cast<const std::uint8_t*>(cpu.gpr.data()) + offset, sizeof value);
  return value;
}

/// A write of 32 bits clears the upper half; those of 8 and 16 keep the rest. SDM vol. 1, 3.4.1.1.
template <class T>
inline void set_register(Cpu& cpu, std::uint8_t offset, T value) {
  static_assert(std::is_unsigned_v<T>);
  if constexpr (sizeof(T) == 4) {
    cpu.gpr[offset / 8] = value;
  } else {
    std::memcpy(reinterpret_cast<std::uint8_t*>(cpu.gpr.data()) + offset, &value, sizeof value);
  }
}

}  // namespace machina::jit
