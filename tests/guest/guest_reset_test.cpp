/// Every way to reset a PC, and to put it to sleep and wake it up, with a guest that looks around afterwards.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "hw/input/i8042.h"
#include "tests/support/guest_test.h"
#include "tests/support/interrupt_board.h"

namespace machina::test {
namespace {

class GuestReset : public GuestTest {
 protected:
  static GuestOptions options(const std::string& guest, unsigned cpus = 1) {
    GuestOptions o = GuestTest::options(guest, cpus);
    o.no_reboot = false;
    o.devices = [](Machine& m) { return add_interrupt_board(m, {.pm = true, .pci = true, .keyboard = true}); };
    return o;
  }
};

TEST_P(GuestReset, EveryWayIsTheWholeMachines) {
  const IsolatedResult r = run_isolated(30, [&] {
    GuestMachine m(options("reset_paths", 2));
    unsigned resets = 0, others = 0;
    {
      const MachineLock::Guard guard(m.system().lock);
      m.machine().add_observer([&](const Machine::EventData& event) {
        if (event.event != Machine::Event::Reset) return;
        ++(event.cause == ShutdownCause::GuestReset ? resets : others);
      });
    }
    const int code = m.run();
    const MachineLock::Guard guard(m.system().lock);
    return fmt::format("{} {} {}\n{}", code, resets, others, m.output());
  });
  ASSERT_EQ(r.failure(), "");
  // CF9h hard, CPU only, full; port 92h; the keyboard controller's pulse and output port; the 440FX; triple fault.
  constexpr const char* kIntact = "abcdefghijklm";
  std::string expected = "1 8 0\n";
  for (unsigned way = 0; way <= 8; ++way) expected += fmt::format("{}{}", kIntact, way);
  EXPECT_EQ(r.result, expected);
}

// Nobody stops virtual time for it.
TEST_P(GuestReset, TimeStampCountersAreEqualAfterOneOfARunningMachine) {
  const IsolatedResult r = run_isolated(30, [&] {
    GuestMachine m(options("hello", 3));
    m.machine().no_shutdown = true;
    const MachineLock::Guard guard(m.system().lock);
    m.machine().start();
    m.machine().reset(ShutdownCause::HostQmpSystemReset);
    m.machine().stop();
    std::string text;
    const std::uint64_t first = m.cpu(0).state().msr(0x10);
    for (unsigned n = 1; n < 3; ++n)
      if (const std::uint64_t tsc = m.cpu(n).state().msr(0x10); tsc != first)
        text += fmt::format("cpu {}: {}, the first {}\n", n, tsc, first);
    return text;
  });
  ASSERT_EQ(r.failure(), "");
  EXPECT_EQ(r.result, "");
}

TEST_P(GuestReset, NoRebootEndsTheMachineInsteadOfEachReset) {
  GuestOptions o = options("reset_paths");
  o.no_reboot = true;
  const GuestRun run = run_guest(o);
  EXPECT_EQ(run.failure, "");
  EXPECT_EQ(run.output, "abcdefghijklm0");
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.run_state, "shutdown");
}

TEST_P(GuestReset, SleepsAndIsWokenUp) {
  const IsolatedResult r = run_isolated(40, [&] {
    GuestMachine m(options("sleep"));
    Machine& machine = m.machine();
    std::string events;
    const auto locked = [&](auto&& work) {
      const MachineLock::Guard guard(m.system().lock);
      return work();
    };
    const auto key = [&](bool down) {
      dynamic_cast<I8042&>(*qom::resolve_path(machine.root(), "i8042")).key(QKeyCode::A, down);
    };
    // By events, since a late guest may find that its alarm has been already, and does not rest.
    const auto happens = [&](char event, long times) {
      return m.run_until([&] { return std::count(events.begin(), events.end(), event) >= times; }, 10);
    };
    long sleeps_so_far = 0, wakes_so_far = 0;
    const auto sleeps = [&] { return happens('s', ++sleeps_so_far) ? "" : "does not sleep\n"; };
    const auto wakes = [&] { return happens('w', ++wakes_so_far) ? "" : "does not wake\n"; };
    const auto stays_asleep = [&](double seconds) {
      return m.run_until([&] { return machine.run_state() != RunState::Suspended; }, seconds) ? "woke up\n" : "";
    };
    locked([&] {
      machine.add_observer([&](const Machine::EventData& event) {
        if (event.event == Machine::Event::Suspend) events += 's';
        if (event.event == Machine::Event::Wakeup) events += 'w';
        if (event.event == Machine::Event::Reset) events += 'r';
        if (event.event == Machine::Event::Shutdown) events += event.cause == ShutdownCause::GuestShutdown ? 'e' : '?';
      });
      machine.start();
    });
    std::string wrong;
    wrong += sleeps();
    wrong += wakes();  // by the alarm
    wrong += sleeps();
    wrong += stays_asleep(1.2);  // an alarm that is not enabled
    locked([&] { machine.power_down(); });
    wrong += wakes();
    wrong += sleeps();
    locked([&] { key(true), key(false); });
    wrong += wakes();
    wrong += sleeps();
    locked([&] { key(true), key(false); });
    wrong += stays_asleep(0.05);  // a key that is not enabled
    locked([&] { machine.request_wakeup("other"); });
    wrong += wakes();
    wrong += sleeps();
    // Paused and let go again it sleeps on.
    locked([&] { machine.stop(), machine.start(); });
    wrong += stays_asleep(0.05);
    // A reset is no waking up: it leaves a fresh machine, which waits.
    locked([&] { machine.reset(ShutdownCause::HostQmpSystemReset), machine.start(); });
    m.run_until([&] { return machine.run_state() == RunState::Shutdown; }, 10);
    return locked([&] { return fmt::format("{}{}\n{}", wrong, events, m.output()); });
  });
  ASSERT_EQ(r.failure(), "");
  // WAK_STS is bit 15, RTC_STS bit 10, PWRBTN_STS bit 8; the enable registers are reset. The reset's start finds none.
  EXPECT_EQ(r.result,
            "swswswswsre\n"
            "S 0000 0000 0000 \n"
            "W 8400 0000 0000 \n"
            "W 8500 0000 0000 \n"
            "W 8000 0000 0010 \n"
            "W 8000 0000 0010 \n"
            "R 0000 0000 0000 \n");
}

INSTANTIATE_FOR_GUESTS(GuestReset);

}  // namespace
}  // namespace machina::test
