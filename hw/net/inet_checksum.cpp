#include "hw/net/inet_checksum.h"

#include "hw/net/ethernet.h"

namespace machina {
namespace {

constexpr std::uint8_t kTcp = 6, kUdp = 17;
constexpr std::size_t kIpv4Header = 20, kIpv6Header = 40;
constexpr std::size_t kTcpHeader = 20, kUdpHeader = 8;

/// `addresses` of the pseudo-header: RFC 793, 3.1; RFC 8200, 8.1.
void check_payload(InetCheck& found, std::uint8_t protocol, std::span<const std::uint8_t> addresses,
                   std::span<const std::uint8_t> payload) {
  found.tcp = protocol == kTcp && payload.size() >= kTcpHeader;
  found.udp = protocol == kUdp && payload.size() >= kUdpHeader;
  if (!found.tcp && !found.udp) return;
  if (found.udp) {
    const std::size_t length = ethernet::load_be16(payload, 4);
    if (length < kUdpHeader || length > payload.size()) return;
    payload = payload.first(length);
    if (ethernet::load_be16(payload, 6) == 0) return;  // RFC 768: the sender has made none
  }
  InetSum sum;
  sum.add(addresses);
  sum.add(protocol);
  sum.add(static_cast<std::uint32_t>(payload.size()));
  sum.add(payload);
  found.payload = true;
  found.payload_good = sum.folded() == 0xffff;
}

}  // namespace

InetCheck check_inet(std::span<const std::uint8_t> frame) {
  InetCheck found;
  std::size_t at = ethernet::kHeader;
  if (frame.size() < at) return found;
  std::uint16_t type = ethernet::load_be16(frame, at - 2);
  if (type == ethernet::kTypeVlan) {
    at += ethernet::kTag;
    if (frame.size() < at) return found;
    type = ethernet::load_be16(frame, at - 2);
  }
  const std::span<const std::uint8_t> packet = frame.subspan(at);
  if (type == ethernet::kTypeIpv4) {
    if (packet.size() < kIpv4Header || packet[0] >> 4 != 4) return found;
    const std::size_t header = (packet[0] & 0xfU) * 4;
    const std::size_t total = ethernet::load_be16(packet, 2);
    if (header < kIpv4Header || total < header || total > packet.size()) return found;
    InetSum sum;
    sum.add(packet.first(header));
    found.ip = true;
    found.ip_good = sum.folded() == 0xffff;
    const bool fragment = ethernet::load_be16(packet, 6) & 0x3fff;  // more of them, or an offset
    if (!fragment) check_payload(found, packet[9], packet.subspan(12, 8), packet.subspan(header, total - header));
  } else if (type == ethernet::kTypeIpv6) {
    if (packet.size() < kIpv6Header || packet[0] >> 4 != 6) return found;
    const std::size_t length = ethernet::load_be16(packet, 4);
    if (length > packet.size() - kIpv6Header) return found;
    // Extension headers are not gone through: what is behind them is not checked.
    check_payload(found, packet[6], packet.subspan(8, 32), packet.subspan(kIpv6Header, length));
  }
  return found;
}

}  // namespace machina
