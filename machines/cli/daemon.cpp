#include "machines/cli/daemon.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace machina {

Daemon::Daemon() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error("cannot go into the background").why(std::strerror(errno));
  OwnedFd hear(ends[0]), tell(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) throw Error("cannot go into the background").why(std::strerror(errno));
  if (child == 0) {
    ::setsid();
    tell_ = std::move(tell);
    return;
  }
  tell.reset();
  char word = 0;
  ssize_t n;
  while ((n = ::read(hear.get(), &word, 1)) < 0 && errno == EINTR) {
  }
  // Nothing was flushed that the child has a copy of, and no object of it is to be taken down here.
  if (n == 1) ::_exit(0);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

void Daemon::ready() {
  const OwnedFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nothing || ::chdir("/") != 0) throw Error("cannot go into the background").why(std::strerror(errno));
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing.get(), fd);
  const char word = 1;
  while (::write(tell_.get(), &word, 1) < 0 && errno == EINTR) {
  }
  tell_.reset();
}

}  // namespace machina
