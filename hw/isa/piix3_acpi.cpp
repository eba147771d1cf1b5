/// The PIIX3 in the ACPI namespace: the ISA bridge and, in it, a link device (ACPI 6.4, 6.2.13.1) for each of its four
/// PIRQ route control registers.

#include <fmt/format.h>

#include "hw/intc/i8259_regs.h"
#include "hw/isa/piix3.h"

namespace machina {

using namespace piix3;

namespace {

constexpr unsigned kLinkEnabled = 0x0b, kLinkDisabled = 0x09;  // _STA
constexpr unsigned kExpansionLines = 1U << 5 | 1U << 9 | 1U << 10 | 1U << 11;
constexpr unsigned kInterruptNumber = 5;  // offset in an extended interrupt descriptor: its first

std::string link_name(unsigned pirq) { return std::string("LNK") + static_cast<char>('A' + pirq); }
std::string register_name(unsigned pirq) { return std::string("PRQ") + static_cast<char>('0' + pirq); }

aml::Code link_device(unsigned pirq, const std::vector<std::uint32_t>& routes) {
  using namespace aml;
  const Code control = path(register_name(pirq));
  const Code enabled = logical_not(bit_and(control, integer(kPirqDisable)));
  Terms objects{name("_HID", eisa_id("PNP0C0F")), name("_UID", integer(pirq)),
                name("_PRS", Resources().interrupt(routes, kRoutedPciIrq).code()),
                name("BUF", Resources().interrupt({0}, kRoutedPciIrq).code())};
  objects.push_back(
      method("_STA", 0, Serialize::No,
             {if_true(enabled, {return_value(integer(kLinkEnabled))}), return_value(integer(kLinkDisabled))}));
  objects.push_back(method("_DIS", 0, Serialize::No, {bit_or(control, integer(kPirqDisable), control)}));
  objects.push_back(
      method("_CRS", 0, Serialize::Yes,
             {create_dword_field(path("BUF"), integer(kInterruptNumber), "NUM"),
              // While it is disabled the interrupt is 0, which means none.
              store(integer(0), path("NUM")), if_true(enabled, {bit_and(control, integer(kPirqRoute), path("NUM"))}),
              return_value(path("BUF"))}));
  objects.push_back(method("_SRS", 1, Serialize::Yes,
                           {create_dword_field(arg(0), integer(kInterruptNumber), "NUM"),
                            bit_and(path("NUM"), integer(kPirqRoute), control)}));
  return device(link_name(pirq), objects);
}

}  // namespace

/// ISA lines for PIRQs: of those that the PC leaves to expansion cards the ones that no device drives by itself.
std::vector<std::uint32_t> Piix3::free_routes() {
  std::array<bool, IsaBus::kLines> used{};
  qom::for_each<Device>(root(), [&](Device& device) {
    if (!device.realized()) return;
    for (const DeviceClass::Output& output : device.device_class().outputs())
      for (const IrqOut* pin : output.pins(device))
        for (const IrqIn* sink : pin->sinks())
          for (unsigned n = 0; n < isa_lines_.size(); ++n) used[n] = used[n] || sink == &isa_lines_[n];
  });
  std::vector<std::uint32_t> free;
  for (unsigned n = 0; n < used.size(); ++n)
    if (!used[n] && kExpansionLines & kLegalRoutes & 1U << n) free.push_back(n);
  return free;
}

void Piix3::set_up_as_firmware() {
  const std::vector<std::uint32_t> routes = free_routes();
  if (routes.empty()) return;
  std::uint16_t level = 0;
  std::array<std::uint8_t, PciBus::kLines> line{};
  for (unsigned n = 0; n < PciBus::kLines; ++n) {
    line[n] = static_cast<std::uint8_t>(routes[n * routes.size() / PciBus::kLines]);
    config_write(kPirqrcA + n, 1, line[n]);
    level = static_cast<std::uint16_t>(level | 1U << line[n]);
  }
  for (unsigned devfn = 0; devfn < PciBus::kSlots * PciBus::kFunctions; ++devfn) {
    const unsigned slot = devfn / PciBus::kFunctions;
    PciDevice* function = pci_bus().function(slot, devfn % PciBus::kFunctions);
    if (!function) continue;
    const unsigned pin = function->config_read(pci::kInterruptPin, 1);
    // A function whose pin is wired elsewhere has said so itself.
    if (pin == 0 || function->config_read(pci::kInterruptLine, 1) != 0) continue;
    function->config_write(pci::kInterruptLine, 1, line[PciBus::line_of(slot, pin - 1)]);
  }
  const std::uint8_t bytes[2] = {static_cast<std::uint8_t>(level), static_cast<std::uint8_t>(level >> 8)};
  (void)system().io.store(i8259::kElcrPort, 1, bytes[0]);
  (void)system().io.store(i8259::kElcrPort + 1, 1, bytes[1]);
}

void Piix3::acpi_facts(AcpiBoard& board) {
  board.fixed.isa_devices = true;
  board.fixed.reset_port = kResetControl;
  board.fixed.reset_value = kRcSystemReset | kRcResetCpu;
  const std::vector<std::uint32_t> routes = free_routes();
  for (unsigned n = 0; n < PciBus::kLines && !routes.empty(); ++n) board.pci_links[n] = "ISA." + link_name(n);
  board.interrupts.level.insert(routes.begin(), routes.end());
}

aml::Terms Piix3::acpi_objects(AcpiBoard& board) {
  aml::Terms objects{aml::name("_ADR", aml::integer(address().slot << 16 | address().function))};
  const std::vector<std::uint32_t> routes = free_routes();
  if (!routes.empty()) {
    std::vector<aml::FieldUnit> registers;
    for (unsigned n = 0; n < PciBus::kLines; ++n) registers.push_back({register_name(n), 8});
    objects.push_back(aml::operation_region("PIRQ", aml::Space::PciConfig, kPirqrcA, PciBus::kLines));
    objects.push_back(aml::field("PIRQ", aml::Access::Byte, aml::Update::Preserve, registers));
    for (unsigned n = 0; n < PciBus::kLines; ++n) objects.push_back(link_device(n, routes));
  }
  for (const auto& c : children())
    if (const auto* bus = qom::cast<Bus>(c)) objects.push_back(aml::join(board.objects_on(*bus)));
  return {aml::device("ISA", objects)};
}

}  // namespace machina
