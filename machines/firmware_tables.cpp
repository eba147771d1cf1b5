#include "machines/firmware_tables.h"

#include <fmt/format.h>

#include <memory>

#include "core/units.h"
#include "hw/acpi/acpi_tables.h"
#include "hw/nvram/fw_cfg.h"

namespace machina {

namespace {

constexpr const char* kLoaderFile = "etc/table-loader";
/// Files keep the size that their directory entry promised, though what firmware does in between changes how long a
/// number is. Zeros at the end are nothing to anybody, also as commands.
constexpr std::size_t kGranule = 4096;
constexpr std::size_t kSlack = 1024;

constexpr std::uint64_t kUpper = 0xe0000, kSegment = 0xf0000, kSegmentEnd = 0x100000;

std::vector<std::uint8_t> padded(std::vector<std::uint8_t> bytes, std::size_t slack) {
  bytes.resize((bytes.size() + slack + kGranule - 1) / kGranule * kGranule);
  return bytes;
}

AcpiConfig acpi_config(Machine& machine) {
  AcpiConfig config;
  for (const X86Cpu* cpu : machine.cpus().cpus()) config.cpus.push_back({cpu->apic_id(), true, 0});
  return config;
}

/// What fw_cfg shows: all of it from one moment.
class PublishedTables {
 public:
  explicit PublishedTables(Machine& machine) : machine_(machine) {}

  bool generate() {
    linker_ = TableLinker();
    return add_acpi_tables(linker_, machine_, acpi_config(machine_));
  }
  void forget() { fresh_ = false; }
  std::vector<std::uint8_t> file(const std::string& name) {
    if (!fresh_) generate();
    fresh_ = true;
    return content(name);
  }
  std::vector<std::uint8_t> content(const std::string& name) const {
    if (name == kLoaderFile) return padded(linker_.commands(), 0);
    return name == kAcpiRsdpFile ? linker_.file(name).bytes : padded(linker_.file(name).bytes, kSlack);
  }

 private:
  Machine& machine_;
  TableLinker linker_;
  bool fresh_ = false;
};

/// Places below 1 MiB, then at the end of RAM.
class Placement {
 public:
  explicit Placement(const System& system) : ram_end_(system.ram_below_4g) {}

  std::uint64_t allocate(const TableLinker::File& file) {
    const std::uint64_t size = file.bytes.size();
    if (file.zone == TableLinker::Zone::High) {
      if (const std::uint64_t at = take(upper_, kSegment, size, file.alignment)) return at;
    }
    if (const std::uint64_t at = take(segment_, kSegmentEnd, size, file.alignment)) return at;
    constexpr std::uint64_t kPage = 4096;
    const std::uint64_t pages = (size + kPage - 1) / kPage * kPage;
    if (file.zone != TableLinker::Zone::High || ram_end_ < 2 * MiB + pages)
      throw Error(fmt::format("there is no room for the tables '{}'", file.name));
    ram_end_ -= pages;
    reserved.push_back({ram_end_, pages, 2});
    return ram_end_;
  }

  std::vector<FirmwareConfig::Range> reserved;

 private:
  static std::uint64_t take(std::uint64_t& next, std::uint64_t end, std::uint64_t size, std::uint64_t alignment) {
    const std::uint64_t at = (next + alignment - 1) / alignment * alignment;
    if (at + size > end) return 0;
    next = at + size;
    return at;
  }
  std::uint64_t upper_ = kUpper, segment_ = kSegment, ram_end_;
};

}  // namespace

PlacedTables place_firmware_tables(Machine& machine) {
  qom::for_each<FirmwareSetup>(machine, [](FirmwareSetup& chip) { chip.set_up_as_firmware(); });
  System& system = machine.system();
  PlacedTables placed;
  if (system.ram_below_4g < kSegmentEnd) return placed;
  Placement placement(system);
  const auto write = [&](std::uint64_t address, std::span<const std::uint8_t> bytes) {
    if (system.memory.write(address, bytes) != MemTxResult::Ok)
      throw Error(fmt::format("the guest's memory has no place for tables at {:#x}", address));
  };
  TableLinker acpi;
  if (add_acpi_tables(acpi, machine, acpi_config(machine))) {
    const auto allocate = [&](const TableLinker::File& file) {
      const std::uint64_t at = placement.allocate(file);
      if (file.name == kAcpiRsdpFile) placed.rsdp = at;
      return at;
    };
    acpi.place(allocate, write);
  }
  placed.reserved = std::move(placement.reserved);
  return placed;
}

void publish_firmware_tables(Machine& machine, FwCfg& fw_cfg) {
  const auto tables = std::make_shared<PublishedTables>(machine);
  if (!tables->generate()) return;
  const auto add_files = [tables, &fw_cfg] {
    for (const char* name : {kAcpiTablesFile, kAcpiRsdpFile, kLoaderFile}) {
      fw_cfg.add_file(name, tables->content(name),
                      [tables, name](std::vector<std::uint8_t>& bytes) { bytes = tables->file(name); });
    }
  };
  add_files();
  machine.add_observer([tables, add_files](const Machine::EventData& event) {
    if (event.event != Machine::Event::Reset) return;
    // As far as it can be told now: the directory says how long the files are.
    tables->forget();
    tables->generate();
    add_files();
  });
}

}  // namespace machina
