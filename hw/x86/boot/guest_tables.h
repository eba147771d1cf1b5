#pragma once
/// Interface of whoever puts the tables that describe the machine (ACPI, MP, SMBIOS) into the memory of a board without
/// firmware. What starts a kernel there asks every object of the machine that has it.

#include <cstdint>
#include <vector>

#include "hw/x86/boot/memory_map.h"

namespace machina {

class GuestTables {
 public:
  static constexpr const char* kType = "guest-tables";
  virtual ~GuestTables() = default;
  /// Guest-physical address of ACPI's root system description pointer; 0: there is none. The tables are in memory after
  /// reset_hold() of a machine reset; both members are asked in its reset_exit().
  virtual std::uint64_t rsdp_address() const = 0;
  /// Memory that the guest must not take for free RAM: tables of type Acpi, Nvs or Reserved.
  virtual std::vector<MemoryRange> table_ranges() const { return {}; }
};

}  // namespace machina
