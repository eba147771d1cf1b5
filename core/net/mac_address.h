#pragma once
/// Addresses of Ethernet, as a property type: 52:54:00:12:34:56.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "qom/property.h"

namespace machina {

struct MacAddress {
  static constexpr std::size_t kSize = 6;
  std::array<std::uint8_t, kSize> bytes{};  ///< as they go over the wire

  bool zero() const { return *this == MacAddress(); }
  /// Bit 0 of the first byte: a group of stations, or all (IEEE 802.3, 3.2.3).
  bool group() const { return bytes[0] & 1; }
  std::string to_string() const;
  /// Six bytes in hexadecimal, separated by ':' or '-'. Throws Error.
  static MacAddress parse(std::string_view text);
  /// Parses, and refuses what no station can have: a group address and all zeroes. Throws Error.
  static MacAddress parse_station(std::string_view text);
  friend bool operator==(const MacAddress&, const MacAddress&) = default;
};

}  // namespace machina

namespace machina::qom {

template <>
struct PropertyTraits<MacAddress> {
  static void describe(Property& p) {
    p.type = "macaddr", p.kind = PropertyKind::String;
    p.check = [](const Value& v) {
      if (const auto& text = std::get<std::string>(v.get()); !text.empty()) MacAddress::parse_station(text);
    };
  }
  static Value to_value(const MacAddress& f) { return f.zero() ? std::string() : f.to_string(); }
  static MacAddress from_value(const Value& v) {
    const auto& text = std::get<std::string>(v.get());
    return text.empty() ? MacAddress() : MacAddress::parse_station(text);
  }
};

}  // namespace machina::qom
