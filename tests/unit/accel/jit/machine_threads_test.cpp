/// Whole machines with software CPUs, each of which has a thread: interrupts between them, timers, memory that is
/// mapped elsewhere, code that is patched, a cache of blocks that fills up, pause, reset and quit. ThreadSanitizer runs
/// these, too: what is ours must be free of races, whatever the guest does with its memory.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "accel/jit/jit_accelerator.h"
#include "tests/support/interrupt_board.h"
#include "tests/support/kvm_machine.h"

namespace machina::test {
namespace {

using Words = std::vector<std::uint64_t>;

Words words(const std::string& text, bool hex) {
  std::istringstream in(text);
  if (hex) in >> std::hex;
  Words list;
  for (std::uint64_t word; in >> word;) list.push_back(word);
  return list;
}

class JitMachineThreads : public testing::Test {
 protected:
  static GuestOptions options(const std::string& guest, unsigned cpus) {
    GuestOptions o{.guest = guest, .cpus = cpus, .cpu_model = "max"};
    o.devices = [](Machine& m) { return add_interrupt_board(m); };
    return o;
  }
  static qom::Ref<Accelerator> accelerator() {
    return qom::TypeRegistry::global().create_as<Accelerator>(JitAccelerator::kType);
  }
  static void start(KvmMachine& m, bool on = true) {
    const MachineLock::Guard guard(m.system().lock);
    on ? m.machine().start() : m.machine().stop();
  }
  /// What the guest printed, in hexadecimal; exit code 1 is expected.
  static Words output_of(const std::string& guest, unsigned cpus) {
    const IsolatedResult r = run_isolated(100, [&] {
      KvmMachine m(options(guest, cpus), accelerator());
      const int code = m.run();
      const MachineLock::Guard guard(m.system().lock);
      return fmt::format("{:x} {}", code, m.output());
    });
    EXPECT_EQ(r.failure(), "") << r.stderr_;
    Words list = words(r.result, true);
    EXPECT_FALSE(list.empty());
    if (!list.empty()) {
      EXPECT_EQ(list.front(), 1U) << r.stderr_;
      list.erase(list.begin());
    }
    return list;
  }
};

TEST_F(JitMachineThreads, FourProcessorsStartAndInterruptEachOther) {
  for (const char* guest : {"irq_smp", "irq_smp_x2apic"})
    EXPECT_EQ(output_of(guest, 4), (Words{3, 0xe, 6, 3, 6})) << guest;
}

TEST_F(JitMachineThreads, LocalApicTakesPinsMessagesTimerAndNmi) {
  const Words n = output_of("irq_apic", 1);
  ASSERT_EQ(n.size(), 11U);
  EXPECT_EQ(n[1], 10U) << "PIT, periodic";
  EXPECT_EQ(n[6], 3U) << "messages";
  EXPECT_EQ(n[7], 1U) << "local APIC timer, one shot";
  EXPECT_EQ(n[8], 5U) << "local APIC timer, periodic";
  EXPECT_EQ(n[9], 1U) << "NMI";
}

TEST_F(JitMachineThreads, CodeAndMappingsChangeUnderFourProcessors) {
  const IsolatedResult r = run_isolated(110, [] {
    const qom::Ref<Accelerator> jit = accelerator();
    KvmMachine m(options("smp_code", 4), jit);
    const int code = m.run();
    const MachineLock::Guard guard(m.system().lock);
    const auto number = [&](std::uint64_t at) { return m.system().memory.load(at, 8); };
    auto& blocks = dynamic_cast<JitAccelerator&>(*jit).blocks();
    return fmt::format("{} {} {} {} {} {} {}", code, number(0x600118), number(0x600120), number(0x600128),
                       number(0x600130), blocks.statistics().emptied, blocks.statistics().invalidated);
  });
  ASSERT_EQ(r.failure(), "") << r.stderr_;
  const Words n = words(r.result, false);
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

TEST_F(JitMachineThreads, PausesAndResetsAtAnyMoment) {
  const IsolatedResult r = run_isolated(100, [] {
    GuestOptions o = options("irq_busy", 2);
    o.no_reboot = false;
    KvmMachine m(o, accelerator());
    auto& device = dynamic_cast<InterruptPort&>(*qom::resolve_path(m.machine().root(), "lines"));
    std::minstd_rand random(1);
    for (unsigned i = 0; i < 200; ++i) {
      start(m);
      m.run_until([] { return false; }, static_cast<double>(random() % 800) * 1e-6);
      start(m, false);
    }
    start(m);
    for (unsigned i = 0; i < 60; ++i) {
      m.run_until([] { return false; }, static_cast<double>(random() % 2000) * 1e-6);
      const MachineLock::Guard guard(m.system().lock);
      m.machine().reset(ShutdownCause::HostQmpSystemReset);
    }
    const bool goes_on = m.run_until([&] { return device.ticks >= 20; }, 20);
    const MachineLock::Guard guard(m.system().lock);  // the guest runs on
    return fmt::format("{} {}", device.out_of_order, goes_on ? 1 : 0);
  });
  ASSERT_EQ(r.failure(), "") << r.stderr_;
  EXPECT_EQ(r.result, "0 1") << "numbers out of order, the last one runs";
}

}  // namespace
}  // namespace machina::test
