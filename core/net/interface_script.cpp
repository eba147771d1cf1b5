#include "core/net/interface_script.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "qom/error.h"

namespace machina {

void run_interface_script(const std::string& script, const std::string& interface) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::string program = script, name = interface;
  const std::array<char*, 3> arguments{program.data(), name.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, script.c_str(), &files, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    Error e(fmt::format("cannot run the script '{}' for the TAP interface '{}'", script, interface));
    e.why(std::strerror(error));
    if (error == EACCES) e.hint("it must be executable: chmod +x");
    if (error == ENOEXEC) e.hint("its first line must name its interpreter: #!/bin/sh");
    throw e;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR)
      throw Error(fmt::format("the end of the script '{}' is not known", script)).why(std::strerror(errno));
  }
  if (status == 0) return;
  throw Error(fmt::format("the script '{}' has not set up the TAP interface '{}'", script, interface))
      .why(WIFSIGNALED(status) ? fmt::format("it was killed by signal {}", WTERMSIG(status))
                               : fmt::format("it ended with status {}", WEXITSTATUS(status)));
}

}  // namespace machina
