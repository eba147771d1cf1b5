#include "core/trace/trace_output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/trace/trace_control.h"

namespace machina {
namespace {

const TraceEvent<unsigned> output_probe{"output_probe", "n={}"};

std::string contents(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::size_t count(const std::string& text, std::string_view what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

/// A reader that takes nothing until it is let go.
struct Gate {
  std::mutex lock;
  std::condition_variable change;
  bool open = false;
  bool inside = false;
  std::string written;
  bool write(std::string_view lines) {
    std::unique_lock guard(lock);
    inside = true;
    change.notify_all();
    change.wait(guard, [this] { return open; });
    written += lines;
    return true;
  }
  void wait_until_inside() {
    std::unique_lock guard(lock);
    change.wait(guard, [this] { return inside; });
  }
  void let_go() {
    const std::lock_guard guard(lock);
    open = true;
    change.notify_all();
  }
};

TEST(TraceWriterThread, AReaderThatIsStuckStopsNobodyAndIsToldWhatItMissed) {
  Gate gate;
  {
    trace::Writer writer([&](std::string_view lines) { return gate.write(lines); }, 100);
    writer.line("first");
    gate.wait_until_inside();
    for (int i = 0; i < 1000; ++i) writer.line("0123456789012345678");  // 20 bytes with its end: 5 fit
    EXPECT_EQ(writer.dropped(), 995U);
    EXPECT_FALSE(writer.flush(1));
    gate.let_go();
    EXPECT_TRUE(writer.flush(10000));
    writer.line("last");
    EXPECT_TRUE(writer.flush(10000));
    EXPECT_EQ(writer.dropped(), 995U);
  }
  EXPECT_EQ(count(gate.written, "0123456789012345678\n"), 5U);
  EXPECT_EQ(count(gate.written, "(995 trace events were dropped here)\n"), 1U);
  EXPECT_TRUE(gate.written.starts_with("first\n")) << gate.written;
  EXPECT_TRUE(gate.written.ends_with("last\n")) << gate.written;
}

TEST(TraceWriterThread, WhatCannotBeWrittenIsCountedAndTold) {
  bool full = true;
  std::string written;
  trace::Writer writer([&](std::string_view lines) {
    if (!full) written += lines;
    return !full;
  });
  writer.line("a");
  writer.line("b");
  ASSERT_TRUE(writer.flush(10000));
  EXPECT_EQ(writer.dropped(), 2U);
  full = false;
  writer.line("c");
  ASSERT_TRUE(writer.flush(10000));
  EXPECT_EQ(written, "(2 trace events were dropped here)\nc\n");
}

TEST(TraceWriterThread, ManyThreadsLoseNothingOfAReaderThatKeepsUp) {
  std::string written;
  trace::Writer writer([&](std::string_view lines) { return written += lines, true; });
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) writer.line("line");
    });
  for (std::thread& t : threads) t.join();
  ASSERT_TRUE(writer.flush(10000));
  EXPECT_EQ(count(written, "line\n"), 4000U);
  EXPECT_EQ(writer.dropped(), 0U);
}

struct TraceOutputTest : testing::Test {
  TraceOutputTest() {
    trace::reset();
    trace::enable("output_probe", true);
    log::set_sink([this](log::Level, bool, std::string_view line) {
      const std::lock_guard guard(lock);
      logged.emplace_back(line);
    });
  }
  ~TraceOutputTest() override {
    trace::reset();
    trace::set_log();
    trace::flush(10000);
    log::set_sink({});
    std::filesystem::remove(path);
  }
  std::mutex lock;
  std::vector<std::string> logged;
  const std::string path = testing::TempDir() + "trace-output";
};

TEST_F(TraceOutputTest, GoesToTheLogUntilAFileIsNamed) {
  output_probe(1U);
  ASSERT_TRUE(trace::flush(10000));
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_TRUE(logged[0].ends_with(" main output_probe n=1")) << logged[0];
  trace::set_file(path);
  EXPECT_EQ(trace::file(), path);
  output_probe(2U);
  trace::set_output_enabled(false);
  output_probe(3U);
  trace::set_output_enabled(true);
  output_probe(4U);
  ASSERT_TRUE(trace::flush(10000));
  trace::set_log();
  EXPECT_EQ(trace::file(), "");
  output_probe(5U);
  ASSERT_TRUE(trace::flush(10000));
  const std::string text = contents(path);
  EXPECT_EQ(count(text, "\n"), 2U) << text;
  EXPECT_NE(text.find("output_probe n=2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("output_probe n=4\n"), std::string::npos) << text;
  EXPECT_EQ(logged.size(), 2U);
}

TEST_F(TraceOutputTest, AFileThatCannotBeOpenedChangesNothing) {
  EXPECT_THROW(trace::set_file(testing::TempDir() + "no/such/trace"), Error);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THROW(trace::set_file(path), Error) << "a FIFO that nobody reads";
  output_probe(1U);
  ASSERT_TRUE(trace::flush(10000));
  EXPECT_EQ(logged.size(), 1U);
}

TEST_F(TraceOutputTest, AFullDiskIsToldOnce) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  trace::set_file("/dev/full");
  for (unsigned i = 0; i < 3; ++i) {
    output_probe(i);
    ASSERT_TRUE(trace::flush(10000));
  }
  EXPECT_EQ(trace::dropped(), 3U);
  EXPECT_EQ(logged,
            std::vector<std::string>{"warning: trace file '/dev/full': No space left on device; events are dropped"});
}

TEST_F(TraceOutputTest, AReaderThatGoesAwayIsAFaultOfTheFileAlone) {
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  trace::set_file(path);
  output_probe(1U);
  ASSERT_TRUE(trace::flush(10000));
  close(reader);
  signal(SIGPIPE, SIG_IGN);  // as machine-run does
  output_probe(2U);
  ASSERT_TRUE(trace::flush(10000));
  EXPECT_EQ(trace::dropped(), 1U);
}

}  // namespace
}  // namespace machina
