#include "hw/x86/boot/direct_boot.h"

#include <array>

#include "core/byte_order.h"
#include "core/log.h"
#include "hw/x86/boot/guest_tables.h"
#include "hw/x86/x86_cpu.h"

namespace machina {

MACHINA_INTERFACE(GuestTables);

namespace {

constexpr std::uint32_t kCpuidMtrr = 1U << 12;  // leaf 1, EDX
constexpr std::uint32_t kMsrMtrrDefType = 0x2ff;
constexpr std::uint64_t kMtrrEnable = 1U << 11, kMtrrWriteBack = 6;  // SDM vol. 3, 12.11.2.1

}  // namespace

void DirectBoot::class_init(DeviceClass& c) {
  c.description = "Kernel that starts without firmware";
  c.category = Category::Misc;
  c.user_creatable = false;  // -kernel makes it
}

void DirectBoot::reset_exit() {
  if (plan_.blobs.empty()) return;
  load_memory();
  start_cpus();
}

void DirectBoot::load_memory() {
  AddressSpace& memory = system().memory;
  MemoryMap map = pc_memory_map(system().ram_below_4g, system().ram_above_4g);
  std::uint64_t rsdp = 0;
  qom::for_each<GuestTables>(root(), [&](GuestTables& tables) {
    if (const std::uint64_t address = tables.rsdp_address()) rsdp = address;
    for (const MemoryRange& range : tables.table_ranges()) map.set(range);
  });
  for (const boot::Blob& blob : plan_.blobs) {
    // All of it is RAM, as was checked when the plan was made.
    if (!blob.bytes().empty()) (void)memory.write(blob.address, blob.bytes());
  }
  if (plan_.map.table) {
    const std::vector<std::uint8_t> bytes = boot::map_bytes(plan_.map, map);
    (void)memory.write(plan_.map.table, bytes);
    memory.store(plan_.map.count, 4, boot::map_count(plan_.map, bytes.size()));
  }
  if (plan_.rsdp_slot) memory.store(plan_.rsdp_slot, 8, rsdp);
}

void DirectBoot::start_cpus() {
  qom::for_each<X86Cpu>(*parent(), [&](X86Cpu& cpu) {
    if (!cpu.vcpu()) return;
    X86State state = cpu.state();
    // Else all memory would be uncached: slow on hardware, and a reason for Linux to do without PAT.
    if (cpu.cpuid.find(1).edx & kCpuidMtrr) state.set_msr(kMsrMtrrDefType, kMtrrEnable | kMtrrWriteBack);
    if (cpu.bootstrap()) boot::enter(plan_.entry, state);
    cpu.set_state(state);
  });
}

MACHINA_TYPE(DirectBoot, Device);

}  // namespace machina
