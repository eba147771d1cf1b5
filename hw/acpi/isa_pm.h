#pragma once
/// Power management for a board without PCI: what ACPI needs to switch the machine off, to reset it, and to hear of its
/// power button.
///
/// Source: ACPI specification 6.4, 4.8.3 (PM1 event and control registers) and 4.8.3.6 (reset register). Ports from
/// `iobase` on: +0 PM1 status, +2 PM1 enable, +4 PM1 control, 16 bits each; +8 the reset register, a byte.
///
/// The machine is always in ACPI mode: SCI_EN is set, and there is no SMI command. Not modelled: the PM timer, which is
/// optional since ACPI 5.0A; general-purpose events; states S1 to S4.

#include "hw/acpi/acpi_board.h"
#include "hw/acpi/power_button.h"
#include "hw/isa/isa_bus.h"

namespace machina {

class IsaPm final : public IsaDevice, public PowerButton, public AcpiContributor {
 public:
  static constexpr const char* kType = "isa-acpi-pm";
  static void class_init(DeviceClass& c);

  void press_power_button() override;
  void acpi_facts(AcpiBoard& board) override;

  void reset_enter() override { state_ = {}; }
  void reset_hold() override { update(); }

  // PM1 registers: table 4.11 and 4.12 (PWRBTN_STS, PWRBTN_EN), 4.13 (SCI_EN, SLP_TYP, SLP_EN).
  static constexpr unsigned kStatus = 0, kEnable = 2, kControl = 4, kReset = 8, kSize = 16;
  static constexpr std::uint16_t kPowerButton = 1U << 8;
  /// GBL_EN, which each system enables for the global lock it shares with firmware. There is none that would release
  /// it.
  static constexpr std::uint16_t kGlobal = 1U << 5, kClock = 1U << 10;
  static constexpr std::uint16_t kSciEnable = 1U << 0;
  static constexpr unsigned kSleepTypeShift = 10;
  static constexpr std::uint16_t kSleepType = 7U << kSleepTypeShift;
  static constexpr std::uint16_t kSleepEnable = 1U << 13;  ///< write-only
  static constexpr std::uint8_t kSoftOff = 5;              ///< SLP_TYP of S5, which the tables tell
  static constexpr std::uint8_t kResetValue = 1;           ///< as the tables tell

 private:
  struct State {
    std::uint16_t status = 0, enable = 0;
    std::uint16_t sleep_type = 0;  ///< in place
  };

  void realize() override { map_ports(iobase_, ports_); }
  void update() { sci_.set((state_.status & state_.enable) != 0); }

  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);
  std::uint8_t read_byte(unsigned offset) const;
  void write_byte(unsigned offset, std::uint8_t value);

  // configuration
  std::uint16_t iobase_ = 0;
  // regions
  IoRegion ports_{"isa-acpi-pm", kSize, Widths{1, 4, true}, this, &IsaPm::read, &IsaPm::write};
  // sub-parts
  IrqOut sci_;
  // state
  State state_;
};

}  // namespace machina
