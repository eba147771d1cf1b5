#include "core/chardev/char_stdio.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "core/chardev/raw_terminal.h"
#include "tests/unit/core/chardev/chardev_fixture.h"

namespace machina {
namespace {

struct CharStdioTest : test::ChardevTest {
  CharStdioTest() {
    int in[2];
    int out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) abort();
    in_read.reset(in[0]), in_write.reset(in[1]);
    out_read.reset(out[0]), out_write.reset(out[1]);
  }
  qom::Ref<CharStdio> realize_on(int in, int out, const Properties& properties = {}) {
    auto chr = make<CharStdio>(CharStdio::kType, properties);
    chr->use_descriptors(in, out);
    qom::realize_tree(*chr);
    return chr;
  }
  qom::Ref<CharStdio> realize_on_pipes(const Properties& properties = {}) {
    return realize_on(in_read.get(), out_write.get(), properties);
  }
  static void type(const OwnedFd& fd, std::string_view text) {
    ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  static std::string take(const OwnedFd& fd) {
    std::string out;
    pollfd p{fd.get(), POLLIN, 0};
    char buffer[4096];
    while (poll(&p, 1, 0) == 1) {
      const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
      if (n <= 0) break;
      out.append(buffer, static_cast<std::size_t>(n));
    }
    return out;
  }

  OwnedFd in_read, in_write, out_read, out_write;
};

struct Terminal {
  Terminal() : master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    grantpt(master.get());
    unlockpt(master.get());
    user.reset(open(ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
  termios settings() const {
    termios t{};
    tcgetattr(user.get(), &t);
    return t;
  }
  bool raw() const { return (settings().c_lflag & (ICANON | ECHO)) == 0; }
  OwnedFd master, user;
};

TEST_F(CharStdioTest, BytesGoBothWays) {
  const auto chr = realize_on_pipes();
  chr->attach(&front);
  type(in_write, "typed");
  expect_soon([&] { return front.got == "typed"; });
  EXPECT_EQ(write(*chr, "shown"), 5U);
  EXPECT_EQ(take(out_read), "shown");
}

TEST_F(CharStdioTest, SharedDescriptorsStayBlocking) {
  const auto chr = realize_on_pipes();
  EXPECT_EQ(fcntl(in_read.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(fcntl(out_write.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(CharStdioTest, EscapeCommands) {
  const auto chr = realize_on_pipes();
  int quits = 0;
  chr->on_quit([&] { ++quits; });
  chr->attach(&front);
  type(in_write, "a\x01\x01z");
  expect_soon([&] { return front.got == "a\x01z"; });
  type(in_write, "\x01h");
  std::string help;
  expect_soon([&] { return (help += take(out_read)).find("Ctrl-a x") != std::string::npos; });
  type(in_write, "\x01");  // the two bytes may come apart
  loop.poll();
  type(in_write, "b");
  expect_soon([&] { return front.events == std::vector<std::string>{"opened", "break"}; });
  type(in_write, "\x01q");  // no such command
  type(in_write, "\x01x");
  expect_soon([&] { return quits == 1; });
  EXPECT_EQ(front.got, "a\x01z");
}

TEST_F(CharStdioTest, QuitMayTakeTheBackendDown) {
  const auto chr = realize_on_pipes();
  bool down = false;
  chr->on_quit([&] {
    chr->attach(nullptr);
    qom::unrealize_tree(*chr);
    down = true;
  });
  chr->attach(&front);
  type(in_write, "\x01xmore");
  expect_soon([&] { return down; });
  loop.poll();
}

TEST_F(CharStdioTest, EscapeOffPassesEverything) {
  const auto chr = realize_on_pipes({{"escape", "off"}});
  chr->attach(&front);
  type(in_write, "\x01x\x01\x01");
  expect_soon([&] { return front.got == "\x01x\x01\x01"; });
}

TEST_F(CharStdioTest, PipeInputWaitsForTheFrontEndAndItsEndComesLast) {
  const auto chr = realize_on_pipes();
  front.capacity = 2;
  chr->attach(&front);
  type(in_write, "abcd");
  in_write.reset();
  expect_soon([&] { return front.got == "ab"; });
  for (int i = 0; i < 5; ++i) loop.poll();
  EXPECT_EQ(front.events, (std::vector<std::string>{"opened"}));
  front.capacity = 10;
  chr->accept_input();
  expect_soon([&] { return front.events.back() == "closed"; });
  EXPECT_EQ(front.got, "abcd");
  write(*chr, "still shown");
  EXPECT_EQ(take(out_read), "still shown");
}

TEST_F(CharStdioTest, OutputThatNobodyReadsIsBoundedAndNeverBlocks) {
  const auto chr = realize_on_pipes();
  chr->attach(&front);
  const std::string chunk(10'000, 'x');
  std::size_t taken = 0;
  for (int i = 0; i < 100; ++i) taken += write(*chr, chunk);
  EXPECT_LT(taken, 500'000U);
  std::size_t shown = 0;
  expect_soon([&] { return (shown += take(out_read).size()) >= taken && front.writables == 1; });
}

TEST_F(CharStdioTest, ReaderThatGoesIsNoBrokenPipe) {
  const auto chr = realize_on_pipes();
  chr->attach(&front);
  out_read.reset();
  EXPECT_EQ(write(*chr, "x"), 1U);
  EXPECT_EQ(write(*chr, "x"), 1U);
  loop.poll();
}

TEST_F(CharStdioTest, TerminalIsRawWhileRealized) {
  Terminal terminal;
  const termios before = terminal.settings();
  {
    const auto chr = realize_on(terminal.user.get(), terminal.user.get());
    chr->attach(&front);
    EXPECT_TRUE(terminal.raw());
    EXPECT_NE(terminal.settings().c_lflag & ISIG, 0U);
    type(terminal.master, "x");  // no newline needed
    expect_soon([&] { return front.got == "x"; });
    EXPECT_EQ(take(terminal.master), "");  // no echo
    write(*chr, "y\n");
    std::string shown;
    expect_soon([&] { return (shown += take(terminal.master)) == "y\r\n"; });

    const auto second = make<CharStdio>(CharStdio::kType);
    second->use_descriptors(terminal.user.get(), terminal.user.get());
    EXPECT_THROW(qom::realize_tree(*second), Error);
    EXPECT_TRUE(terminal.raw());
    qom::unrealize_tree(*chr);
    EXPECT_EQ(terminal.settings().c_lflag, before.c_lflag);
  }
  const auto quiet = realize_on(terminal.user.get(), terminal.user.get(), {{"signal", "off"}});
  EXPECT_EQ(terminal.settings().c_lflag & ISIG, 0U);
  qom::unrealize_tree(*quiet);
  EXPECT_EQ(terminal.settings().c_lflag, before.c_lflag);
}

TEST_F(CharStdioTest, EscapeWorksWhileTheGuestTakesNothing) {
  Terminal terminal;
  const auto chr = realize_on(terminal.user.get(), terminal.user.get());
  bool quit = false;
  chr->on_quit([&] { quit = true; });
  front.capacity = 0;
  chr->attach(&front);
  // More than a terminal and the type-ahead hold together; it is lost, but the key that quits is not.
  fcntl(terminal.master.get(), F_SETFL, O_NONBLOCK);
  const std::string chunk(1000, 'z');
  std::size_t typed = 0;
  while (typed < 2 * CharStdio::kTypeAhead) {
    const ssize_t n = ::write(terminal.master.get(), chunk.data(), chunk.size());
    if (n > 0) typed += static_cast<std::size_t>(n);
    loop.poll();
  }
  expect_soon([&] {
    (void)!::write(terminal.master.get(), "\x01x", 2);
    return quit;
  });
  EXPECT_EQ(logged.size(), 1U);
  front.capacity = 10 * CharStdio::kTypeAhead;
  chr->accept_input();
  EXPECT_EQ(front.got.size(), CharStdio::kTypeAhead);
}

TEST_F(CharStdioTest, TerminalIsRestoredAtExitAndByFatalSignals) {
  for (const int fatal : {0, SIGSEGV, SIGABRT, SIGTERM}) {
    Terminal terminal;
    const termios before = terminal.settings();
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    fflush(nullptr);  // exit() in the child would write it again
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      signal(fatal == 0 ? SIGUSR1 : fatal, SIG_DFL);  // whatever a sanitizer made of it
      raw_terminal::enter(terminal.user.get(), true);
      (void)!::write(ready[1], "r", 1);
      if (fatal != 0) raise(fatal);
      exit(7);  // runs what atexit() has registered
    }
    char c = 0;
    EXPECT_EQ(::read(ready[0], &c, 1), 1);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (fatal == 0) {
      EXPECT_TRUE(WIFEXITED(status));
    } else {
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == fatal) << fatal;
    }
    EXPECT_EQ(terminal.settings().c_lflag, before.c_lflag) << fatal;
    EXPECT_EQ(terminal.settings().c_iflag, before.c_iflag) << fatal;
    close(ready[0]);
    close(ready[1]);
  }
}

using CharPtyTest = CharStdioTest;

TEST_F(CharPtyTest, SaysItsPathAndConnectsWhenSomebodyOpensIt) {
  const auto chr = realize("chardev-pty");
  chr->attach(&front);
  const std::string terminal = chr->get("path").to_string();
  EXPECT_TRUE(terminal.starts_with("/dev/pts/")) << terminal;
  EXPECT_EQ(chr->description(), "pty:" + terminal);
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_NE(logged[0].find("char device redirected to " + terminal), std::string::npos);
  EXPECT_FALSE(chr->connected());
  EXPECT_EQ(write(*chr, "to nobody"), 9U);

  for (int round = 0; round < 2; ++round) {
    front.got.clear();
    front.events.clear();
    OwnedFd user(open(terminal.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(user);
    expect_soon([&] { return chr->connected(); });
    type(user, "\x01raw\n");  // no line discipline, no escape key
    expect_soon([&] { return front.got == "\x01raw\n"; });
    EXPECT_EQ(write(*chr, "shown\n"), 6U);
    std::string shown;
    expect_soon([&] { return (shown += take(user)) == "shown\n"; });
    user.reset();
    expect_soon([&] { return !chr->connected(); });
    EXPECT_EQ(front.events, (std::vector<std::string>{"opened", "closed"}));
  }
}

TEST_F(CharPtyTest, GuestThatWritesFindsAUserAtOnce) {
  const auto chr = realize("chardev-pty");
  const std::string terminal = chr->get("path").to_string();
  const OwnedFd user(open(terminal.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  EXPECT_EQ(write(*chr, "hi"), 2U);
  EXPECT_TRUE(chr->connected());
  std::string shown;
  expect_soon([&] { return (shown += take(user)) == "hi"; });
}

}  // namespace
}  // namespace machina
