#pragma once
/// Guest memory as the monitor reads it: physical, or linear through the page tables of a CPU. Looking has no side
/// effect on a device: registers are left alone, but for those that are memory behind (core/memory/peekable_memory.h).

#include <cstdint>
#include <optional>
#include <span>

#include "accel/x86_inspect.h"
#include "core/system.h"
#include "qom/object.h"

namespace machina {

class Machine;

class GuestMemory {
 public:
  /// RAM and ROM alone.
  explicit GuestMemory(System& system) : system_(system) {}
  /// Also what devices let be looked at.
  explicit GuestMemory(Machine& machine);

  /// False when a byte of it is no memory.
  bool read_physical(std::uint64_t address, std::span<std::uint8_t> to) const;
  /// False when a byte of it is not mapped, or not to memory. An address of a segment must have its base added.
  bool read_linear(const X86State& state, std::uint64_t address, std::span<std::uint8_t> to) const;
  std::optional<std::uint64_t> to_physical(const X86State& state, std::uint64_t linear) const;
  /// For accel/x86_inspect.h. Must not outlive this.
  ReadPhysical reader() const;

 private:
  bool peek(const FlatRange& range, std::uint64_t address, std::span<std::uint8_t> to) const;

  System& system_;
  qom::Object* devices_ = nullptr;
};

}  // namespace machina
