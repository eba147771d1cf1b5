#pragma once
/// Powers of 1024 and time units; a size or time in Machina is always bytes or nanoseconds.

#include <cstdint>

namespace machina {

inline constexpr std::uint64_t KiB = 1024;
inline constexpr std::uint64_t MiB = 1024 * KiB;
inline constexpr std::uint64_t GiB = 1024 * MiB;
inline constexpr std::uint64_t TiB = 1024 * GiB;

inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;
inline constexpr std::int64_t kNsPerMs = 1'000'000;
inline constexpr std::int64_t kNsPerUs = 1'000;

/// a * b / c without losing the high half of the product; rounds down. c > 0. For b ticks of a c Hz crystal and the
/// like.
constexpr std::uint64_t mul_div(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(a) * b / c);
}
/// As mul_div, rounded up.
constexpr std::uint64_t mul_div_up(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(a) * b + c - 1) / c);
}

}  // namespace machina
