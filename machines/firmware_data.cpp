#include "machines/firmware_data.h"

#include <fmt/format.h>

#include <algorithm>

#include "hw/acpi/acpi_tables.h"
#include "hw/acpi/piix4_pm.h"
#include "hw/block/floppy_drive.h"
#include "hw/block/isa_fdc.h"
#include "hw/char/isa_serial.h"
#include "hw/ide/ide_cd.h"
#include "hw/ide/ide_disk.h"
#include "hw/nvram/firmware_config.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/pci/pci_device.h"
#include "hw/rtc/cmos_layout.h"
#include "hw/rtc/mc146818rtc.h"
#include "hw/x86/boot/boot_rom.h"
#include "machines/firmware_tables.h"
#include "qom/find.h"

namespace machina {

namespace {

constexpr std::uint16_t kCom1 = 0x3f8;
constexpr unsigned kTimerPin = 2;  // where the firmware's MP table can say that interrupt 0 arrives, if not at 0

/// Firmware takes what it is told for the number behind the last APIC ID, and IDs may have gaps.
std::uint16_t apic_id_limit(const CpuConfig& cpus) {
  if (cpus.max == 0) return 0;
  return static_cast<std::uint16_t>(std::min(cpus.topology.apic_id(cpus.max - 1) + 1, 0xffffU));
}

/// How the firmware shows a disk to programs that only know cylinders: as it is where the 10 bits for a cylinder, 4 for
/// a head and 6 for a sector of INT 13h hold its geometry, and made up from its size where they do not.
CmosDisk cmos_disk(const DiskGeometry& g) {
  const bool fits = g.cylinders <= 1024 && g.heads <= 16 && g.sectors <= 63;
  return {true, static_cast<std::uint16_t>(g.cylinders), static_cast<std::uint8_t>(g.heads),
          static_cast<std::uint8_t>(g.sectors), fits ? DiskTranslation::None : DiskTranslation::Lba};
}

/// The path of a drive in the form of IEEE 1275 that SeaBIOS compares with what it finds: the host bridge at port CF8h,
/// slot and function of the controller, its channel, the drive on it. It looks for those of PCI controllers only.
std::optional<std::string> open_firmware_path(IdeDevice& disk) {
  IdeBus& channel = disk.ide_bus();
  const auto* controller = dynamic_cast<const PciDevice*>(channel.parent());
  if (!controller) return std::nullopt;
  const PciAddress where = controller->address();
  const std::string function = where.function ? fmt::format(",{:x}", where.function) : "";
  return fmt::format("/pci@i0cf8/ide@{:x}{}/drive@{:x}/disk@{:x}", where.slot, function, channel.number(), disk.unit());
}

/// As that of a floppy drive: below the PCI-to-ISA bridge, the controller by its first port.
std::optional<std::string> open_firmware_path(const FloppyDrive& drive) {
  const auto* controller = dynamic_cast<const IsaFdc*>(drive.parent_bus()->parent());
  const auto* bridge = controller ? dynamic_cast<const PciDevice*>(controller->isa_bus().parent()) : nullptr;
  if (!bridge) return std::nullopt;
  return fmt::format("/pci@i0cf8/isa@{:x}/fdc@{:04x}/floppy@{:x}", bridge->address().slot, fdc::kBase, drive.unit());
}

void add_floppy_path(Machine& machine, int unit, std::vector<std::string>& paths) {
  qom::for_each<FloppyDrive>(machine, [&](FloppyDrive& drive) {
    if (!drive.realized() || drive.unit() != unit) return;
    if (auto path = open_firmware_path(drive)) paths.push_back(std::move(*path));
  });
}

/// Those of all drives of a kind, in the order of their places.
template <class Drive>
void add_drive_paths(Machine& machine, std::vector<std::string>& paths) {
  std::vector<IdeDevice*> drives;
  qom::for_each<Drive>(machine, [&](Drive& drive) {
    if (drive.realized()) drives.push_back(&drive);
  });
  const auto place = [](IdeDevice* d) { return 2 * static_cast<int>(d->ide_bus().number()) + d->unit(); };
  std::sort(drives.begin(), drives.end(), [&](IdeDevice* a, IdeDevice* b) { return place(a) < place(b); });
  for (IdeDevice* drive : drives)
    if (auto path = open_firmware_path(*drive)) paths.push_back(std::move(*path));
}

/// The letters that count now.
const std::string& letters_of(const BootOptions& boot) { return boot.once.empty() ? boot.order : boot.once; }

}  // namespace

std::vector<std::string> boot_paths(Machine& machine, const BootOptions& boot) {
  std::vector<std::string> paths;
  // CMOS tells the firmware about the letters that have no path.
  for (const char letter : letters_of(boot)) {
    if (letter == 'a' || letter == 'b') add_floppy_path(machine, letter - 'a', paths);
    if (letter == 'c') add_drive_paths<IdeDisk>(machine, paths);
    if (letter == 'd') add_drive_paths<IdeCd>(machine, paths);
  }
  if (boot.strict) paths.emplace_back("HALT");
  return paths;
}

namespace {

/// With the option ROM that starts a kernel, which comes before all else.
std::vector<std::string> all_boot_paths(Machine& machine, const BootOptions& boot) {
  std::vector<std::string> paths = boot_paths(machine, boot);
  if (boot.kernel) paths.insert(paths.begin(), boot::kBootRomPath);
  return paths;
}

}  // namespace

void set_boot_order(Machine& machine, const BootOptions& boot) {
  if (auto* fw_cfg = qom::first_of<FwCfg>(machine)) set_boot_order(*fw_cfg, all_boot_paths(machine, boot));
  auto* rtc = qom::first_of<Mc146818Rtc>(machine);
  if (!rtc) return;
  CmosConfig config;
  if (!letters_of(boot).empty()) config.boot_order = letters_of(boot);
  for (const CmosByte& byte : cmos_boot_order(config)) rtc->set_cmos(byte.index, byte.value);
}

void fill_firmware_data(Machine& machine, const BootOptions& boot) {
  const System& s = machine.system();
  if (auto* fw_cfg = qom::first_of<FwCfg>(machine)) {
    FirmwareConfig config;
    config.ram_below_4g = s.ram_below_4g;
    config.ram_above_4g = s.ram_above_4g;
    config.cpus = static_cast<std::uint16_t>(machine.cpu_config().count);
    config.apic_id_limit = apic_id_limit(machine.cpu_config());
    const std::map<unsigned, unsigned> moved = collect_acpi_facts(machine).interrupts.moved;
    config.irq0_override = moved.count(0) != 0 && moved.at(0) == kTimerPin;
    config.nographic = boot.nographic;
    if (boot.nographic && qom::first_of<IsaSerial>(machine)) config.serial_console = kCom1;
    config.boot_menu = boot.menu;
    config.boot_menu_wait_ms = boot.splash_time_ms;
    config.boot_order = all_boot_paths(machine, boot);
    if (const auto* pm = qom::first_of<Piix4Pm>(machine)) config.sleep_states = pm->sleep_states();
    if (!machine.uuid.empty()) config.uuid = parse_uuid(machine.uuid);
    configure_firmware(*fw_cfg, config);
    publish_firmware_tables(machine, *fw_cfg);
  }
  if (auto* rtc = qom::first_of<Mc146818Rtc>(machine)) {
    CmosConfig config;
    config.ram_below_4g = s.ram_below_4g;
    config.ram_above_4g = s.ram_above_4g;
    config.cpus = machine.cpu_config().count;
    if (!letters_of(boot).empty()) config.boot_order = letters_of(boot);
    qom::for_each<IdeDisk>(machine, [&](IdeDisk& disk) {
      if (!disk.realized()) return;
      auto& channel = disk.ide_bus().number() == 0 ? config.disks : config.secondary_disks;
      CmosDisk& entry = channel[static_cast<unsigned>(disk.unit())];
      if (!entry.present) entry = cmos_disk(disk.geometry());
    });
    qom::for_each<FloppyDrive>(machine, [&](FloppyDrive& drive) {
      if (drive.realized()) config.floppies[static_cast<unsigned>(drive.unit())] = drive.type();
    });
    for (const CmosByte& byte : cmos_layout(config)) rtc->set_cmos(byte.index, byte.value);
  }
}

}  // namespace machina
