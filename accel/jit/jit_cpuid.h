#pragma once
#include "hw/x86/cpuid.h"
namespace machina::jit {
CpuidTable supported_cpuid();
}
