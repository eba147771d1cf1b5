#include "accel/jit/debug.h"

namespace machina::jit {

bool meets_instruction_breakpoint(Cpu& cpu) {
  const std::uint64_t linear = cpu.long_code() ? cpu.rip : (cpu.segment[kCs].base + cpu.rip) & 0xffffffff;
  std::uint32_t met = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const bool enabled = cpu.dr7 >> (2 * i) & 3;
    const bool on_execution = (cpu.dr7 >> (16 + 4 * i) & 3) == 0;
    if (enabled && on_execution && cpu.dr[i] == linear) met |= 1U << i;
  }
  if (met == 0) return false;
  cpu.dr6 = (cpu.dr6 & ~std::uint64_t{0xf}) | met;
  return true;
}

}  // namespace machina::jit
