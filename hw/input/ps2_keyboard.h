#pragma once
/// PS/2 keyboard with 101 to 105 keys: its end of the wire. No bus and no clock; times are nanoseconds of the caller.
///
/// Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboard". Not modelled: the half second of the self test
/// (its result follows the acknowledgement at once), and the shifts that a keyboard fakes around the grey keys while
/// Num Lock or Shift is on.

#include <array>
#include <bitset>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>

#include "hw/input/ps2_scancodes.h"

namespace machina {

class Ps2Keyboard {
 public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  static constexpr std::size_t kBufferSize = 16;

  void reset() { state_ = {}; }

  /// A byte from the host. It ends the answer to the one before, whose rest is lost, but for FEh (resend).
  void write(std::uint8_t value);
  /// Bytes for the host: answers to commands go before what was typed.
  bool has_byte() const { return !state_.answers.empty() || !state_.typed.empty(); }
  std::uint8_t take_byte();

  void key(QKeyCode key, bool down, std::int64_t now);
  /// When the key that is held repeats.
  std::int64_t deadline() const { return state_.repeat_at; }
  void tick(std::int64_t now);

  bool scanning() const { return state_.scanning; }
  std::uint8_t leds() const { return state_.leds; }  ///< bit 0 Scroll Lock, 1 Num Lock, 2 Caps Lock

 private:
  using Set3Types = std::array<std::optional<ps2::Set3Type>, 256>;
  struct State {
    std::deque<std::uint8_t> answers;
    std::deque<std::uint8_t> typed;  // at most kBufferSize, and the overrun code
    bool overrun = false;            // it is there: nothing is typed until a byte was taken
    std::uint8_t last = 0;           // byte sent, for FEh
    std::uint8_t command = 0;        // that waits for its parameter; 0: none
    bool scanning = true;
    std::uint8_t leds = 0;
    std::uint8_t set = 2;
    std::uint8_t typematic = 0x2b;  // 500 ms, 10.9 characters a second
    Set3Types set3_types{};         // where it differs from the default
    std::bitset<256> down;
    std::optional<QKeyCode> repeating;
    std::int64_t repeat_at = kNever;
  };

  void answer(std::uint8_t byte) { state_.answers.push_back(byte); }
  void type(const std::vector<std::uint8_t>& bytes);
  void send_key(QKeyCode key, bool down);
  ps2::Set3Type set3_type(std::uint8_t code, ps2::Set3Type by_default) const;
  void clear_buffer();
  void set_defaults();
  bool parameter(std::uint8_t value);
  void command(std::uint8_t value);

  // state
  State state_;
};

}  // namespace machina
