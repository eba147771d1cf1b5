#pragma once
/// -accel: which accelerator runs the machine.

#include <string>

#include "hw/x86/accelerator.h"
#include "machines/cli/command_line.h"

namespace machina {

/// The first usable of those that are named ("kvm:qtest", or several -accel), or the best usable one when none is
/// named. Properties of -accel are set. Throws Error: unknown, or why none of them can be used.
qom::Ref<Accelerator> choose_accelerator(const CommandLine& cl);

/// The option that decides about the accelerator; unknown when there is none.
Origin accelerator_origin(const CommandLine& cl);

/// "kvm" for the type "kvm-accel"; all of them, sorted.
std::vector<std::string> accelerator_names();
/// -accel help, and -accel NAME,help.
std::string accelerators_help();
std::string accelerator_help(const std::string& name);

}  // namespace machina
