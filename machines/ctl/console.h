#pragma once
/// The terminal of `machine-ctl console`: a machine's serial line in this one.

#include <string>

#include "machines/ctl/qmp_client.h"

namespace machina {

/// Where to find the serial line `label` of the machine (empty: the first that can be reached): the path of a unix
/// socket or of a pseudo terminal. Throws Error when it is somewhere else, as in the terminal of machine-run.
std::string find_console(QmpClient& machine, const std::string& label);

/// Connects, and passes bytes both ways until Ctrl-a x, or the end of either. Throws Error.
void run_console(const std::string& path);

}  // namespace machina
