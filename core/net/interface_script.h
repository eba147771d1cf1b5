#pragma once
/// The program that sets a TAP interface up, or takes it down: `script` and `downscript` of -netdev tap.

#include <string>

namespace machina {

/// Runs `script` with the interface's name as its only argument and waits for its end. It has no standard input, this
/// process' output and none of its other descriptors (they are close-on-exec), and no signal blocked or ignored.
/// Throws Error when it cannot be run, or ends with another status than 0.
void run_interface_script(const std::string& script, const std::string& interface);

}  // namespace machina
