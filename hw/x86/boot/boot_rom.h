#pragma once
/// The way into a kernel through firmware: an option ROM of our own (boot_rom.S) that SeaBIOS finds among fw_cfg's
/// files and offers as a boot device, with the parts of the kernel in fw_cfg's numbered items.

#include <cstdint>
#include <vector>

#include "hw/nvram/fw_cfg.h"
#include "hw/x86/boot/boot_plan.h"

namespace machina::boot {

/// SeaBIOS runs option ROMs that lie in this folder; in "bootorder" they are called so.
inline constexpr const char* kBootRomFile = "genroms/machina-boot.bin";
inline constexpr const char* kBootRomPath = "/rom@genroms/machina-boot.bin";

/// The ROM for one plan: its parameters and checksums filled in.
std::vector<std::uint8_t> make_boot_rom(const BootPlan& plan);

/// Puts the plan's parts and the ROM into fw_cfg. Throws Error when it has no room.
void offer_plan(FwCfg& fw_cfg, BootPlan plan);

}  // namespace machina::boot
