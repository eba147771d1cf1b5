#pragma once
/// What a CPU remembers of HLT, MONITOR and PAUSE.

#include <array>
#include <cstdint>

namespace machina::jit {

struct WaitState {
  /// After HLT: Cpu::instructions and RIP then. As long as both are the same, the CPU is halted, which an SMI's handler
  /// is told.
  std::uint64_t halt_instructions = ~std::uint64_t{0};
  std::uint64_t halt_rip = 0;
  bool armed = false;                   ///< MONITOR has been carried out, MWAIT not yet
  std::uint64_t monitored = 0;          ///< linear address of the line
  std::array<std::uint8_t, 64> line{};  ///< what it held at MONITOR
  unsigned pauses = 0;
};

}  // namespace machina::jit
