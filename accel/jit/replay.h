#pragma once
/// How a CPU that somebody else runs came to a triple fault. KVM tells nothing but that it did; but it leaves the CPU
/// as it was before the instruction, or the event, whose delivery failed. So that is carried out again here, on copies
/// of the guest's pages: nothing is written, no device is reached.

#include <string>

#include "accel/fault_record.h"
#include "core/memory/flat_view.h"
#include "hw/x86/cpuid.h"
#include "hw/x86/x86_state.h"

namespace machina::jit {

class BlockCache;

struct Replayed {
  FaultRecords chain;  ///< empty: it did not end in a triple fault
  std::string note;    ///< what was played again, or why there is no chain; a line
};

/// `blocks` as for a Stepper. Throws Error, or std::bad_alloc, when the host has no memory for it.
Replayed replay_shutdown(const X86State& state, const FlatView& memory, BlockCache& blocks, const CpuidTable& cpuid);

}  // namespace machina::jit
