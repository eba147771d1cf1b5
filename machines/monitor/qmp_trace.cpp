/// Trace events: which are on, where their lines go.

#include <fmt/format.h>

#include <optional>

#include "core/trace/trace_control.h"
#include "core/trace/trace_output.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/monitor_trace.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

constexpr int kFlushMs = 1000;

/// What is asked for of one vCPU alone; nothing: of all. Throws QmpError: there is no such vCPU.
std::optional<unsigned> vcpu_of(MonitorSession& session, const QmpArguments& arguments) {
  if (!arguments.has("vcpu")) return std::nullopt;
  const std::int64_t index = arguments.integer("vcpu");
  for (X86Cpu* cpu : session.machine().cpus().cpus())
    if (cpu->index() == index) return cpu->index();
  generic_error(fmt::format("invalid vCPU index {}", index));
}

/// Those that are meant. Throws QmpError: there is no event of that name, or it is no vCPU's.
std::vector<trace::EventInfo> meant(const std::string& name, std::optional<unsigned> vcpu) {
  std::vector<trace::EventInfo> events = trace::list(name);
  if (name.find_first_of("*?") == std::string::npos) {
    if (events.empty()) generic_error(fmt::format("unknown event \"{}\"", name));
    if (vcpu && events[0].scope != TraceScope::Vcpu)
      generic_error(fmt::format("event \"{}\" is not vCPU-specific", name));
  }
  if (vcpu) std::erase_if(events, [](const trace::EventInfo& e) { return e.scope != TraceScope::Vcpu; });
  return events;
}

bool is_on(const trace::EventInfo& event, std::optional<unsigned> vcpu) {
  if (!event.on || !vcpu) return event.on;
  return ~event.vcpus == 0 || (*vcpu < 64 && (event.vcpus >> *vcpu & 1) != 0);
}

Value get_state(MonitorSession& session, const QmpArguments& arguments) {
  const std::optional<unsigned> vcpu = vcpu_of(session, arguments);
  ValueList list;
  for (const trace::EventInfo& e : meant(arguments.string("name"), vcpu))
    list.emplace_back(ValueMap{
        {"name", e.name}, {"state", is_on(e, vcpu) ? "enabled" : "disabled"}, {"vcpu", e.scope == TraceScope::Vcpu}});
  return list;
}

void set(const std::string& name, bool on, std::optional<unsigned> vcpu, trace::SinkId sink) {
  meant(name, vcpu);
  // Off is off for all: whoever looks at the state afterwards sees it.
  const trace::SinkId whose = on ? sink : trace::kEverySink;
  if (vcpu) {
    trace::enable_of_vcpu(name, on, *vcpu, sink);
  } else {
    trace::enable(name, on, whose);
  }
}

Value set_state(MonitorSession& session, const QmpArguments& arguments) {
  set(arguments.string("name"), arguments.boolean_or("enable", false), vcpu_of(session, arguments), trace::kOutput);
  return {};
}

// --- for people ---

void trace_event(HumanContext& c, const QmpArguments& arguments) {
  const std::string& name = arguments.string("name");
  trace::SinkId sink = trace::kOutput;
  if (arguments.has("m")) {
    MonitorTrace* monitor = c.session().trace();
    if (!monitor) generic_error("this monitor cannot show trace events: leave out -m");
    sink = monitor->sink();
  }
  set(name, arguments.boolean_or("option", false), vcpu_of(c.session(), arguments), sink);
  if (!trace::list(name).empty()) return;
  const std::string near = trace::nearest(name);
  c.print("no trace event matches '{}'{}\n", name, near.empty() ? "" : ": " + near);
}

void info_trace_events(HumanContext& c, const QmpArguments& arguments) {
  const std::optional<unsigned> vcpu = vcpu_of(c.session(), arguments);
  for (const trace::EventInfo& e : meant(arguments.string_or("name", "*"), vcpu))
    c.print("{} : state {}\n", e.name, is_on(e, vcpu) ? 1 : 0);
}

void trace_file(HumanContext& c, const QmpArguments& arguments) {
  const std::string op = arguments.string_or("op", "");
  if (op.empty()) {
    const std::string file = trace::file();
    c.print("Trace file \"{}\" {}.\n", file.empty() ? "the log" : file, trace::output_enabled() ? "on" : "off");
    if (const std::uint64_t dropped = trace::dropped()) c.print("{} events were dropped.\n", dropped);
  } else if (op == "on" || op == "off") {
    trace::set_output_enabled(op == "on");
  } else if (op == "flush") {
    if (!trace::flush(kFlushMs)) generic_error("whoever reads the trace does not take it");
  } else if (op == "set") {
    const std::string file = arguments.string_or("arg", "");
    file.empty() ? trace::set_log() : trace::set_file(file);
  } else {
    generic_error(fmt::format("unexpected argument \"{}\"", op));
  }
}

std::vector<std::string> event_names(MonitorSession&, std::string_view argument) {
  std::vector<std::string> names;
  if (argument == "name")
    for (const trace::EventInfo& e : trace::list()) names.push_back(e.name);
  return names;
}

std::vector<std::string> file_operations(MonitorSession&, std::string_view argument) {
  if (argument != "op") return {};
  return {"on", "off", "flush", "set"};
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    enum TraceEventState { unavailable, disabled, enabled }
    struct TraceEventInfo { name: str, state: TraceEventState, vcpu: bool }
  )");
  t.command({.name = "trace-event-get-state",
             .arguments = "name: str, *vcpu: int",
             .returns = "[TraceEventInfo]",
             .doc = "which of the trace events that match are on; of one vCPU if it is named",
             .run = get_state});
  t.command({.name = "trace-event-set-state",
             .arguments = "name: str, enable: bool, *ignore-unavailable: bool, *vcpu: int",
             .doc = "switches trace events; those that are on go to the log or the trace's file, those that are off to "
                    "no monitor either",
             .run = set_state});
  t.human({.name = "trace-event",
           .arguments = "-m, name: str, option: bool, *vcpu: int",
           .doc = "switches the trace events that match, or one vCPU's share of them; -m: shows them here",
           .run = trace_event,
           .complete = event_names});
  t.human({.name = "info trace-events",
           .arguments = "*name: str, *vcpu: int",
           .doc = "the trace events that match, and whether they are on",
           .run = info_trace_events,
           .complete = event_names});
  t.human({.name = "trace-file",
           .arguments = "*op: str, *arg: str",
           .doc = "where trace events go: 'set FILE', 'set' alone for the log; 'off' forgets them, 'on', 'flush' waits "
                  "until all are written",
           .run = trace_file,
           .complete = file_operations});
}

const MonitorFamily kFamily{"Trace events", add};

}  // namespace
}  // namespace machina
