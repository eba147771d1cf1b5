#include "machines/firmware_tables.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "core/units.h"
#include "hw/nvram/fw_cfg.h"
#include "machines/cli/launch.h"

namespace machina {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// A board under qtest, whose memory and ports a test reads as a guest would.
class FirmwareTables : public testing::Test {
 protected:
  void start(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-qtest", "null", "-display", "none"});
    launch_ = std::make_unique<Launch>(CommandLine::parse(arguments));
  }
  Machine& machine() { return launch_->machine(); }
  PlacedTables place() {
    const MachineLock::Guard guard(machine().system().lock);
    return place_firmware_tables(machine());
  }
  Bytes read(std::uint64_t address, std::size_t size) {
    Bytes bytes(size);
    EXPECT_EQ(machine().system().memory.read(address, bytes), MemTxResult::Ok);
    return bytes;
  }
  std::uint64_t number(std::uint64_t address, unsigned size) { return machine().system().memory.load(address, size); }
  std::string text(std::uint64_t address, std::size_t size) {
    const Bytes bytes = read(address, size);
    return {bytes.begin(), bytes.end()};
  }
  bool adds_up(std::uint64_t address, std::size_t size) {
    const Bytes bytes = read(address, size);
    return (std::accumulate(bytes.begin(), bytes.end(), 0U) & 0xff) == 0;
  }
  /// The addresses of all tables that the RSDP leads to.
  std::vector<std::uint64_t> acpi_tables(std::uint64_t rsdp) {
    EXPECT_EQ(text(rsdp, 8), "RSD PTR ");
    EXPECT_TRUE(adds_up(rsdp, 20));
    EXPECT_TRUE(adds_up(rsdp, 36));
    const std::uint64_t rsdt = number(rsdp + 16, 4), xsdt = number(rsdp + 24, 8);
    EXPECT_EQ(text(rsdt, 4), "RSDT");
    EXPECT_EQ(text(xsdt, 4), "XSDT");
    std::vector<std::uint64_t> tables{rsdt, xsdt};
    for (std::uint64_t at = xsdt + 36; at < xsdt + number(xsdt + 4, 4); at += 8) tables.push_back(number(at, 8));
    for (const std::uint64_t table : tables) EXPECT_TRUE(adds_up(table, number(table + 4, 4))) << text(table, 4);
    return tables;
  }
  std::vector<std::string> signatures(std::uint64_t rsdp) {
    std::vector<std::string> all;
    for (const std::uint64_t table : acpi_tables(rsdp)) all.push_back(text(table, 4));
    return all;
  }

