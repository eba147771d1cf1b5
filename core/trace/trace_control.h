#pragma once
/// Which trace events are on, and for whom.
///
/// Any thread, except where something else is said.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/trace/trace_event.h"

namespace machina {
class Clock;
}

namespace machina::trace {

/// Who gets the lines of an event: the trace's output (the log or a file; see trace_output.h), or a viewer.
using SinkId = unsigned;
inline constexpr SinkId kOutput = 0;
inline constexpr SinkId kEverySink = ~0U;

/// Switches each event on or off whose name matches (`*` and `?`, as a shell's), now and of plugins that are loaded
/// later; the rule that came last counts. Returns how many match now. `kEverySink` is only for off.
std::size_t enable(std::string_view pattern, bool on, SinkId sink = kOutput);
/// As that, of one vCPU's share of events of scope Vcpu; others stay as they are. Throws Error: a vCPU beyond the 64th.
std::size_t enable_of_vcpu(std::string_view pattern, bool on, unsigned vcpu, SinkId sink = kOutput);

/// "PATTERN" or "-PATTERN", which switches off. Warns with the nearest name when nothing matches. Throws Error when it
/// is empty.
void enable_item(std::string_view item, SinkId sink = kOutput);
/// A file with an item a line; '#' begins a comment. Throws Error when it cannot be read.
void enable_from_file(const std::string& path);

/// What to say of a pattern that matches nothing: "did you mean 'pci_*'?"; empty when nothing is near.
std::string nearest(std::string_view pattern);

struct EventInfo {
  std::string name;
  std::string arguments;  ///< "addr=<uint64> value=<uint64>"
  TraceScope scope;
  bool on;              ///< for anybody
  std::uint64_t vcpus;  ///< of scope Vcpu, when on: which of the first 64
};
/// All that match, by name.
std::vector<EventInfo> list(std::string_view pattern = "*");
/// As -trace help shows them, a line each.
std::string help();

/// Somebody else than the output who reads lines. `line` is called from any thread under a lock: it keeps the line and
/// returns, and makes no trace events. There are at most 31; nothing: they are taken.
std::optional<SinkId> add_viewer(std::function<void(std::string_view line)> line);
/// It is not called any more once this returns, and no event is on for it.
void remove_viewer(SinkId viewer);

/// What the times of the lines are from; null: monotonic time since the program's start. The clock must outlive its
/// being set.
void set_clock(const Clock* clock);
/// Back to the program's own time, if it is that clock which is set.
void forget_clock(const Clock* clock);

/// Nothing is on, no rules are kept: for tests.
void reset();

}  // namespace machina::trace
