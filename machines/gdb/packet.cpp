#include "machines/gdb/packet.h"

#include <fmt/format.h>

namespace machina {
namespace {

constexpr char kEscape = '}';
constexpr char kEscapeFlip = 0x20;
constexpr char kInterrupt = 3;

int digit(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void GdbPacketReader::begin_packet() {
  state_ = State::Data;
  data_.clear();
  sum_ = 0;
  too_long_ = false;
}

GdbPacketReader::Item GdbPacketReader::finish_packet(unsigned char last) {
  state_ = State::Between;
  const int low = digit(last);
  if (given_ < 0 || low < 0 || static_cast<unsigned>(given_ << 4 | low) != (sum_ & 0xff))
    return {Item::Kind::Damaged, {}};
  if (too_long_) return {Item::Kind::TooLong, {}};
  return {Item::Kind::Packet, std::move(data_)};
}

std::optional<GdbPacketReader::Item> GdbPacketReader::next(std::string_view& bytes) {
  const auto add = [this](char c) {
    if (data_.size() < kMost) {
      data_ += c;
    } else {
      too_long_ = true;
    }
  };
  while (!bytes.empty()) {
    const char c = bytes.front();
    const auto byte = static_cast<unsigned char>(c);
    bytes.remove_prefix(1);
    switch (state_) {
      case State::Between:
        if (c == '$') begin_packet();
        if (c == kInterrupt) return Item{Item::Kind::Interrupt, {}};
        if (c == '+') return Item{Item::Kind::Ack, {}};
        if (c == '-') return Item{Item::Kind::Nack, {}};
        break;
      case State::Data:
        if (c == '$') {  // the end of the one before has been lost
          begin_packet();
          break;
        }
        if (c == '#') {
          state_ = State::Sum1;
          break;
        }
        sum_ += byte;
        if (c == kEscape) {
          state_ = State::Escaped;
        } else {
          add(c);
        }
        break;
      case State::Escaped:
        state_ = State::Data;
        sum_ += byte;
        add(static_cast<char>(c ^ kEscapeFlip));
        break;
      case State::Sum1:
        given_ = digit(byte);
        state_ = State::Sum2;
        break;
      case State::Sum2:
        return finish_packet(byte);
    }
  }
  return std::nullopt;
}

std::string gdb_packet(std::string_view data) {
  std::string packet = "$";
  packet.reserve(data.size() + 4);
  unsigned sum = 0;
  const auto add = [&](char c) {
    packet += c;
    sum += static_cast<unsigned char>(c);
  };
  for (const char c : data) {
    // '*' too: in what gdb reads it says how often the last byte is repeated.
    if (c == '$' || c == '#' || c == '*' || c == kEscape) {
      add(kEscape);
      add(static_cast<char>(c ^ kEscapeFlip));
    } else {
      add(c);
    }
  }
  return packet + fmt::format("#{:02x}", sum & 0xff);
}

std::string gdb_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t b : bytes) {
    text += kDigits[b >> 4];
    text += kDigits[b & 15];
  }
  return text;
}

std::string gdb_hex(std::string_view text) {
  return gdb_hex(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

std::optional<std::string> gdb_unhex(std::string_view digits) {
  if (digits.size() % 2) return std::nullopt;
  std::string bytes;
  bytes.reserve(digits.size() / 2);
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = digit(static_cast<unsigned char>(digits[i]));
    const int low = digit(static_cast<unsigned char>(digits[i + 1]));
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

std::optional<std::uint64_t> take_hex(std::string_view& text) {
  std::uint64_t value = 0;
  std::size_t n = 0;
  for (; n < text.size(); ++n) {
    const int d = digit(static_cast<unsigned char>(text[n]));
    if (d < 0) break;
    if (value >> 60) return std::nullopt;
    value = value << 4 | static_cast<unsigned>(d);
  }
  if (n == 0) return std::nullopt;
  text.remove_prefix(n);
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace machina
