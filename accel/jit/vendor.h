#pragma once
/// Where Intel's and AMD's processors differ.

#include "accel/jit/cpu.h"

namespace machina::jit {

/// CPUID leaf 0 says "AuthenticAMD" or "HygonGenuine"; false without a table.
bool is_amd(const Cpu& cpu);

}  // namespace machina::jit
