#include "accel/jit/vendor.h"

#include "hw/x86/cpuid.h"

namespace machina::jit {

bool is_amd(const Cpu& cpu) {
  if (!cpu.cpuid) return false;
  constexpr std::uint32_t kAuth = 0x68747541, kHygo = 0x6f677948;  // EBX: the first four letters
  const std::uint32_t ebx = cpu.cpuid->find(0).ebx;
  return ebx == kAuth || ebx == kHygo;
}

}  // namespace machina::jit
