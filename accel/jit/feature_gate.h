#pragma once
/// Which CPUID bit an instruction belongs to.

#include <Zydis/Zydis.h>

#include "hw/x86/cpu_features.h"

namespace machina::jit {

/// False: the model does not have it, and it raises #UD.
bool available(const ZydisDecodedInstruction& instruction, const FeatureSet& features);

}  // namespace machina::jit
