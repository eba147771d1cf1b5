#include "hw/acpi/acpi_cpus.h"

#include <fmt/format.h>

#include <algorithm>

#include "hw/acpi/acpi_sdt.h"

namespace machina {

namespace {

constexpr unsigned kMadtRevision = 3;  // ACPI 4.0, which brought the x2APIC
constexpr std::uint32_t kLocalApicAddress = 0xfee00000;
constexpr std::uint32_t kPcAtCompatible = 1;  // flags: there is an 8259 pair as well

// 5.2.12.1: types of entries.
constexpr unsigned kLocalApic = 0, kIoApic = 1, kSourceOverride = 2, kLocalApicNmi = 4, kLocalX2Apic = 9,
                   kLocalX2ApicNmi = 10;
constexpr std::uint32_t kEnabled = 1;
/// From this number on a CPU is described as an x2APIC; 255 is the broadcast of the xAPIC.
constexpr std::uint32_t kFirstX2Apic = 255;
constexpr unsigned kAllCpus = 0xff;
constexpr std::uint32_t kAllX2Cpus = 0xffffffff;
constexpr unsigned kLint1 = 1;
// 5.2.12.5: MPS INTI flags.
constexpr unsigned kAsBusSays = 0;
constexpr unsigned kActiveHighLevel = 0x0d;

bool needs_x2apic(const AcpiConfig::Cpu& cpu) { return cpu.apic_id >= kFirstX2Apic; }

/// The entry of a CPU, which its _MAT gives as well.
aml::Code cpu_entry(const AcpiConfig& config, unsigned index, bool enabled) {
  const AcpiConfig::Cpu& cpu = config.cpus[index];
  aml::Code code;
  if (needs_x2apic(cpu)) return code.u8(kLocalX2Apic).u8(16).u16(0).u32(cpu.apic_id).u32(enabled).u32(index);
  return code.u8(kLocalApic).u8(8).u8(index).u8(cpu.apic_id).u32(enabled ? kEnabled : 0);
}

}  // namespace

std::vector<std::uint8_t> madt(const AcpiInterrupts& interrupts, const AcpiConfig& config) {
  Sdt t("APIC", kMadtRevision);
  t.u32(kLocalApicAddress).u32(interrupts.i8259 ? kPcAtCompatible : 0);
  for (unsigned i = 0; i < config.cpus.size(); ++i)
    if (config.cpus[i].present) t.append(cpu_entry(config, i, true));
  for (const AcpiInterrupts::Ioapic& ioapic : interrupts.ioapics)
    t.u8(kIoApic).u8(12).u8(ioapic.id).u8(0).u32(ioapic.address).u32(ioapic.gsi_base);
  for (const auto& [line, gsi] : interrupts.moved)
    t.u8(kSourceOverride)
        .u8(10)
        .u8(0)
        .u8(line)
        .u32(gsi)
        .u16(interrupts.level.count(line) ? kActiveHighLevel : kAsBusSays);
  for (const unsigned line : interrupts.level)
    if (!interrupts.moved.count(line)) t.u8(kSourceOverride).u8(10).u8(0).u8(line).u32(line).u16(kActiveHighLevel);
  t.u8(kLocalApicNmi).u8(6).u8(kAllCpus).u16(kAsBusSays).u8(kLint1);
  if (std::any_of(config.cpus.begin(), config.cpus.end(), needs_x2apic))
    t.u8(kLocalX2ApicNmi).u8(12).u16(kAsBusSays).u32(kAllX2Cpus).u8(kLint1).zeros(3);
  return t.finish();
}

aml::Terms cpu_objects(const AcpiConfig& config) {
  aml::Terms cpus{aml::name("_HID", aml::string("ACPI0010"))};  // 8.4.2: processor container
  for (unsigned i = 0; i < config.cpus.size(); ++i) {
    if (!config.cpus[i].present) continue;
    aml::Terms objects{aml::name("_HID", aml::string("ACPI0007")), aml::name("_UID", aml::integer(i))};
    cpus.push_back(aml::device(fmt::format("C{:03X}", i), objects));
  }
  return {aml::device("CPUS", cpus)};
}

}  // namespace machina
