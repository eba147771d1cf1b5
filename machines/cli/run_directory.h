#pragma once
/// The folder of a user's running machines: each machine that has a name puts a QMP socket there, which machine-ctl
/// finds it by.

#include <string>
#include <vector>

#include "machines/cli/command_line.h"

namespace machina {

/// $XDG_RUNTIME_DIR/machina, or /tmp/machina-UID.
std::string default_run_directory();
/// Makes it, for its owner alone (0700), if it is not there. Throws Error: it is somebody else's, or no folder.
void prepare_run_directory(const std::string& directory);

/// "NAME.sock" in the folder of -run-dir; "NAME-PID.sock" when a machine of that name runs. Empty for -run-dir none,
/// and when the default folder cannot be used, which is no reason not to run. Throws Error for one that was asked for.
std::string control_socket_of(const CommandLine& cl, const std::string& name);

struct RunningMachine {
  std::string name;
  std::string socket;
};
/// Those whose sockets somebody listens to, by name. What a machine that was killed has left behind is removed.
std::vector<RunningMachine> running_machines(const std::string& directory);

/// Whether somebody listens at a unix socket.
bool socket_is_alive(const std::string& path);

}  // namespace machina
