#pragma once
/// -accel: which accelerator runs the machine.

#include <string>
#include <vector>

#include "hw/x86/accelerator.h"
#include "machines/cli/command_line.h"

namespace machina {

/// What is tried when the user names nothing, best first.
std::vector<std::string> default_accelerators();

struct AcceleratorChoice {
  qom::Ref<Accelerator> accelerator;
  /// One line for the user, where something was measured to choose by: what, and how to force another. Else empty.
  std::string note;
};

/// One accelerator that is named is taken as it is: it is never measured and nothing else stands in for it. Of several
/// ("kvm:jit", or several -accel) it is the first whose probe is good, else the first that can be used at all; what
/// executes nothing does not stand in for what is merely slow. Without any it is `preferred`, as far as this program
/// has them; -qtest alone means qtest. Properties of -accel are set.
/// Throws Error: a wrong list, an unknown name or property, or why none of them can be used.
AcceleratorChoice choose_accelerator(const CommandLine& cl,
                                     const std::vector<std::string>& preferred = default_accelerators());

/// One accelerator as behind -accel, "kvm,kernel-irqchip=off", for the monitor's command `command`. Throws Error.
qom::Ref<Accelerator> make_accelerator(std::string_view command, const std::string& text);

/// The option that decides about the accelerator; unknown when there is none.
Origin accelerator_origin(const CommandLine& cl);

/// "kvm" for the type "kvm-accel"; all of them, sorted. -accel takes "tcg" for "jit" as well.
std::vector<std::string> accelerator_names();
/// -accel help, and -accel NAME,help.
std::string accelerators_help();
std::string accelerator_help(const std::string& name);

}  // namespace machina
