#include <cpuid.h>
#include "accel/jit/jit_cpuid.h"
namespace machina::jit {
CpuidTable supported_cpuid() {
  CpuidTable t;
  for (unsigned l : {0u, 1u, 0x80000000u, 0x80000001u, 0x80000008u}) {
    CpuidLeaf x;
    x.leaf = l;
    __cpuid(l, x.eax, x.ebx, x.ecx, x.edx);
    t.set(x);
  }
  return t;
}
}
