#pragma once
/// CPU hot-plug controller: how the guest learns which CPUs have come or shall go, and lets them go.
///
/// Source: QEMU's published guest interface "QEMU<->ACPI BIOS CPU hotplug interface" (docs/specs/acpi_cpu_hotplug), the
/// modern register block: twelve ports, CPUs by a selector. It starts in that mode; the older bitmap of present CPUs at
/// the same ports, which guests leave by writing 0 to the selector, is not modelled. Nor is ejection by firmware
/// (control bit 4).
///
/// Ports from `iobase` on:
///     0  write: selector; read: upper half of the command's data (Get CPU ID)
///     4  read: status of the selected CPU; write: control
///     5  write: command
///     8  command's data
///
/// The machine tells of its CPUs: add_slot() for each that there can be, plug() when one has come, request_unplug()
/// when the user wants one out. What takes a CPU out when the guest has let it go is the machine's on_eject().

#include <cstdint>
#include <functional>
#include <vector>

#include "hw/acpi/acpi_board.h"
#include "hw/acpi/acpi_events.h"
#include "hw/base/device.h"

namespace machina {

class CpuHotplug final : public Device, public AcpiContributor {
 public:
  static constexpr const char* kType = "acpi-cpu-hotplug";
  static void class_init(DeviceClass& c);

  static constexpr unsigned kPorts = 12;

  // --- by the machine, machine lock held ---
  void add_slot(std::uint32_t apic_id, bool present) { slots_.push_back({apic_id, present}); }
  std::size_t slots() const { return slots_.size(); }
  bool present(unsigned n) const { return slots_.at(n).present; }
  /// CPU `n` has come. Throws Error: no such slot, or it is taken.
  void plug(unsigned n);
  /// Asks the guest to let CPU `n` go. Throws Error: there is none, or it is the first.
  void request_unplug(unsigned n);
  /// Called when the guest has let go; the slot is empty then.
  void on_eject(std::function<void(unsigned n)> eject) { eject_ = std::move(eject); }

  void acpi_facts(AcpiBoard& board) override;
  void reset_enter() override;

 private:
  struct Slot {
    std::uint32_t apic_id = 0;
    bool present = false;
    bool inserting = false, removing = false;  ///< events that the guest has not acknowledged
    std::uint32_t ost_event = 0, ost_status = 0;
  };
  struct State {
    std::uint32_t selector = 0;
    std::uint8_t command = 0;
  };

  void realize() override;
  Slot* selected() { return state_.selector < slots_.size() ? &slots_[state_.selector] : nullptr; }
  void select_next_event();
  void control(std::uint8_t value);
  void raise();
  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);

  // configuration
  std::uint16_t iobase_ = 0;
  // dependencies
  qom::Link<AcpiEvents> events_;
  std::function<void(unsigned)> eject_;
  // regions
  IoRegion ports_{"acpi-cpu-hotplug", kPorts, Widths{1, 4, false}, this, &CpuHotplug::read, &CpuHotplug::write};
  // state
  std::vector<Slot> slots_;
  State state_;
};

}  // namespace machina
