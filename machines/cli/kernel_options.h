#pragma once
/// -kernel, -initrd and -append: how the machine starts a kernel itself.

#include <optional>

#include "hw/x86/boot/boot_plan.h"
#include "machines/cli/command_line.h"
#include "machines/machine.h"

namespace machina {

/// What the options ask for, worked out for a machine that is composed but not yet powered on; nothing without -kernel.
/// Reads the files. Throws Error.
std::optional<boot::BootPlan> kernel_plan(const CommandLine& cl, Machine& machine, const RamConfig& ram);

/// Whether firmware runs first, and starts the kernel.
bool boots_through_firmware(Machine& machine);
/// Before the machine is powered on, without firmware: what starts the kernel.
void add_direct_boot(Machine& machine, boot::BootPlan plan);
/// After the machine is powered on, with firmware: the option ROM and what it loads.
void offer_to_firmware(Machine& machine, boot::BootPlan plan);

}  // namespace machina
