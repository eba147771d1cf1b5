#pragma once
/// What a PC tells its firmware (SeaBIOS), as plain data, and how that becomes fw_cfg items.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace machina {

class FwCfg;

struct FirmwareConfig {
  std::uint64_t ram_below_4g = 0;  ///< bytes from address 0
  std::uint64_t ram_above_4g = 0;  ///< bytes from 4 GiB

  std::uint16_t cpus = 1;
  std::uint16_t apic_id_limit = 1;  ///< the highest APIC ID that a CPU may have, and 1

  bool nographic = false;
  /// The firmware shows its screen on this serial port, too: 0x3f8. 0: on none.
  std::uint16_t serial_console = 0;

  /// Open Firmware paths, first to boot first: "/pci@i0cf8/ide@1,1/drive@0/disk@0". Empty: the firmware's own order,
  /// from CMOS.
  std::vector<std::string> boot_order;
  bool boot_menu = false;
  std::optional<std::uint16_t> boot_menu_wait_ms;  ///< the firmware's default is 2500

  /// S0 to S5 as Piix4Pm::sleep_states() has them; without, firmware says that all but S1 and S2 are there.
  std::optional<std::array<std::uint8_t, 6>> sleep_states;

  std::optional<std::array<std::uint8_t, 16>> uuid;  ///< in text order
  /// Interrupt 0 arrives at input 2 of the IOAPIC, as it does on a PC: what the firmware's MP table says of it.
  bool irq0_override = true;
};

/// Replaces what was there under the same keys and names.
void configure_firmware(FwCfg& fw_cfg, const FirmwareConfig& config);

/// The file "bootorder" alone; no file where there is nothing to say.
void set_boot_order(FwCfg& fw_cfg, const std::vector<std::string>& paths);

/// The table of file "etc/e820": entries of 20 bytes, little-endian: address (64 bits), size (64), type (32).
std::vector<std::uint8_t> e820_table(const FirmwareConfig& config);

}  // namespace machina
