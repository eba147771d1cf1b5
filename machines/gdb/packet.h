#pragma once
/// Packets of gdb's remote protocol: "$DATA#CC" with CC the sum of the bytes between, '}' before a byte that would mean
/// something else (GDB manual, appendix E.1). Bytes come in pieces, packets in any place of them.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace machina {

class GdbPacketReader {
 public:
  /// Of the data in a packet, both ways. gdb is told so by qSupported.
  static constexpr std::size_t kMost = 0x4000;

  struct Item {
    enum class Kind {
      Packet,
      Damaged,    ///< the sum is wrong
      TooLong,    ///< more than kMost bytes
      Interrupt,  ///< byte 3 between packets: ^C
      Ack,
      Nack,
    };
    Kind kind = Kind::Packet;
    std::string data{};  ///< of a packet, without escapes
  };

  /// Takes from `bytes` what belongs to one item; none while there is no whole one. What is between packets and means
  /// nothing is left out.
  std::optional<Item> next(std::string_view& bytes);
  /// Another client: what came so far is forgotten.
  void reset() { *this = GdbPacketReader(); }

 private:
  enum class State { Between, Data, Escaped, Sum1, Sum2 };
  void begin_packet();
  Item finish_packet(unsigned char last);

  State state_ = State::Between;
  std::string data_;
  unsigned sum_ = 0;
  int given_ = 0;  ///< the first digit of the sum that came along; -1: none
  bool too_long_ = false;
};

/// "$DATA#CC", with escapes.
std::string gdb_packet(std::string_view data);

/// Two digits a byte.
std::string gdb_hex(std::span<const std::uint8_t> bytes);
std::string gdb_hex(std::string_view text);
/// The other way; none when it is no even number of digits.
std::optional<std::string> gdb_unhex(std::string_view digits);

/// Reads a hexadecimal number off the front of `text`; none when there is none, or when it has more than 64 bits.
std::optional<std::uint64_t> take_hex(std::string_view& text);
/// Takes `prefix` off the front of `text`, if it is there.
bool take(std::string_view& text, std::string_view prefix);

}  // namespace machina
