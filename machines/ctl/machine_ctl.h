#pragma once
/// machine-ctl: the life of running machines from the shell.

#include <string>
#include <vector>

namespace machina {

/// The process: finds the machine and does what the verb says. Returns the exit status; prints every Error.
int machine_ctl(const std::vector<std::string>& arguments);

}  // namespace machina
