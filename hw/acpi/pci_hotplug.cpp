#include "hw/acpi/pci_hotplug.h"

#include <fmt/format.h>

#include "core/log.h"
#include "core/machine_events.h"
#include "core/trace/trace_event.h"
#include "hw/pci/pci_device.h"

namespace machina {

namespace {

const TraceEvent<unsigned> acpi_pci_up_read{"acpi_pci_up_read", "slots={:#x}"};
const TraceEvent<unsigned> acpi_pci_down_read{"acpi_pci_down_read", "slots={:#x}"};
const TraceEvent<unsigned> acpi_pci_plug{"acpi_pci_plug", "slot={}"};
const TraceEvent<unsigned> acpi_pci_unplug_request{"acpi_pci_unplug_request", "slot={}"};
const TraceEvent<unsigned> acpi_pci_eject_slot{"acpi_pci_eject_slot", "slot={}"};

enum Register : Offset { kUp = 0x00, kDown = 0x04, kEject = 0x08, kRemovable = 0x0c, kBusSelector = 0x10 };

template <class F>
void for_each_function(const PciBus& bus, unsigned slot, F&& visit) {
  for (unsigned f = 0; f < PciBus::kFunctions; ++f)
    if (PciDevice* function = bus.function(slot, f)) visit(*function);
}

bool has_card(const PciBus& bus, unsigned slot) {
  bool found = false;
  for_each_function(bus, slot, [&](PciDevice&) { found = true; });
  return found;
}

/// All functions of the slot leave the machine.
void take_out(PciBus& bus, unsigned slot) {
  for_each_function(bus, slot, [](PciDevice& function) {
    qom::Object* parent = function.parent();
    if (!parent) return;
    RunControl& control = function.system().control;
    qom::ValueMap data;
    // One without an id of its own has a name that says nothing to users.
    if (function.name().find('[') == std::string::npos) data.emplace_back("device", function.name());
    data.emplace_back("path", function.path());
    parent->remove_child(function);
    report_event(control, "DEVICE_DELETED", std::move(data));
  });
}

}  // namespace

void PciHotplug::class_init(DeviceClass& c) {
  c.description = "ACPI PCI hot-plug controller";
  c.category = Category::Bridge;
  c.user_creatable = false;  // one to a board, wired to its power management
  c.property("iobase", &PciHotplug::iobase_, 0xae00).doc("first of its ports");
  c.link("pci", &PciHotplug::bus_).doc("the root bus whose slots it looks after");
  c.link("events", &PciHotplug::events_).doc("who raises its general-purpose event, number 1");
}

void PciHotplug::realize() {
  if (!bus_) throw Error("a PCI hot-plug controller needs a bus").hint("set pci=");
  map(system().io_root, iobase_, ports_);
}

bool PciHotplug::removable(unsigned slot) const {
  bool all = true;
  for_each_function(*bus_, slot, [&](const PciDevice& function) {
    all = all && function.pci_class().user_creatable && function.pci_class().category != Category::Display &&
          function.pci_class().category != Category::Bridge;
  });
  return all;
}

std::uint32_t PciHotplug::removable_slots() const {
  std::uint32_t slots = 0;
  for (unsigned slot = 0; slot < PciBus::kSlots; ++slot)
    if (removable(slot)) slots |= 1U << slot;
  return slots;
}

void PciHotplug::require_card(unsigned slot) const {
  if (slot >= PciBus::kSlots || !has_card(*bus_, slot)) throw Error(fmt::format("PCI slot {:02x} is empty", slot));
  if (!removable(slot)) throw Error(fmt::format("what is in PCI slot {:02x} belongs to the board", slot));
}

void PciHotplug::raise() {
  if (events_) events_->raise_gpe(kPciHotplugEvent);
}

void PciHotplug::plug(unsigned slot) {
  require_card(slot);
  acpi_pci_plug(slot);
  state_.up |= 1U << slot;
  state_.down &= ~(1U << slot);
  raise();
}

void PciHotplug::request_unplug(unsigned slot) {
  require_card(slot);
  acpi_pci_unplug_request(slot);
  state_.down |= 1U << slot;
  raise();
}

void PciHotplug::finish_unplug() {
  const std::uint32_t slots = std::exchange(state_.down, 0U);
  for (unsigned slot = 0; slot < PciBus::kSlots; ++slot)
    if (slots >> slot & 1 && has_card(*bus_, slot) && removable(slot)) empty_slot(slot);
}

void PciHotplug::empty_slot(unsigned slot) {
  try {
    take_out(*bus_, slot);
  } catch (const Error& e) {
    log::error("PCI slot {:02x} cannot be emptied: {}", slot, e.what());
  }
}

void PciHotplug::eject(std::uint32_t slots) {
  for (unsigned slot = 0; slot < PciBus::kSlots; ++slot) {
    if (!(slots & ~leaving_ & 1U << slot)) continue;
    if (!has_card(*bus_, slot) || !removable(slot)) continue;
    acpi_pci_eject_slot(slot);
    leaving_ |= 1U << slot;
    state_.up &= ~(1U << slot);
    state_.down &= ~(1U << slot);
    // The tree is the main thread's, and this a vCPU's.
    qom::Ref<PciHotplug> self(this);
    system().loop.post([self, slot] {
      self->leaving_ &= ~(1U << slot);
      if (self->realized()) self->empty_slot(slot);
    });
  }
}

IoResult PciHotplug::read(Offset offset, Width) {
  if (state_.bus != 0) return offset == kBusSelector ? state_.bus : 0;
  switch (offset) {
    case kUp:
      acpi_pci_up_read(state_.up);
      return std::exchange(state_.up, 0U);
    case kDown:
      acpi_pci_down_read(state_.down);
      return state_.down;
    case kRemovable:
      return removable_slots();
    default:
      return 0;
  }
}

IoResult PciHotplug::write(Offset offset, Width, std::uint64_t value) {
  if (offset == kEject && state_.bus == 0) eject(static_cast<std::uint32_t>(value));
  if (offset == kBusSelector) state_.bus = static_cast<std::uint32_t>(value);
  return io_ok();
}

void PciHotplug::acpi_facts(AcpiBoard& board) {
  board.pci_hotplug.port = iobase_;
  board.pci_hotplug.slots = removable_slots();
  board.reserve_ports(iobase_, kPorts);
  board.on_event(kPciHotplugEvent,
                 {aml::acquire("\\_SB.PCI0.BLCK"), aml::call("\\_SB.PCI0.PCNT"), aml::release("\\_SB.PCI0.BLCK")});
}

MACHINA_TYPE(PciHotplug, Device, AcpiContributor);

}  // namespace machina
