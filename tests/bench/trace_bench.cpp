// What trace events cost: nobody has asked for them, somebody has, and a device's registers beside that.

#include <benchmark/benchmark.h>

#include "core/trace/trace_control.h"
#include "hw/misc/port92.h"
#include "tests/support/test_machine.h"

namespace machina {
namespace {

const TraceEvent<std::uint64_t, unsigned> bench_event{"bench_event", "addr={:#x} value={:#x}"};

void empty_loop(benchmark::State& state) {
  std::uint64_t n = 0;
  for (auto _ : state) benchmark::DoNotOptimize(++n);
}

void event_off(benchmark::State& state) {
  std::uint64_t n = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(++n);
    bench_event(n, 7U);
  }
}

void event_on(benchmark::State& state) {
  std::uint64_t lines = 0, n = 0;
  const trace::SinkId viewer = trace::add_viewer([&](std::string_view) { ++lines; }).value();
  trace::enable("bench_event", true, viewer);
  for (auto _ : state) {
    benchmark::DoNotOptimize(++n);
    bench_event(n, 7U);
  }
  trace::remove_viewer(viewer);
  if (lines != n) state.SkipWithError("lines are missing");
}

/// A port whose device and whose region have an event each; `traced` switches the region's on.
void port_access(benchmark::State& state, bool traced) {
  test::TestMachine machine;
  machine.add_isa_bus();
  machine.add<Port92>("port92");
  machine.start();
  std::uint64_t lines = 0;
  const trace::SinkId viewer = trace::add_viewer([&](std::string_view) { ++lines; }).value();
  if (traced) trace::enable("memory_region_ops_read", true, viewer);
  for (auto _ : state) benchmark::DoNotOptimize(machine.inb(0x92));
  trace::remove_viewer(viewer);
}

BENCHMARK(empty_loop);
BENCHMARK(event_off);
BENCHMARK(event_on);
BENCHMARK_CAPTURE(port_access, off, false);
BENCHMARK_CAPTURE(port_access, on, true);

}  // namespace
}  // namespace machina

BENCHMARK_MAIN();
