#pragma once
/// Where KVM and the software CPU differ and it is known why.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/support/oracle/system_case.h"

namespace machina::jit {

/// A byte of memory that the two left different.
struct MemoryDifference {
  std::uint64_t physical;
  std::uint8_t before, kvm, software;
};

struct SystemDifference {
  const SystemCase& c;
  const SystemOutcome& kvm;
  const SystemOutcome& software;
  int first_vector;                 ///< SystemCpu::first_vector()
  std::vector<std::string> fields;  ///< of the state: "rip", "cs.base"; "end" and "ports" stand for these
  std::vector<MemoryDifference> memory;
  const std::uint8_t* kvm_ram;
  const std::uint8_t* ram_at_start;  ///< with the case's patches
  bool amd = false;                  ///< the processor that CPUID names
  /// Of the first event that the software CPU could not deliver: the table entry that it read last, if there was one.
  std::uint64_t failed_at = 0, failed_entry = 0;
  bool failed = false;
  int last_vector = -1;            ///< that the software CPU has delivered or tried to
  std::uint64_t last_rip = 0;      ///< of the instruction that it was of
  std::uint64_t last_address = 0;  ///< CR2 of it, for a page fault
};

/// The vector whose handler runs, when the frame that it was given names the instruction under test: -1 for none.
int raised_at_once(const SystemCase& c, const SystemOutcome& o, const std::uint8_t* ram);

/// Instruction, mode, how both ended, what differs: "str|long64 cpl 0|kvm ...".
std::string describe_kind(const SystemDifference& d);

struct Explanation {
  const char* name;
  bool (*applies)(const SystemDifference& d);  ///< null: looked at before the others
  const char* manual;                          ///< what decides that the software CPU is right, or that both are
  const char* text;
};
std::span<const Explanation> explanations();

/// Makes equal what the architecture leaves open, in the outcomes of both.
void mask_undefined(const SystemCase& c, SystemOutcome& kvm, SystemOutcome& software);

/// Takes accessed flags of page-table entries that may or may not be set out of `memory`: true if there were any.
bool drop_open_accessed_flags(SystemDifference& d);
const Explanation& accessed_flags();  ///< its name and citation

/// Takes out of `fields` and `memory` what KVM is known to do to RFLAGS: natively run code has an IOPL of 0 (SDM vol.
/// 3, 2.3: it is CPL 0's to change), and AC is cleared on the way to a handler (SDM vol. 3, 6.12.1.3 has it stay). True
/// if there was any of it.
bool drop_flags_of_delivery(SystemDifference& d);
const Explanation& flags_of_delivery();

}  // namespace machina::jit
