#include "machines/cli/kernel_options.h"

#include <algorithm>

#include "hw/nvram/pc_firmware.h"
#include "hw/x86/boot/boot_rom.h"
#include "hw/x86/boot/direct_boot.h"
#include "hw/x86/boot/kernel_file.h"
#include "qom/find.h"

namespace machina {

bool boots_through_firmware(Machine& machine) { return qom::first_of<PcFirmware>(machine) != nullptr; }

std::optional<boot::BootPlan> kernel_plan(const CommandLine& cl, Machine& machine, const RamConfig& ram) {
  if (!cl.kernel) {
    if (cl.initrd) throw Error("-initrd is for a kernel").at(cl.initrd->origin).hint("add -kernel FILE");
    if (cl.append) throw Error("-append is for a kernel").at(cl.append->origin).hint("add -kernel FILE");
    return std::nullopt;
  }
  boot::KernelRequest request;
  request.kernel = cl.kernel->text;
  request.kernel_at = cl.kernel->origin;
  if (cl.initrd) request.initrd = cl.initrd->text, request.initrd_at = cl.initrd->origin;
  if (cl.append) request.cmdline = cl.append->text, request.cmdline_at = cl.append->origin;
  request.entry = machine.kernel_entry;
  boot::Target target;
  target.firmware = boots_through_firmware(machine);
  if (target.firmware && !qom::first_of<FwCfg>(machine)) {
    throw Error("this board's firmware cannot start a kernel")
        .at(cl.kernel->origin)
        .why("the board has no fw_cfg, through which firmware gets one")
        .hint("leave the firmware out: -bios none");
  }
  target.ram_below_4g = std::min(ram.size, ram.below_4g);
  return plan_kernel(request, target);
}

void add_direct_boot(Machine& machine, boot::BootPlan plan) {
  machine.add_new_child<DirectBoot>("boot").set_plan(std::move(plan));
}

void offer_to_firmware(Machine& machine, boot::BootPlan plan) {
  boot::offer_plan(*qom::first_of<FwCfg>(machine), std::move(plan));
}

}  // namespace machina
