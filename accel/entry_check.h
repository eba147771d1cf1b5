#pragma once
/// States that a processor does not let a guest have, by VM entry as by the instructions that would lead there.

#include <string>
#include <vector>

#include "hw/x86/x86_state.h"

namespace machina {

/// What of Intel SDM vol. 3, 27.3.1 ("Checks on the Guest State Area") this state offends against, a line each. Not all
/// of the checks: those on registers that a guest, or whoever loads a state, gets wrong.
std::vector<std::string> entry_offences(const X86State& state);

}  // namespace machina
