#pragma once
/// -daemonize: the machine goes on in the background, and the command that started it ends when the machine is there.

#include "core/chardev/fd_stream.h"

namespace machina {

class Daemon {
 public:
  /// Forks. In the parent it waits for the machine and ends the process with its exit status, so it returns in the
  /// child alone, which leads a session of its own. Before any thread. Throws Error.
  Daemon();
  /// The machine is there: lets the parent go, with status 0, and gives up the terminal and the working directory.
  /// Without it, the parent ends with the status of a child that could not start.
  void ready();

 private:
  OwnedFd tell_;
};

}  // namespace machina
