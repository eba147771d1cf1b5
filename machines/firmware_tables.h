#pragma once
/// The tables that an operating system finds its machine by, and the two ways of placing them: firmware fetches them
/// from fw_cfg and links them itself; where there is no firmware they are written into guest memory.
///
/// Main thread, machine lock held.

#include <cstdint>
#include <vector>

#include "hw/nvram/firmware_config.h"
#include "machines/machine.h"

namespace machina {

class FwCfg;

/// Where tables lie in guest-physical memory; 0: the board has none of that kind.
struct PlacedTables {
  std::uint64_t rsdp = 0;  ///< ACPI's root pointer: boot_params.acpi_rsdp_addr, hvm_start_info.rsdp_paddr
  /// RAM below 4 GiB that they take, for the memory map; empty while they fit between E0000h and FFFFFh, which no
  /// memory map calls RAM.
  std::vector<FirmwareConfig::Range> reserved;
};

/// For a machine without firmware, after each reset and before the guest runs: programs the chipset as far as the
/// tables rely on it (hw/acpi/acpi_board.h, FirmwareSetup), and writes the tables. Throws Error.
PlacedTables place_firmware_tables(Machine& machine);

/// For a machine with firmware, once, when all devices are realized: adds the files to fw_cfg. They are generated anew
/// when firmware first looks at them after a reset, since they tell where firmware has put things. Throws Error.
void publish_firmware_tables(Machine& machine, FwCfg& fw_cfg);

}  // namespace machina
