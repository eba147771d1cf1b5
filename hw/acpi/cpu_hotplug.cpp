#include "hw/acpi/cpu_hotplug.h"

#include "core/trace/trace_event.h"

#include <fmt/format.h>

namespace machina {

namespace {

const TraceEvent<unsigned> cpuhp_acpi_write_idx{"cpuhp_acpi_write_idx", "cpu={}"};
const TraceEvent<unsigned, unsigned> cpuhp_acpi_write_cmd{"cpuhp_acpi_write_cmd", "cpu={} cmd={}"};
const TraceEvent<unsigned, unsigned> cpuhp_acpi_control{"cpuhp_acpi_control", "cpu={} value={:#04x}"};
const TraceEvent<unsigned> cpuhp_acpi_ejecting_cpu{"cpuhp_acpi_ejecting_cpu", "cpu={}"};
const TraceEvent<unsigned> cpuhp_acpi_plug{"cpuhp_acpi_plug", "cpu={}"};
const TraceEvent<unsigned> cpuhp_acpi_unplug_request{"cpuhp_acpi_unplug_request", "cpu={}"};
const TraceEvent<unsigned, unsigned, unsigned> cpuhp_acpi_ost{"cpuhp_acpi_ost", "cpu={} cmd={} value={:#x}"};

enum Register : Offset { kSelector = 0, kStatus = 4, kControl = 4, kCommand = 5, kData = 8 };
enum StatusBit : std::uint8_t { kEnabled = 1 << 0, kInsertEvent = 1 << 1, kRemoveEvent = 1 << 2 };
enum ControlBit : std::uint8_t { kClearInsert = 1 << 1, kClearRemove = 1 << 2, kEject = 1 << 3 };
enum CommandCode : std::uint8_t { kNextWithEvent = 0, kOstEvent = 1, kOstStatus = 2, kGetCpuId = 3 };

}  // namespace

void CpuHotplug::class_init(DeviceClass& c) {
  c.description = "ACPI CPU hot-plug controller";
  c.category = Category::Bridge;
  c.user_creatable = false;  // one to a board, wired to its power management
  c.property("iobase", &CpuHotplug::iobase_, 0xaf00).doc("first of its twelve ports");
  c.link("events", &CpuHotplug::events_).doc("who raises its general-purpose event, number 2");
}

void CpuHotplug::realize() { map(system().io_root, iobase_, ports_); }

void CpuHotplug::reset_enter() {
  // A guest that starts finds its CPUs in the tables; there is nothing to tell it of.
  state_ = {};
  for (Slot& slot : slots_) slot.inserting = slot.removing = false;
}

void CpuHotplug::raise() {
  if (events_) events_->raise_gpe(kCpuHotplugEvent);
}

void CpuHotplug::plug(unsigned n) {
  if (n >= slots_.size()) throw Error(fmt::format("the machine has no place for CPU {}", n));
  Slot& slot = slots_[n];
  if (slot.present) throw Error(fmt::format("CPU {} is there already", n));
  cpuhp_acpi_plug(n);
  slot.present = slot.inserting = true;
  slot.removing = false;
  raise();
}

void CpuHotplug::request_unplug(unsigned n) {
  if (n >= slots_.size() || !slots_[n].present) throw Error(fmt::format("there is no CPU {}", n));
  if (n == 0) throw Error("CPU 0 cannot be unplugged").why("it started the machine");
  cpuhp_acpi_unplug_request(n);
  slots_[n].removing = true;
  raise();
}

void CpuHotplug::select_next_event() {
  // From the selected one on, around, and without a change when there is none.
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const std::size_t n = (state_.selector + i) % slots_.size();
    if (!slots_[n].inserting && !slots_[n].removing) continue;
    state_.selector = static_cast<std::uint32_t>(n);
    return;
  }
}

void CpuHotplug::control(std::uint8_t value) {
  Slot* slot = selected();
  if (!slot) return;
  cpuhp_acpi_control(state_.selector, value);
  if (value & kClearInsert) {
    slot->inserting = false;
  } else if (value & kClearRemove) {
    slot->removing = false;
  } else if (value & kEject && slot->present && state_.selector != 0) {
    cpuhp_acpi_ejecting_cpu(state_.selector);
    slot->present = slot->inserting = slot->removing = false;
    if (eject_) eject_(state_.selector);
  }
}

IoResult CpuHotplug::read(Offset offset, Width width) {
  const Slot* slot = selected();
  if (!slot) return 0;
  if (offset == kStatus && width == 1) {
    return static_cast<std::uint64_t>((slot->present ? kEnabled : 0) | (slot->inserting ? kInsertEvent : 0) |
                                      (slot->removing ? kRemoveEvent : 0));
  }
  if (offset == kData && width == 4) {
    if (state_.command == kNextWithEvent) return state_.selector;
    if (state_.command == kGetCpuId) return slot->apic_id;
  }
  return 0;  // the upper half of an APIC ID, and what is reserved
}

IoResult CpuHotplug::write(Offset offset, Width width, std::uint64_t value) {
  if (offset == kSelector && width == 4) {
    cpuhp_acpi_write_idx(static_cast<std::uint32_t>(value));
    state_.selector = static_cast<std::uint32_t>(value);
  } else if (offset == kControl && width == 1) {
    control(static_cast<std::uint8_t>(value));
  } else if (offset == kCommand && width == 1) {
    cpuhp_acpi_write_cmd(state_.selector, static_cast<std::uint8_t>(value));
    if (selected()) state_.command = static_cast<std::uint8_t>(value);
    if (selected() && state_.command == kNextWithEvent) select_next_event();
  } else if (offset == kData && width == 4) {
    Slot* slot = selected();
    cpuhp_acpi_ost(state_.selector, state_.command, static_cast<std::uint32_t>(value));
    if (slot && state_.command == kOstEvent) slot->ost_event = static_cast<std::uint32_t>(value);
    if (slot && state_.command == kOstStatus) slot->ost_status = static_cast<std::uint32_t>(value);
  }
  return io_ok();
}

void CpuHotplug::acpi_facts(AcpiBoard& board) {
  board.cpu_hotplug_port = iobase_;
  board.reserve_ports(iobase_, kPorts);
  board.on_event(kCpuHotplugEvent, {aml::call("\\_SB.CPUS.CSCN")});
}

MACHINA_INTERFACE(AcpiEvents);
MACHINA_TYPE(CpuHotplug, Device, AcpiContributor);

}  // namespace machina
