#pragma once
/// -action and -watchdog-action, which are one group of options, and -no-reboot and -no-shutdown.

#include "machines/cli/command_line.h"
#include "machines/machine.h"

namespace machina {

/// Throws Error pointing at the option.
void apply_actions(const CommandLine& cl, Machine& machine);

/// -watchdog MODEL is -device MODEL, for the models that are watchdogs. Throws Error.
ConfigTree watchdog_device(const std::string& option, const std::string& model);

}  // namespace machina
