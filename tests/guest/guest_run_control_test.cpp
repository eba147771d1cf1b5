/// Pause, reset and quit at any moment of a guest that is busy with interrupts and port accesses.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <sstream>
#include <string>

#include "core/memory/ram_block.h"
#include "tests/support/guest_test.h"
#include "tests/support/interrupt_board.h"

namespace machina::test {
namespace {

class GuestRunControl : public GuestTest {
 protected:
  static GuestOptions options(const std::string& guest, unsigned cpus = 1) {
    GuestOptions o = GuestTest::options(guest, cpus);
    o.no_reboot = false;
    o.devices = [](Machine& m) { return add_interrupt_board(m); };
    return o;
  }
  static InterruptPort& port(GuestMachine& m) {
    return dynamic_cast<InterruptPort&>(*qom::resolve_path(m.machine().root(), "lines"));
  }
  static std::uint32_t variable(GuestMachine& m, unsigned offset) {
    return static_cast<std::uint32_t>(m.system().memory.load(0x500 + offset, 4));
  }
  /// A result "a b c" as numbers.
  static std::vector<unsigned> numbers(const std::string& text) {
    std::istringstream in(text);
    std::vector<unsigned> list;
    for (unsigned n; in >> n;) list.push_back(n);
    return list;
  }
};

TEST_P(GuestRunControl, PausesAThousandTimesWithoutLosingAnExit) {
  const IsolatedResult r = run_isolated(60, [&] {
    GuestMachine m(options("irq_busy"));
    InterruptPort& device = port(m);
    std::minstd_rand random(1);
    for (unsigned i = 0; i < 1000; ++i) {
      {
        const MachineLock::Guard guard(m.system().lock);
        m.machine().start();
      }
      m.run_until([] { return false; }, static_cast<double>(random() % 800) * 1e-6);
      const MachineLock::Guard guard(m.system().lock);
      m.machine().stop();
    }
    // What the guest counted and what arrived: the guest may be between counting and telling.
    std::uint32_t written, ticks, late, late_ticks, differs, out_of_order;
    {
      const MachineLock::Guard guard(m.system().lock);
      written = device.sequence, ticks = device.ticks, out_of_order = device.out_of_order;
      late = variable(m, 0) - written, late_ticks = variable(m, 4) - ticks, differs = variable(m, 8);
      m.machine().start();
    }
    const bool goes_on = m.run_until([&] { return device.ticks >= ticks + 20; }, 10);
    return fmt::format("{} {} {} {} {} {} {}", written, ticks, late, late_ticks, differs, out_of_order,
                       goes_on ? 1 : 0);
  });
  ASSERT_EQ(r.failure(), "");
  const std::vector<unsigned> n = numbers(r.result);
  ASSERT_EQ(n.size(), 7U);
  EXPECT_GT(n[0], 1000U) << "numbers written";
  EXPECT_GT(n[1], 20U) << "timer interrupts";
  EXPECT_LE(n[2], 1U) << "numbers lost";
  EXPECT_LE(n[3], 1U) << "ticks lost";
  EXPECT_EQ(n[4], 0U) << "reads that came back wrong";
  EXPECT_EQ(n[5], 0U) << "numbers out of order";
  EXPECT_EQ(n[6], 1U) << "the guest goes on";
}

TEST_P(GuestRunControl, ResetsTwoHundredTimesAtRandomMoments) {
  const IsolatedResult r = run_isolated(60, [&] {
    GuestMachine m(options("irq_busy"));
    InterruptPort& device = port(m);
    std::minstd_rand random(2);
    unsigned alive = 0;
    {
      const MachineLock::Guard guard(m.system().lock);
      m.machine().start();
    }
    for (unsigned i = 0; i < 200; ++i) {
      m.run_until([] { return false; }, static_cast<double>(random() % 3000) * 1e-6);
      const MachineLock::Guard guard(m.system().lock);
      m.machine().reset(ShutdownCause::HostQmpSystemReset);
      if (i % 20 == 0 && m.run_until([&] { return device.ticks >= 3; }, 5)) ++alive;
    }
    const bool goes_on = m.run_until([&] { return device.ticks >= 20; }, 10);
    const MachineLock::Guard guard(m.system().lock);  // the guest runs on
    return fmt::format("{} {} {}", alive, device.out_of_order, goes_on ? 1 : 0);
  });
  ASSERT_EQ(r.failure(), "");
  EXPECT_EQ(r.result, "10 0 1") << "restarted guests that were seen to run, numbers out of order, the last one runs";
}

TEST_P(GuestRunControl, QuitsWhileApplicationProcessorsWaitForSipi) {
  for (const char* guest : {"halt_masked", "irq_busy"}) {
    const IsolatedResult r = run_isolated(20, [&] {
      const auto began = std::chrono::steady_clock::now();
      {
        GuestMachine m(options(guest, 4));
        {
          const MachineLock::Guard guard(m.system().lock);
          m.machine().start();
        }
        m.run_until([&] { return !m.output().empty() || port(m).ticks > 3; }, 5);
      }
      return fmt::format("{}", std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    });
    ASSERT_EQ(r.failure(), "") << guest;
    EXPECT_LT(std::stod(r.result), 5) << guest;
  }
}

// With the timer in the kernel, port 61h is there too, and a pause that is longer than a period loads both anew.
TEST(KvmTimerInTheKernel, KeepsPort61hOverALongPause) {
  SKIP_WITHOUT_KVM();
  GuestOptions o{.guest = "port61", .accel = {{"kernel-irqchip", "on"}}};
  o.devices = [](Machine& m) { return add_interrupt_board(m); };
  const IsolatedResult r = run_isolated(20, [&] {
    GuestMachine m(o);
    const auto run = [&](bool on) {
      const MachineLock::Guard guard(m.system().lock);
      on ? m.machine().start() : m.machine().stop();
    };
    const auto read = [&](unsigned offset) {
      return static_cast<std::uint32_t>(m.system().memory.load(0x500 + offset, 4));
    };
    run(true);
    if (!m.run_until([&] { return !m.output().empty() && read(4) > 0; }, 10)) return std::string("does not start");
    const std::uint32_t before = read(0) & 3;
    run(false);
    m.run_until([] { return false; }, 0.15);  // a period is 55 ms at most
    const std::uint32_t count = read(4);
    run(true);
    if (!m.run_until([&] { return read(4) > count + 2; }, 10)) return std::string("does not go on");
    return fmt::format("{} {}", before, read(0) & 3);
  });
  ASSERT_EQ(r.failure(), "");
  EXPECT_EQ(r.result, "3 3");
}

INSTANTIATE_FOR_GUESTS(GuestRunControl);

}  // namespace
}  // namespace machina::test
