#include "core/log_sink.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>

#include "core/log.h"
#include "qom/error.h"

namespace machina::log {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class LogSink : public testing::Test {
 protected:
  void TearDown() override {
    for (const int fd : fds_)
      if (fd >= 0) ::close(fd);
  }
  void open_pipe() { ASSERT_EQ(::pipe(fds_.data()), 0); }
  /// What has been written so far.
  std::string read_all() {
    std::string text;
    char buffer[4096];
    ::fcntl(fds_[0], F_SETFL, O_NONBLOCK);
    for (ssize_t n; (n = ::read(fds_[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
    return text;
  }
  /// One that writes to the second descriptor.
  std::shared_ptr<spdlog::logger> logger() {
    auto made = std::make_shared<spdlog::logger>(
        "test", std::make_shared<DescriptorSink>(fds_[1], false, std::chrono::milliseconds(1)));
    made->set_pattern("%v");
    return made;
  }
  std::array<int, 2> fds_{-1, -1};
};

/// Numbers from 0 on, more than fit into any pipe.
void fill(spdlog::logger& log) {
  for (int i = 0; i < 40000; ++i) log.info("line {}", i);
}

TEST_F(LogSink, ReaderThatIsStuckLosesLinesAndIsTold) {
  open_pipe();
  const auto log = logger();
  fill(*log);  // returns
  const std::string before = read_all();
  EXPECT_THAT(before, StartsWith("line 0\nline 1\n"));
  EXPECT_THAT(before, testing::Not(HasSubstr("lost")));
  log->info("after");
  const std::string after = read_all();
  EXPECT_THAT(after, HasSubstr(" lines of the log were lost: nobody read them]\nafter\n"));
  log->info("and so on");
  EXPECT_EQ(read_all(), "and so on\n");
}

TEST_F(LogSink, LostLinesAreCounted) {
  open_pipe();
  const auto log = logger();
  // A pipe that is full: pages of one byte each count as whole ones.
  ::fcntl(fds_[1], F_SETFL, O_NONBLOCK);
  const std::string page(4096, 'x');
  while (::write(fds_[1], page.data(), page.size()) > 0) {
  }
  for (int i = 0; i < 7; ++i) log->info("gone");
  read_all();
  log->info("here");
  EXPECT_EQ(read_all(), "[7 lines of the log were lost: nobody read them]\nhere\n");
}

TEST_F(LogSink, ReaderThatIsGoneIsNoError) {
  open_pipe();
  ::signal(SIGPIPE, SIG_IGN);  // as machine-run does
  ::close(fds_[0]);
  fds_[0] = -1;
  fill(*logger());
}

TEST_F(LogSink, SocketsDoNotBlockEither) {
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds_.data()), 0);
  const auto log = logger();
  fill(*log);
  EXPECT_THAT(read_all(), StartsWith("line 0\n"));
  log->info("after");
  EXPECT_THAT(read_all(), EndsWith("after\n"));
}

TEST_F(LogSink, FifoWithoutAReaderIsRefusedAtOnce) {
  char dir[] = "/tmp/machina-log-XXXXXX";
  ASSERT_NE(mkdtemp(dir), nullptr);
  const std::string path = std::string(dir) + "/fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  try {
    set_file(path);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("nobody reads from it"));
  }
  fds_[0] = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  set_file(path);
  enable("int");
  write(Category::Int, "to the reader");
  EXPECT_EQ(read_all(), "to the reader\n");
  reset();
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace machina::log
