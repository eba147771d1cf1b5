#pragma once
/// One 8237A: its registers and who is served next. What moves on the bus is the owner's (hw/dma/i8237.h).
///
/// Source: Intel 8237A datasheet (231466-005), "Register Description" and "Programming". The mask register can also be
/// read, as in the 82371SB (PIIX3; 290550-002, 2.4.6). Not modelled: compressed timing, extended write and the
/// polarities of DREQ and DACK (command bits 3, 5, 6, 7), which nothing that talks to the ports could see.

#include <array>
#include <cstdint>
#include <optional>

#include "core/memory/io_result.h"
#include "hw/dma/i8237_regs.h"

namespace machina {

class I8237Controller {
 public:
  static constexpr unsigned kChannels = 4;

  /// Power-on. The levels of the DREQ pins stay, here and below.
  void reset() { state_ = {}; }
  /// Pin RESET and command "master clear": addresses, counts and modes stay as well.
  void clear();
  IoResult read(unsigned reg);
  IoResult write(unsigned reg, std::uint8_t value);
  void set_request(unsigned channel, bool level);

  /// The channel that is served next; nothing when none asks or the controller is disabled. Channels whose bit is set
  /// in `except` are passed over.
  std::optional<unsigned> next(unsigned except) const;
  bool request(unsigned channel) const { return requests_ >> channel & 1; }
  bool software_request(unsigned channel) const { return state_.software_requests >> channel & 1; }
  bool masked(unsigned channel) const { return state_.mask >> channel & 1; }
  bool enabled() const { return !(state_.command & i8237::kCommandDisable); }
  bool memory_to_memory() const { return (state_.command & i8237::kCommandMemoryToMemory) != 0; }
  bool holds_address_0() const { return (state_.command & i8237::kCommandHoldAddress0) != 0; }

  std::uint8_t transfer(unsigned channel) const { return state_.channels[channel].mode & i8237::kModeTransfer; }
  std::uint8_t service(unsigned channel) const { return state_.channels[channel].mode & i8237::kModeService; }
  bool decrements(unsigned channel) const { return (state_.channels[channel].mode & i8237::kModeDecrement) != 0; }
  std::uint16_t address(unsigned channel) const { return state_.channels[channel].address; }
  /// Transfers until TC: 1 to 65536.
  unsigned left(unsigned channel) const { return state_.channels[channel].count + 1U; }

  /// `transfers` (up to left()) have been made.
  void advance(unsigned channel, unsigned transfers);
  /// The channel has given the bus back: with rotating priority it is last now.
  void served(unsigned channel);
  /// Memory-to-memory: the byte on its way, and the step of the source, whose count ends nothing.
  std::uint8_t& temporary() { return state_.temporary; }
  void advance_source();

 private:
  struct Channel {
    std::uint16_t base_address = 0, base_count = 0;
    std::uint16_t address = 0, count = 0;
    std::uint8_t mode = 0;
  };
  std::uint8_t read_half(std::uint16_t value);
  void write_half(std::uint16_t& base, std::uint16_t& current, std::uint8_t value);
  std::uint8_t read_status();

  unsigned requests_ = 0;  // levels of the pins, a bit each

  struct State {
    std::array<Channel, kChannels> channels;
    std::uint8_t command = 0;
    std::uint8_t temporary = 0;
    unsigned software_requests = 0;  // a bit each, as below
    unsigned mask = 0xf;
    unsigned reached = 0;    // terminal count, since status was read
    bool high_half = false;  // the flip-flop: which half of a 16-bit register is next
    unsigned first = 0;      // the channel of highest priority
  };
  State state_;
};

}  // namespace machina