 private:
  std::unique_ptr<Launch> launch_;
};

TEST_F(FirmwareTables, WithoutFirmwareTheyAreInUpperMemory) {
  start({"-M", "pc", "-m", "64M", "-smp", "2"});
  const PlacedTables placed = place();
  EXPECT_GE(placed.rsdp, 0xe0000U);
  EXPECT_EQ(placed.rsdp % 16, 0U);
  EXPECT_EQ(signatures(placed.rsdp), (std::vector<std::string>{"RSDT", "XSDT", "FACP", "APIC", "HPET", "WAET"}));
  for (const std::uint64_t table : acpi_tables(placed.rsdp)) {
    if (text(table, 4) != "FACP") continue;
    EXPECT_EQ(text(number(table + 40, 4), 4), "DSDT");
    EXPECT_EQ(text(number(table + 36, 4), 4), "FACS");
    EXPECT_EQ(number(table + 36, 4) % 64, 0U);
    // The ports are where it says: the timer's high byte reads 0, and only a port that nobody has reads FFh.
    EXPECT_EQ(number(table + 76, 4), 0x608U);
    EXPECT_EQ(machine().system().io.load(0x60b, 1), 0U);
  }
  EXPECT_EQ(text(placed.mp_pointer, 4), "_MP_");
  EXPECT_TRUE(adds_up(placed.mp_pointer, 16));
  EXPECT_EQ(text(placed.smbios_entry_32, 4), "_SM_");
  EXPECT_EQ(number(placed.smbios_entry_32 + 0x18, 4), placed.smbios);
  EXPECT_EQ(text(placed.smbios_entry_64, 5), "_SM3_");
  EXPECT_EQ(number(placed.smbios_entry_64 + 0x10, 8), placed.smbios);
  for (const std::uint64_t root : {placed.rsdp, placed.mp_pointer, placed.smbios_entry_32, placed.smbios_entry_64}) {
    EXPECT_GE(root, 0xf0000U);
    EXPECT_LT(root, 0x100000U);
  }
  ASSERT_EQ(placed.ranges.size(), 1U);
  EXPECT_EQ(placed.ranges[0].address, 0xe0000U);
}

TEST_F(FirmwareTables, ChipsAreSetUpAsFirmwareWouldDoIt) {
  start({"-M", "pc", "-m", "64M", "-device", "VGA,addr=05.0"});
  AddressSpace& io = machine().system().io;
  const auto config = [&](unsigned slot, unsigned function, unsigned offset) {
    io.store(0xcf8, 4, 0x80000000 | slot << 11 | function << 8 | (offset & 0xfc));
    return io.load(static_cast<std::uint64_t>(0xcfc + (offset & 3)), 1);
  };
  EXPECT_EQ(config(1, 0, 0x60), 0x80U);  // PIIX3, 2.2.10: disabled by reset
  machine().system().memory.store(0xf8000, 4, 0x12345678);
  EXPECT_NE(number(0xf8000, 4), 0x12345678U);
  (void)place();
  // PIRQA# to D#: lines 5, 10 and 11 are free, the SCI has 9.
  for (unsigned n = 0; n < 4; ++n) {
    const std::uint64_t line = config(1, 0, 0x60 + n);
    EXPECT_TRUE(line == 5 || line == 10 || line == 11) << line;
    EXPECT_TRUE(io.load(static_cast<std::uint64_t>(line < 8 ? 0x4d0 : 0x4d1), 1) >> line % 8 & 1);  // ELCR: level
  }
  EXPECT_EQ(config(1, 3, 0x3c), 9U);  // the power management's interrupt is the SCI
  EXPECT_EQ(io.load(0x4d1, 1) & 0x02, 0U);
  machine().system().memory.store(0xf8000, 4, 0x12345678);
  EXPECT_EQ(number(0xf8000, 4), 0x12345678U);
}

TEST_F(FirmwareTables, AreThereAgainAfterEachReset) {
  start({"-M", "pc", "-m", "64M"});
  const MachineLock::Guard guard(machine().system().lock);
  auto& tables = machine().add_new_child<MemoryTables>("tables");
  qom::realize_tree(tables);
  EXPECT_EQ(tables.rsdp_address(), 0U);
  machine().reset(ShutdownCause::HostQmpSystemReset);
  const std::uint64_t rsdp = tables.rsdp_address();
  EXPECT_EQ(text(rsdp, 8), "RSD PTR ");
  EXPECT_FALSE(tables.table_ranges().empty());
  machine().system().memory.store(rsdp, 8, 0);  // a guest that spoils them
  machine().reset(ShutdownCause::HostQmpSystemReset);
  EXPECT_EQ(text(tables.rsdp_address(), 8), "RSD PTR ");
}

TEST_F(FirmwareTables, WhatHasNoRoomThereIsAtTheEndOfRam) {
  start({"-M", "pc", "-m", "64M", "-smp", "255"});
  machine().tables.acpi_tables.assign(2, Bytes(40000));
  for (Bytes& table : machine().tables.acpi_tables) {
    table[0] = table[1] = table[2] = table[3] = 'X';
    table[4] = 0x40, table[5] = 0x9c;  // its length
    table[9] = static_cast<std::uint8_t>(0U - 4 * 'X' - 0x40 - 0x9c);
  }
  const PlacedTables placed = place();
  EXPECT_EQ(signatures(placed.rsdp),
            (std::vector<std::string>{"RSDT", "XSDT", "FACP", "APIC", "HPET", "WAET", "XXXX", "XXXX"}));
  ASSERT_EQ(placed.ranges.size(), 2U);
  EXPECT_EQ(placed.ranges[0].address + placed.ranges[0].size, 64 * MiB);
  EXPECT_EQ(placed.ranges[0].type, MemoryType::Reserved);
}

TEST_F(FirmwareTables, TakeNoMoreOfRamThanKernelsLeaveAlone) {
  start({"-M", "microvm", "-m", "128M"});
  machine().tables.acpi_tables.assign(15, Bytes(65536));
  const PlacedTables placed = place();
  EXPECT_GE(placed.ranges.at(0).address, 127 * MiB);
  machine().tables.acpi_tables.assign(18, Bytes(65536));
  EXPECT_THROW(place(), Error);
}

TEST_F(FirmwareTables, ABoardWithoutPciHasTheTablesOfWhatItHas) {
  start({"-M", "microvm", "-m", "64M", "-smp", "2"});
  const PlacedTables placed = place();
  EXPECT_EQ(signatures(placed.rsdp), (std::vector<std::string>{"RSDT", "XSDT", "FACP", "APIC", "WAET"}));
  for (const std::uint64_t table : acpi_tables(placed.rsdp)) {
    if (text(table, 4) != "FACP") continue;
    EXPECT_EQ(number(table + 48, 4), 0U);                    // no SMI command
    EXPECT_EQ(number(table + 76, 4), 0U);                    // no timer
    EXPECT_EQ(number(table + 112, 4) & 1U << 15, 0U);        // so it is none to rely on
    EXPECT_NE(number(table + 112, 4) & 1U << 6, 0U);         // nor the RTC's alarm
    EXPECT_NE(number(table + 112, 4) & 1U << 10, 0U);        // but a reset register
    EXPECT_EQ(number(table + 109, 2) & 0x27, 1U | 1U << 2);  // ISA devices and an RTC; no 8042, no VGA
  }
}

TEST_F(FirmwareTables, AMachineWithoutAcpiHasAnMpTable) {
  const std::string board =
      (std::filesystem::temp_directory_path() / ("no-pm-" + std::to_string(::getpid()) + ".yaml")).string();
  std::ofstream(board) << "schema: 1\nboard: no-pm\nextends: microvm\ndevices:\n  pm: null\n";
  start({"-M", board, "-m", "64M", "-smp", "2"});
  std::filesystem::remove(board);
  const PlacedTables placed = place();
  EXPECT_EQ(placed.rsdp, 0U);
  EXPECT_EQ(text(placed.mp_pointer + 16, 4), "PCMP");
  EXPECT_NE(placed.smbios, 0U);
}

TEST_F(FirmwareTables, AMachineWithoutIoapicHasNeither) {
  start({"-M", "isapc", "-m", "16M"});
  const PlacedTables placed = place();
  EXPECT_EQ(placed.rsdp, 0U);
  EXPECT_EQ(placed.mp_pointer, 0U);
  EXPECT_NE(placed.smbios, 0U);
}

TEST_F(FirmwareTables, NumaNodesMakeAnSrat) {
  start({"-M", "pc", "-m", "4G", "-smp", "4", "-numa", "node,mem=1G,cpus=0-2", "-numa", "node,mem=3G,cpus=3"});
  const PlacedTables placed = place();
  for (const std::uint64_t table : acpi_tables(placed.rsdp)) {
    if (text(table, 4) != "SRAT") continue;
    std::vector<std::uint64_t> memory;
    std::vector<std::uint64_t> cpus;
    for (std::uint64_t at = table + 48; at < table + number(table + 4, 4); at += number(at + 1, 1)) {
      if (number(at, 1) == 0) cpus.push_back(number(at + 2, 1));
      if (number(at, 1) == 1) memory.insert(memory.end(), {number(at + 2, 4), number(at + 8, 8), number(at + 16, 8)});
    }
    EXPECT_EQ(cpus, (std::vector<std::uint64_t>{0, 0, 0, 1}));
    EXPECT_EQ(memory, (std::vector<std::uint64_t>{0, 0, GiB, 1, GiB, 3584 * MiB - GiB, 1, 4 * GiB, 512 * MiB}));
    return;
  }
  ADD_FAILURE() << "no SRAT";
}

TEST_F(FirmwareTables, FirmwareSeesWhereItHasPutThings) {
  start({"-M", "pc", "-m", "64M"});
  const MachineLock::Guard guard(machine().system().lock);
  AddressSpace& io = machine().system().io;
  const auto select = [&](std::uint16_t key) { io.store(0x510, 2, key); };
  const auto byte = [&] { return static_cast<std::uint8_t>(io.load(0x511, 1)); };
  const auto find = [&](const std::string& name) {
    select(0x19);
    for (int i = 0; i < 4; ++i) (void)byte();
    for (unsigned n = 0; n < 32; ++n) {
      std::uint32_t size = 0;
      std::uint16_t key = 0;
      for (int i = 0; i < 4; ++i) size = size << 8 | byte();
      for (int i = 0; i < 2; ++i) key = static_cast<std::uint16_t>(key << 8 | byte());
      (void)byte(), (void)byte();
      std::string found;
      for (int i = 0; i < 56; ++i)
        if (const char c = static_cast<char>(byte())) found += c;
      if (found == name) return std::pair{key, size};
    }
    return std::pair{std::uint16_t{0}, std::uint32_t{0}};
  };
  const auto power_ports = [&] {
    const auto [key, size] = find("etc/acpi/tables");
    select(key);
    Bytes tables;
    for (std::uint32_t i = 0; i < size; ++i) tables.push_back(byte());
    const std::string signature = "FACP";
    const auto at = std::search(tables.begin(), tables.end(), signature.begin(), signature.end());
    EXPECT_NE(at, tables.end());
    return at[56] | at[57] << 8;
  };
  const auto firmware = [&](std::uint32_t base) {
    io.store(0xcf8, 4, 0x80000b40);
    io.store(0xcfc, 4, base);
    io.store(0xcf8, 4, 0x80000b80);
    io.store(0xcfc, 1, 1);
  };
  const std::uint32_t size_before = find("etc/acpi/tables").second;
  firmware(0xb000);
  EXPECT_EQ(find("etc/acpi/tables").second, size_before);
  EXPECT_EQ(power_ports(), 0xb000);
  // Until the next reset they stay what they were: the operating system owns the machine now.
  firmware(0xc000);
  EXPECT_EQ(power_ports(), 0xb000);
  machine().reset(ShutdownCause::HostQmpSystemReset);
  firmware(0x600);
  EXPECT_EQ(power_ports(), 0x600);
}

}  // namespace
}  // namespace machina
