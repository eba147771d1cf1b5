#pragma once
/// One counter of an 8254: a pure state machine that is told the time in CLK pulses. No clock, no pin.
///
/// Source: Intel 82C54 datasheet (231244-006), "Operational Description" and "Mode Definitions". Every CLK pulse of
/// the datasheet's timing diagrams is there; advance() covers any number of them in constant time.
///
/// Not modelled: count 1 in modes 2 and 3, which the datasheet forbids, gives no edges (OUT stays low in mode 2 and
/// high in mode 3). BCD digits above 9 count as their weight.

#include <cstdint>

#include "hw/timer/i8254_regs.h"

namespace machina {

/// Fields are named after the block diagram: CR count register, CE counting element, OL output latch. All are saved.
struct I8254Counter {
  // what was programmed
  std::uint8_t control = 0;  ///< RW, M and BCD of the control word, D5-D0, as written
  std::uint16_t cr = 0;      ///< as written: BCD digits in BCD mode
  std::uint8_t cr_low = 0;   ///< first half of a two-byte count
  bool write_msb = false;    ///< the next byte written is the second half
  bool read_msb = false;     ///< the next byte read is the second half
  bool null_count = true;    ///< CR has not reached CE
  bool have_count = false;   ///< CR was written since the control word
  // latches
  std::uint16_t ol = 0;
  bool count_latched = false;
  std::uint8_t status = 0;
  bool status_latched = false;
  // counting
  std::uint32_t ce = 0;    ///< binary; 0 counts as 65536 (10000 in BCD)
  bool odd = false;        ///< mode 3: the count that this half began with was odd
  bool loaded = false;     ///< CE counts, gate permitting
  bool load_next = false;  ///< the next CLK pulse moves CR to CE
  bool armed = false;      ///< modes 0, 1, 4, 5: OUT will change when CE reaches 0
  bool gate = true;
  bool out = true;
  std::uint64_t clk = 0;  ///< all of the above is true after this CLK pulse

  unsigned mode() const;
  bool bcd() const { return control & i8254::kBcd; }
  bool periodic() const { return mode() == 2 || mode() == 3; }
  /// CR as a number of CLK pulses, 1 to 65536 (10000 in BCD).
  std::uint32_t period() const;
  i8254::Rw rw() const { return static_cast<i8254::Rw>(control >> i8254::kRwShift & 3); }

  // What the CPU does. The counter must have been advanced to now.
  void write_control(std::uint8_t value);  ///< of this counter; not latch, not read-back
  void write(std::uint8_t value);
  std::uint8_t read();
  void latch_count();
  void latch_status();
  void set_gate(bool level);

  /// Lets the counter run until CLK pulse `to`.
  void advance(std::uint64_t to);
  /// CLK pulses from `clk` until OUT changes if nothing is written and the gate stays; 0: it will not.
  std::uint64_t clocks_to_edge() const;

  friend bool operator==(const I8254Counter&, const I8254Counter&) = default;

 private:
  std::uint32_t modulus() const { return bcd() ? 10000 : 65536; }
  std::uint16_t count_as_read() const;
  bool counting() const;
  void load();
  void write_count(std::uint16_t count);
  void count_down(std::uint64_t clocks);    // modes 0, 1, 4, 5
  void count_rate(std::uint64_t clocks);    // mode 2
  void count_square(std::uint64_t clocks);  // mode 3
  std::uint32_t half_left() const;          // mode 3: clocks until OUT toggles
};

}  // namespace machina
