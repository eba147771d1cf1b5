#include "core/chardev/raw_terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "qom/error.h"

namespace machina::raw_terminal {
namespace {

// What ends a process and can be caught. A signal that somebody else handles (the event loop: SIGINT, SIGTERM) is left
// to him: he ends the process properly.
constexpr std::array kFatal = {SIGHUP, SIGINT,  SIGQUIT, SIGILL,  SIGABRT, SIGBUS,
                               SIGFPE, SIGSEGV, SIGTERM, SIGTRAP, SIGSYS,  SIGXFSZ};

// All that a signal handler reads is written before `fd` is set.
termios saved;
termios raw;
std::atomic<int> terminal_fd{-1};
std::array<char, 64> farewell;
std::size_t farewell_size = 0;
std::atomic<int> farewell_fd{-1};
static_assert(std::atomic<int>::is_always_lock_free);

// A process in the background that changes its terminal is stopped; any other terminal may be changed freely.
bool may_change(int fd) {
  const pid_t foreground = tcgetpgrp(fd);
  return foreground < 0 || foreground == getpgrp();
}

extern "C" void on_fatal(int signal) {
  leave();
  // The handler was installed with SA_RESETHAND: this time the signal ends the process, with the right status.
  raise(signal);
}

void install() {
  static std::once_flag once;
  std::call_once(once, [] { std::atexit([] { leave(); }); });
  for (const int signal : kFatal) {
    struct sigaction current {};
    if (sigaction(signal, nullptr, &current) != 0 || (current.sa_flags & SA_SIGINFO) != 0 ||
        current.sa_handler != SIG_DFL)
      continue;
    struct sigaction action {};
    action.sa_handler = on_fatal;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
}

}  // namespace

void enter(int fd, bool signals) {
  if (terminal_fd.load() >= 0)
    throw Error("the terminal is in use already").hint("only one character backend is stdio");
  termios now{};
  if (tcgetattr(fd, &now) != 0) throw Error("cannot read the terminal's settings").why(std::strerror(errno));
  saved = now;
  now.c_iflag &= static_cast<tcflag_t>(~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON));
  now.c_oflag |= OPOST;
  now.c_lflag &= static_cast<tcflag_t>(~(ECHO | ECHONL | ICANON | IEXTEN));
  if (!signals) now.c_lflag &= static_cast<tcflag_t>(~ISIG);
  now.c_cflag = (now.c_cflag & static_cast<tcflag_t>(~(CSIZE | PARENB))) | CS8;
  now.c_cc[VMIN] = 1;
  now.c_cc[VTIME] = 0;
  raw = now;
  install();
  terminal_fd.store(fd);
  reenter();
}

void reenter() {
  const int fd = terminal_fd.load();
  if (fd >= 0 && may_change(fd)) tcsetattr(fd, TCSANOW, &raw);
}

void write_when_leaving(int fd, std::string_view bytes) {
  farewell_size = std::min(bytes.size(), farewell.size());
  std::copy_n(bytes.begin(), farewell_size, farewell.begin());
  farewell_fd.store(fd);
}

void leave() {
  const int fd = terminal_fd.exchange(-1);
  if (fd >= 0 && may_change(fd)) tcsetattr(fd, TCSANOW, &saved);
  const int out = farewell_fd.exchange(-1);
  if (out >= 0) {
    // A terminal that takes nothing gets nothing: there is nobody left to try again.
    [[maybe_unused]] const ssize_t n = write(out, farewell.data(), farewell_size);
  }
}

}  // namespace machina::raw_terminal
