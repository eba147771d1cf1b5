#pragma once
/// The tables that an operating system finds its machine by (ACPI, SMBIOS, MultiProcessor), and the two ways of placing
/// them: firmware fetches them from fw_cfg and links them itself; where there is no firmware they are written into
/// guest memory. docs/acpi.md says how they come about.
///
/// Main thread, machine lock held.

#include <cstdint>
#include <vector>

#include "hw/x86/boot/guest_tables.h"
#include "machines/machine.h"

namespace machina {

class FwCfg;

/// Where tables lie in guest-physical memory; 0: the board has none of that kind.
struct PlacedTables {
  std::uint64_t rsdp = 0;                                  ///< ACPI's root pointer
  std::uint64_t smbios = 0;                                ///< the structures
  std::uint64_t smbios_entry_32 = 0, smbios_entry_64 = 0;  ///< entry points
  std::uint64_t mp_pointer = 0;                            ///< floating pointer of the MultiProcessor Specification
  std::vector<MemoryRange> ranges;                         ///< all that they take
};

/// For a machine without firmware, after a reset and before the guest runs: programs the chipset as far as the tables
/// rely on it (hw/acpi/acpi_board.h, FirmwareSetup), and writes the tables. Throws Error.
PlacedTables place_firmware_tables(Machine& machine);

/// Does so at each reset of its parent, the machine. Before whatever starts a kernel, in the order of the tree.
class MemoryTables final : public Device, public GuestTables {
 public:
  static constexpr const char* kType = "memory-tables";
  static void class_init(DeviceClass& c);

  std::uint64_t rsdp_address() const override { return placed_.rsdp; }
  std::vector<MemoryRange> table_ranges() const override { return placed_.ranges; }
  void reset_exit() override;

 private:
  PlacedTables placed_;
};

/// For a machine with firmware, once, when all devices are realized: adds the files to fw_cfg. They are generated anew
/// when firmware first looks at them after a reset, since they tell where firmware has put things. Throws Error.
void publish_firmware_tables(Machine& machine, FwCfg& fw_cfg);

}  // namespace machina
