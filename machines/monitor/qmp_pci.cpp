/// PCI functions, as the guest has configured them.

#include <fmt/format.h>

#include "hw/pci/pci_device.h"
#include "hw/pci/pci_host.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

/// PCI Code and ID Assignment Specification 1.11, section 1: base class and sub-class, in the words of QEMU's list.
std::string class_name(std::uint16_t code) {
  static constexpr std::pair<std::uint16_t, const char*> kNames[] = {{0x0000, "Non-VGA device"},
                                                                     {0x0100, "SCSI controller"},
                                                                     {0x0101, "IDE controller"},
                                                                     {0x0102, "Floppy controller"},
                                                                     {0x0106, "SATA controller"},
                                                                     {0x0180, "Storage controller"},
                                                                     {0x0200, "Ethernet controller"},
                                                                     {0x0280, "Network controller"},
                                                                     {0x0300, "VGA controller"},
                                                                     {0x0380, "Display controller"},
                                                                     {0x0401, "Audio controller"},
                                                                     {0x0500, "RAM controller"},
                                                                     {0x0600, "Host bridge"},
                                                                     {0x0601, "ISA bridge"},
                                                                     {0x0604, "PCI bridge"},
                                                                     {0x0680, "Bridge"},
                                                                     {0x0700, "Serial port"},
                                                                     {0x0c03, "USB controller"},
                                                                     {0x0c05, "SMBus"}};
  for (const auto& [c, name] : kNames)
    if (c == code) return name;
  return fmt::format("Class {:04x}", code);
}

Value describe(const PciDevice& d) {
  const std::uint16_t code = static_cast<std::uint16_t>(d.config_read(pci::kClassCode, 2));
  ValueMap id{{"device", d.config_read(pci::kDeviceId, 2)}, {"vendor", d.config_read(pci::kVendorId, 2)}};
  id.emplace_back("subsystem", d.config_read(pci::kSubsystemId, 2));
  id.emplace_back("subsystem-vendor", d.config_read(pci::kSubsystemVendorId, 2));
  ValueList regions;
  for (unsigned n = 0; n < PciDevice::kBars; ++n) {
    if (d.bar_size(n) == 0) continue;
    const std::uint32_t bar = d.config_read(pci::kBar0 + 4 * n, 4);
    const bool io = bar & pci::kBarIo;
    const auto address = d.bar_address(n);
    ValueMap region{{"bar", static_cast<int>(n)},
                    {"type", io ? "io" : "memory"},
                    {"address", address ? static_cast<std::int64_t>(*address) : std::int64_t{-1}},
                    {"size", d.bar_size(n)}};
    if (!io) {
      region.emplace_back("prefetch", (bar & pci::kBarPrefetchable) != 0);
      region.emplace_back("mem_type_64", (bar & pci::kBarMemory64) != 0);
    }
    regions.emplace_back(std::move(region));
  }
  const std::uint32_t pin = d.config_read(pci::kInterruptPin, 1);
  ValueMap info{{"bus", 0},
                {"slot", d.address().slot},
                {"function", d.address().function},
                {"class_info", ValueMap{{"class", static_cast<int>(code)}, {"desc", class_name(code)}}},
                {"id", std::move(id)}};
  if (pin) info.emplace_back("irq", d.config_read(pci::kInterruptLine, 1));
  info.emplace_back("irq_pin", pin);
  info.emplace_back("qdev_id", d.name());
  info.emplace_back("regions", std::move(regions));
  return info;
}

Value query_pci(MonitorSession& session, const QmpArguments&) {
  ValueList buses;
  qom::for_each<PciHost>(session.root(), [&](PciHost& host) {
    ValueList devices;
    for (unsigned slot = 0; slot < PciBus::kSlots; ++slot)
      for (unsigned f = 0; f < PciBus::kFunctions; ++f)
        if (const PciDevice* d = host.bus().function(slot, f)) devices.emplace_back(describe(*d));
    buses.emplace_back(ValueMap{{"bus", 0}, {"devices", std::move(devices)}});
  });
  return buses;
}

std::int64_t number(const Value& object, std::string_view name) {
  const Value& v = *member(object, name);
  if (const auto* u = v.get_if<std::uint64_t>()) return static_cast<std::int64_t>(*u);
  return std::get<std::int64_t>(v.get());
}

void info_pci(HumanContext& c, const QmpArguments&) {
  const Value answer = c.query("query-pci");
  if (std::get<ValueList>(answer.get()).empty()) c.write("PCI devices not supported\n");
  for (const Value& bus : std::get<ValueList>(answer.get())) {
    for (const Value& d : std::get<ValueList>(member(bus, "devices")->get())) {
      const Value& id = *member(d, "id");
      c.print("  Bus {:2}, device {:3}, function {}:\n    {}: PCI device {:04x}:{:04x}\n", number(d, "bus"),
              number(d, "slot"), number(d, "function"), member(*member(d, "class_info"), "desc")->to_string(),
              number(id, "vendor"), number(id, "device"));
      c.print("      PCI subsystem {:04x}:{:04x}\n", number(id, "subsystem-vendor"), number(id, "subsystem"));
      if (const std::int64_t pin = number(d, "irq_pin"); pin != 0)
        c.print("      IRQ {}, pin {}\n", number(d, "irq"), static_cast<char>('A' + pin - 1));
      for (const Value& r : std::get<ValueList>(member(d, "regions")->get())) {
        const auto address = static_cast<std::uint64_t>(number(r, "address"));
        const auto last =
            address == ~std::uint64_t{0} ? address : address + static_cast<std::uint64_t>(number(r, "size")) - 1;
        if (member(r, "type")->to_string() == "io") {
          c.print("      BAR{}: I/O at 0x{:04x} [0x{:04x}].\n", number(r, "bar"), address, last);
        } else {
          c.print("      BAR{}: {} bit{} memory at 0x{:08x} [0x{:08x}].\n", number(r, "bar"),
                  *member(r, "mem_type_64") == Value(true) ? 64 : 32,
                  *member(r, "prefetch") == Value(true) ? " prefetchable" : "", address, last);
        }
      }
      c.print("      id \"{}\"\n", member(d, "qdev_id")->to_string());
    }
  }
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    struct PciMemoryRegion { bar: int, type: str, address: int, size: int, *prefetch: bool, *mem_type_64: bool }
    struct PciDeviceClass { *desc: str, class: int }
    struct PciDeviceId { device: int, vendor: int, *subsystem: int, *subsystem-vendor: int }
    struct PciDeviceInfo { bus: int, slot: int, function: int, class_info: PciDeviceClass, id: PciDeviceId,
                           *irq: int, irq_pin: int, qdev_id: str, regions: [PciMemoryRegion] }
    struct PciInfo { bus: int, devices: [PciDeviceInfo] }
  )");
  t.command({.name = "query-pci",
             .returns = "[PciInfo]",
             .doc = "PCI functions; the address of a region that is not mapped is -1",
             .run = query_pci});
  t.human({.name = "info pci", .doc = "PCI functions", .run = info_pci});
}

const MonitorFamily kFamily{"PCI", add};

}  // namespace
}  // namespace machina
