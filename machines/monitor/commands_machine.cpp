/// Commands about the machine as a whole: run state, reset, identity, CPUs.

#include <fmt/format.h>

#include "hw/acpi/power_button.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

Value query_status(QmpSession& session, const QmpArguments&) {
  const RunState state = session.machine().run_state();
  return ValueMap{
      {"running", state == RunState::Running}, {"singlestep", false}, {"status", std::string(run_state_name(state))}};
}

Value query_name(QmpSession& session, const QmpArguments&) {
  ValueMap answer;
  if (!session.machine().name.empty()) answer.emplace_back("name", session.machine().name);
  return answer;
}

Value query_uuid(QmpSession& session, const QmpArguments&) {
  const std::string& uuid = session.machine().uuid;
  return ValueMap{{"UUID", uuid.empty() ? std::string("00000000-0000-0000-0000-000000000000") : uuid}};
}

Value query_kvm(QmpSession& session, const QmpArguments&) {
  constexpr std::string_view kKvm = "kvm-accel";
  return ValueMap{{"enabled", session.machine().accelerator().is_a(kKvm)},
                  {"present", qom::TypeRegistry::global().find(kKvm) != nullptr}};
}

Value stop(QmpSession& session, const QmpArguments&) {
  // One that does not run stays as it is: suspended, waiting for a reset.
  if (session.machine().run_state() == RunState::Running) session.machine().stop();
  return ValueMap{};
}

Value cont(QmpSession& session, const QmpArguments&) {
  session.machine().start();
  return ValueMap{};
}

Value system_reset(QmpSession& session, const QmpArguments&) {
  session.machine().request_reset(ShutdownCause::HostQmpSystemReset);
  return ValueMap{};
}

Value system_powerdown(QmpSession& session, const QmpArguments&) {
  session.machine().power_down();
  return ValueMap{};
}

Value quit(QmpSession& session, const QmpArguments&) {
  session.machine().request_shutdown(ShutdownCause::HostQmpQuit);
  return ValueMap{};
}

Value query_cpus_fast(QmpSession& session, const QmpArguments&) {
  ValueList list;
  for (X86Cpu* cpu : session.machine().cpus().cpus()) {
    const CpuTopology& t = cpu->topology();
    const std::int64_t index = cpu->index();
    const std::int64_t threads = t.threads, cores = t.cores;
    list.emplace_back(ValueMap{{"thread-id", cpu->thread_id()},
                               {"props", ValueMap{{"core-id", index / threads % cores},
                                                  {"thread-id", index % threads},
                                                  {"socket-id", index / threads / cores}}},
                               {"qom-path", cpu->path()},
                               {"cpu-index", index},
                               {"target", "x86_64"}});
  }
  return list;
}

Value inject_nmi(QmpSession& session, const QmpArguments&) {
  const auto& cpus = session.machine().cpus().cpus();
  if (cpus.empty()) throw QmpError{QmpErrorClass::GenericError, "machine does not provide NMIs"};
  for (X86Cpu* cpu : cpus) cpu->raise_nmi();
  return ValueMap{};
}

}  // namespace

void add_machine_commands(std::vector<QmpCommand>& table) {
  table.push_back(
      {"query-status", {}, "StatusInfo", "run state: `prelaunch`, `running`, `paused`, …", false, query_status});
  table.push_back({"query-name", {}, "NameInfo", "what `-name` says", false, query_name});
  table.push_back({"query-uuid", {}, "UuidInfo", "what `-uuid` says; zeros without", false, query_uuid});
  table.push_back({"query-kvm", {}, "KvmInfo", "whether KVM runs the machine", false, query_kvm});
  table.push_back({"query-cpus-fast",
                   {},
                   "[CpuInfoFast]",
                   "the CPUs; the thread is 0 where an accelerator has none",
                   false,
                   query_cpus_fast});
  table.push_back(
      {"stop", {}, "nothing", "no vCPU runs and no disk request is in flight when it answers", false, stop});
  table.push_back({"cont",
                   {},
                   "nothing",
                   "runs the machine; an error in a state that only a reset ends; wakes one that is suspended",
                   false,
                   cont});
  table.push_back(
      {"system_reset", {}, "nothing", "resets the machine; the event RESET says when", false, system_reset});
  table.push_back({"system_powerdown",
                   {},
                   "nothing",
                   "presses the power button: what it means is the guest's",
                   false,
                   system_powerdown});
  table.push_back({"quit", {}, "nothing", "ends the program", false, quit});
  table.push_back({"inject-nmi", {}, "nothing", "a non-maskable interrupt to every CPU", false, inject_nmi});
}

}  // namespace machina
