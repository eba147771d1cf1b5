#include "hw/nvram/firmware_config.h"

#include "core/byte_order.h"
#include "core/units.h"
#include "hw/nvram/fw_cfg.h"

namespace machina {
namespace {

template <class T>
std::vector<std::uint8_t> integer_file(T value) {
  std::vector<std::uint8_t> bytes;
  append_le(bytes, value);
  return bytes;
}

void append_memory(std::vector<std::uint8_t>& out, std::uint64_t address, std::uint64_t size) {
  constexpr std::uint32_t kMemory = 1;  // ACPI, "Address Range Types"
  if (size == 0) return;
  append_le(out, address);
  append_le(out, size);
  append_le(out, kMemory);
}

}  // namespace

std::vector<std::uint8_t> e820_table(const FirmwareConfig& config) {
  std::vector<std::uint8_t> table;
  append_memory(table, 0, config.ram_below_4g);
  append_memory(table, 4 * GiB, config.ram_above_4g);
  return table;
}

void set_boot_order(FwCfg& fw_cfg, const std::vector<std::string>& paths) {
  constexpr const char* kFile = "bootorder";
  std::string order;
  for (const std::string& path : paths) order += (order.empty() ? "" : "\n") + path;
  if (order.empty()) return fw_cfg.remove_file(kFile);
  std::vector<std::uint8_t> bytes(order.begin(), order.end());
  bytes.push_back(0);
  fw_cfg.add_file(kFile, std::move(bytes));
}

void configure_firmware(FwCfg& fw_cfg, const FirmwareConfig& config) {
  fw_cfg.add_file("etc/e820", e820_table(config));
  fw_cfg.add_i64(FwCfgKey::RamSize, config.ram_below_4g + config.ram_above_4g);
  fw_cfg.add_i16(FwCfgKey::NbCpus, config.cpus);
  fw_cfg.add_i16(FwCfgKey::MaxCpus, config.apic_id_limit);
  // No nodes for tables of the firmware's own, since those that it gets have them; it reads the count.
  fw_cfg.add_i64(FwCfgKey::Numa, 0);
  fw_cfg.add_i32(FwCfgKey::Irq0Override, config.irq0_override ? 1 : 0);
  if (config.sleep_states)
    fw_cfg.add_file("etc/system-states", {config.sleep_states->begin(), config.sleep_states->end()});
  if (config.uuid) fw_cfg.add_bytes(FwCfgKey::Uuid, {config.uuid->begin(), config.uuid->end()});

  fw_cfg.add_i16(FwCfgKey::NoGraphic, config.nographic ? 1 : 0);
  // SeaBIOS takes nographic alone as 3f8h; naming the port says which, and says it with a display, too.
  if (config.serial_console) fw_cfg.add_file("etc/sercon-port", integer_file(config.serial_console));

  set_boot_order(fw_cfg, config.boot_order);
  // SeaBIOS sees this key as file etc/show-boot-menu.
  fw_cfg.add_i16(FwCfgKey::BootMenu, config.boot_menu ? 1 : 0);
  if (config.boot_menu_wait_ms) fw_cfg.add_file("etc/boot-menu-wait", integer_file(*config.boot_menu_wait_ms));
}

}  // namespace machina
