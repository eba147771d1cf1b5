#pragma once
/// Entries of page tables in guest RAM, read and changed as a processor does: in one piece, whatever other CPUs do.

#include <cstdint>

namespace machina::jit {

/// `at` is aligned to `width`, 4 or 8.
inline std::uint64_t ram_load_entry(const std::uint8_t* at, unsigned width) {
  if (width == 4) return __atomic_load_n(reinterpret_cast<const std::uint32_t*>(at), __ATOMIC_ACQUIRE);
  return __atomic_load_n(reinterpret_cast<const std::uint64_t*>(at), __ATOMIC_ACQUIRE);
}

/// False: it was not `expected`, and is as it was. SDM vol. 3, 4.8: accessed and dirty bits are set by locked
/// operations.
inline bool ram_replace_entry(std::uint8_t* at, unsigned width, std::uint64_t expected, std::uint64_t value) {
  if (width == 4) {
    auto old = static_cast<std::uint32_t>(expected);
    return __atomic_compare_exchange_n(reinterpret_cast<std::uint32_t*>(at), &old, static_cast<std::uint32_t>(value),
                                       false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
  }
  return __atomic_compare_exchange_n(reinterpret_cast<std::uint64_t*>(at), &expected, value, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_RELAXED);
}

}  // namespace machina::jit
