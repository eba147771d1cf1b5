#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/chardev/fd_stream.h"
#include "tests/support/trace_capture.h"
#include "tests/unit/core/chardev/chardev_fixture.h"

namespace machina {
namespace {

using CharFileTest = test::ChardevTest;

TEST_F(CharFileTest, WritesAnewOrAppends) {
  {
    const auto chr = realize("chardev-file", {{"path", path("out")}});
    EXPECT_EQ(write(*chr, "one "), 4U);
    EXPECT_EQ(content(path("out")), "one ");
    EXPECT_EQ(chr->description(), "file:" + path("out"));
  }
  {
    const auto chr = realize("chardev-file", {{"path", path("out")}, {"append", "on"}});
    write(*chr, "two");
  }
  EXPECT_EQ(content(path("out")), "one two");
  const auto chr = realize("chardev-file", {{"path", path("out")}});
  EXPECT_EQ(content(path("out")), "");
}

TEST_F(CharFileTest, ReadsItsInputAsFastAsTheFrontEndTakesIt) {
  const std::string text(10'000, 'i');
  std::ofstream(path("in")) << text;
  const auto chr = realize("chardev-file", {{"path", path("out")}, {"input-path", path("in")}});
  front.capacity = 10;
  chr->attach(&front);
  expect_soon([&] { return front.got.size() == 10; });
  for (int i = 0; i < 5; ++i) loop.poll();
  EXPECT_EQ(front.got.size(), 10U);
  front.capacity = 100'000;
  chr->accept_input();
  expect_soon([&] { return front.got == text; });
  loop.poll();
  EXPECT_EQ(loop.poll(), 0U);  // and rests at the end of the file
  write(*chr, "still there");
  EXPECT_EQ(content(path("out")), "still there");
}

TEST_F(CharFileTest, TraceEventsTellWhatGoesThrough) {
  std::ofstream(path("in")) << "twelve bytes";
  const auto chr = realize("chardev-file", {{"path", path("out")}, {"input-path", path("in")}});
  test::TraceCapture trace({"chardev_*"});
  chr->attach(&front);
  expect_soon([&] { return front.got.size() == 12; });
  write(*chr, "seven b");
  std::string lines;
  for (const std::string& line : trace.take()) lines += line + "\n";
  EXPECT_NE(lines.find("chardev_receive chardev= bytes=12\n"), std::string::npos) << lines;
  EXPECT_NE(lines.find("chardev_write chardev= bytes=7\n"), std::string::npos) << lines;
}

TEST_F(CharFileTest, PathsThatCannotBeOpenedAreNamed) {
  const auto expect = [&](const Properties& properties, const std::string& part) {
    const std::string refused = refusal("chardev-file", properties);
    EXPECT_NE(refused.find(part), std::string::npos) << "expected " << part << ", got: " << refused;
  };
  expect({}, "path");
  expect({{"path", dir}}, "cannot open '" + dir + "' for writing");
  expect({{"path", path("no/out")}}, "No such file");
  expect({{"path", path("out")}, {"input-path", path("missing")}}, "cannot open '" + path("missing") + "' for reading");
  EXPECT_FALSE(std::filesystem::exists(path("out")));  // nothing half-made
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  expect({{"path", path("fifo")}}, "start its reader first");
}

TEST_F(CharFileTest, FullFileIsToldOnceAndDoesNotStopTheGuest) {
  const auto chr = realize("chardev-file", {{"path", path("out")}});
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  rlimit limit = before;
  limit.rlim_cur = 100;
  setrlimit(RLIMIT_FSIZE, &limit);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(write(*chr, "0123456789"), 10U);
  loop.poll();
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(content(path("out")).size(), 100U);
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_NE(logged[0].find("has stopped"), std::string::npos) << logged[0];
}

TEST_F(CharFileTest, PipePairWorksBothWaysAndSurvivesItsPeer) {
  ASSERT_EQ(mkfifo(path("p.in").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo(path("p.out").c_str(), 0600), 0);
  const auto chr = realize("chardev-pipe", {{"path", path("p")}});
  chr->attach(&front);
  for (int round = 0; round < 2; ++round) {
    front.got.clear();
    const OwnedFd to(open(path("p.in").c_str(), O_WRONLY | O_NONBLOCK));
    const OwnedFd from(open(path("p.out").c_str(), O_RDONLY | O_NONBLOCK));
    ASSERT_EQ(::write(to.get(), "in", 2), 2);
    expect_soon([&] { return front.got == "in"; });
    EXPECT_EQ(write(*chr, "out"), 3U);
    char buffer[8];
    EXPECT_EQ(::read(from.get(), buffer, sizeof buffer), 3);
  }
  std::ofstream(path("f.in")) << "x";
  EXPECT_NE(refusal("chardev-pipe", {{"path", path("f")}}).find("is not a pipe"), std::string::npos);
  EXPECT_NE(refusal("chardev-pipe", {{"path", path("none")}}).find("mkfifo"), std::string::npos);
}

}  // namespace
}  // namespace machina
