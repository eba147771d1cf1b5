// How long a user waits: from the start of the process to the first instruction of the guest, and to the greeting of
// QMP; and what the process needs beside guest RAM. The machine is the default board with four CPUs and 2 GiB.
//
// The guest is a firmware image whose first instructions write to the debug console, which is a pipe to this process.

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/guest_machine.h"
#include "tests/support/test_paths.h"

namespace {

using namespace machina;
using Clock = std::chrono::steady_clock;

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v.empty() ? 0 : v[v.size() / 2];
}

class Process {
 public:
  // A warning at each of many starts says nothing new.
  explicit Process(std::vector<std::string> arguments)
      : child_(command(std::move(arguments)), {.in = End::Inherited, .err = End::Null}) {}
  /// Resident memory of the process without what it shares (guest RAM is a shared mapping), in MiB.
  double own_mib() const {
    std::ifstream in("/proc/" + std::to_string(child_.pid()) + "/status");
    double kib = 0;
    for (std::string line; std::getline(in, line);)
      if (line.starts_with("RssAnon:") || line.starts_with("RssFile:")) kib += std::stod(line.substr(8));
    return kib / 1024;
  }

 private:
  using End = test::ChildProcess::End;
  static std::vector<std::string> command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), (test::binary_dir() / "machine-run").string());
    return arguments;
  }
  test::ChildProcess child_;
};

/// Waits for a byte, or a second connection's first; false after five seconds.
bool wait_readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, 5000) == 1 && (p.revents & POLLIN);
}

/// The accelerator is named: to choose one takes a measurement, which is a bench of its own below.
std::vector<std::string> machine_arguments(const char* accelerator) {
  return {"-M",   "pc", "-accel",   accelerator, "-cpu",    "host", "-m",    "2G",
          "-smp", "4",  "-display", "none",      "-serial", "null", "-bios", test::guest_image("hello").string()};
}

void FirstInstruction(benchmark::State& state) {
  if (const std::string reason = test::why_no_kvm(); !reason.empty()) {
    state.SkipWithError(("skipped: KVM cannot be used here: " + reason).c_str());
    return;
  }
  std::vector<double> ms, mib;
  for (auto _ : state) {
    int ends[2];
    if (::pipe(ends) != 0) return state.SkipWithError("no pipe");
    std::vector<std::string> arguments = machine_arguments("kvm");
    arguments.insert(arguments.end(), {"-debugcon", fmt::format("file:/dev/fd/{}", ends[1])});
    const auto start = Clock::now();
    {
      const Process process(arguments);
      ::close(ends[1]);
      const bool came = wait_readable(ends[0]);
      const std::chrono::duration<double> spent = Clock::now() - start;
      mib.push_back(process.own_mib());
      state.SetIterationTime(spent.count());
      ms.push_back(spent.count() * 1e3);
      if (!came) state.SkipWithError("the guest did not start");
    }
    ::close(ends[0]);
  }
  state.counters["median_ms"] = median(ms);
  state.counters["own_MiB"] = median(mib);
}
BENCHMARK(FirstInstruction)->Iterations(15)->UseManualTime()->Unit(benchmark::kMillisecond);

/// A listening socket that machine-run connects to (-qmp unix:PATH, a client): the greeting is the first thing on it.
void QmpGreeting(benchmark::State& state) {
  std::vector<double> ms, mib;
  const bool kvm = test::why_no_kvm().empty();
  for (auto _ : state) {
    const std::string path = fmt::format("/tmp/machina-bench-{}", ::getpid());
    ::unlink(path.c_str());
    const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener, 1) != 0)
      return state.SkipWithError("cannot listen");
    std::vector<std::string> arguments = machine_arguments(kvm ? "kvm" : "qtest");
    arguments.insert(arguments.end(), {"-S", "-qmp", "unix:" + path});
    const auto start = Clock::now();
    {
      const Process process(arguments);
      const bool called = wait_readable(listener);
      const int connection = called ? ::accept(listener, nullptr, nullptr) : -1;
      const bool came = connection >= 0 && wait_readable(connection);
      const std::chrono::duration<double> spent = Clock::now() - start;
      mib.push_back(process.own_mib());
      state.SetIterationTime(spent.count());
      ms.push_back(spent.count() * 1e3);
      if (!came) state.SkipWithError("no greeting came");
      if (connection >= 0) ::close(connection);
    }
    ::close(listener);
    ::unlink(path.c_str());
  }
  state.counters["median_ms"] = median(ms);
  state.counters["own_MiB"] = median(mib);
}
BENCHMARK(QmpGreeting)->Iterations(15)->UseManualTime()->Unit(benchmark::kMillisecond);

/// What the choice of an accelerator costs: opening /dev/kvm and measuring its kernel mode.
void KvmProbe(benchmark::State& state) {
  if (const std::string reason = test::why_no_kvm(); !reason.empty()) {
    state.SkipWithError(("skipped: KVM cannot be used here: " + reason).c_str());
    return;
  }
  auto accelerator = qom::TypeRegistry::global().create_as<Accelerator>("kvm-accel");
  for (auto _ : state) benchmark::DoNotOptimize(accelerator->probe());
}
BENCHMARK(KvmProbe)->Iterations(15)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
