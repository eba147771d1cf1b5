#pragma once
/// Guest memory as a debugger reads and writes it: by linear address through the page tables of a CPU, or by physical
/// address. It sees RAM and ROM, and of devices only what can be looked at without an effect; rights in page tables
/// do not matter to it.

#include <cstdint>
#include <string>
#include <string_view>

#include "machines/machine.h"
#include "machines/monitor/guest_memory.h"

namespace machina {

class GuestAccess {
 public:
  explicit GuestAccess(Machine& machine) : system_(machine.system()), memory_(machine) {}

  /// How addresses are meant from now on.
  void set_physical(bool on) { physical_ = on; }
  bool physical() const { return physical_; }

  /// As many of the bytes from `address` on as can be read; fewer where something is not mapped, or is no memory.
  std::string read(const X86State& state, std::uint64_t address, std::size_t size) const;
  /// All or nothing; false when a byte of it is not mapped, or neither RAM nor ROM. What is written takes effect as
  /// writes of a device do: code that was translated from it is forgotten. ROM changes too, and is not as it was after
  /// a reset: who writes there means to.
  bool write(const X86State& state, std::uint64_t address, std::string_view bytes);

  const GuestMemory& memory() const { return memory_; }

 private:
  bool writable(std::uint64_t physical, std::size_t size) const;
  void store(std::uint64_t physical, std::string_view bytes);

  System& system_;
  GuestMemory memory_;
  bool physical_ = false;
};

}  // namespace machina
