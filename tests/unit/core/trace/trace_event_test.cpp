#include "core/trace/trace_event.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/trace/trace_control.h"
#include "tests/support/test_paths.h"
#include "tests/support/trace_capture.h"

namespace machina {
namespace {

using test::TraceCapture;

const TraceEvent<> probe_plain{"probe_plain", ""};
const TraceEvent<std::uint8_t, std::int64_t, bool, std::string_view> probe_typed{"probe_typed",
                                                                                 "addr={:#04x} by={} on={:d} who={}"};
const TraceEvent<unsigned> probe_vcpu{"probe_vcpu", "cpu={}", TraceScope::Vcpu};

using Lines = std::vector<std::string>;

struct TraceTest : testing::Test {
  TraceTest() { trace::reset(); }
  ~TraceTest() override { trace::reset(); }
};

TEST_F(TraceTest, IsOffUntilAskedForAndThenSaysEachArgumentByName) {
  TraceCapture none({"probe_plain"});
  probe_typed(std::uint8_t{1}, 2, false, "x");
  EXPECT_EQ(none.take(), Lines{});
  TraceCapture capture({"probe_typed"});
  probe_typed(std::uint8_t{0x60}, -5, true, std::string("uart"));
  probe_plain();
  EXPECT_EQ(capture.take(), Lines{"probe_typed addr=0x60 by=-5 on=1 who=uart"});
  EXPECT_EQ(none.take(), Lines{"probe_plain"});
}

TEST_F(TraceTest, WhatIsDearIsNotAskedForWhenOff) {
  int asked = 0;
  const auto name = [&] { return ++asked, std::string("a name too long for a small string to hold it"); };
  probe_typed(std::uint8_t{0}, 0, false, name);
  EXPECT_EQ(asked, 0);
  TraceCapture capture({"probe_*"});
  probe_typed(std::uint8_t{0}, 0, false, name);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(capture.take(), Lines{"probe_typed addr=0x00 by=0 on=0 who=a name too long for a small string to hold it"});
}

TEST_F(TraceTest, NothingThatAGuestNamesLeavesItsLine) {
  TraceCapture capture({"probe_typed"});
  probe_typed(std::uint8_t{0}, 0, false, "a\nb\x1b[2J");
  EXPECT_EQ(capture.take(), Lines{"probe_typed addr=0x00 by=0 on=0 who=a?b?[2J"});
}

TEST_F(TraceTest, TheLastPatternThatMatchesCounts) {
  std::size_t seen = 0;
  const trace::SinkId viewer = trace::add_viewer([&](std::string_view) { ++seen; }).value();
  EXPECT_EQ(trace::enable("probe_*", true, viewer), 3U);
  EXPECT_EQ(trace::enable("probe_pl?in", false, viewer), 1U);
  EXPECT_EQ(trace::enable("nothing_such", true, viewer), 0U);
  probe_plain();
  EXPECT_EQ(seen, 0U);
  probe_vcpu(0U);
  EXPECT_EQ(seen, 1U);
  EXPECT_EQ(trace::enable("*", false, trace::kEverySink), trace::list().size());
  probe_vcpu(0U);
  EXPECT_EQ(seen, 1U);
  trace::remove_viewer(viewer);
}

// What a plugin does that is loaded, and let go again.
TEST_F(TraceTest, EventsComeAndGoAndRulesWaitForThem) {
  TraceCapture capture({"probe_plain"});
  const trace::SinkId other = trace::add_viewer([](std::string_view) {}).value();
  trace::enable("late_*", true, other);
  EXPECT_TRUE(trace::list("late_*").empty());
  {
    const TraceEvent<unsigned> late_event{"late_event", "x={}"};
    const TraceEvent<> late_second{"late_second", ""};
    EXPECT_TRUE(late_event.on());
    EXPECT_EQ(trace::list("late_*").size(), 2U);
  }
  EXPECT_TRUE(trace::list("late_*").empty());
  trace::remove_viewer(other);
  const TraceEvent<> late_third{"late_third", ""};
  EXPECT_FALSE(late_third.on()) << "nobody is left who wants it";
}

TEST_F(TraceTest, TheListTellsNamesTypesAndState) {
  TraceCapture capture({"probe_typed"});
  const auto events = trace::list("probe_*");
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].name, "probe_plain");
  EXPECT_EQ(events[0].arguments, "");
  EXPECT_FALSE(events[0].on);
  EXPECT_EQ(events[1].arguments, "addr=<uint8> by=<int64> on=<bool> who=<str>");
  EXPECT_TRUE(events[1].on);
  EXPECT_EQ(events[2].scope, TraceScope::Vcpu);
  EXPECT_NE(trace::help().find("\nprobe_typed addr=<uint8> by=<int64> on=<bool> who=<str>\n"), std::string::npos);
}

