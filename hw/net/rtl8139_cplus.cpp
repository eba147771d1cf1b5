// C+ mode: rings of descriptors, checksums, segmentation, tags. Datasheet of the RTL8139C+, section 9.

#include <algorithm>
#include <utility>

#include "core/log.h"
#include "hw/net/ethernet.h"
#include "hw/net/inet_checksum.h"
#include "hw/net/rtl8139.h"
#include "hw/net/rtl8139_moving.h"

namespace machina {

using namespace rtl8139;

namespace {

constexpr std::size_t kLongest = 65536;  // of a packet that is cut into segments
// Linux' least segment is 88 bytes (TCP_MIN_MSS): less is nobody's, and thousands of frames for one descriptor.
constexpr std::size_t kLeastSegment = 64;
constexpr unsigned kTurn = 256;  // frames in one turn
constexpr std::size_t kIpHeader = 20, kTcpHeader = 20, kUdpHeader = 8;
constexpr std::uint8_t kTcp = 6, kUdp = 17, kFinPsh = 0x09;

void put16(std::span<std::uint8_t> b, std::size_t at, std::size_t value) {
  b[at] = static_cast<std::uint8_t>(value >> 8);
  b[at + 1] = static_cast<std::uint8_t>(value);
}

/// The parts of a frame of IPv4; `ip` is 0 when it is none.
struct Parts {
  std::size_t ip = 0, payload = 0;  ///< offsets
  std::uint8_t protocol = 0;
};
Parts parts_of(std::span<const std::uint8_t> frame) {
  constexpr std::size_t ip = ethernet::kHeader;
  if (frame.size() < ip + kIpHeader || ethernet::load_be16(frame, ip - 2) != ethernet::kTypeIpv4 || frame[ip] >> 4 != 4)
    return {};
  const std::size_t header = (frame[ip] & 0xfU) * 4;
  if (header < kIpHeader || ip + header > frame.size()) return {};
  return {ip, ip + header, frame[ip + 9]};
}

void sum_ip(std::span<std::uint8_t> frame, const Parts& p) {
  put16(frame, p.ip + 10, 0);
  InetSum sum;
  sum.add(frame.subspan(p.ip, p.payload - p.ip));
  put16(frame, p.ip + 10, sum.checksum());
}

/// Of TCP or UDP, whose checksum is `at` bytes into its header. `end` is that of the packet, without padding.
void sum_payload(std::span<std::uint8_t> frame, const Parts& p, std::size_t at, std::size_t end) {
  put16(frame, p.payload + at, 0);
  InetSum sum;
  sum.add(frame.subspan(p.ip + 12, 8));
  sum.add(p.protocol);
  sum.add(static_cast<std::uint32_t>(end - p.payload));
  sum.add(frame.subspan(p.payload, end - p.payload));
  const std::uint16_t checksum = sum.checksum();
  // RFC 768: 0 would say that there is none.
  put16(frame, p.payload + at, p.protocol == kUdp && checksum == 0 ? 0xffff : checksum);
}

}  // namespace

void Rtl8139::store_in_descriptor(Bytes frame, std::uint16_t why) {
  const Moving moving(*this);
  const std::uint64_t base = get(kRdsar, 4) | std::uint64_t{get(kRdsar + 4, 4)} << 32;
  const std::uint64_t at = base + std::uint64_t{state_.receive} * kDescriptor;
  const auto options = static_cast<std::uint32_t>(dma().load(at, 4));
  if (!(options & kOwn)) {
    missed(kIntRxovw);
    return;
  }
  std::uint32_t status = (options & kEor) | kFs | kLs;
  if (why & kRxMar) status |= kCpMar;
  if (why & kRxPam) status |= kCpPam;
  if (why & kRxBar) status |= kCpBar;
  const std::uint16_t cpcr = static_cast<std::uint16_t>(get(kCpcr, 2));
  if (cpcr & kCpRxChecksum) {
    const InetCheck check = check_inet(frame);
    if (check.ip) {
      status |= (check.tcp ? 1U : check.udp ? 2U : 3U) << kPidShift;
      if (!check.ip_good) status |= kIpf;
      if (check.payload && !check.payload_good) status |= check.tcp ? kTcpf : kUdpf;
    }
  }
  const std::uint32_t fcs = ethernet::fcs(frame);
  std::uint32_t tag = 0;
  if (cpcr & kCpRxVlan && frame.size() >= 16 && ethernet::load_be16(frame, 12) == ethernet::kTypeVlan) {
    tag = kTava | frame[14] | std::uint32_t{frame[15]} << 8;
    frame.erase(frame.begin() + 12, frame.begin() + 16);
  }
  for (unsigned i = 0; i < ethernet::kFcs; ++i) frame.push_back(static_cast<std::uint8_t>(fcs >> (8 * i)));
  if (frame.size() > (options & kRxSize)) {
    // Buffers of one frame are what drivers make; one that does not fit is lost.
    log::guest_error("rtl8139", "receive buffer of {} bytes", options & kRxSize);
    missed(kIntFovw);
    return;
  }
  dma().write(dma().load(at + 8, 8), frame);
  dma().store(at + 4, 4, tag);
  dma().store(at, 4, status | static_cast<std::uint32_t>(frame.size()));
  state_.receive = static_cast<std::uint16_t>(options & kEor ? 0 : (state_.receive + 1) % kRing);
  received_well(why);
}

/// DTCCR: 64 bytes, in one go.
void Rtl8139::dump_tally() {
  const std::uint64_t command = get(kDtccr, 4) | std::uint64_t{get(kDtccr + 4, 4)} << 32;
  if (!(command & kDtccrCmd)) return;
  std::array<std::uint8_t, kTally> bytes{};
  const auto counter = [&](std::size_t at, std::size_t size, std::uint64_t value) {
    for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
  };
  const Tally& t = state_.tally;
  counter(0, 8, t.tx_ok);
  counter(8, 8, t.rx_ok);
  counter(16, 8, t.tx_errors);
  counter(24, 4, t.rx_errors);
  counter(28, 2, t.missed);
  // 30: frames that are not of whole bytes; 32 and 36: sent after one collision, and after more.
  counter(40, 8, t.rx_physical);
  counter(48, 8, t.rx_broadcast);
  counter(56, 4, t.rx_multicast);
  counter(60, 2, t.tx_aborts);
  // 62: underruns.
  const Moving moving(*this);
  dma().write(command & kDtccrAddress, bytes);
  put(kDtccr, 8, command & ~kDtccrCmd);
}

void Rtl8139::poll_rings(std::uint8_t which) {
  which |= std::exchange(state_.polling, std::uint8_t{0});  // what an earlier turn has left
  if (which & kTppollHigh && transmit_descriptors(kTsad0 + 8, state_.high)) state_.polling |= kTppollHigh;
  if (which & kTppollNormal && transmit_descriptors(kTsad0, state_.normal)) state_.polling |= kTppollNormal;
  if (state_.polling) transmit_more_->arm(clock().now_ns());
}

bool Rtl8139::transmit_descriptors(unsigned base_register, std::uint16_t& index) {
  if (!(get(kCr, 1) & kCrTe) || !(get(kCpcr, 2) & kCpTx)) return false;
  const Moving moving(*this);
  const std::uint64_t base = get(base_register, 4) | std::uint64_t{get(base_register + 4, 4)} << 32;
  std::uint16_t causes = 0;
  // Once around at most: a ring in memory that cannot be written stays the card's for ever. Many small segments are
  // sent in several turns of the loop, and others get the machine meanwhile.
  unsigned sent = 0;
  for (unsigned done = 0; done < kRing && sent < kTurn; ++done) {
    const std::uint64_t at = base + std::uint64_t{index} * kDescriptor;
    std::array<std::uint8_t, kDescriptor> raw;
    if (dma().read(at, raw) != MemTxResult::Ok) {
      log::guest_error("rtl8139", "transmit descriptor at {:#x} cannot be read", at);
      break;
    }
    const auto dword = [&](unsigned n) {
      return raw[n] | std::uint32_t{raw[n + 1]} << 8 | std::uint32_t{raw[n + 2]} << 16 |
             std::uint32_t{raw[n + 3]} << 24;
    };
    const std::uint32_t options = dword(0);
    if (!(options & kOwn)) {
      causes |= kIntTdu;
      break;
    }
    if (options & kFs || !state_.open) {
      state_.packet.clear();
      state_.options = options;
      state_.open = true;
      state_.too_long = false;
    }
    const std::size_t size = options & kTxSize, before = state_.packet.size();
    if (before + size > kLongest) {
      state_.too_long = true;
    } else {
      state_.packet.resize(before + size);
      const std::uint64_t from = dword(8) | std::uint64_t{dword(12)} << 32;
      if (dma().read(from, std::span(state_.packet).subspan(before)) != MemTxResult::Ok) state_.too_long = true;
    }
    // 9.1: what it asked for makes room for how it went: no errors, no collisions.
    dma().store(at, 4, options & (kEor | kFs | kLs | kTxSize));
    index = static_cast<std::uint16_t>(options & kEor ? 0 : (index + 1) % kRing);
    if (options & kLs) {
      sent += finish_packet(state_.options, dword(4));
      causes |= kIntTok;
    }
  }
  if (causes) raise(causes);
  return sent >= kTurn;
}

unsigned Rtl8139::finish_packet(std::uint32_t options, std::uint32_t tag) {
  state_.open = false;
  Bytes packet;
  packet.swap(state_.packet);
  if (state_.too_long) {
    log::guest_error("rtl8139", "a packet is too long, or cannot be read");
    send_failed();
    return 0;
  }
  const Parts p = parts_of(packet);
  const std::size_t mss = options >> kMssShift & kMss;
  if (!(options & kLgsen)) {
    if (p.ip != 0) {
      const std::size_t total = ethernet::load_be16(packet, p.ip + 2);
      const std::size_t end = std::clamp(p.ip + total, p.payload, packet.size());
      if (options & kTxIpcs) sum_ip(packet, p);
      if (options & kTxTcpcs && p.protocol == kTcp && end >= p.payload + kTcpHeader) sum_payload(packet, p, 16, end);
      if (options & kTxUdpcs && p.protocol == kUdp && end >= p.payload + kUdpHeader) sum_payload(packet, p, 6, end);
    }
    send(std::move(packet), tag);
    return 1;
  }
  // Large send: TCP over IPv4 only.
  if (p.ip == 0 || p.protocol != kTcp || packet.size() < p.payload + kTcpHeader || mss < kLeastSegment) {
    log::guest_error("rtl8139", "a packet to be cut is no TCP, or its segments have {} bytes", mss);
    send_failed();
    return 0;
  }
  const std::size_t header = p.payload + (packet[p.payload + 12] >> 4) * 4U;
  if (header < p.payload + kTcpHeader || header > packet.size()) return 0;
  const std::uint32_t sequence =
      std::uint32_t{ethernet::load_be16(packet, p.payload + 4)} << 16 | ethernet::load_be16(packet, p.payload + 6);
  const unsigned id = ethernet::load_be16(packet, p.ip + 4);
  unsigned n = 0;
  for (std::size_t done = header; done < packet.size() || n == 0; ++n) {
    const std::size_t part = std::min(mss, packet.size() - done);
    const auto from = packet.begin() + static_cast<std::ptrdiff_t>(done);
    Bytes segment(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(header));
    segment.insert(segment.end(), from, from + static_cast<std::ptrdiff_t>(part));
    const auto now = static_cast<std::uint32_t>(sequence + (done - header));
    done += part;
    put16(segment, p.ip + 2, segment.size() - p.ip);
    put16(segment, p.ip + 4, id + n);
    put16(segment, p.payload + 4, now >> 16);
    put16(segment, p.payload + 6, now);
    if (done < packet.size()) segment[p.payload + 13] &= static_cast<std::uint8_t>(~kFinPsh);
    sum_ip(segment, p);
    sum_payload(segment, p, 16, segment.size());
    send(std::move(segment), tag);
    if (part == 0) break;
  }
  return n;
}

}  // namespace machina
