#pragma once
/// What the software CPU can be at most.

#include "hw/x86/cpuid.h"

namespace machina::jit {

/// The table that make_cpuid() takes as what is supported. Vendor, family, model and name are the host's, and so are
/// the instructions that execute on the host's own units; features of the system are this CPU's own, whether the host
/// has them or not.
CpuidTable supported_cpuid();
/// The same for a host with this table: for tests.
CpuidTable supported_cpuid(const CpuidTable& host);

}  // namespace machina::jit