TEST_F(TraceTest, EveryEventOfTheProgramIsNamedOnceAndAfterItsDevice) {
  const auto events = trace::list();
  EXPECT_GT(events.size(), 10U);
  for (std::size_t i = 1; i < events.size(); ++i) EXPECT_NE(events[i - 1].name, events[i].name);
}

TEST_F(TraceTest, APatternThatMatchesNothingIsToldTheNearest) {
  std::vector<std::string> said;
  log::set_sink([&](log::Level, bool, std::string_view line) { said.emplace_back(line); });
  trace::enable_item("prboe_*");
  trace::enable_item("probe_plian");
  trace::enable_item("-zzzzzzzzzzzzzzzzzzzz");
  log::set_sink({});
  EXPECT_EQ(said, (Lines{"warning: no trace event matches 'prboe_*': did you mean 'probe_*'?",
                         "warning: no trace event matches 'probe_plian': did you mean 'probe_plain'?",
                         "warning: no trace event matches 'zzzzzzzzzzzzzzzzzzzz'"}));
  EXPECT_THROW(trace::enable_item(""), Error);
  EXPECT_THROW(trace::enable_item("-"), Error);
}

TEST_F(TraceTest, AListOfPatternsIsRead) {
  const std::string path = testing::TempDir() + "trace-events";
  std::ofstream(path) << "# what I look at\n\n  probe_*  \r\n-probe_plain\n";
  trace::enable_from_file(path);
  std::filesystem::remove(path);
  EXPECT_TRUE(probe_typed.on());
  EXPECT_TRUE(probe_vcpu.on());
  EXPECT_FALSE(probe_plain.on());
  EXPECT_THROW(trace::enable_from_file(path), Error);
  EXPECT_THROW(trace::enable_from_file(testing::TempDir()), Error);
}

TEST_F(TraceTest, OneVcpuCanBeAskedForAlone) {
  std::vector<std::string> seen;
  const trace::SinkId viewer = trace::add_viewer([&](std::string_view line) { seen.emplace_back(line); }).value();
  // The others are of no vCPU.
  EXPECT_EQ(trace::enable_of_vcpu("probe_*", true, 2, viewer), 1U);
  EXPECT_FALSE(probe_plain.on());
  for (unsigned n = 0; n < 4; ++n) {
    std::thread([n] {
      trace::this_thread_runs_vcpu(n);
      probe_vcpu(n);
    }).join();
  }
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_TRUE(seen[0].ends_with(" cpu2 probe_vcpu cpu=2")) << seen[0];
  EXPECT_EQ(trace::enable_of_vcpu("probe_vcpu", false, 2, viewer), 1U);
  EXPECT_FALSE(probe_vcpu.on());
  EXPECT_THROW(trace::enable_of_vcpu("probe_vcpu", true, 64, viewer), Error);
  trace::remove_viewer(viewer);
}

TEST_F(TraceTest, LinesCarryTheMachinesTimeAndTheThread) {
  std::vector<std::string> seen;
  const trace::SinkId viewer = trace::add_viewer([&](std::string_view line) { seen.emplace_back(line); }).value();
  trace::enable("probe_plain", true, viewer);
  {
    Clock clock(ClockKind::Virtual);
    clock.make_manual(0);
    clock.step_to(1'000'000'042);
    trace::set_clock(&clock);
    probe_plain();
    trace::forget_clock(&clock);
  }
  probe_plain();
  trace::remove_viewer(viewer);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0], "1.000000042 main probe_plain");
  EXPECT_TRUE(std::regex_match(seen[1], std::regex(R"(\d+\.\d{9} main probe_plain)"))) << seen[1];
}

TEST_F(TraceTest, WhoPassesLinesOnMakesNone) {
  TraceCapture capture({"probe_plain"});
  {
    const trace::Quiet quiet;
    { const trace::Quiet again; }
    probe_plain();
  }
  EXPECT_EQ(capture.take(), Lines{});
  probe_plain();
  EXPECT_EQ(capture.take().size(), 1U);
}

