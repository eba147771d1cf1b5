// Trace events at monitors: switched by QMP and by a person, shown to the person who asked.

#include "machines/monitor/monitor_trace.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <thread>

#include "core/trace/trace_output.h"
#include "machines/monitor/human_monitor.h"
#include "tests/support/monitor_fixture.h"

namespace machina::test {
namespace {

const TraceEvent<unsigned> montest_plain{"montest_plain", "n={}"};
const TraceEvent<unsigned> montest_vcpu{"montest_vcpu", "cpu={}", TraceScope::Vcpu};

class MonitorTraceTest : public MonitorTest {
 protected:
  MonitorTraceTest() {
    trace::reset();
    const MachineLock::Guard guard(system().lock);
    chardev_ = &root_->child("chardevs")->add_new_child<TestChardev>("hmp-chardev");
    chardev_->set_event_loop(system().loop);
    monitor_ = &root_->add_new_child<HumanMonitor>("monitor0");
    monitor_->set_link("chardev", chardev_);
    qom::realize_tree(*chardev_);
    qom::realize_tree(*monitor_);
    chardev_->written.clear();
  }
  ~MonitorTraceTest() override {
    const MachineLock::Guard guard(system().lock);
    root_->remove_child(*monitor_);
    trace::reset();
  }
  /// What a line prints, without its echo and the prompt behind.
  std::string type(const std::string& line) {
    const MachineLock::Guard guard(system().lock);
    chardev_->send(line + "\n");
    std::string text = std::exchange(chardev_->written, {});
    EXPECT_TRUE(text.starts_with(line + "\r\n") && text.ends_with("(qemu) ")) << text;
    return text.substr(line.size() + 2, text.size() - line.size() - 2 - 7);
  }
  std::string shown() {
    system().loop.poll();
    return std::exchange(chardev_->written, {});
  }
  std::string state(const char* arguments) { return to_json(run("trace-event-get-state", arguments)); }

