// How long the monitor takes to answer: from the text of a qom-get to the text of its answer, all that is done for a
// client but its socket. No vCPU is asked or stopped for it, so that one that runs makes no difference.

#include <benchmark/benchmark.h>

#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"
#include "tests/support/monitor_fixture.h"

namespace {

using namespace machina;

/// Parses, checks, looks up, reads, and writes JSON: all that is done for a client, but for its socket.
class Session final : public MonitorSession {
 public:
  explicit Session(Machine& machine) : machine_(machine) {}
  Machine& machine() override { return machine_; }
  void later(std::int64_t, std::function<void()>) override {}

 private:
  Machine& machine_;
};

std::string answer(Session& session, std::string_view text) {
  const qom::Value request = parse_json(text);
  const QmpCommand* command = monitor_table().find(member(request, "execute")->to_string());
  return to_json(qom::ValueMap{{"return", run_command(*command, session, *member(request, "arguments"))}});
}

struct Bench {
  Bench() {
    root = qom::create<qom::Container>();
    machine = &root->add_new_child<Machine>("machine");
    const MachineLock::Guard guard(machine->system().lock);
    machine->add_new_child<test::FrontPanel>("panel");
    // A board's worth of objects to look among.
    for (int i = 0; i < 100; ++i) machine->add_new_child<qom::Container>("device" + std::to_string(i));
  }
  qom::Ref<qom::Object> root;
  Machine* machine = nullptr;
};

void qom_get(benchmark::State& state, const char* text) {
  Bench bench;
  Session session(*bench.machine);
  for (auto _ : state) benchmark::DoNotOptimize(answer(session, text));
}

BENCHMARK_CAPTURE(qom_get, absolute_path,
                  R"({"execute": "qom-get", "arguments": {"path": "/machine/panel", "property": "speed"}})")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(qom_get, partial_path,
                  R"({"execute": "qom-get", "arguments": {"path": "panel", "property": "speed"}})")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(qom_get, query_status, R"({"execute": "query-status", "arguments": {}})")
    ->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
