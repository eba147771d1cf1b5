#pragma once
/// What msr.cpp knows of each register.

#include <cstdint>
#include <span>

#include "accel/jit/cpu.h"

namespace machina::jit {

struct MsrRow {
  std::uint32_t first;
  std::uint32_t count;  ///< consecutive ones; `n` below counts from the first
  const char* name;
  bool (*present)(const Cpu&);
  std::uint64_t (*read)(Cpu&, std::uint32_t n);
  /// A write by the guest; false: #GP(0). Null: read-only.
  bool (*write)(Cpu&, std::uint32_t n, std::uint64_t value);
  /// Where it is kept, for those that are saved. Null: not part of a saved state.
  std::uint64_t& (*slot)(Msrs&, std::uint32_t n);
};

/// Sorted by index.
std::span<const MsrRow> msr_rows();

}  // namespace machina::jit
