#pragma once
/// The checksum of IP, TCP and UDP (RFC 1071), and what network cards do with it for the guest.

#include <cstdint>
#include <span>

namespace machina {

/// The sum of 16-bit words in network byte order, not yet folded and inverted; an odd byte at the end is a high one.
class InetSum {
 public:
  void add(std::span<const std::uint8_t> bytes) {
    std::size_t i = 0;
    for (; i + 1 < bytes.size(); i += 2) sum_ += static_cast<std::uint64_t>(bytes[i] << 8 | bytes[i + 1]);
    if (i < bytes.size()) sum_ += static_cast<std::uint64_t>(bytes[i] << 8);
  }
  void add(std::uint32_t word) { sum_ += word; }
  /// In one's complement arithmetic: 16 bits.
  std::uint16_t folded() const {
    std::uint64_t s = sum_;
    while (s >> 16) s = (s & 0xffff) + (s >> 16);
    return static_cast<std::uint16_t>(s);
  }
  /// As it is written into a header.
  std::uint16_t checksum() const { return static_cast<std::uint16_t>(~folded()); }

 private:
  std::uint64_t sum_ = 0;
};

/// What a receiver finds out about a frame.
struct InetCheck {
  bool ip = false;  ///< an IPv4 header was checked
  bool ip_good = false;
  bool payload = false;  ///< a TCP or UDP checksum was checked
  bool payload_good = false;
  bool tcp = false, udp = false;  ///< of IPv4 or IPv6, whole or first fragment
};

/// Looks at a frame of Ethernet, with or without a VLAN tag. Nothing that does not fit is an error of anybody's: it is
/// not checked.
InetCheck check_inet(std::span<const std::uint8_t> frame);

}  // namespace machina
