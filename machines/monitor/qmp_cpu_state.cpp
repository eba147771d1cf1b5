/// A stopped CPU's whole state to a file, and from one.

#include <fmt/format.h>

#include "hw/x86/x86_state_blob.h"
#include "hw/x86/x86_state_check.h"
#include "machines/monitor/host_file.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;

const MonitorCondition kWhileStopped{"while the machine is stopped",
                                     [](MonitorSession& s) { return s.machine().run_state() != RunState::Running; },
                                     "the machine runs: stop it first"};

X86Cpu& cpu_of(MonitorSession& session, const QmpArguments& arguments) {
  const std::int64_t index = arguments.integer_or("cpu-index", session.cpu_index());
  for (X86Cpu* cpu : session.machine().cpus().cpus())
    if (cpu->index() == index && cpu->vcpu()) return *cpu;
  generic_error("Parameter 'cpu-index' expects a CPU number");
}

Value save(MonitorSession& session, const QmpArguments& arguments) {
  X86Cpu& cpu = cpu_of(session, arguments);
  const std::string& path = arguments.string("filename");
  // A machine that goes to its reset, or off, is stopped before its CPUs are.
  const CpusAside aside(session.machine());
  const std::vector<std::uint8_t> blob = write_x86_state(cpu.state());
  write_file(create_file(path), blob, path);
  return {};
}

/// All of it or nothing: the accelerator may refuse what no rule of the architecture forbids.
void replace_state(X86Cpu& cpu, const X86State& state) {
  require_possible(state, cpu.cpuid, cpu.bootstrap());
  const X86State before = cpu.state();
  try {
    cpu.set_state(state);
  } catch (...) {
    cpu.set_state(before);
    throw;
  }
}

Value load(MonitorSession& session, const QmpArguments& arguments) {
  X86Cpu& cpu = cpu_of(session, arguments);
  const X86State state = read_x86_state(read_host_file(arguments.string("filename"), kMaxX86StateBlob));
  const CpusAside aside(session.machine());
  replace_state(cpu, state);
  return {};
}

void add(MonitorTable& t) {
  t.command({.name = "x-cpu-state-save",
             .arguments = "filename: str, *cpu-index: int",
             .doc = "a stopped CPU's registers, all of them, to a file that `x-cpu-state-load` reads",
             .run = save,
             .when = &kWhileStopped,
             .human = "x-cpu-state-save"});
  t.command({.name = "x-cpu-state-load",
             .arguments = "filename: str, *cpu-index: int",
             .doc = "gives a stopped CPU the registers in a file; a file that is damaged, or says what this CPU cannot "
                    "be in, changes nothing",
             .run = load,
             .when = &kWhileStopped,
             .human = "x-cpu-state-load"});
}

const MonitorFamily kFamily{"States of processors", add};

}  // namespace
}  // namespace machina
