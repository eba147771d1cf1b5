#pragma once
/// Answers to "help" as the argument of an option: -M help, -device TYPE,help, -accel kvm,help, …

#include <optional>
#include <string>

#include "machines/cli/command_line.h"

namespace machina {

/// The text to print instead of running a machine; nothing when no help was asked for. Throws Error.
std::optional<std::string> answer_help(const CommandLine& cl);

}  // namespace machina
