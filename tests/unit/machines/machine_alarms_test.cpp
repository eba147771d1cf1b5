// What becomes of a guest in trouble: actions, run states, and the events that QEMU's monitor has for them.

#include <gtest/gtest.h>

#include "tests/support/monitor_fixture.h"

namespace machina::test {
namespace {

class MachineAlarms : public MonitorTest {
 protected:
  MachineAlarms() { negotiate(); }
  void start() {
    {
      const MachineLock::Guard guard(system().lock);
      machine_->start();
    }
    settle();
  }
  template <class Alarm>
  void raise(Alarm alarm) {
    client_->events.clear();
    client_->event_messages.clear();
    {
      const MachineLock::Guard guard(system().lock);
      (guest_alarms(system().control)->*alarm)();
    }
    settle();
  }
  void panic() { raise(&GuestAlarms::guest_panicked); }
  void bite() { raise(&GuestAlarms::watchdog_expired); }
  std::string action() {
    if (client_->event_messages.empty()) return "no event";
    const Value* data = member(client_->event_messages.front(), "data");
    return data && member(*data, "action") ? member(*data, "action")->to_string() : "no action";
  }
  using Events = std::vector<std::string>;
};

TEST_F(MachineAlarms, APanicEndsTheMachine) {
  start();
  panic();
  EXPECT_EQ(client_->events, (Events{"GUEST_PANICKED", "SHUTDOWN"}));
  EXPECT_EQ(action(), "poweroff");
  const Value* data = member(client_->event_messages.back(), "data");
  EXPECT_EQ(to_json(*data), R"({"guest": true, "reason": "guest-panic"})");
  EXPECT_EQ(machine_->run_state(), RunState::Shutdown);
  EXPECT_EQ(machine_->run(), 0) << "the loop has been told to end";
}

TEST_F(MachineAlarms, APanicMayBeAFailureOfTheProcess) {
  run("set-action", R"({"panic": "exit-failure"})");
  start();
  panic();
  EXPECT_EQ(action(), "poweroff");
  EXPECT_EQ(machine_->run(), 1);
}

TEST_F(MachineAlarms, APanicMayKeepTheMachineForALook) {
  for (const char* how : {R"({"panic": "pause"})", R"({"panic": "shutdown", "shutdown": "pause"})"}) {
    run("set-action", how);
    start();
    panic();
    EXPECT_EQ(client_->events, (Events{"GUEST_PANICKED", "STOP"}));
    EXPECT_EQ(action(), "pause");
    EXPECT_EQ(machine_->run_state(), RunState::GuestPanicked);
    EXPECT_EQ(member(run("query-status"), "status")->to_string(), "guest-panicked");
  }
  run("cont");
  EXPECT_EQ(machine_->run_state(), RunState::Running);
}

TEST_F(MachineAlarms, APanicMayBeItsOwnAffair) {
  run("set-action", R"({"panic": "none"})");
  start();
  panic();
  EXPECT_EQ(client_->events, (Events{"GUEST_PANICKED"}));
  EXPECT_EQ(action(), "run");
  EXPECT_EQ(machine_->run_state(), RunState::Running);
}

TEST_F(MachineAlarms, ACrashWithAnotherKernelIsNews) {
  start();
  raise(&GuestAlarms::guest_crash_loaded);
  EXPECT_EQ(client_->events, (Events{"GUEST_CRASHLOADED"}));
  EXPECT_EQ(action(), "run");
  EXPECT_EQ(machine_->run_state(), RunState::Running);
}

TEST_F(MachineAlarms, AWatchdogDoesAsItIsTold) {
  const auto after = [this](const char* chosen) {
    {
      // Clients hear of one a second.
      const MachineLock::Guard guard(system().lock);
      system().clock.step_to(system().clock.now_ns() + QmpServer::kEventPeriodNs);
    }
    run("watchdog-set-action", fmt::format(R"({{"action": "{}"}})", chosen));
    start();
    bite();
    EXPECT_EQ(action(), chosen);
    return client_->events;
  };
  start();
  bite();
  EXPECT_EQ(client_->events, (Events{"WATCHDOG", "RESET"}));
  EXPECT_EQ(action(), "reset");
  EXPECT_EQ(machine_->run_state(), RunState::Running);
  EXPECT_EQ(after("none"), (Events{"WATCHDOG"}));
  EXPECT_EQ(after("debug"), (Events{"WATCHDOG"}));
  EXPECT_FALSE(logged_.empty());
  EXPECT_EQ(after("shutdown"), (Events{"WATCHDOG", "POWERDOWN"}));
  EXPECT_EQ(panel_->presses, 1);
  EXPECT_EQ(after("pause"), (Events{"WATCHDOG", "STOP"}));
  EXPECT_EQ(machine_->run_state(), RunState::Watchdog);
  EXPECT_EQ(member(run("query-status"), "status")->to_string(), "watchdog");
  EXPECT_EQ(after("inject-nmi"), (Events{"WATCHDOG"}));
  EXPECT_EQ(machine_->run_state(), RunState::Running);
  EXPECT_EQ(after("poweroff"), (Events{"WATCHDOG", "SHUTDOWN"}));
  EXPECT_EQ(machine_->run_state(), RunState::Shutdown);
}

TEST_F(MachineAlarms, ActionsOfResetAndShutdownCanChange) {
  run("set-action", R"({"reboot": "shutdown"})");
  EXPECT_TRUE(machine_->no_reboot);
  EXPECT_FALSE(machine_->no_shutdown);
  run("set-action", R"({"reboot": "reset", "shutdown": "pause", "watchdog": "none"})");
  EXPECT_FALSE(machine_->no_reboot);
  EXPECT_TRUE(machine_->no_shutdown);
  EXPECT_EQ(machine_->actions.watchdog, WatchdogAction::None);
  run("set-action", "{}");
  EXPECT_TRUE(machine_->no_shutdown);
  EXPECT_TRUE(refusal_of("set-action", R"({"panic": "maybe"})").starts_with("GenericError: "));
  EXPECT_TRUE(refusal_of("watchdog-set-action", "{}").starts_with("GenericError: "));
}

// How often a watchdog expires is the guest's to say.
TEST_F(MachineAlarms, AWatchdogDoesNotFloodTheLog) {
  run("set-action", R"({"watchdog": "debug"})");
  start();
  std::vector<std::string> lines;
  log::set_sink([&](log::Level, bool, std::string_view line) { lines.emplace_back(line); });
  {
    const MachineLock::Guard guard(system().lock);
    for (int i = 0; i < 1000; ++i) guest_alarms(system().control)->watchdog_expired();
  }
  log::set_sink({});
  const auto told = std::count_if(lines.begin(), lines.end(),
                                  [](const std::string& line) { return line.find("watchdog") != std::string::npos; });
  EXPECT_GE(told, 1);
  EXPECT_LT(told, 100);
  settle();
}

}  // namespace
}  // namespace machina::test
