#pragma once
/// Guest memory as the monitor reads it: physical, or linear through the page tables of a CPU. read_…() has no effect
/// on a device: it sees RAM and ROM, and those registers that are memory behind (core/memory/peekable_memory.h).
/// access_…() is an access like a CPU's: all registers answer, with all that reading them brings along. Page tables are
/// looked for as by read_physical() either way.

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
  /// Where no device answers there are zeros, and false is returned. `cpu` is whose local APIC is seen; null: nobody's.
  /// Machine lock held.
  bool access_physical(std::uint64_t address, std::span<std::uint8_t> to, const X86State* cpu) const;
  /// By the page tables of `state`, and with that CPU's local APIC. Stops with false at a page that is not mapped.
  bool access_linear(const X86State& state, std::uint64_t address, std::span<std::uint8_t> to) const;
  std::optional<std::uint64_t> to_physical(const X86State& state, std::uint64_t linear) const;
  /// For accel/x86_inspect.h. Must not outlive this.
  ReadPhysical reader() const;

 private:
  bool peek(const FlatRange& range, std::uint64_t address, std::span<std::uint8_t> to) const;
  /// `read(physical, piece)` for each piece of a page.
  template <class Read>
  bool each_page(const X86State& state, std::uint64_t address, std::span<std::uint8_t> to, Read&& read) const;

  System& system_;
  qom::Object* devices_ = nullptr;
};

}  // namespace machina
