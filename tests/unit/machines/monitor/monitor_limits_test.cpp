// What a guest or a client may ask for as often as it likes, and what then is held back: events, keys, lines, commands.

#include <gtest/gtest.h>

#include <algorithm>

#include "machines/monitor/human_monitor.h"
#include "tests/support/monitor_fixture.h"

namespace machina::test {
namespace {

class MonitorLimitsTest : public MonitorTest {
 protected:
  void report(const char* event, qom::ValueMap data) {
    const MachineLock::Guard guard(system().lock);
    machine_->report_event(event, std::move(data));
  }
  void step(std::int64_t ns) {
    const MachineLock::Guard guard(system().lock);
    system().clock.step_to(system().clock.now_ns() + ns);
  }
  std::vector<std::string> heard() {
    client_->receive_events();
    return std::exchange(client_->events, {});
  }
};

TEST_F(MonitorLimitsTest, AGuestCannotFloodItsClientsWithAWatchdog) {
  using Events = std::vector<std::string>;
  negotiate();
  for (int i = 0; i < 5; ++i) report("WATCHDOG", {{"action", i < 4 ? "none" : "pause"}});
  EXPECT_EQ(heard(), Events{"WATCHDOG"}) << "the first one, at once";
  step(QmpServer::kEventPeriodNs - 1);
  EXPECT_EQ(heard(), Events{});
  step(1);
  EXPECT_EQ(heard(), Events{"WATCHDOG"});
  EXPECT_EQ(to_json(*member(client_->event_messages.back(), "data")), R"({"action": "pause"})") << "the last one";
  report("WATCHDOG", {{"action", "none"}});
  EXPECT_EQ(heard(), Events{}) << "that one counts as well";
  step(QmpServer::kEventPeriodNs);
  EXPECT_EQ(heard(), Events{"WATCHDOG"});
  step(QmpServer::kEventPeriodNs);
  EXPECT_EQ(heard(), Events{});
  report("WATCHDOG", {{"action", "none"}});
  EXPECT_EQ(heard(), Events{"WATCHDOG"}) << "a quiet one is told of at once";

  for (int i = 0; i < 3; ++i) report("DEVICE_DELETED", {{"path", "/x"}});
  EXPECT_EQ(heard().size(), 3U) << "each of them matters";
  report("WATCHDOG", {{"action", "none"}});
  client_->chardev->frontend()->event(CharFrontend::Event::Closed);
  client_->chardev->frontend()->event(CharFrontend::Event::Opened);
  negotiate();
  step(QmpServer::kEventPeriodNs);
  EXPECT_EQ(heard(), Events{}) << "what waited was for somebody else";
}

TEST_F(MonitorLimitsTest, KeysThatAreHeldAreCounted) {
  negotiate();
  constexpr std::size_t kPresses = MonitorTasks::kMost + 500;
  for (std::size_t i = 0; i < kPresses; ++i)
    run("send-key", R"({"keys": [{"type": "qcode", "data": "a"}], "hold-time": 60000})");
  const auto count = [&](char what) {
    return static_cast<std::size_t>(std::count(panel_->keys.begin(), panel_->keys.end(), what));
  };
  EXPECT_EQ(count('+'), kPresses);
  EXPECT_EQ(count('-'), 500U) << "the oldest are let go early";
}

TEST_F(MonitorLimitsTest, ACommandThatFailsInAnyWayIsAnswered) {
  negotiate();
  run("object-add", R"({"qom-type": "test-plain-object", "id": "x"})");
  EXPECT_EQ(refusal_of("qom-get", R"({"path": "/objects/x", "property": "fragile"})"),
            "GenericError: too long to be told");
  EXPECT_EQ(run("human-monitor-command", R"({"command-line": "qom-get /objects/x fragile"})"),
            Value("Error: too long to be told\r\n"));
}

class HumanMonitorTest : public MonitorTest {
 protected:
  HumanMonitorTest() {
    const MachineLock::Guard guard(system().lock);
    chardev_ = &root_->child("chardevs")->add_new_child<TestChardev>("hmp-chardev");
    chardev_->set_event_loop(system().loop);
    monitor_ = &root_->add_new_child<HumanMonitor>("monitor0");
    monitor_->set_link("chardev", chardev_);
    qom::realize_tree(*chardev_);
    qom::realize_tree(*monitor_);
    machine_->start();
  }
  ~HumanMonitorTest() override {
    const MachineLock::Guard guard(system().lock);
    root_->remove_child(*monitor_);
  }
  TestChardev* chardev_;
  HumanMonitor* monitor_;
};

/// One byte of input can show a line of four thousand again.
TEST_F(HumanMonitorTest, WhoTypesAndDoesNotReadIsHeldBack) {
  chardev_->allow(0);
  const MachineLock::Guard guard(system().lock);
  chardev_->send(std::string(LineEditor::kMaxLine, 'x') + std::string(1000, '\x0c') + "\x15stop\n");
  EXPECT_EQ(machine_->run_state(), RunState::Running) << "the command waits behind what was shown";
  chardev_->allow(std::numeric_limits<std::size_t>::max());
  EXPECT_EQ(machine_->run_state(), RunState::Paused);
  EXPECT_GT(chardev_->written.size(), 1000 * LineEditor::kMaxLine) << "nothing is lost";
}

}  // namespace
}  // namespace machina::test