  TestChardev* chardev_;
  HumanMonitor* monitor_;
};

TEST_F(MonitorTraceTest, ClientsSwitchByNameAndPattern) {
  negotiate();
  EXPECT_EQ(state(R"({"name": "montest_plain"})"),
            R"([{"name": "montest_plain", "state": "disabled", "vcpu": false}])");
  run("trace-event-set-state", R"({"name": "montest_*", "enable": true})");
  EXPECT_TRUE(montest_plain.on() && montest_vcpu.on());
  EXPECT_EQ(state(R"({"name": "montest_*"})"), R"([{"name": "montest_plain", "state": "enabled", "vcpu": false}, )"
                                               R"({"name": "montest_vcpu", "state": "enabled", "vcpu": true}])");
  run("trace-event-set-state", R"({"name": "montest_plain", "enable": false, "ignore-unavailable": true})");
  EXPECT_FALSE(montest_plain.on());
  run("trace-event-set-state", R"({"name": "montest_vcpu", "enable": false, "vcpu": 1})");
  EXPECT_EQ(state(R"({"name": "montest_*", "vcpu": 0})"),
            R"([{"name": "montest_vcpu", "state": "enabled", "vcpu": true}])");
  EXPECT_EQ(state(R"({"name": "montest_*", "vcpu": 1})"),
            R"([{"name": "montest_vcpu", "state": "disabled", "vcpu": true}])");
  EXPECT_EQ(state(R"({"name": "nonsense*"})"), "[]");
  EXPECT_EQ(refusal_of("trace-event-get-state", R"({"name": "nonsense"})"), "GenericError: unknown event \"nonsense\"");
  EXPECT_EQ(refusal_of("trace-event-set-state", R"({"name": "montest_plain", "enable": true, "vcpu": 0})"),
            "GenericError: event \"montest_plain\" is not vCPU-specific");
  EXPECT_EQ(refusal_of("trace-event-set-state", R"({"name": "montest_vcpu", "enable": true, "vcpu": 9})"),
            "GenericError: invalid vCPU index 9");
}

TEST_F(MonitorTraceTest, APersonSwitchesAndIsToldOfTheNearest) {
  EXPECT_EQ(type("info trace-events montest_*"), "montest_plain : state 0\r\nmontest_vcpu : state 0\r\n");
  EXPECT_EQ(type("trace-event montest_plain on"), "");
  EXPECT_EQ(type("info trace-events montest_*"), "montest_plain : state 1\r\nmontest_vcpu : state 0\r\n");
  EXPECT_EQ(type("trace-event montest_vcpu on 1"), "");
  EXPECT_EQ(type("info trace-events montest_* 0"), "montest_vcpu : state 0\r\n");
  EXPECT_EQ(type("info trace-events montest_* 1"), "montest_vcpu : state 1\r\n");
  EXPECT_EQ(type("trace-event montest_* off"), "");
  EXPECT_FALSE(montest_plain.on() || montest_vcpu.on());
  EXPECT_EQ(type("trace-event motnest_* on"), "no trace event matches 'motnest_*': did you mean 'montest_*'?\r\n");
  EXPECT_EQ(type("trace-event nonsense on"), "Error: unknown event \"nonsense\"\r\n");
  EXPECT_NE(type("trace-event montest_plain maybe").find("expected 'on' or 'off'"), std::string::npos);
}

TEST_F(MonitorTraceTest, APersonChoosesTheFile) {
  const std::string path = testing::TempDir() + "monitor-trace";
  EXPECT_EQ(type("trace-file"), "Trace file \"the log\" on.\r\n");
  EXPECT_EQ(type("trace-file set " + path), "");
  EXPECT_EQ(type("trace-file off"), "");
  EXPECT_EQ(type("trace-file"), "Trace file \"" + path + "\" off.\r\n");
  EXPECT_EQ(type("trace-file on"), "");
  EXPECT_EQ(type("trace-event montest_plain on"), "");
  montest_plain(7U);
  EXPECT_EQ(type("trace-file flush"), "");
  EXPECT_GT(std::filesystem::file_size(path), 0U);
  EXPECT_NE(type("trace-file set " + path + "/no").find("Error: cannot write trace file"), std::string::npos);
  EXPECT_EQ(type("trace-file nonsense"), "Error: unexpected argument \"nonsense\"\r\n");
  EXPECT_EQ(type("trace-file set"), "");
  EXPECT_EQ(trace::file(), "");
  std::filesystem::remove(path);
}

TEST_F(MonitorTraceTest, EventsAreShownAboveTheLineThatIsTyped) {
  EXPECT_EQ(type("trace-event -m montest_plain on"), "");
  {
    const MachineLock::Guard guard(system().lock);
    chardev_->send("info st");
  }
  shown();
  std::thread([] { montest_plain(1U); }).join();
  montest_plain(2U);
  const std::string text = shown();
  EXPECT_TRUE(text.starts_with("\r\033[K")) << text;
  EXPECT_TRUE(text.ends_with(" montest_plain n=2\r\n(qemu) info st")) << text;
  EXPECT_NE(text.find(" montest_plain n=1\r\n"), std::string::npos) << text;
  EXPECT_TRUE(logged_.empty()) << "the log has not asked";
  // Off is off for everybody.
  negotiate();
  run("trace-event-set-state", R"({"name": "montest_plain", "enable": false})");
  EXPECT_FALSE(montest_plain.on());
}

TEST_F(MonitorTraceTest, WhoGoesHasAskedForNothing) {
  type("trace-event -m montest_* on");
  {
    const MachineLock::Guard guard(system().lock);
    chardev_->frontend()->event(CharFrontend::Event::Closed);
  }
  EXPECT_FALSE(montest_plain.on());
  {
    const MachineLock::Guard guard(system().lock);
    chardev_->frontend()->event(CharFrontend::Event::Opened);
  }
  montest_plain(1U);
  EXPECT_EQ(shown().find("montest"), std::string::npos);
}

TEST_F(MonitorTraceTest, WhoDoesNotReadLosesEventsAndIsTold) {
  type("trace-event -m montest_plain on");
  chardev_->allow(0);
  for (unsigned i = 0; i < 20'000; ++i) {
    montest_plain(i);
    if (i % 100 == 0) system().loop.poll();
  }
  {
    const MachineLock::Guard guard(system().lock);
    chardev_->allow(std::numeric_limits<std::size_t>::max());
  }
  const std::string text = shown();
  EXPECT_NE(text.find(" trace events were dropped here)\r\n(qemu) "), std::string::npos);
  EXPECT_LT(text.size(), 2 * MonitorTrace::kLimit);
  EXPECT_GT(text.size(), MonitorTrace::kLimit / 2);
  montest_plain(0U);
  EXPECT_NE(shown().find("montest_plain n=0\r\n"), std::string::npos);
}

TEST_F(MonitorTraceTest, AClientHasNoPlaceForThem) {
  negotiate();
  const Value answer = run("human-monitor-command", R"({"command-line": "trace-event -m montest_plain on"})");
  EXPECT_EQ(answer.to_string(), "Error: this monitor cannot show trace events: leave out -m\r\n");
}

}  // namespace
}  // namespace machina::test
