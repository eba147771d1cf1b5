#pragma once
/// IEEE 802.3 and 802.1Q, as network cards need them.

#include <cstddef>
#include <cstdint>
#include <span>

namespace machina::ethernet {

inline constexpr std::size_t kAddress = 6;      ///< bytes of an address
inline constexpr std::size_t kHeader = 14;      ///< destination, source, type
inline constexpr std::size_t kMinFrame = 60;    ///< without the frame check sequence (802.3, 3.2.8)
inline constexpr std::size_t kMaxFrame = 1514;  ///< likewise
inline constexpr std::size_t kFcs = 4;          ///< the frame check sequence
inline constexpr std::size_t kTag = 4;          ///< of 802.1Q: type and tag control information
inline constexpr std::uint16_t kTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kTypeIpv6 = 0x86dd;
inline constexpr std::uint16_t kTypeVlan = 0x8100;

using Bytes = std::span<const std::uint8_t>;

inline std::uint16_t load_be16(Bytes b, std::size_t at) { return static_cast<std::uint16_t>(b[at] << 8 | b[at + 1]); }

inline bool broadcast(Bytes frame) {
  for (std::size_t i = 0; i < kAddress; ++i)
    if (frame[i] != 0xff) return false;
  return true;
}
/// Of many: broadcasts as well.
inline bool group(Bytes frame) { return frame[0] & 1; }

/// The frame check sequence, least significant byte first on the wire (802.3, 3.2.9).
std::uint32_t fcs(Bytes frame);
/// The remainder before it is inverted and reversed, as multicast filters index their tables with its uppermost bits.
std::uint32_t crc_of_address(Bytes address);

}  // namespace machina::ethernet
