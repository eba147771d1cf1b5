// What the device model costs on top of KVM: 20,000 port writes of a guest, once through a bare KVM_RUN loop and once
// through vCPU thread, dispatch, machine lock and device. Both in turn in one run; the ratio is what counts.

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <vector>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_calls.h"
#include "tests/support/guest_machine.h"
#include "tests/support/test_paths.h"

namespace {

using namespace machina;
using Seconds = std::chrono::duration<double>;

constexpr unsigned kWrites = 20000;
constexpr std::size_t kRomSize = 64 * 1024;

/// The least that runs the guest: one VM, its image at both places, one vCPU as it comes out of reset.
class BareLoop {
 public:
  BareLoop() : device_(calls_, calls_.open_device()) {
    vm_ = kvm::Fd(calls_, device_.must(KVM_CREATE_VM, std::uintptr_t{0}, "KVM_CREATE_VM"));
    rom_ = static_cast<std::uint8_t*>(
        ::mmap(nullptr, kRomSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    std::ifstream in(test::guest_image("port_loop"), std::ios::binary);
    in.read(reinterpret_cast<char*>(rom_), kRomSize);
    std::uint32_t slot = 0;
    for (const std::uint64_t address : {std::uint64_t{0xf0000}, std::uint64_t{0xffff0000}}) {
      kvm_userspace_memory_region region{};
      region.slot = slot++;
      region.guest_phys_addr = address;
      region.memory_size = kRomSize;
      region.userspace_addr = reinterpret_cast<std::uintptr_t>(rom_);
      vm_.must(KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
    }
    vcpu_ = kvm::Fd(calls_, vm_.must(KVM_CREATE_VCPU, std::uintptr_t{0}, "KVM_CREATE_VCPU"));
    run_size_ =
        static_cast<std::size_t>(device_.must(KVM_GET_VCPU_MMAP_SIZE, std::uintptr_t{0}, "KVM_GET_VCPU_MMAP_SIZE"));
    run_ = static_cast<kvm_run*>(calls_.map(vcpu_.get(), run_size_));
  }
  ~BareLoop() {
    calls_.unmap(run_, run_size_);
    ::munmap(rom_, kRomSize);
  }

  unsigned run() {
    for (unsigned writes = 0;;) {
      if (vcpu_.call(KVM_RUN) < 0 || run_->exit_reason != KVM_EXIT_IO) return 0;
      if (run_->io.port == 0xf4) return writes;
      const auto* data = reinterpret_cast<const std::uint8_t*>(run_) + run_->io.data_offset;
      sink_ = *data;
      ++writes;
    }
  }

 private:
  kvm::Calls& calls_ = kvm::Calls::system();
  kvm::Fd device_, vm_, vcpu_;
  std::uint8_t* rom_ = nullptr;
  kvm_run* run_ = nullptr;
  std::size_t run_size_ = 0;
  volatile std::uint8_t sink_ = 0;
};

double bare() {
  BareLoop loop;
  const auto start = std::chrono::steady_clock::now();
  const unsigned writes = loop.run();
  const Seconds spent = std::chrono::steady_clock::now() - start;
  if (writes != kWrites) throw Error(fmt::format("the bare loop saw {} writes", writes));
  return spent.count() / kWrites;
}

double through_the_machine() {
  test::GuestOptions options;
  options.guest = "port_loop";
  test::GuestMachine machine(options);
  const auto start = std::chrono::steady_clock::now();
  machine.run();
  const Seconds spent = std::chrono::steady_clock::now() - start;
  if (machine.port().ports.writes[1] != kWrites)
    throw Error(fmt::format("the device saw {} writes", machine.port().ports.writes[1]));
  return spent.count() / kWrites;
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

void PortExit(benchmark::State& state) {
  if (const std::string reason = test::why_no_kvm(); !reason.empty()) {
    state.SkipWithError(("skipped: KVM cannot be used here: " + reason).c_str());
    return;
  }
  std::vector<double> bare_ns, machine_ns, ratios;
  for (auto _ : state) {
    const double a = bare(), b = through_the_machine();
    bare_ns.push_back(a * 1e9);
    machine_ns.push_back(b * 1e9);
    ratios.push_back(b / a);
    state.SetIterationTime(a + b);
  }
  state.counters["bare_ns"] = median(bare_ns);
  state.counters["machine_ns"] = median(machine_ns);
  state.counters["ratio"] = median(ratios);
}
BENCHMARK(PortExit)->Iterations(9)->UseManualTime()->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
