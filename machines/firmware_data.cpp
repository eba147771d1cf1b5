#include "machines/firmware_data.h"

#include <fmt/format.h>

#include "hw/char/isa_serial.h"
#include "hw/nvram/firmware_config.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/rtc/cmos_layout.h"
#include "hw/rtc/mc146818rtc.h"

namespace machina {

namespace {

constexpr std::uint16_t kCom1 = 0x3f8;

template <class T>
T* first(Machine& machine) {
  T* found = nullptr;
  qom::for_each<T>(machine, [&](T& t) {
    if (!found && t.realized()) found = &t;
  });
  return found;
}

}  // namespace

std::array<std::uint8_t, 16> parse_uuid(const std::string& text) {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t digits = 0;
  bool well = text.size() == 36;
  for (std::size_t i = 0; i < text.size() && well; ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      well = c == '-';
      continue;
    }
    const int v = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : -1;
    well = v >= 0;
    bytes[digits / 2] = static_cast<std::uint8_t>(bytes[digits / 2] << 4 | (v & 15));
    ++digits;
  }
  if (!well) {
    Error e(fmt::format("not a UUID: '{}'", text));
    throw e.hint("write it as 550e8400-e29b-41d4-a716-446655440000");
  }
  return bytes;
}

void fill_firmware_data(Machine& machine, const BootOptions& boot) {
  const System& s = machine.system();
  if (auto* fw_cfg = first<FwCfg>(machine)) {
    FirmwareConfig config;
    config.ram_below_4g = s.ram_below_4g;
    config.ram_above_4g = s.ram_above_4g;
    config.cpus = static_cast<std::uint16_t>(machine.cpu_config().count);
    config.max_cpus = static_cast<std::uint16_t>(machine.cpu_config().max);
    config.nographic = boot.nographic;
    if (boot.nographic && first<IsaSerial>(machine)) config.serial_console = kCom1;
    config.boot_menu = boot.menu;
    config.boot_menu_wait_ms = boot.splash_time_ms;
    if (!machine.uuid.empty()) config.uuid = parse_uuid(machine.uuid);
    configure_firmware(*fw_cfg, config);
  }
  if (auto* rtc = first<Mc146818Rtc>(machine)) {
    CmosConfig config;
    config.ram_below_4g = s.ram_below_4g;
    config.ram_above_4g = s.ram_above_4g;
    config.cpus = machine.cpu_config().count;
    config.boot_order = boot.order;
    for (const CmosByte& byte : cmos_layout(config)) rtc->set_cmos(byte.index, byte.value);
  }
}

}  // namespace machina
