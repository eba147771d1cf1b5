#pragma once
/// What takes the software CPU out of guest code: accesses to devices, events from outside, its own halts. Noted for
/// reports, and logged by -d exit.

#include <cstdint>
#include <string>

namespace machina::jit {

struct ExitRecord {
  enum class Kind : std::uint8_t {
    PortRead,
    PortWrite,
    MemoryRead,
    MemoryWrite,
    MsrRead,   ///< of the local APIC or a paravirtual clock
    MsrWrite,  ///< the same
    Interrupt,
    Nmi,
    Smi,
    Halt,
    HaltMasked,
    Debug,
    Shutdown,
  };
  Kind kind = Kind::Halt;
  std::uint8_t width = 0;     ///< bytes of an access
  std::uint64_t address = 0;  ///< port, physical address, MSR; the vector of an interrupt
  std::uint64_t value = 0;
};

/// In one line: "IO out 0x402 1 byte: 0x41".
std::string describe(const ExitRecord& exit);

}  // namespace machina::jit
