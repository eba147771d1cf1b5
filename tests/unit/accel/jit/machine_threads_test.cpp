/// A whole machine of four software CPUs, each of which has a thread: interrupts between them, timers, memory that is
/// mapped elsewhere, code that is patched, a cache of blocks that fills up. ThreadSanitizer runs this, too: what is
/// ours must be free of races, whatever the guest does with its memory.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "accel/jit/jit_accelerator.h"
#include "tests/support/guest_machine.h"
#include "tests/support/interrupt_board.h"

namespace machina::test {
namespace {

TEST(JitMachineThreads, CodeAndMappingsChangeUnderFourProcessors) {
  const IsolatedResult r = run_isolated(110, [] {
    GuestOptions options{.guest = "smp_code", .cpus = 4, .cpu_model = "max", .accelerator = "jit"};
    options.devices = [](Machine& m) { return add_interrupt_board(m); };
    GuestMachine m(options);
    const int code = m.run();
    const MachineLock::Guard guard(m.system().lock);
    const auto number = [&](std::uint64_t at) { return m.system().memory.load(at, 8); };
    auto& blocks = dynamic_cast<JitAccelerator&>(m.machine().accelerator()).blocks();
    return fmt::format("{} {} {} {} {} {} {}", code, number(0x600118), number(0x600120), number(0x600128),
                       number(0x600130), blocks.statistics().emptied, blocks.statistics().invalidated);
  });
  ASSERT_EQ(r.failure(), "") << r.stderr_;
  std::istringstream in(r.result);
  std::vector<std::uint64_t> n;
  for (std::uint64_t word; in >> word;) n.push_back(word);
  ASSERT_EQ(n.size(), 7U) << r.result;
  EXPECT_EQ(n[0], 1U);
  EXPECT_EQ(n[1], 0U) << "mixtures of two instructions";
  EXPECT_EQ(n[2], 0U) << "seen too late, or too early";
  EXPECT_GT(n[3], 1000U) << "runs of what changes";
  EXPECT_GT(n[4], 0U) << "ticks";
  EXPECT_GE(n[5], 1U) << "the cache was not emptied";
  EXPECT_GT(n[6], 1000U) << "blocks that died";
  RecordProperty("runs_ticks_emptied", fmt::format("{} {} {}", n[3], n[4], n[5]));
}

}  // namespace
}  // namespace machina::test
