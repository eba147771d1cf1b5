/// A stopped machine changes what executes its CPUs.

#include "machines/cli/accel_choice.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

constexpr std::string_view kCommand = "x-set-accelerator";

const MonitorCondition kWhileStopped{"while the machine is stopped",
                                     [](MonitorSession& s) { return s.machine().run_state() != RunState::Running; },
                                     "the machine runs: stop it first"};

qom::Value set_accelerator(MonitorSession& session, const QmpArguments& arguments) {
  session.machine().change_accelerator(make_accelerator(kCommand, arguments.string("accelerator")));
  return {};
}

std::vector<std::string> complete_accelerator(MonitorSession&, std::string_view) { return accelerator_names(); }

void add(MonitorTable& t) {
  t.command({.name = kCommand,
             .arguments = "accelerator: str",
             .doc = "a stopped machine goes on under another accelerator, named as behind `-accel`; when that cannot "
                    "have it, nothing changes",
             .run = set_accelerator,
             .when = &kWhileStopped,
             .human = kCommand,
             .complete = complete_accelerator});
}

const MonitorFamily kFamily{"Accelerator", add};

}  // namespace
}  // namespace machina
