/// What an access of a vCPU to guest memory costs inside the device model, beside a plain host access, and what a
/// change of the topology costs. The address space is that of a PC with 40 devices on its PCI bus.

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "core/memory/address_space.h"
#include "core/units.h"

namespace machina {
namespace {

struct Pc {
  Pc() {
    const MemoryTransaction transaction;
    system.add(0, below_4g);
    system.add(4 * GiB, above_4g);
    system.add(0, pci, -1);
    for (unsigned i = 0; i < 40; ++i) {
      bars.push_back(std::make_unique<IoRegion>(
          "bar" + std::to_string(i), 4 * KiB, Widths{1, 4, false},
          [](Offset offset, Width) { return IoResult(offset); }, [](Offset, Width, std::uint64_t) { return io_ok(); }));
      pci.add(kBars + i * 8 * KiB, *bars.back());
    }
    for (unsigned i = 0; i < 13; ++i) {  // the segments of the PAM registers
      const std::uint64_t at = 0xc0000 + i * 16 * KiB;
      pam.push_back(std::make_unique<AliasRegion>("pam" + std::to_string(i), ram, at, 16 * KiB));
      pam.back()->set_readonly(i % 2 == 0);
      system.add(at, *pam.back(), 1);
    }
  }

  static constexpr std::uint64_t kBars = 0xf0000000;
  MachineLock lock;
  std::shared_ptr<RamBlock> block = RamBlock::create("pc.ram", 4 * GiB);
  RamRegion ram{"pc.ram", block};
  ContainerRegion system{"system", MemoryRegion::kWholeSpace}, pci{"pci", MemoryRegion::kWholeSpace};
  AliasRegion below_4g{"below-4g", ram, 0, 3584 * MiB}, above_4g{"above-4g", ram, 3584 * MiB, 512 * MiB};
  std::vector<std::unique_ptr<IoRegion>> bars;
  std::vector<std::unique_ptr<AliasRegion>> pam;
  AddressSpace space{"memory", system, lock};
};

void plain_host_load(benchmark::State& state) {
  Pc pc;
  const auto* const word = reinterpret_cast<const std::uint32_t*>(pc.block->host() + 0x1000);
  for (auto _ : state) benchmark::DoNotOptimize(__atomic_load_n(word, __ATOMIC_RELAXED));
}
BENCHMARK(plain_host_load);

void dispatch_ram_last_hit(benchmark::State& state) {
  Pc pc;
  MemoryDispatch dispatch(pc.space);
  for (auto _ : state) benchmark::DoNotOptimize(dispatch.read(0x1000, 4));
}
BENCHMARK(dispatch_ram_last_hit);

void dispatch_ram_other_range_each_time(benchmark::State& state) {
  Pc pc;
  MemoryDispatch dispatch(pc.space);
  std::uint64_t address = 0x1000;
  for (auto _ : state) {
    benchmark::DoNotOptimize(dispatch.read(address, 4));
    address ^= 4 * GiB;
  }
}
BENCHMARK(dispatch_ram_other_range_each_time);

void dispatch_register_taking_the_lock(benchmark::State& state) {
  Pc pc;
  MemoryDispatch dispatch(pc.space);
  for (auto _ : state) benchmark::DoNotOptimize(dispatch.read(Pc::kBars + 8, 4));
}
BENCHMARK(dispatch_register_taking_the_lock);

void dispatch_register_lock_held(benchmark::State& state) {
  Pc pc;
  MemoryDispatch dispatch(pc.space);
  const MachineLock::Guard guard(pc.lock);
  for (auto _ : state) benchmark::DoNotOptimize(dispatch.read(Pc::kBars + 8, 4));
}
BENCHMARK(dispatch_register_lock_held);

void dispatch_register_lockless(benchmark::State& state) {
  Pc pc;
  pc.bars[0]->set_lockless(true);
  MemoryDispatch dispatch(pc.space);
  for (auto _ : state) benchmark::DoNotOptimize(dispatch.read(Pc::kBars + 8, 4));
}
BENCHMARK(dispatch_register_lockless);

void space_load_without_a_dispatch(benchmark::State& state) {
  Pc pc;
  for (auto _ : state) benchmark::DoNotOptimize(pc.space.load(0x1000, 4));
}
BENCHMARK(space_load_without_a_dispatch);

void dma_of_one_page(benchmark::State& state) {
  Pc pc;
  std::vector<std::uint8_t> page(4096);
  for (auto _ : state) benchmark::DoNotOptimize(pc.space.write(0x10000, page));
  state.SetBytesProcessed(state.iterations() * 4096);
}
BENCHMARK(dma_of_one_page);

void one_pam_segment_changes(benchmark::State& state) {
  Pc pc;
  const MachineLock::Guard guard(pc.lock);
  for (auto _ : state) pc.pam[4]->set_enabled(!pc.pam[4]->enabled());
  state.counters["ranges"] = static_cast<double>(pc.space.view()->ranges().size());
}
BENCHMARK(one_pam_segment_changes);

}  // namespace
}  // namespace machina

BENCHMARK_MAIN();
