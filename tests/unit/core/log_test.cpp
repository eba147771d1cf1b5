#include "core/log.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/trace/trace_control.h"
#include "core/trace/trace_output.h"
#include "core/units.h"
#include "qom/error.h"

namespace machina {
namespace {

struct LogTest : testing::Test {
  LogTest() {
    log::reset();
    log::set_sink([this](log::Level, bool logged, std::string_view line) {
      lines.push_back((logged ? "log|" : "msg|") + std::string(line));
    });
  }
  ~LogTest() override {
    log::set_sink({});
    log::reset();
  }
  std::vector<std::string> lines;
};

TEST_F(LogTest, MessagesCarryTheirLevel) {
  log::info("plain {}", 1);
  log::warning("disk {} is odd", "a");
  log::error("no");
  EXPECT_EQ(lines, (std::vector<std::string>{"msg|plain 1", "msg|warning: disk a is odd", "msg|error: no"}));
}

TEST_F(LogTest, BracesInAMessageAreNoFormat) {
  log::warning("{}", "a {} b {0}");
  EXPECT_EQ(lines.at(0), "msg|warning: a {} b {0}");
}

TEST_F(LogTest, CategoriesAreOffUntilEnabled) {
  log::write(log::Category::Int, "v={:02x}", 8);
  log::guest_error("i8042", "command {:#x}", 0xd7);
  log::unimp("i8254", "mode {}", 9);
  EXPECT_TRUE(lines.empty());
  log::enable("guest_errors,int");
  EXPECT_TRUE(log::on(log::Category::Int));
  EXPECT_FALSE(log::on(log::Category::Unimp));
  log::write(log::Category::Int, "v={:02x}", 8);
  log::guest_error("i8042", "command {:#x}", 0xd7);
  log::unimp("i8254", "mode {}", 9);
  EXPECT_EQ(lines, (std::vector<std::string>{"log|v=08", "log|i8042: guest error: command 0xd7"}));
  log::enable("unimp");
  log::unimp("i8254", "mode {}", 9);
  EXPECT_EQ(lines.back(), "log|i8254: not modelled: mode 9");
}

TEST_F(LogTest, UnknownItemNamesTheNearestAndEnablesNothing) {
  try {
    log::enable("int,guest_error");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "no such log item: 'guest_error'");
    EXPECT_NE(e.advice().find("guest_errors"), std::string::npos) << e.what();
  }
  EXPECT_FALSE(log::on(log::Category::Int));
  EXPECT_THROW(log::enable("trace:"), Error);
}

TEST_F(LogTest, HelpNamesEveryItem) {
  const std::string text = log::help();
  for (const char* item : {"guest_errors", "unimp", "int", "exit", "mmu", "cpu_reset", "in_asm", "trace:PATTERN"})
    EXPECT_NE(text.find(item), std::string::npos) << item;
}

TEST_F(LogTest, TraceItemsAreTraceEvents) {
  static const TraceEvent<unsigned> log_test_event{"log_test_event", "value={}"};
  log_test_event(1U);
  log::enable("trace:log_test_*");
  log_test_event(2U);
  ASSERT_TRUE(trace::flush(10000));
  trace::reset();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].starts_with("log|")) << lines[0];
  EXPECT_TRUE(lines[0].ends_with(" log_test_event value=2")) << lines[0];
}

TEST_F(LogTest, WarnsOncePerKey) {
  for (int i = 0; i < 3; ++i) log::warn_once("msr-0x10a", "MSR 0x10a is refused");
  log::warn_once("other", "something else");
  EXPECT_EQ(lines.size(), 2U);
  for (int i = 0; i < 5000; ++i) log::warn_once(std::to_string(i), "k");
  EXPECT_LE(lines.size(), 1000U);
}

TEST_F(LogTest, AGuestCannotFloodTheLogFromOnePlace) {
  log::enable("guest_errors");
  for (int i = 0; i < 10000; ++i) log::guest_error("uart", "line {}", i);
  // Ten a second from that place; a slow machine may see several seconds.
  EXPECT_GE(lines.size(), 10U);
  EXPECT_LT(lines.size(), 1000U);
  const std::size_t before = lines.size();
  log::guest_error("uart", "another place has a limit of its own");
  EXPECT_EQ(lines.size(), before + 1);
}

TEST(RateLimit, ReportsWhatItLeftOutInTheNextPeriod) {
  log::RateLimit limit(2, 100);
  EXPECT_TRUE(limit.admit(1000).pass);
  EXPECT_TRUE(limit.admit(1001).pass);
  EXPECT_FALSE(limit.admit(1002).pass);
  EXPECT_FALSE(limit.admit(1099).pass);
  const auto next = limit.admit(1100);
  EXPECT_TRUE(next.pass);
  EXPECT_EQ(next.left_out, 2U);
  EXPECT_EQ(limit.admit(1101).left_out, 0U);
  EXPECT_EQ(limit.admit(5000).left_out, 0U);
}

TEST_F(LogTest, OneListTakesThePlaceOfAnother) {
  log::enable("int,exit");
  log::enable_only("unimp,cpu_reset");
  EXPECT_FALSE(log::on(log::Category::Int));
  EXPECT_TRUE(log::on(log::Category::Unimp));
  EXPECT_TRUE(log::on(log::Category::CpuReset));
  EXPECT_THROW(log::enable_only("unimpp"), Error);
  EXPECT_TRUE(log::on(log::Category::Unimp)) << "what cannot be read changes nothing";
  log::enable_only("");
  EXPECT_FALSE(log::on(log::Category::Unimp));
}

TEST_F(LogTest, FileGetsTheLogAndNotTheMessages) {
  log::set_sink({});
  char dir[] = "/tmp/machina-log-XXXXXX";
  ASSERT_NE(mkdtemp(dir), nullptr);
  const std::string path = std::string(dir) + "/log.txt";
  log::set_file(path);
  log::enable("int");
  testing::internal::CaptureStderr();
  log::write(log::Category::Int, "to the file");
  log::warning("to the user");
  const std::string err = testing::internal::GetCapturedStderr();
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  EXPECT_EQ(content.str(), "to the file\n");
  EXPECT_EQ(err, "machine-run: warning: to the user\n");
  try {
    log::set_file(std::string(dir) + "/log.txt/below-a-file");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("log.txt/below-a-file"), std::string::npos);
  }
  log::reset();
  std::filesystem::remove_all(dir);
}

TEST_F(LogTest, ThreadsLogTogether) {
  log::enable("int,guest_errors");
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) {
        log::write(log::Category::Int, "{}", i);
        log::guest_error("d", "x");
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_GE(lines.size(), 600U);
}

}  // namespace
}  // namespace machina
