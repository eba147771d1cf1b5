#pragma once
/// What most likely went wrong in a guest whose CPU stopped, and what to do: a table of rules over what a report knows.

#include <cstdint>
#include <string>
#include <vector>

namespace machina {

struct StopReport;

/// The instruction at RIP.
struct StoppedAt {
  std::vector<std::uint8_t> bytes;  ///< empty: no memory is there
  std::string instruction;          ///< empty: it is none
};

/// Those of all rules that apply, the most telling first; each may have several lines, without a newline at its end.
/// `report.state` is not null.
std::vector<std::string> hints_for(const StopReport& report, const StoppedAt& at);

/// Is a triple fault what the guest wants? It has loaded an IDT that holds nothing, the last resort of systems that
/// reset a PC.
bool resets_on_purpose(const StopReport& report);

}  // namespace machina
