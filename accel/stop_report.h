#pragma once
/// What the user gets when a vCPU cannot go on, whatever runs it: why, the chain of faults, the registers, the
/// instruction, the last exits, and what to do about it. One report for a vCPU.

#include <cstdint>
#include <string>
#include <vector>

#include "accel/fault_record.h"
#include "accel/x86_inspect.h"
#include "hw/x86/x86_state.h"

namespace machina {

enum class StopKind : std::uint8_t {
  TripleFault,
  EntryRefused,  ///< the processor does not take the state
  NotEmulated,   ///< an instruction that the accelerator should carry out in software, and cannot
  Other,         ///< `why` says all there is
};

struct StopReport {
  std::string cpu;  ///< path
  std::string why;  ///< one line, or several
  StopKind kind = StopKind::Other;
  const X86State* state = nullptr;          ///< null when it could not be read
  ReadPhysical read{};                      ///< RAM and ROM only
  std::vector<std::uint8_t> instruction{};  ///< at RIP, when the accelerator tells; else it is read
  FaultRecords chain{};
  std::string chain_note{};            ///< a line on where the chain is from, or why there is none
  std::vector<std::string> earlier{};  ///< lines: what happened before, oldest first
  std::vector<std::string> last_exits{};
};

/// Lines that end in a newline each.
std::string make_report(const StopReport& report);

/// Up to 15 bytes at CS:RIP, as far as they are mapped.
std::vector<std::uint8_t> bytes_at_rip(const X86State& state, const ReadPhysical& read);
/// "RAX=… … CR0=…": all registers as people expect them in such reports, several lines.
std::string describe_registers(const X86State& state);

}  // namespace machina
