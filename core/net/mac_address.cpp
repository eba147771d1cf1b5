#include "core/net/mac_address.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

namespace machina {

std::string MacAddress::to_string() const { return fmt::format("{:02x}", fmt::join(bytes, ":")); }

MacAddress MacAddress::parse(std::string_view text) {
  const auto refuse = [&] {
    return Error(fmt::format("not an address of Ethernet: '{}'", text)).hint("write six bytes: 52:54:00:12:34:56");
  };
  constexpr std::size_t kDigits = 3;  // of a byte, with the separator
  if (text.size() != kDigits * kSize - 1) throw refuse();
  MacAddress mac;
  for (std::size_t i = 0; i < kSize; ++i) {
    const char* at = text.data() + kDigits * i;
    const auto [end, error] = std::from_chars(at, at + 2, mac.bytes[i], 16);
    if (error != std::errc() || end != at + 2) throw refuse();
    if (i + 1 < kSize && at[2] != ':' && at[2] != '-') throw refuse();
  }
  return mac;
}

MacAddress MacAddress::parse_station(std::string_view text) {
  const MacAddress mac = parse(text);
  if (mac.group())
    throw Error(fmt::format("'{}' is the address of a group, not of a station", text))
        .hint("the first byte of a station's is even: 52:54:00:12:34:56");
  if (mac.zero()) throw Error("no station has the address 00:00:00:00:00:00");
  return mac;
}

}  // namespace machina
