#include "machines/firmware_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "core/byte_order.h"
#include "core/units.h"
#include "hw/acpi/acpi_tables.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/pci/pci_device.h"
#include "hw/x86/boot/low_layout.h"
#include "hw/x86/mp_table.h"
#include "machines/firmware_data.h"

namespace machina {

namespace {

constexpr const char* kLoaderFile = "etc/table-loader";
/// Files keep the size that their directory entry promised, though what firmware does in between changes how long a
/// number is. Zeros at the end are nothing to anybody, also as commands.
constexpr std::size_t kGranule = 4096;
constexpr std::size_t kSlack = 1024;

// Where tables go that nobody else places: the upper memory that no memory map calls RAM, and of it the part in which
// operating systems look for roots.
constexpr std::uint64_t kUpper = 0xe0000, kSegment = 0xf0000, kSegmentEnd = 0x100000;
constexpr std::uint64_t kAlignment = 16;

std::vector<std::uint8_t> padded(std::vector<std::uint8_t> bytes, std::size_t slack) {
  bytes.resize((bytes.size() + slack + kGranule - 1) / kGranule * kGranule);
  return bytes;
}

AcpiConfig acpi_config(Machine& machine) {
  const TableOptions& options = machine.tables;
  AcpiConfig config;
  config.user_tables = options.acpi_tables;
  config.node_memory = options.node_memory;
  for (const X86Cpu* cpu : machine.cpus().cpus()) {
    const unsigned node = cpu->index() < options.node_of_cpu.size() ? options.node_of_cpu[cpu->index()] : 0;
    config.cpus.push_back({cpu->apic_id(), true, node});
  }
  // Places of CPUs that may come.
  const CpuConfig& cpus = machine.cpu_config();
  for (auto i = static_cast<unsigned>(config.cpus.size()); i < cpus.max; ++i) {
    const unsigned node = i < options.node_of_cpu.size() ? options.node_of_cpu[i] : 0;
    config.cpus.push_back({cpus.topology.apic_id(i), false, node});
  }
  return config;
}

/// Text that CPUID gives in registers, without the blanks around it.
std::string text_of(const std::vector<std::uint32_t>& registers) {
  std::string text;
  for (const std::uint32_t r : registers)
    for (unsigned shift = 0; shift < 32; shift += 8)
      if (const char c = static_cast<char>(r >> shift & 0x7f); c >= ' ') text += c;
  const std::size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

SmbiosFacts smbios_facts(Machine& machine, bool own_firmware) {
  SmbiosFacts facts;
  facts.product = machine.tables.product;
  facts.own_firmware = own_firmware;
  if (!machine.uuid.empty()) facts.uuid = parse_uuid(machine.uuid);
  const CpuTopology& topology = machine.cpu_config().topology;
  facts.sockets = topology.sockets;
  facts.cores = topology.cores;
  facts.threads = topology.threads;
  const unsigned per_socket = std::max(1U, topology.cores * topology.threads);
  facts.populated = (machine.cpu_config().count + per_socket - 1) / per_socket;
  if (!machine.cpus().cpus().empty()) {
    const CpuidTable& cpuid = machine.cpus().cpus().front()->cpuid;
    facts.cpu_signature = cpuid.find(1).eax;
    facts.cpu_features = cpuid.find(1).edx;
    const CpuidLeaf vendor = cpuid.find(0);
    facts.cpu_manufacturer = text_of({vendor.ebx, vendor.edx, vendor.ecx});
    std::vector<std::uint32_t> brand;
    for (std::uint32_t leaf = 0x80000002; leaf <= 0x80000004; ++leaf) {
      const CpuidLeaf l = cpuid.find(leaf);
      brand.insert(brand.end(), {l.eax, l.ebx, l.ecx, l.edx});
    }
    facts.cpu_version = text_of(brand);
  }
  facts.ram_below_4g = machine.system().ram_below_4g;
  facts.ram_above_4g = machine.system().ram_above_4g;
  return facts;
}

MpFacts mp_facts(Machine& machine) {
  MpFacts facts;
  for (const X86Cpu* cpu : machine.cpus().cpus()) {
    const CpuidLeaf l = cpu->cpuid.find(1);
    facts.cpus.push_back({cpu->apic_id(), cpu->bootstrap(), l.eax, l.edx});
  }
  facts.interrupts = collect_acpi_facts(machine).interrupts;
  qom::for_each<PciBus>(machine, [&](PciBus& bus) {
    facts.pci = true;
    for (unsigned devfn = 0; devfn < PciBus::kSlots * PciBus::kFunctions; ++devfn) {
      const unsigned slot = devfn / PciBus::kFunctions;
      const PciDevice* function = bus.function(slot, devfn % PciBus::kFunctions);
      const unsigned pin = function ? function->config_read(pci::kInterruptPin, 1) : 0;
      if (pin == 0) continue;
      const MpFacts::PciPin route{slot, pin - 1, function->config_read(pci::kInterruptLine, 1)};
      if (std::find(facts.pci_pins.begin(), facts.pci_pins.end(), route) == facts.pci_pins.end())
        facts.pci_pins.push_back(route);
    }
  });
  return facts;
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
    return name == kAcpiTablesFile ? padded(linker_.file(name).bytes, kSlack) : linker_.file(name).bytes;
  }
  const TableLinker& linker() const { return linker_; }

 private:
  Machine& machine_;
  TableLinker linker_;
  bool fresh_ = false;
};

/// Places below 1 MiB, then at the end of RAM, of which kernels leave a part alone.
class Placement {
 public:
  explicit Placement(const System& system)
      : ram_end_(system.ram_below_4g), lowest_(boot::usable_ram_end(system.ram_below_4g)) {}

