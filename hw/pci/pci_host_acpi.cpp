/// What the root of PCI says of itself in the ACPI namespace. Sources: PCI Firmware Specification 3.0, 4.1 (windows in
/// _CRS); ACPI 6.4, 6.2.13 (_PRT).

#include <fmt/format.h>

#include <algorithm>

#include "core/units.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pci_host.h"

namespace machina {

namespace {

constexpr unsigned kConfigPorts = 8;
constexpr unsigned kFirstPciPort = 0xd00;  // below lies what ISA has always decoded
constexpr std::uint64_t kLegacyVideo = 0xa0000, kLegacyVideoLast = 0xbffff;
constexpr std::uint64_t kChipsetMemory = 0xfec00000;  // IOAPIC, local APICs, firmware: up to 4 GiB

/// What is left of [first, last] without the ports that belong to the chipset.
void add_io_windows(aml::Resources& resources, std::vector<std::pair<unsigned, unsigned>> taken, unsigned first,
                    unsigned last) {
  std::sort(taken.begin(), taken.end());
  for (const auto& [base, length] : taken) {
    if (base + length <= first || base > last) continue;
    if (base > first) resources.io_window(first, base - 1);
    first = base + length;
  }
  if (first <= last) resources.io_window(first, last);
}

/// From the lowest to the end of the highest BAR above 4 GiB, as firmware has laid them out; empty when none is there.
std::pair<std::uint64_t, std::uint64_t> high_bars(const PciBus& bus) {
  std::uint64_t first = ~std::uint64_t{0}, end = 0;
  for (unsigned devfn = 0; devfn < PciBus::kSlots * PciBus::kFunctions; ++devfn) {
    const PciDevice* function = bus.function(devfn / PciBus::kFunctions, devfn % PciBus::kFunctions);
    for (unsigned n = 0; function && n < PciDevice::kBars; ++n) {
      const auto at = function->bar_address(n);
      if (!at || *at < 4 * GiB) continue;
      first = std::min(first, *at);
      end = std::max(end, *at + function->bar_size(n));
    }
  }
  return {first, end};
}

aml::Code routing_table(const AcpiBoard& board) {
  constexpr std::uint32_t kAllFunctions = 0xffff;
  aml::Terms routes;
  for (unsigned slot = 0; slot < PciBus::kSlots; ++slot) {
    for (unsigned pin = 0; pin < PciBus::kLines; ++pin) {
      const auto wired = board.wired_pins.find({slot, pin});
      const std::string& link =
          wired != board.wired_pins.end() ? wired->second : board.pci_links[PciBus::line_of(slot, pin)];
      if (link.empty()) continue;
      routes.push_back(aml::package(
          {aml::integer(slot << 16 | kAllFunctions), aml::integer(pin), aml::path(link), aml::integer(0)}));
    }
  }
  return aml::package(routes);
}

std::string slot_name(unsigned slot) { return fmt::format("S{:02X}", slot << 3); }

/// Slots whose functions come and go, and what serves hw/acpi/pci_hotplug.h.
aml::Code hotplug_slots(const AcpiBoard::PciSlots& hotplug) {
  using namespace aml;
  constexpr unsigned kBusCheck = 1, kEjectRequest = 3;  // ACPI 6.4, 5.6.6
  Terms t{operation_region("PCST", Space::SystemIo, *hotplug.port, 0x14)};
  t.push_back(field("PCST", Access::DWord, Update::WriteAsZeros,
                    {{"PCIU", 32}, {"PCID", 32}, {"B0EJ", 32}, {"", 32}, {"BNUM", 32}}));
  t.push_back(mutex("BLCK"));
  // PCEJ(slot): ejects.
  t.push_back(method("PCEJ", 1, Serialize::Yes,
                     {acquire("BLCK"), store(integer(0), path("BNUM")), shift_left(integer(1), arg(0), path("B0EJ")),
                      release("BLCK")}));
  Terms notifications;
  for (unsigned slot = 0; slot < PciBus::kSlots; ++slot) {
    if (!(hotplug.slots >> slot & 1)) continue;
    t.push_back(device(slot_name(slot), {name("_ADR", integer(slot << 16)), name("_SUN", integer(slot)),
                                         method("_EJ0", 1, Serialize::No, {call("PCEJ", {path("_SUN")})})}));
    notifications.push_back(if_true(bit_and(arg(0), integer(1U << slot)), {notify(slot_name(slot), arg(1))}));
  }
  // DVNT(slots, notification), and PCNT: all that has happened.
  t.push_back(method("DVNT", 2, Serialize::No, notifications));
  t.push_back(method("PCNT", 0, Serialize::No,
                     {store(integer(0), path("BNUM")), call("DVNT", {path("PCIU"), integer(kBusCheck)}),
                      call("DVNT", {path("PCID"), integer(kEjectRequest)})}));
  return join(t);
}

}  // namespace

aml::Terms PciHost::acpi_objects(AcpiBoard& board) {
  aml::Resources resources;
  resources.bus_window(0, 0xff);
  resources.io(kConfigAddress, kConfigPorts);
  resources.io_window(0, kConfigAddress - 1);
  add_io_windows(resources, board.reserved_ports(), kFirstPciPort, 0xffff);
  resources.memory_window(kLegacyVideo, kLegacyVideoLast, aml::Caching::Cacheable);
  const std::uint64_t ram_end = std::max<std::uint64_t>(system().ram_below_4g, MiB);
  if (ram_end < kChipsetMemory) resources.memory_window(ram_end, kChipsetMemory - 1, aml::Caching::None);
  const auto [first, end] = high_bars(bus());
  if (first < end) resources.memory_window(first, end - 1, aml::Caching::Cacheable);

  aml::Terms terms{aml::name("_HID", aml::eisa_id("PNP0A03")), aml::name("_UID", aml::integer(0)),
                   aml::name("_CRS", resources.code())};
  terms.push_back(aml::join(board.objects_on(bus())));
  if (board.pci_hotplug.port) terms.push_back(hotplug_slots(board.pci_hotplug));
  terms.push_back(aml::name("_PRT", routing_table(board)));
  return {aml::device("PCI0", terms)};
}

}  // namespace machina
