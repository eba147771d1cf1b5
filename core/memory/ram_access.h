#pragma once
/// Private to core/memory: how bytes of guest RAM are touched. Guests share memory between CPUs and devices, so a
/// naturally aligned access of 1, 2, 4 or 8 bytes is one access of the host (Intel SDM vol. 3, 9.1.1 "Guaranteed Atomic
/// Operations"); x86 adds the ordering that guests expect.

#include <cstdint>
#include <cstring>

#include "core/memory/io_result.h"

namespace machina {

template <class T>
T load_ram_as(const std::uint8_t* host) {
  if (reinterpret_cast<std::uintptr_t>(host) % sizeof(T) == 0) {
    return __atomic_load_n(reinterpret_cast<const T*>(host), __ATOMIC_RELAXED);
  }
  T value;
  std::memcpy(&value, host, sizeof value);
  return value;
}

template <class T>
void store_ram_as(std::uint8_t* host, T value) {
  if (reinterpret_cast<std::uintptr_t>(host) % sizeof(T) == 0) {
    __atomic_store_n(reinterpret_cast<T*>(host), value, __ATOMIC_RELAXED);
  } else {
    std::memcpy(host, &value, sizeof value);
  }
}

inline std::uint64_t load_ram(const std::uint8_t* host, Width width) {
  switch (width) {
    case 1:
      return load_ram_as<std::uint8_t>(host);
    case 2:
      return load_ram_as<std::uint16_t>(host);
    case 4:
      return load_ram_as<std::uint32_t>(host);
    default:
      return load_ram_as<std::uint64_t>(host);
  }
}

inline void store_ram(std::uint8_t* host, Width width, std::uint64_t value) {
  switch (width) {
    case 1:
      return store_ram_as(host, static_cast<std::uint8_t>(value));
    case 2:
      return store_ram_as(host, static_cast<std::uint16_t>(value));
    case 4:
      return store_ram_as(host, static_cast<std::uint32_t>(value));
    default:
      return store_ram_as(host, value);
  }
}

/// Copies that are as wide as a register go in one piece, e.g. the index of a ring; larger ones in any order.
inline bool is_register_wide(std::uint64_t size) { return size == 1 || size == 2 || size == 4 || size == 8; }

inline void copy_from_ram(std::uint8_t* to, const std::uint8_t* host, std::uint64_t size) {
  if (is_register_wide(size)) {
    const std::uint64_t value = load_ram(host, static_cast<Width>(size));
    std::memcpy(to, &value, size);
  } else {
    std::memcpy(to, host, size);
  }
}

inline void copy_to_ram(std::uint8_t* host, const std::uint8_t* from, std::uint64_t size) {
  if (is_register_wide(size)) {
    std::uint64_t value = 0;
    std::memcpy(&value, from, size);
    store_ram(host, static_cast<Width>(size), value);
  } else {
    std::memcpy(host, from, size);
  }
}

}  // namespace machina
