#include "core/net/inet.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <memory>

#include "qom/error.h"

namespace machina {

in_addr parse_ipv4(std::string_view text) {
  in_addr a{};
  if (inet_pton(AF_INET, std::string(text).c_str(), &a) != 1)
    throw Error(fmt::format("not an IPv4 address: '{}'", text)).hint("write four numbers from 0 to 255: 10.0.2.2");
  return a;
}

std::string ipv4_text(in_addr address) {
  char text[INET_ADDRSTRLEN] = {};
  inet_ntop(AF_INET, &address, text, sizeof text);
  return text;
}

std::uint16_t parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    throw Error(fmt::format("not a port: '{}'", text)).hint("ports go from 0 to 65535");
  return port;
}

in_addr Ipv4Net::host(std::uint32_t n) const { return {htonl(ntohl(address.s_addr) + n)}; }

std::string Ipv4Net::to_string() const { return fmt::format("{}/{}", ipv4_text(address), std::popcount(mask.s_addr)); }

Ipv4Net Ipv4Net::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  Ipv4Net net;
  const in_addr given = parse_ipv4(text.substr(0, slash));
  const std::uint32_t address = ntohl(given.s_addr);
  unsigned bits = address < 0x80000000 ? 8 : address < 0xc0000000 ? 16 : 24;  // classes A, B and C: RFC 791, 3.2
  if (slash != std::string_view::npos) {
    const std::string_view mask = text.substr(slash + 1);
    if (mask.find('.') != std::string_view::npos) {
      const std::uint32_t m = ntohl(parse_ipv4(mask).s_addr);
      bits = static_cast<unsigned>(std::popcount(m));
      if (std::countl_one(m) != static_cast<int>(bits)) throw Error(fmt::format("not a mask of a net: '{}'", mask));
    } else {
      const auto [end, error] = std::from_chars(mask.data(), mask.data() + mask.size(), bits);
      if (mask.empty() || error != std::errc() || end != mask.data() + mask.size() || bits > 32)
        throw Error(fmt::format("not a mask of a net: '{}'", mask)).hint("write 10.0.2.0/24");
    }
  }
  if (bits < 4 || bits > 28)
    throw Error(fmt::format("a net of {} bits is too {}", bits, bits < 4 ? "large" : "small"))
        .hint("the mask has 4 to 28 bits: the guest, the host and the name server each need an address");
  net.mask.s_addr = htonl(~std::uint32_t{0} << (32 - bits));
  net.address.s_addr = given.s_addr & net.mask.s_addr;
  return net;
}

sockaddr_in parse_inet(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    throw Error(fmt::format("not an address with a port: '{}'", text)).hint("write HOST:PORT");
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(parse_port(text.substr(colon + 1)));
  const std::string host(text.substr(0, colon));
  if (host.empty()) return a;
  if (inet_pton(AF_INET, host.c_str(), &a.sin_addr) == 1) return a;
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  if (const int rc = getaddrinfo(host.c_str(), nullptr, &hints, &list); rc != 0)
    throw Error(fmt::format("no such host: '{}'", host)).why(gai_strerror(rc));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(list, freeaddrinfo);
  sockaddr_in found{};
  std::memcpy(&found, list->ai_addr, sizeof found);
  a.sin_addr = found.sin_addr;
  return a;
}

std::string inet_text(const sockaddr_in& a) { return fmt::format("{}:{}", ipv4_text(a.sin_addr), ntohs(a.sin_port)); }

}  // namespace machina
