#include "hw/acpi/acpi_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/byte_order.h"
#include "core/error.h"
#include "hw/acpi/acpi_cpus.h"
#include "hw/acpi/acpi_sdt.h"
#include "hw/acpi/acpi_srat.h"
#include "hw/base/device.h"

namespace machina {

namespace {

// --- 5.2.9: fixed ACPI description table ---
constexpr unsigned kFadtRevision = 3;
constexpr std::size_t kFadtFirmwareControl = 36;
constexpr std::size_t kFadtDsdt = 40;
constexpr std::size_t kFadtXDsdt = 140;
constexpr unsigned kDesktop = 1;                  // preferred power management profile
constexpr unsigned kNoC2 = 0xfff, kNoC3 = 0xfff;  // latencies: those states are not there
// IAPC_BOOT_ARCH
constexpr unsigned kLegacyDevices = 1U << 0;
constexpr unsigned k8042 = 1U << 1;
constexpr unsigned kNoVga = 1U << 2;
constexpr unsigned kNoCmosRtc = 1U << 5;
// Flags
constexpr std::uint32_t kWbinvd = 1U << 0;
constexpr std::uint32_t kProcC1 = 1U << 2;
constexpr std::uint32_t kNoSleepButton = 1U << 5;  // neither a fixed nor, here, another one
constexpr std::uint32_t kNoFixedRtc = 1U << 6;     // FIX_RTC: its alarm is no event in the PM1 registers
constexpr std::uint32_t kResetRegister = 1U << 10;
constexpr std::uint32_t kUsePlatformClock = 1U << 15;
constexpr std::uint32_t kForcePhysicalApic = 1U << 19;
constexpr std::uint32_t kMaxFlatApic = 8;  // flat logical destinations: a bit for each CPU

// --- 5.2.10: firmware ACPI control structure, no system description table ---
constexpr std::size_t kFacsSize = 64;
constexpr unsigned kFacsVersion = 1;

constexpr unsigned kDsdtRevision = 2;  // from 2 on integers have 64 bits
constexpr std::size_t kRsdpSize = 36;

/// The file of all tables but the RSDP.
class Tables {
 public:
  /// Returns the offset.
  std::size_t add(const std::vector<std::uint8_t>& table, std::size_t alignment = 16) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
    const std::size_t at = bytes_.size();
    bytes_.insert(bytes_.end(), table.begin(), table.end());
    return at;
  }
  void put(std::size_t at, unsigned size, std::uint64_t value) { store_le(bytes_, at, value, size); }
  /// A pointer within the file.
  void point(std::size_t at, unsigned size, std::size_t target) {
    put(at, size, target);
    pointers_.push_back({at, size});
  }
  void checksum(std::size_t table, std::size_t length) { checksums_.push_back({table, length}); }

