#include "accel/jit/exit_record.h"

#include <fmt/format.h>

namespace machina::jit {

std::string describe(const ExitRecord& e) {
  using Kind = ExitRecord::Kind;
  const auto access = [&](const char* what) {
    return fmt::format("{} {:#x} {} byte{}: {:#x}", what, e.address, e.width, e.width == 1 ? "" : "s", e.value);
  };
  switch (e.kind) {
    case Kind::PortRead:
      return access("IO in");
    case Kind::PortWrite:
      return access("IO out");
    case Kind::MemoryRead:
      return access("MMIO read");
    case Kind::MemoryWrite:
      return access("MMIO write");
    case Kind::MsrRead:
      return fmt::format("RDMSR {:#x}: {:#x}", e.address, e.value);
    case Kind::MsrWrite:
      return fmt::format("WRMSR {:#x}: {:#x}", e.address, e.value);
    case Kind::Interrupt:
      return fmt::format("interrupt {:#04x}", e.address);
    case Kind::Nmi:
      return "NMI";
    case Kind::Smi:
      return "SMI";
    case Kind::Halt:
      return "HLT";
    case Kind::HaltMasked:
      return "HLT with interrupts off";
    case Kind::Debug:
      return "DEBUG";
    case Kind::Shutdown:
      return "SHUTDOWN";
  }
  return {};
}

}  // namespace machina::jit
