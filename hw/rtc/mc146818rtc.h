#pragma once
/// The real-time clock with its battery-backed memory: MC146818A, with the PC/AT's century byte and 128 bytes.
///
/// Sources: Motorola MC146818A datasheet (ADI1149); Intel 82371SB PIIX3 datasheet (290550-002), 2.5.7.
///
/// The time of day is kept as one number; the registers are made from it when somebody looks, in the format that
/// register B asks for, so that a guest which changes the format reads the same time in the other one. Flags of
/// register C are found out when somebody looks, too; a timer runs only for an interrupt that is enabled and not yet
/// flagged. While updates are inhibited (SET, or a divider that is not running) the time bytes are plain memory.
///
/// Not modelled: daylight saving (DSE is kept, nothing else), the square-wave pin, crystals other than 32.768 kHz (such
/// divider settings stop the clock), battery failure. An update cycle takes no time: UIP is up for the 244 us before
/// it, registers are never read half updated. Bytes that are no valid time (second 77) carry over at once instead of at
/// the next update.

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "core/clock.h"
#include "hw/acpi/acpi_board.h"
#include "hw/isa/isa_bus.h"
#include "hw/rtc/mc146818rtc_regs.h"

namespace machina {

/// What becomes of periodic interrupts that the guest was too slow to take; QEMU's LostTickPolicy.
enum class LostTickPolicy { Discard, Slew };
/// What the clock ticks by; QEMU's -rtc clock=. Host: like a battery, also while the machine is paused.
enum class RtcClock { Host, Vm };

struct Mc146818State {
  std::uint8_t index = 0;               ///< port 70h as written; D7 disables NMI
  std::array<std::uint8_t, 128> ram{};  ///< registers and memory; the time bytes count while updates are inhibited
  std::int64_t seconds = 0;             ///< time of day at second_start, since 1970-01-01
  std::int64_t second_start = 0;        ///< ns of the clock at which a second began: the phase of the divider chain
  std::int64_t seen = 0;                ///< ns of the clock up to which the flags of register C are true
  std::int32_t weekday_offset = 0;      ///< day of week as the guest set it, less what the date says; 0 to 6
  std::uint64_t lost_ticks = 0;         ///< periodic interrupts still to be made up for
  std::uint32_t reinjected = 0;         ///< of them since the last real tick
  friend bool operator==(const Mc146818State&, const Mc146818State&) = default;
};

class Mc146818Rtc final : public IsaDevice, public AcpiContributor {
 public:
  static constexpr const char* kType = "mc146818rtc";
  static void class_init(DeviceClass& c);

  /// The memory behind the clock, for what firmware expects there (hw/rtc/cmos_layout.h). Indices 0Eh to 7Fh except the
  /// century; throws Error for others. Survives reset.
  void set_cmos(unsigned index, std::uint8_t value);
  std::uint8_t cmos(unsigned index) const { return state_.ram.at(index); }
  bool nmi_disabled() const { return state_.index & rtc::kNmiDisable; }

  void acpi_facts(AcpiBoard& board) override;
  aml::Terms acpi_objects(AcpiBoard& board) override;

  const Mc146818State& get_state();
  void set_state(const Mc146818State& state);

 protected:
  void realize() override;
  void unrealize() override { timer_.reset(); }
  /// RESET leaves time, alarm and memory alone; that which ends a suspend to RAM says so in the shutdown status.
  void reset_enter() override;
  void reset_hold() override { apply(); }

 private:
  IoResult read(Offset port, Width);
  IoResult write(Offset port, Width, std::uint64_t value);
  std::uint8_t read_register(unsigned index);
  void write_register(unsigned index, std::uint8_t value);
  std::uint8_t read_c();
  void write_a(std::uint8_t value);
  void write_b(std::uint8_t value);

  Clock& time_base() const { return clock_ == RtcClock::Host ? system().host_clock : clock(); }
  std::int64_t now() const { return time_base().now_ns(); }
  std::uint8_t reg(rtc::Register r) const { return state_.ram[r]; }
  bool running() const { return (reg(rtc::A) & rtc::kADv) == rtc::kADv32768; }
  bool updating() const { return running() && !(reg(rtc::B) & rtc::kBSet); }
  /// Time of day at `ns`.
  std::int64_t seconds_at(std::int64_t ns) const;
  /// Pulses of the crystal since second_start; of a periodic interrupt, 0 when none is selected.
  std::uint64_t pulses(std::int64_t ns) const;
  std::uint64_t period() const;

  std::uint8_t encode(int value) const;
  int decode(std::uint8_t byte) const;
  std::uint8_t encode_hour(int hour) const;
  /// Between the time of day and the time bytes, which the guest has set.
  void store_time_bytes();
  void take_time_bytes();
  /// Tells the user how far the guest's clock is from what it would have shown: a machine may be started with that.
  void report_change();

  /// The first second after `after` that the alarm matches, within a day.
  std::optional<std::int64_t> next_alarm(std::int64_t after) const;
  /// Flags up to now. Comes before every access.
  void sync();
  /// IRQF, the pin and the timer, after any change.
  void apply();

  std::string date() const;

  // configuration
  std::uint16_t iobase_ = rtc::kPort;
  std::string base_;
  RtcClock clock_ = RtcClock::Host;
  LostTickPolicy lost_tick_policy_ = LostTickPolicy::Discard;
  std::int64_t base_seconds_ = 0, base_start_ = 0;  ///< what `base` says: seconds and second_start at the beginning
  // regions
  IoRegion ports_{"mc146818rtc", 2, Widths::only(1), this, &Mc146818Rtc::read, &Mc146818Rtc::write};
  // sub-parts
  IrqOut irq_;
  std::optional<Timer> timer_;

  Mc146818State state_;
};

}  // namespace machina

template <>
struct machina::qom::EnumNames<machina::LostTickPolicy> {
  static constexpr const char* name = "LostTickPolicy";
  static constexpr std::pair<LostTickPolicy, const char*> values[] = {{LostTickPolicy::Discard, "discard"},
                                                                      {LostTickPolicy::Slew, "slew"}};
};
template <>
struct machina::qom::EnumNames<machina::RtcClock> {
  static constexpr const char* name = "RtcClock";
  static constexpr std::pair<RtcClock, const char*> values[] = {{RtcClock::Host, "host"}, {RtcClock::Vm, "vm"}};
};
