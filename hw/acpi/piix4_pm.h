#pragma once
/// Function 3 of the Intel 82371AB (PIIX4): ACPI events and the SCI, the power management timer, sleep states, APM, and
/// the host of the SMBus "i2c".
///
/// Not modelled, and what a guest sees of it:
///  - the SMBus host as a target (hw/i2c/piix4_smbus.h);
///  - processor clock control: PCNTRL is stored, the PLVL2 and PLVL3 ports read 0 and the CPU runs on;
///  - device monitors and traps: CNTA to DEVRESJ and DEVCTL are stored, DEVSTS reads 0;
///  - GPSTS, GPEN, GPIREG and GLBSTS read 0; GPOREG and GLBEN are stored;
///  - SMIs other than that of a write to APMC.

#include <array>
#include <memory>

#include "hw/acpi/acpi_board.h"
#include "hw/acpi/acpi_events.h"
#include "hw/acpi/piix4_pm_regs.h"
#include "hw/acpi/power_button.h"
#include "hw/i2c/piix4_smbus.h"
#include "hw/pci/pci_device.h"

namespace machina {

class Piix4Pm final : public PciDevice,
                      public PowerButton,
                      public AcpiEvents,
                      public AcpiContributor,
                      public FirmwareSetup {
 public:
  static constexpr const char* kType = "PIIX4_PM";
  static void class_init(PciDeviceClass& c);

  Piix4Pm();

  void press_power_button() override;
  /// What firmware tells of S0 to S5: bit 7, there is such a state; the rest, its SUS_TYP (fw_cfg's
  /// "etc/system-states").
  std::array<std::uint8_t, 6> sleep_states() const;
  /// For hot-plug and the like.
  void raise_gpe(unsigned n) override;

  void acpi_facts(AcpiBoard& board) override;
  aml::Terms acpi_objects(AcpiBoard& board) override;
  void set_up_as_firmware() override;

  void reset_enter() override;

 private:
  void realize() override;
  void post_unrealize() override;
  void apply(bool force) override;

  IoResult read_pm(Offset offset, Width width);
  IoResult write_pm(Offset offset, Width width, std::uint64_t value);
  std::uint8_t read_pm_byte(unsigned offset);
  void write_pm_byte(unsigned offset, std::uint8_t value);
  void write_control(unsigned byte, std::uint8_t value);
  IoResult read_gpe(Offset offset, Width width);
  IoResult write_gpe(Offset offset, Width width, std::uint64_t value);
  IoResult read_apm(Offset offset, Width width);
  IoResult write_apm(Offset offset, Width width, std::uint64_t value);

  void rtc_alarm(unsigned n, bool level);
  void gpe_changed(unsigned n, bool level);
  void go_to_sleep(unsigned sus_typ);
  void event(std::uint16_t status, const char* wakes_up);
  void catch_up_timer();
  bool gpe_pending() const {
    return (state_.gpe_status[0] & state_.gpe_enable[0]) || (state_.gpe_status[1] & state_.gpe_enable[1]);
  }
  void apply_events();
  void smbus_changed();
  std::uint64_t ticks() const;

  // configuration
  bool disable_s3_ = false, disable_s4_ = false;
  std::uint8_t s4_value_ = piix4::kSuspendToDisk;
  bool smm_ = false;
  // regions
  IoRegion pm_ports_{"piix4-pm", piix4::kPmSize, Widths{1, 4, true}, this, &Piix4Pm::read_pm, &Piix4Pm::write_pm};
  IoRegion gpe_ports_{"piix4-gpe", piix4::kGpeSize, Widths{1, 1, true}, this, &Piix4Pm::read_gpe, &Piix4Pm::write_gpe};
  IoRegion apm_ports_{"piix4-apm", 2, Widths::only(1), this, &Piix4Pm::read_apm, &Piix4Pm::write_apm};
  // sub-parts
  IrqOut sci_, smi_;
  IrqInBank rtc_alarm_{"rtc-alarm", 1, this, &Piix4Pm::rtc_alarm};
  IrqInBank gpe_in_{"gpe", 16, this, &Piix4Pm::gpe_changed};
  std::unique_ptr<Timer> overflow_;
  Piix4Smbus smbus_;
  // bookkeeping
  bool smbus_interrupts_ = false;  ///< as it was last seen

  struct State {
    std::uint16_t status = 0, enable = 0, control = 0;
    std::array<std::uint8_t, piix4::kPmSize> stored{};  ///< registers without an effect
    std::array<std::uint8_t, 2> gpe_status{}, gpe_enable{};
    std::uint8_t apmc = 0, apms = 0;
    std::int64_t timer_start_ns = 0;     ///< of virtual time: when the counter was 0
    std::uint64_t next_change_tick = 0;  ///< of the timer's top bit; its status bit is set then
  };
  State state_;
};

}  // namespace machina