// docs/tracing.md.
const TraceEvent<std::string_view, unsigned, std::uint32_t> fan_write{"fan_write", "fan={} reg={:#04x} value={:#x}"};

struct Fan {
  std::string path() const { return "/machine/fan"; }
  void write(unsigned reg, std::uint32_t value) {
    fan_write([this] { return path(); }, reg, value);
  }
};

TEST_F(TraceTest, TheExampleOfTheDocumentation) {
  std::string said;
  const trace::SinkId viewer = trace::add_viewer([&](std::string_view line) { said = line; }).value();
  trace::enable("fan_*", true, viewer);
  Clock clock(ClockKind::Virtual);
  trace::set_clock(&clock);
  Fan().write(2, 0x1f);
  trace::forget_clock(&clock);
  trace::remove_viewer(viewer);
  std::ifstream in(test::source_dir() / "docs/tracing.md");
  std::stringstream page;
  page << in.rdbuf();
  EXPECT_NE(page.str().find("\n" + said + "\n"), std::string::npos) << said;
}

/// With MACHINA_UPDATE_DOCS=1 the list is written anew instead.
TEST_F(TraceTest, TheDocumentationListsEveryEvent) {
  const auto path = test::source_dir() / "docs/tracing.md";
  std::stringstream page;
  page << std::ifstream(path).rdbuf();
  const std::string marker = "made from the declarations:\n\n```\n";
  const std::size_t at = page.str().find(marker);
  ASSERT_NE(at, std::string::npos);
  std::string text = page.str().substr(0, at) + marker;
  std::istringstream help(trace::help());
  for (std::string line; std::getline(help, line);) {
    // Those of tests are in this program as well.
    const auto of = [&line](const char* prefix) { return line.starts_with(prefix); };
    if (!of("probe_") && !of("fan_") && !of("log_test_") && !of("output_probe") && !of("montest_")) text += line + "\n";
  }
  text += "```\n";
  if (std::getenv("MACHINA_UPDATE_DOCS")) std::ofstream(path) << text;
  EXPECT_TRUE(page.str() == text || std::getenv("MACHINA_UPDATE_DOCS"))
      << "run this test with MACHINA_UPDATE_DOCS=1 to write the list in docs/tracing.md anew";
}

TEST_F(TraceTest, ViewersAreLimitedInNumber) {
  std::vector<trace::SinkId> viewers;
  while (const auto viewer = trace::add_viewer([](std::string_view) {})) viewers.push_back(*viewer);
  EXPECT_EQ(viewers.size(), 31U);
  for (const trace::SinkId viewer : viewers) trace::remove_viewer(viewer);
  const auto again = trace::add_viewer([](std::string_view) {});
  ASSERT_TRUE(again);
  trace::remove_viewer(*again);
}

TEST(TraceThread, EventsAreReportedWhileTheyAreSwitched) {
  trace::reset();
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> seen{0};
  const trace::SinkId viewer = trace::add_viewer([&](std::string_view) { ++seen; }).value();
  std::vector<std::thread> threads;
  for (unsigned n = 0; n < 2; ++n) {
    threads.emplace_back([&, n] {
      trace::this_thread_runs_vcpu(n);
      while (!done) {
        probe_typed(std::uint8_t{1}, 2, true, "x");
        probe_vcpu(n);
      }
    });
  }
  threads.emplace_back([&] {
    while (!done) {
      const TraceEvent<> probe_passing{"probe_passing", ""};
      probe_passing();
      (void)trace::list("probe_*");
    }
  });
  // As long as it takes for lines to come through while all that goes on.
  for (unsigned round = 0; round < 200 || seen < 100; ++round) {
    trace::enable("probe_*", round % 2 == 0, viewer);
    trace::enable_of_vcpu("probe_*", true, 1, viewer);
    if (round % 50 == 49) {
      const trace::SinkId passing = trace::add_viewer([](std::string_view) {}).value();
      trace::enable("*", true, passing);
      trace::remove_viewer(passing);
    }
    std::this_thread::yield();
  }
  done = true;
  for (std::thread& t : threads) t.join();
  trace::remove_viewer(viewer);
  EXPECT_FALSE(probe_typed.on());
  trace::reset();
}

}  // namespace
}  // namespace machina
