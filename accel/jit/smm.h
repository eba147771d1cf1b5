#pragma once
/// System management mode. SDM vol. 3, chapter 31; the state save map is that of the AMD64 APM vol. 2, 10.2.

#include "accel/jit/cpu.h"

namespace machina::jit {

void enter_smm(Cpu& cpu);

}  // namespace machina::jit
