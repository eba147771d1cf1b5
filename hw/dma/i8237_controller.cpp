#include "hw/dma/i8237_controller.h"

namespace machina {

using namespace i8237;

void I8237Controller::clear() {
  State fresh;
  fresh.channels = state_.channels;
  state_ = fresh;
}

std::uint8_t I8237Controller::read_half(std::uint16_t value) {
  const bool high = state_.high_half;
  state_.high_half = !high;
  return static_cast<std::uint8_t>(high ? value >> 8 : value);
}

void I8237Controller::write_half(std::uint16_t& base, std::uint16_t& current, std::uint8_t value) {
  // Each half goes to base and current register alike, the other half of either stays.
  const auto put = [this, value](std::uint16_t r) {
    return static_cast<std::uint16_t>(state_.high_half ? (r & 0x00ff) | value << 8 : (r & 0xff00) | value);
  };
  base = put(base);
  current = put(current);
  state_.high_half = !state_.high_half;
}

std::uint8_t I8237Controller::read_status() {
  const unsigned status = (requests_ | state_.software_requests) << 4 | state_.reached;
  state_.reached = 0;
  return static_cast<std::uint8_t>(status);
}

IoResult I8237Controller::read(unsigned reg) {
  if (reg < 2 * kChannels) {
    const Channel& c = state_.channels[reg / 2];
    return read_half(reg % 2 ? c.count : c.address);
  }
  switch (reg) {
    case kStatusCommand:
      return read_status();
    case kTemporaryMasterClear:
      return state_.temporary;
    case kAllMask:
      return state_.mask;
    default:
      return IoStatus::BadRegister;
  }
}

IoResult I8237Controller::write(unsigned reg, std::uint8_t value) {
  const unsigned bit = 1U << (value & kSelectChannel);
  if (reg < 2 * kChannels) {
    Channel& c = state_.channels[reg / 2];
    reg % 2 ? write_half(c.base_count, c.count, value) : write_half(c.base_address, c.address, value);
    return io_ok();
  }
  switch (reg) {
    case kStatusCommand:
      state_.command = value;
      break;
    case kRequest:
      state_.software_requests = value & kSelectSet ? state_.software_requests | bit : state_.software_requests & ~bit;
      break;
    case kSingleMask:
      state_.mask = value & kSelectSet ? state_.mask | bit : state_.mask & ~bit;
      break;
    case kMode:
      state_.channels[value & kSelectChannel].mode = value;
      break;
    case kClearFlipFlop:
      state_.high_half = false;
      break;
    case kTemporaryMasterClear:
      clear();
      break;
    case kClearMask:
      state_.mask = 0;
      break;
    case kAllMask:
      state_.mask = value & 0x0f;
      break;
    default:
      return IoStatus::BadRegister;
  }
  return io_ok();
}

void I8237Controller::set_request(unsigned channel, bool level) {
  requests_ = level ? requests_ | 1U << channel : requests_ & ~(1U << channel);
}

std::optional<unsigned> I8237Controller::next(unsigned except) const {
  if (!enabled()) return std::nullopt;
  // Software requests cannot be masked, and are for block transfers only ("Request Register").
  unsigned wanted = requests_ & ~state_.mask;
  for (unsigned n = 0; n < kChannels; ++n)
    if (software_request(n) && (service(n) == kModeBlock || (n == 0 && memory_to_memory()))) wanted |= 1U << n;
  wanted &= ~except;
  for (unsigned i = 0; i < kChannels; ++i) {
    const unsigned n = (state_.first + i) % kChannels;
    if (wanted >> n & 1) return n;
  }
  return std::nullopt;
}

void I8237Controller::advance(unsigned channel, unsigned transfers) {
  Channel& c = state_.channels[channel];
  const bool terminal = transfers > c.count;
  c.address = static_cast<std::uint16_t>(decrements(channel) ? c.address - transfers : c.address + transfers);
  c.count = static_cast<std::uint16_t>(c.count - transfers);
  if (!terminal) return;
  const unsigned bit = 1U << channel;
  state_.reached |= bit;
  state_.software_requests &= ~bit;
  if (c.mode & kModeAutoinitialize) {
    c.address = c.base_address;
    c.count = c.base_count;
  } else {
    state_.mask |= bit;
  }
}

void I8237Controller::served(unsigned channel) {
  if (state_.command & kCommandRotating) state_.first = (channel + 1) % kChannels;
}

void I8237Controller::advance_source() {
  Channel& c = state_.channels[0];
  if (c.count-- == 0 && c.mode & kModeAutoinitialize) {
    c.address = c.base_address;
    c.count = c.base_count;
    return;
  }
  if (!holds_address_0()) c.address = static_cast<std::uint16_t>(decrements(0) ? c.address - 1 : c.address + 1);
}

}  // namespace machina