  void hand_over(TableLinker& linker) {
    linker.add_file({kAcpiTablesFile, std::move(bytes_), kFacsSize, TableLinker::Zone::High});
    for (const auto& [at, size] : pointers_) linker.add_pointer(kAcpiTablesFile, at, size, kAcpiTablesFile);
    for (const auto& [table, length] : checksums_)
      linker.add_checksum(kAcpiTablesFile, table + kSdtChecksum, table, length);
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::vector<std::pair<std::size_t, unsigned>> pointers_;
  std::vector<std::pair<std::size_t, std::size_t>> checksums_;
};

std::vector<std::uint8_t> facs() {
  aml::Code code;
  append_text(code, "FACS", 4);
  code.u32(kFacsSize).u32(0).u32(0).u32(0).u32(0).u64(0).u8(kFacsVersion);
  std::vector<std::uint8_t> bytes = code.bytes();
  bytes.resize(kFacsSize);
  return bytes;
}

std::vector<std::uint8_t> fadt(const AcpiFixedHardware& f, const AcpiConfig& config) {
  unsigned boot = 0;
  if (f.isa_devices) boot |= kLegacyDevices;
  if (f.i8042) boot |= k8042;
  if (!f.vga) boot |= kNoVga;
  if (!f.cmos_rtc) boot |= kNoCmosRtc;
  std::uint32_t flags = kWbinvd | kProcC1 | kNoSleepButton;
  if (f.pm_timer.length) flags |= kUsePlatformClock;
  if (!f.rtc_event) flags |= kNoFixedRtc;
  if (f.reset_port) flags |= kResetRegister;
  if (std::any_of(config.cpus.begin(), config.cpus.end(), [](const auto& c) { return c.apic_id >= kMaxFlatApic; }))
    flags |= kForcePhysicalApic;

  Sdt t("FACP", kFadtRevision);
  t.u32(0).u32(0).u8(0).u8(kDesktop).u16(f.sci.value_or(0));  // FIRMWARE_CTRL and DSDT are set later
  t.u32(f.smi_command).u8(f.acpi_enable).u8(f.acpi_disable).u8(0).u8(0);
  t.u32(f.pm1_event.base).u32(0).u32(f.pm1_control.base).u32(0).u32(0).u32(f.pm_timer.base).u32(f.gpe0.base).u32(0);
  t.u8(f.pm1_event.length).u8(f.pm1_control.length).u8(0).u8(f.pm_timer.length).u8(f.gpe0.length).u8(0).u8(0).u8(0);
  t.u16(kNoC2).u16(kNoC3).u16(0).u16(0).u8(0).u8(0);
  t.u8(0).u8(0).u8(f.century).u16(boot).u8(0).u32(flags);
  t.ports(f.reset_port.value_or(0), f.reset_port ? 1 : 0).u8(f.reset_port ? f.reset_value : 0).zeros(3);
  t.u64(0).u64(0);
  t.ports(f.pm1_event.base, f.pm1_event.length).zeros(12);
  t.ports(f.pm1_control.base, f.pm1_control.length).zeros(12).zeros(12);
  t.ports(f.pm_timer.base, f.pm_timer.length);
  t.ports(f.gpe0.base, f.gpe0.length).zeros(12);
  return t.finish();
}

/// "Windows ACPI Emulated Devices Table" (Microsoft, 2009): what a system may spare itself on emulated chips.
std::vector<std::uint8_t> waet(const AcpiFixedHardware& f) {
  constexpr std::uint32_t kPmTimerGood = 1U << 1;
  return Sdt("WAET", 1).u32(f.timer_reads_well ? kPmTimerGood : 0).finish();
}

/// "IA-PC HPET Specification" 1.0a, 3.2.4.
std::vector<std::uint8_t> hpet_table(const AcpiHpet& h) {
  constexpr unsigned kNoPageProtection = 0;
  return Sdt("HPET", 1).u32(h.id).memory(h.address).u8(h.number).u16(h.min_tick).u8(kNoPageProtection).finish();
}

/// 7.4.2: \_Sx, what is written to SLP_TYP of both PM1 control blocks.
aml::Code sleep_package(const char* where, std::uint8_t type) {
  return aml::name(where, aml::package({aml::integer(type), aml::integer(type), aml::integer(0), aml::integer(0)}));
}

std::vector<std::uint8_t> dsdt(AcpiBoard& board, qom::Object& machine, const AcpiConfig& config) {
  aml::Terms system_bus = cpu_objects(board, config);
  qom::for_each<AcpiContributor>(machine, [&](AcpiContributor& contributor) {
    auto* device = dynamic_cast<Device*>(&contributor);
    if (!device || !device->realized() || device->parent_bus()) return;
    aml::Terms own = contributor.acpi_objects(board);
    system_bus.insert(system_bus.end(), own.begin(), own.end());
  });
  aml::Terms all{aml::scope("\\_SB", system_bus)};
  const AcpiFixedHardware& f = board.fixed;
  if (f.s3) all.push_back(sleep_package("\\_S3", *f.s3));
  if (f.s4) all.push_back(sleep_package("\\_S4", *f.s4));
  if (f.s5) all.push_back(sleep_package("\\_S5", *f.s5));
  if (!board.events().empty()) {
    aml::Terms events;
    for (const auto& [n, body] : board.events()) {
      // 5.6.4.1: _Exx is for events that an edge makes.
      constexpr const char* kDigits = "0123456789ABCDEF";
      const std::string name{'_', 'E', kDigits[n >> 4 & 15], kDigits[n & 15]};
      events.push_back(aml::method(name, 0, aml::Serialize::No, body));
    }
    all.push_back(aml::scope("\\_GPE", events));
  }
  return Sdt("DSDT", kDsdtRevision).append(aml::join(all)).finish();
}

/// Where the value of `Name (segment, DWord)` stands in a table (20.2.5.1, 20.2.3).
std::size_t dword_of(const std::vector<std::uint8_t>& table, const std::string& segment) {
  constexpr std::uint8_t kNameOp = 0x08, kDWordPrefix = 0x0c;
  std::vector<std::uint8_t> pattern{kNameOp};
  pattern.insert(pattern.end(), segment.begin(), segment.end());
  pattern.push_back(kDWordPrefix);
  const auto at = std::search(table.begin(), table.end(), pattern.begin(), pattern.end());
  if (at == table.end()) throw Error(fmt::format("no ACPI object '{}' is there to hold an address", segment));
  return static_cast<std::size_t>(at - table.begin()) + pattern.size();
}

std::vector<std::uint8_t> rsdp() {
  aml::Code code;
  append_text(code, "RSD PTR ", 8);
  code.u8(0);
  append_text(code, SdtIdentity().oem_id, 6);
  constexpr unsigned kRevision = 2;
  code.u8(kRevision).u32(0).u32(kRsdpSize).u64(0).u8(0).u8(0).u16(0);
  return code.bytes();
}

}  // namespace

AcpiBoard collect_acpi_facts(qom::Object& machine) {
  AcpiBoard board;
  qom::for_each<AcpiContributor>(machine, [&](AcpiContributor& contributor) {
    const auto* device = dynamic_cast<Device*>(&contributor);
    if (device && device->realized()) contributor.acpi_facts(board);
  });
  return board;
}

bool add_acpi_tables(TableLinker& linker, qom::Object& machine, const AcpiConfig& config) {
  AcpiBoard board = collect_acpi_facts(machine);
  if (board.fixed.pm1_event.length == 0) return false;

  Tables tables;
  const std::size_t facs_at = tables.add(facs(), kFacsSize);
  const std::vector<std::uint8_t> dsdt_bytes = dsdt(board, machine, config);
  const std::size_t dsdt_at = tables.add(dsdt_bytes);
  if (!board.guest_blocks.empty()) tables.checksum(dsdt_at, dsdt_bytes.size());
  const std::vector<std::uint8_t> fadt_bytes = fadt(board.fixed, config);
  const std::size_t fadt_at = tables.add(fadt_bytes);
  tables.point(fadt_at + kFadtFirmwareControl, 4, facs_at);
  tables.point(fadt_at + kFadtDsdt, 4, dsdt_at);
  tables.point(fadt_at + kFadtXDsdt, 8, dsdt_at);
  tables.checksum(fadt_at, fadt_bytes.size());

  std::vector<std::size_t> listed{fadt_at};
  if (!board.interrupts.ioapics.empty()) listed.push_back(tables.add(madt(board, config)));
  for (const AcpiHpet& h : board.hpets) listed.push_back(tables.add(hpet_table(h)));
  listed.push_back(tables.add(waet(board.fixed)));
  if (!config.node_memory.empty())
    listed.push_back(tables.add(srat(dynamic_cast<SystemHolder&>(machine).system(), config)));
  for (const auto& table : config.user_tables) listed.push_back(tables.add(table));

  // 5.2.7 and 5.2.8: the same list with pointers of 32 and of 64 bits.
  std::size_t roots[2] = {};
  for (const unsigned width : {4U, 8U}) {
    Sdt root(width == 4 ? "RSDT" : "XSDT", 1);
    root.zeros(static_cast<unsigned>(width * listed.size()));
    const std::size_t at = roots[width == 8] = tables.add(root.finish());
    for (std::size_t i = 0; i < listed.size(); ++i) tables.point(at + kSdtHeader + i * width, width, listed[i]);
    tables.checksum(at, root.size());
  }
  tables.hand_over(linker);
  for (const AcpiGuestBlock& block : board.guest_blocks) {
    linker.add_file({block.file, block.bytes, block.alignment, TableLinker::Zone::High});
    linker.add_pointer(kAcpiTablesFile, dsdt_at + dword_of(dsdt_bytes, block.pointer), 4, block.file);
    linker.add_report({block.address_file, block.file, block.offset, block.placed});
  }

  std::vector<std::uint8_t> pointer = rsdp();
  constexpr std::size_t kRsdpChecksum = 8, kRsdt = 16, kXsdt = 24, kExtendedChecksum = 32, kFirstPart = 20;
  store_le(pointer, kRsdt, roots[0], 4);
  store_le(pointer, kXsdt, roots[1], 8);
  linker.add_file({kAcpiRsdpFile, std::move(pointer), 16, TableLinker::Zone::Segment});
  linker.add_pointer(kAcpiRsdpFile, kRsdt, 4, kAcpiTablesFile);
  linker.add_pointer(kAcpiRsdpFile, kXsdt, 8, kAcpiTablesFile);
  linker.add_checksum(kAcpiRsdpFile, kRsdpChecksum, 0, kFirstPart);
  linker.add_checksum(kAcpiRsdpFile, kExtendedChecksum, 0, kRsdpSize);
  return true;
}

}  // namespace machina