  /// Where operating systems look.
  std::uint64_t root(std::uint64_t size) {
    const std::uint64_t at = take(segment_, kSegmentEnd, size, kAlignment);
    if (at == 0) throw Error("there is no room below 1 MiB for the tables' roots");
    return at;
  }
  std::uint64_t anywhere(std::uint64_t size, std::uint64_t alignment = kAlignment) {
    if (const std::uint64_t at = take(upper_, kSegment, size, alignment)) return at;
    constexpr std::uint64_t kPage = 4096;
    const std::uint64_t pages = (size + kPage - 1) / kPage * kPage;
    if (ram_end_ - lowest_ < pages) {
      throw Error("the machine's memory has no room for its tables")
          .why(fmt::format(
              "{} bytes more are needed, and of the {} at the end of RAM that kernels leave alone {} are free", size,
              boot::kTopReserve, ram_end_ - lowest_))
          .hint("give the machine fewer tables, or more memory when it has no more than 2 MiB");
    }
    ram_end_ -= pages;
    in_ram_.push_back({ram_end_, pages, MemoryType::Reserved});
    return ram_end_;
  }
  std::vector<MemoryRange> ranges() const {
    std::vector<MemoryRange> all = in_ram_;
    all.push_back({kUpper, kSegmentEnd - kUpper, MemoryType::Reserved});
    return all;
  }

 private:
  static std::uint64_t take(std::uint64_t& next, std::uint64_t end, std::uint64_t size, std::uint64_t alignment) {
    const std::uint64_t at = (next + alignment - 1) / alignment * alignment;
    if (at + size > end) return 0;
    next = at + size;
    return at;
  }
  std::uint64_t upper_ = kUpper, segment_ = kSegment, ram_end_, lowest_;
  std::vector<MemoryRange> in_ram_;
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
      if (file.zone != TableLinker::Zone::Segment) return placement.anywhere(file.bytes.size(), file.alignment);
      return placed.rsdp = placement.root(file.bytes.size());
    };
    acpi.place(allocate, write);
  }

  const MpFacts mp = mp_facts(machine);
  if (const std::size_t size = make_mp_table(mp, kSegment).size()) {
    placed.mp_pointer = placement.root(size);
    write(placed.mp_pointer, make_mp_table(mp, static_cast<std::uint32_t>(placed.mp_pointer)));
  }

  const SmbiosOptions& options = machine.tables.smbios;
  const SmbiosTables smbios = make_smbios(smbios_facts(machine, true), options);
  placed.smbios = placement.anywhere(smbios.structures.size());
  write(placed.smbios, smbios.structures);
  const auto add_entry = [&](const std::vector<std::uint8_t>& entry) {
    const std::uint64_t at = placement.root(entry.size());
    write(at, entry);
    return at;
  };
  // Both, unless the user wants one: readers prefer that of 64 bits.
  const unsigned bits = options.entry_point.value_or(smbios.structures.size() > 0xffff ? 64 : 0);
  if (bits != 64)
    placed.smbios_entry_32 = add_entry(smbios_entry_point_32(smbios, static_cast<std::uint32_t>(placed.smbios)));
  if (bits != 32) placed.smbios_entry_64 = add_entry(smbios_entry_point_64(smbios, placed.smbios));
  placed.ranges = placement.ranges();
  return placed;
}

void MemoryTables::class_init(DeviceClass& c) {
  c.description = "Firmware tables in memory, for a kernel without firmware";
  c.user_creatable = false;  // comes with the kernel
}

void MemoryTables::reset_exit() {
  if (auto* machine = qom::cast<Machine>(parent())) placed_ = place_firmware_tables(*machine);
}

MACHINA_TYPE(MemoryTables, Device, GuestTables);

void publish_firmware_tables(Machine& machine, FwCfg& fw_cfg) {
  const SmbiosOptions& options = machine.tables.smbios;
  const SmbiosTables smbios = make_smbios(smbios_facts(machine, false), options);
  // Firmware puts the structures somewhere, and their address and new checksums into the entry point.
  const bool wide = options.entry_point.value_or(smbios.structures.size() > 0xffff ? 64 : 32) == 64;
  fw_cfg.add_file("etc/smbios/smbios-tables", smbios.structures);
  fw_cfg.add_file("etc/smbios/smbios-anchor",
                  wide ? smbios_entry_point_64(smbios, 0) : smbios_entry_point_32(smbios, 0));

  const auto tables = std::make_shared<PublishedTables>(machine);
  if (!tables->generate()) return;
  const auto add_files = [tables, &fw_cfg] {
    std::vector<std::string> names{kLoaderFile};
    for (const TableLinker::File& file : tables->linker().files()) names.push_back(file.name);
    for (const std::string& name : names) {
      fw_cfg.add_file(name, tables->content(name),
                      [tables, name](std::vector<std::uint8_t>& bytes) { bytes = tables->file(name); });
    }
    for (const TableLinker::Report& report : tables->linker().reports()) {
      constexpr std::size_t kAddress = 8;
      fw_cfg.add_writable_file(report.name, std::vector<std::uint8_t>(kAddress),
                               [placed = report.placed](std::span<const std::uint8_t> bytes, std::size_t, std::size_t) {
                                 placed(load_le<std::uint64_t>(bytes, 0));
                               });
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
