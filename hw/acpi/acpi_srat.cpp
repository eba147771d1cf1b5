#include "hw/acpi/acpi_srat.h"

#include <algorithm>

#include "core/units.h"
#include "hw/acpi/acpi_cpus.h"
#include "hw/acpi/acpi_sdt.h"

namespace machina {

namespace {

constexpr unsigned kSratRevision = 3;
constexpr unsigned kApicAffinity = 0, kMemoryAffinity = 1, kX2ApicAffinity = 2;
constexpr std::uint32_t kEnabled = 1;

void add_memory(Sdt& t, unsigned node, std::uint64_t base, std::uint64_t size) {
  t.u8(kMemoryAffinity).u8(40).u32(node).u16(0).u64(base).u64(size).u32(0).u32(kEnabled).u64(0);
}

}  // namespace

std::vector<std::uint8_t> srat(const System& system, const AcpiConfig& config) {
  Sdt t("SRAT", kSratRevision);
  t.u32(1).u64(0);  // reserved; the first one is 1 by the specification
  for (const AcpiConfig::Cpu& cpu : config.cpus) {
    const std::uint32_t flags = kEnabled;
    if (cpu.apic_id >= kFirstX2Apic) {
      t.u8(kX2ApicAffinity).u8(24).u16(0).u32(cpu.node).u32(cpu.apic_id).u32(flags).u32(0).u32(0);
    } else {
      t.u8(kApicAffinity).u8(16).u8(cpu.node & 0xff).u8(cpu.apic_id).u32(flags).u8(0);
      for (unsigned shift = 8; shift < 32; shift += 8) t.u8(cpu.node >> shift & 0xff);
      t.u32(0);
    }
  }
  // RAM is counted without the hole.
  std::uint64_t start = 0;
  for (unsigned node = 0; node < config.node_memory.size(); ++node) {
    const std::uint64_t end = start + config.node_memory[node];
    const std::uint64_t low_end = std::min(end, system.ram_below_4g);
    if (start < low_end) add_memory(t, node, start, low_end - start);
    const std::uint64_t high_start = std::max(start, system.ram_below_4g);
    if (high_start < end) add_memory(t, node, 4 * GiB + high_start - system.ram_below_4g, end - high_start);
    start = end;
  }
  return t.finish();
}

}  // namespace machina
