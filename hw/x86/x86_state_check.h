#pragma once
/// What no CPU can be in. A state that was made elsewhere (a file, another accelerator) is looked at before it is
/// loaded, so that what is wrong with it is said in words, and nothing has changed yet.
///
/// Sources: Intel SDM vol. 3 (325384-083), 27.3.1 "Checks on the Guest State Area", which lists what a processor itself
/// checks before it takes over a state; AMD APM vol. 2, 15.5.1. What hardware lets pass although software never makes
/// it is let pass here, too: a state that any accelerator stored from a running guest is always possible.

#include <string>
#include <vector>

#include "hw/x86/cpuid.h"
#include "hw/x86/x86_state.h"

namespace machina {

/// One sentence for each part that a CPU with this CPUID cannot have: the field, its value, what is allowed. Empty: the
/// state is possible.
std::vector<std::string> impossible_parts(const X86State& state, const CpuidTable& cpuid, bool bootstrap);

/// Throws Error with all sentences when there are any.
void require_possible(const X86State& state, const CpuidTable& cpuid, bool bootstrap);

}  // namespace machina
