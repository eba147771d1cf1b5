#pragma once
/// IPv4 addresses and ports as options write them.

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace machina {

/// "10.0.2.2". Throws Error.
in_addr parse_ipv4(std::string_view text);
std::string ipv4_text(in_addr address);
/// 0 to 65535. Throws Error.
std::uint16_t parse_port(std::string_view text);

struct Ipv4Net {
  in_addr address{}, mask{};
  bool holds(in_addr a) const { return (a.s_addr & mask.s_addr) == address.s_addr; }
  /// The address `n` behind that of the net itself.
  in_addr host(std::uint32_t n) const;
  std::string to_string() const;  ///< "10.0.2.0/24"
  /// "10.0.2.0/24", "10.0.2.0/255.255.255.0", or without a mask that of the address's class. Throws Error.
  static Ipv4Net parse(std::string_view text);
};

/// "HOST:PORT", HOST a name or address that may be empty for any. Throws Error.
sockaddr_in parse_inet(std::string_view text);
std::string inet_text(const sockaddr_in& a);  ///< "127.0.0.1:4000"

}  // namespace machina
