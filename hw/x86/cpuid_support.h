#pragma once
/// A guest looks at CPUID when it boots, and relies on it for ever. An accelerator that takes over a CPU shows what the
/// one before has shown, or cannot have the CPU.

#include <string>
#include <string_view>
#include <vector>

#include "hw/x86/cpuid.h"

namespace machina {

/// What is shown to a guest and not supported: features by name ("avx2"), components of XSAVE and address bits in
/// words. Empty: all of it is supported.
std::vector<std::string> unsupported_parts(const CpuidTable& shown, const CpuidTable& supported);

/// Throws Error with all of them when there are any; `supporter` is whose support that is.
void require_supported(const CpuidTable& shown, const CpuidTable& supported, std::string_view supporter);

}  // namespace machina
