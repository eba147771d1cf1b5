// How fast the software CPU is: guest instructions a second of integer code, and the boot of Debian's cloud kernel from
// the start of the process to its init and to the end after its power-off.

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/guest_machine.h"
#include "tests/support/test_paths.h"

namespace {

using namespace machina;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// What tests/guest/asm/sieve.S finds, and how many instructions it takes to.
struct Sieve {
  static constexpr unsigned kSize = 1 << 20, kRoot = 1024, kRounds = 20;
  unsigned primes = 0;
  std::uint64_t instructions = 0;

  Sieve() {
    std::vector<bool> flags(kSize, true);
    std::uint64_t round = 5 + kSize / 8 * 4;
    for (unsigned i = 2; i < kRoot; ++i) {
      round += 5;
      if (!flags[i]) continue;
      round += 2;
      for (unsigned multiple = i * i; multiple < kSize; multiple += i) flags[multiple] = false, round += 4;
    }
    for (unsigned i = 2; i < kSize; ++i) primes += flags[i];
    // Once: the two in front of the rounds, and the counting. The way into long mode and the printing do not show.
    instructions = 2 + kRounds * round + 2 + (kSize - 2) * 5;
  }
};

bool has_jit() { return qom::TypeRegistry::global().find("jit-accel") != nullptr; }

/// Integer instructions, stores and branches of 64-bit code; "MIPS" is millions of guest instructions a second.
void IntegerCode(benchmark::State& state) {
  if (!has_jit()) return state.SkipWithError("skipped: there is no accelerator 'jit'");
  const Sieve expected;
  double best = 0;
  for (auto _ : state) {
    test::GuestMachine machine({.guest = "sieve", .cpu_model = "max"},
                               qom::TypeRegistry::global().create_as<Accelerator>("jit-accel"));
    const auto start = Clock::now();
    const int code = machine.run();
    const double spent = seconds_since(start);
    state.SetIterationTime(spent);
    if (code != 1 || machine.output() != fmt::format("{:08x}", expected.primes))
      return state.SkipWithError(fmt::format("exit code {}, output '{}'", code, machine.output()).c_str());
    best = std::max(best, static_cast<double>(expected.instructions) / spent / 1e6);
  }
  state.counters["instructions"] = static_cast<double>(expected.instructions);
  state.counters["best_MIPS"] = best;
}
BENCHMARK(IntegerCode)->Iterations(5)->UseManualTime()->Unit(benchmark::kMillisecond);

/// machine-run with a pipe from its standard output.
class Process {
 public:
  explicit Process(std::vector<std::string> command)
      : child_(std::move(command), {.out = test::ChildProcess::End::Pipe}) {}
  /// Until its output holds `text`, or ends.
  bool wait_for(const std::string& text) {
    char some[4096];
    while (said_.find(text) == std::string::npos) {
      const ssize_t n = ::read(child_.out(), some, sizeof some);
      if (n <= 0) return false;
      said_.append(some, static_cast<std::size_t>(n));
    }
    return true;
  }
  /// Until it is gone; its exit status, or -1.
  int wait_for_end() {
    for (char some[4096]; ::read(child_.out(), some, sizeof some) > 0;) continue;
    const int status = child_.wait();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string tail() const { return said_.substr(said_.size() - std::min<std::size_t>(said_.size(), 300)); }

 private:
  test::ChildProcess child_;
  std::string said_;
};

/// The argument is the number of CPUs; the whole process, firmware included.
void LinuxBoot(benchmark::State& state) {
  const std::filesystem::path guests = test::source_dir() / "build/linux";
  if (!has_jit()) return state.SkipWithError("skipped: there is no accelerator 'jit'");
  if (!std::filesystem::exists(guests / "cloud.vmlinuz"))
    return state.SkipWithError("skipped: run tests/linux/fetch-guests build/linux cloud");
  double to_init = 0;
  for (auto _ : state) {
    const auto start = Clock::now();
    Process machine({(test::binary_dir() / "machine-run").string(),
                     "-M",
                     "pc",
                     "-accel",
                     "jit",
                     "-cpu",
                     "max",
                     "-m",
                     "512",
                     "-smp",
                     std::to_string(state.range(0)),
                     "-display",
                     "none",
                     "-serial",
                     "stdio",
                     "-no-reboot",
                     "-kernel",
                     (guests / "cloud.vmlinuz").string(),
                     "-initrd",
                     (guests / "cloud.bench.cpio.gz").string(),
                     "-append",
                     "console=ttyS0,115200 quiet panic=-1"});
    if (!machine.wait_for("== init"))
      return state.SkipWithError(("it did not reach its init: " + machine.tail()).c_str());
    to_init = seconds_since(start);
    const int status = machine.wait_for_end();
    if (status != 0) return state.SkipWithError(fmt::format("it ended with status {}", status).c_str());
    state.SetIterationTime(seconds_since(start));
  }
  state.counters["init_s"] = to_init;
}
BENCHMARK(LinuxBoot)->Arg(2)->Iterations(1)->UseManualTime()->Unit(benchmark::kSecond);

}  // namespace

BENCHMARK_MAIN();
