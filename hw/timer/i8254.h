#pragma once
/// The 8254 interval timer: three counters of 1193182 Hz, counter 0 the system timer.
///
/// Source: Intel 82C54 datasheet (231244-006). What counts is in i8254_counter.h; here are ports and time.
///
/// Time is the virtual clock's, converted to whole CLK pulses once and exactly, so there is no drift: pulse n is at
/// n / 1193182 s for ever. Counters are brought up to date when somebody looks; only counter 0 has a timer, armed at
/// its next edge in either direction.
///
/// A counter 0 that is faster than kFastPeriod (100 kHz) is served each kFastDelayNs only when the host cannot keep up
/// with it; ticks are then lost, but the rest of the machine still gets its time.
///
/// Not modelled: reading the control word port (the bus floats); an OUT of counter 1 other than port 61h's toggle.

#include <optional>

#include "core/clock.h"
#include "hw/timer/i8254_common.h"

namespace machina {

class I8254 final : public I8254Common {
 public:
  static constexpr const char* kType = "i8254";
  static void class_init(DeviceClass& c);

  static constexpr std::uint32_t kFastPeriod = 12;  ///< CLK pulses
  static constexpr std::int64_t kFastDelayNs = 10'000;

  void set_gate(unsigned counter, bool level) override;
  bool gate(unsigned counter) override { return state_.counters.at(counter).gate; }
  bool out(unsigned counter) override { return now(counter).out; }

 protected:
  void realize() override;
  void unrealize() override { timer_.reset(); }
  void pull_state() override;
  void push_state() override { apply(); }

 private:
  IoResult read(Offset port, Width);
  IoResult write(Offset port, Width, std::uint64_t value);
  void write_read_back(std::uint8_t value);
  /// The counter, brought up to the present.
  I8254Counter& now(unsigned counter);
  /// Counter 0's pin and timer, after any change.
  void apply() { apply(0); }
  /// The timer no earlier than `earliest` (ns).
  void apply(std::int64_t earliest);
  void timer_expired();

  // configuration
  std::uint16_t iobase_ = i8254::kPort;
  // regions
  IoRegion ports_{"i8254", 4, Widths::only(1), this, &I8254::read, &I8254::write};
  // sub-parts
  std::optional<Timer> timer_;
  // bookkeeping
  std::int64_t due_ = 0;  // when timer_ was to expire
};

}  // namespace machina
