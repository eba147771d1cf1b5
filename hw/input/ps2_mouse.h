#pragma once
/// PS/2 mouse with the wheel and button extensions: its end of the wire. No bus and no clock; times are nanoseconds of
/// the caller.
///
/// Source: IBM PS/2 Hardware Interface Technical Reference, "Mouse"; the extensions as Microsoft's IntelliMouse and
/// IntelliMouse Explorer have them: the sample rates 200, 100, 80 in a row make the device report id 3 and packets of
/// four bytes with a wheel, 200, 200, 80 then id 4 with two more buttons. Differs: counters do not overflow, what a
/// packet cannot hold stays for the next one. The half second of the self test is not modelled.

#include <cstdint>
#include <deque>
#include <limits>

#include "core/display/input_sink.h"

namespace machina {

class Ps2Mouse {
 public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  static constexpr std::size_t kBufferSize = 16;

  void reset() { state_ = {}; }

  /// A byte from the host. It ends the answer to the one before, whose rest is lost, but for FEh (resend).
  void write(std::uint8_t value, std::int64_t now);
  /// Bytes for the host: answers to commands go before movements.
  bool has_byte() const { return !state_.answers.empty() || !state_.packets.empty(); }
  std::uint8_t take_byte(std::int64_t now);

  void move(int dx, int dy, int wheel, std::int64_t now);
  void button(MouseButton button, bool down, std::int64_t now);
  /// When the next packet may go, while there is something to report.
  std::int64_t deadline() const { return state_.sample_at; }
  void tick(std::int64_t now);

  bool reporting() const { return state_.reporting; }

 private:
  struct State {
    std::deque<std::uint8_t> answers;
    std::deque<std::uint8_t> packets;
    std::uint8_t last = 0;     // byte sent
    std::uint8_t command = 0;  // that waits for its parameter; 0: none
    bool wrap = false;
    bool remote = false;
    bool reporting = false;
    bool scaling_2_1 = false;
    std::uint8_t resolution = 2;  // 4 counts/mm
    std::uint8_t sample_rate = 100;
    std::uint8_t id = 0;
    std::uint8_t rates[3] = {};  // the last three, for the extensions
    int dx = 0, dy = 0, dz = 0;  // not reported yet; y up
    std::uint8_t buttons = 0;    // bit per MouseButton
    bool changed = false;
    std::int64_t free_at = 0;  // the sample time of the last packet is over
    std::int64_t sample_at = kNever;
  };

  void answer(std::uint8_t byte) { state_.answers.push_back(byte); }
  void clear_counters();
  void set_defaults();
  bool parameter(std::uint8_t value);
  void command(std::uint8_t value);
  void set_sample_rate(std::uint8_t rate);
  void append_packet(std::deque<std::uint8_t>& to, bool scaled);
  void update(std::int64_t now);

  // state
  State state_;
};

}  // namespace machina
