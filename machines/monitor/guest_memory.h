#pragma once
/// Guest memory as the monitor reads it: physical, or linear through the page tables of a CPU. Reads only RAM and ROM,
/// so that looking has no side effect on a device.

#include <cstdint>
#include <optional>
#include <span>

#include "accel/x86_inspect.h"
#include "core/system.h"

namespace machina {

class GuestMemory {
 public:
  explicit GuestMemory(System& system) : system_(system) {}

  /// False when a byte of it is neither RAM nor ROM.
  bool read_physical(std::uint64_t address, std::span<std::uint8_t> to) const;
  /// False when a byte of it is not mapped, or not to RAM or ROM. An address of a segment must have its base added.
  bool read_linear(const X86State& state, std::uint64_t address, std::span<std::uint8_t> to) const;
  std::optional<std::uint64_t> to_physical(const X86State& state, std::uint64_t linear) const;
  /// For accel/x86_inspect.h. Must not outlive this.
  ReadPhysical reader() const;

 private:
  System& system_;
};

}  // namespace machina
