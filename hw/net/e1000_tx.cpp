// The transmitter of the 82540EM: 317453, 3.3 to 3.5.

#include <algorithm>

#include "core/log.h"
#include "core/trace/trace_event.h"
#include "core/units.h"
#include "hw/net/e1000.h"
#include "hw/net/e1000_moving.h"
#include "hw/net/ethernet.h"
#include "hw/net/inet_checksum.h"

namespace machina {

using namespace e1000;

namespace {

const TraceEvent<unsigned, std::uint64_t, unsigned, unsigned> e1000_tx_desc{
    "e1000_tx_desc", "head={} addr={:#x} lower={:#x} upper={:#x}"};
const TraceEvent<std::uint64_t, bool> e1000_tx{"e1000_tx", "bytes={} link={:d}"};

constexpr std::int64_t kDelayUnit = 1024;  // ns, of TIDV and TADV: 13.4.42, 13.4.45
// 3.3: the largest packet, and the most that one descriptor may point to.
constexpr std::size_t kLongest = 16288;
// Descriptors and frames of one turn. What is left of a ring that somebody has filled to the brim is done in the next,
// and others get the machine meanwhile.
// Linux' least segment is 88 bytes (TCP_MIN_MSS): less is nobody's, and thousands of frames for one descriptor.
constexpr unsigned kLeastSegment = 64;
constexpr unsigned kTurn = 256;
constexpr unsigned kLegacyLength = 0xffff, kLength = 0xfffff;
constexpr unsigned kTypeContext = 0, kTypeData = 1;
// RFC 793, 3.1; RFC 791, 3.1; RFC 8200, 3.
constexpr std::size_t kTcpSequence = 4, kTcpFlags = 13, kUdpLength = 4, kIpLength = 2, kIpId = 4, kIpv6Length = 4,
                      kIpv6Header = 40;
constexpr std::uint8_t kTcpFinPsh = 0x09;

bool holds(const std::vector<std::uint8_t>& frame, std::size_t at, std::size_t size) {
  return at <= frame.size() && size <= frame.size() - at;
}
void put16(std::vector<std::uint8_t>& frame, std::size_t at, std::size_t value) {
  if (!holds(frame, at, 2)) return;
  frame[at] = static_cast<std::uint8_t>(value >> 8);
  frame[at + 1] = static_cast<std::uint8_t>(value);
}
void add16(std::vector<std::uint8_t>& frame, std::size_t at, std::size_t value) {
  if (holds(frame, at, 2)) put16(frame, at, ethernet::load_be16(frame, at) + value);
}
void add32(std::vector<std::uint8_t>& frame, std::size_t at, std::uint32_t value) {
  if (!holds(frame, at, 4)) return;
  const std::uint32_t sum =
      (std::uint32_t{ethernet::load_be16(frame, at)} << 16 | ethernet::load_be16(frame, at + 2)) + value;
  put16(frame, at, sum >> 16);
  put16(frame, at + 2, sum & 0xffff);
}

/// 3.5: the sum from `start` to `last` (0: the end), with what stands at `offset`, goes to `offset`.
void insert_sum(std::vector<std::uint8_t>& frame, std::size_t start, std::size_t offset, std::size_t last) {
  const std::size_t end = last != 0 && last < frame.size() ? last + 1 : frame.size();
  if (start >= end || !holds(frame, offset, 2)) return;
  InetSum sum;
  sum.add(std::span(frame).subspan(start, end - start));
  put16(frame, offset, sum.checksum());
}

}  // namespace

void E1000::transmit() {
  if (!(reg(kTctl) & kTctlEn) || moving_) return;
  const unsigned ring = reg(kTdlen) / kDescriptor, tail = reg(kTdt);
  unsigned head = reg(kTdh);
  if (head == tail) return;
  if (head >= ring || tail >= ring) {
    log::guest_error("e1000", "transmit ring of {} descriptors, head {}, tail {}", ring, head, tail);
    return;
  }
  const Moving moving(*this);
  const std::uint64_t base = reg(kTdbal) | std::uint64_t{reg(kTdbah)} << 32;
  const unsigned low_water = (reg(kTxdctl) >> kTxdctlLwthreshShift) * 8;
  std::uint32_t causes = 0;
  bool at_once = false, delayed = false, readable = true;
  for (unsigned work = 0; head != tail && work < kTurn;) {
    const std::uint64_t at = base + std::uint64_t{head} * kDescriptor;
    std::array<std::uint8_t, kDescriptor> raw;
    if (dma().read(at, raw) != MemTxResult::Ok) {
      log::guest_error("e1000", "transmit descriptor {} at {:#x} cannot be read", head, at);
      readable = false;
      break;
    }
    const auto dword = [&](unsigned n) {
      return raw[n] | std::uint32_t{raw[n + 1]} << 8 | std::uint32_t{raw[n + 2]} << 16 |
             std::uint32_t{raw[n + 3]} << 24;
    };
    const Descriptor d{dword(0) | std::uint64_t{dword(4)} << 32, dword(8), dword(12)};
    e1000_tx_desc(head, d.address, d.lower, d.upper);
    work += 1 + transmit_descriptor(d);
    if (d.lower & (kTxRs | kTxRps)) {
      dma().store(at + 12, 4, (d.upper & ~0xfU) | kTxDd);
      // 3.3.3.2, IDE: the interrupt of this one may wait.
      (d.lower & kTxIde && reg(kTidv) != 0 ? delayed : at_once) = true;
    }
    head = (head + 1) % ring;
    const unsigned left = (tail + ring - head) % ring;
    if (low_water != 0 && left == low_water) causes |= kIntTxdLow;
  }
  reg(kTdh) = head;
  if (head == tail) {
    causes |= kIntTxqe;
  } else if (bus_master() && readable) {
    transmit_more_->arm(clock().now_ns());
  }
  if (at_once) causes |= kIntTxdw;
  transmit_interrupt(causes, delayed && !at_once);
}

// 13.4.42 and 13.4.45: TXDW waits until TIDV has passed without a packet, or TADV since the first.
void E1000::transmit_interrupt(std::uint32_t causes, bool delayed) {
  if (causes & kIntTxdw) {
    transmit_delay_->cancel();
    state_.transmit_limit = 0;
  } else if (delayed) {
    const std::int64_t now = clock().now_ns(), delay = reg(kTidv) * kDelayUnit, limit = reg(kTadv) * kDelayUnit;
    if (limit != 0 && state_.transmit_limit == 0) state_.transmit_limit = now + limit;
    transmit_delay_->arm(state_.transmit_limit ? std::min(now + delay, state_.transmit_limit) : now + delay);
  }
  if (causes) raise(causes);
}

/// Returns how many frames were sent.
unsigned E1000::transmit_descriptor(const Descriptor& d) {
  Outgoing& out = state_.out;
  const bool extended = d.lower & kTxDext;
  const unsigned type = d.lower >> kTxTypeShift & 0xf;
  if (extended && type == kTypeContext) {
    load_context(d);
    return 0;
  }
  if (extended && type != kTypeData) {
    log::guest_error("e1000", "transmit descriptor of type {}", type);
    return 0;
  }
  if (!out.open) {
    out = Outgoing{std::move(out.bytes), true};
    out.bytes.clear();
    out.segment = extended && d.lower & kTxTse;
    if (extended) out.options = static_cast<std::uint8_t>(d.upper >> 8);
  }
  // The last descriptor of a packet has the say about its tag, and a legacy one about its checksum.
  if (d.lower & kTxEop) {
    out.tagged = d.lower & kTxVle && reg(kCtrl) & kCtrlVme;
    out.tag = static_cast<std::uint16_t>(d.upper >> 16);
    if (!extended && d.lower & kTxIc) {
      out.legacy_sum = true;
      out.sum_offset = static_cast<std::uint8_t>(d.lower >> 16);
      out.sum_start = static_cast<std::uint8_t>(d.upper >> 8);
    }
  }
  std::uint32_t length = d.lower & (extended ? kLength : kLegacyLength);
  if (length > kLongest) {
    log::guest_error("e1000", "transmit descriptor of {} bytes", length);
    length = kLongest;
    out.too_long = true;
  }
  const unsigned sent = out.segment ? append_segmented(d.address, length) : append(d.address, length);
  return d.lower & kTxEop ? sent + end_packet() : sent;
}

// 3.3.6, table 3-16.
void E1000::load_context(const Descriptor& d) {
  Context& c = d.lower & kTxTse ? state_.segmented : state_.plain;
  const auto byte = [&](unsigned n) { return static_cast<std::uint8_t>(d.address >> (8 * n)); };
  c.ipcss = byte(0);
  c.ipcso = byte(1);
  c.ipcse = static_cast<std::uint16_t>(d.address >> 16);
  c.tucss = byte(4);
  c.tucso = byte(5);
  c.tucse = static_cast<std::uint16_t>(d.address >> 48);
  c.payload = d.lower & kLength;
  c.ip = d.lower & kTxContextIp;
  c.tcp = d.lower & kTxContextTcp;
  c.header = static_cast<std::uint8_t>(d.upper >> 8);
  c.mss = static_cast<std::uint16_t>(d.upper >> 16);
}

unsigned E1000::append(std::uint64_t address, std::uint32_t length) {
  std::vector<std::uint8_t>& bytes = state_.out.bytes;
  if (bytes.size() + length > kLongest) {
    state_.out.too_long = true;
    return 0;
  }
  const std::size_t before = bytes.size();
  bytes.resize(before + length);
  if (dma().read(address, std::span(bytes).subspan(before)) != MemTxResult::Ok) state_.out.too_long = true;
  return 0;
}

// 3.5.4: the header and as much as a segment holds; what stays in `bytes` after a segment is the header.
unsigned E1000::append_segmented(std::uint64_t address, std::uint32_t length) {
  Outgoing& out = state_.out;
  const Context& c = state_.segmented;
  const std::size_t full = std::size_t{c.header} + c.mss;
  unsigned sent = 0;
  if (c.mss < kLeastSegment || full > kLongest) {
    if (!out.too_long) log::guest_error("e1000", "segments of {} bytes behind a header of {}", c.mss, c.header);
    out.too_long = true;
    return 0;
  }
  // The context may have changed since the packet was begun.
  if (out.bytes.size() > full) out.bytes.resize(full);
  while (length > 0) {
    if (out.bytes.size() == full) {
      send_segment();
      ++sent;
    }
    const auto part = static_cast<std::uint32_t>(std::min<std::size_t>(length, full - out.bytes.size()));
    const std::size_t before = out.bytes.size();
    out.bytes.resize(before + part);
    if (dma().read(address, std::span(out.bytes).subspan(before)) != MemTxResult::Ok) {
      out.too_long = true;
      return sent;
    }
    address += part, length -= part;
  }
  return sent;
}

unsigned E1000::end_packet() {
  Outgoing& out = state_.out;
  out.open = false;
  const Context& c = state_.segmented;
  unsigned sent = 0;
  if (out.too_long) {
    log::guest_error("e1000", "packet is too long");
  } else if (out.segment) {
    if (out.bytes.size() > c.header) {
      send_segment();
      ++sent;
      count(kTsctc);
    }
  } else if (out.bytes.size() >= ethernet::kHeader) {
    const Context& p = state_.plain;
    std::vector<std::uint8_t> frame = out.bytes;
    if (out.options & kTxTxsm) insert_sum(frame, p.tucss, p.tucso, p.tucse);
    if (out.options & kTxIxsm) insert_sum(frame, p.ipcss, p.ipcso, p.ipcse);
    if (out.legacy_sum) insert_sum(frame, out.sum_start, out.sum_offset, 0);
    finish(frame);
    ++sent;
  }
  out.bytes.clear();
  return sent;
}

// 3.5.7 to 3.5.9: what the card changes in the header of each segment.
void E1000::send_segment() {
  Outgoing& out = state_.out;
  const Context& c = state_.segmented;
  std::vector<std::uint8_t> frame = out.bytes;
  const std::uint64_t before = std::uint64_t{out.segments} * c.mss;
  const bool last = before + c.mss >= c.payload;
  if (c.ip) {
    put16(frame, c.ipcss + kIpLength, frame.size() - std::min<std::size_t>(c.ipcss, frame.size()));
    add16(frame, c.ipcss + kIpId, out.segments);
  } else {
    const std::size_t head = c.ipcss + kIpv6Header;
    put16(frame, c.ipcss + kIpv6Length, frame.size() - std::min(head, frame.size()));
  }
  const std::size_t payload = frame.size() - std::min<std::size_t>(c.tucss, frame.size());
  if (c.tcp) {
    add32(frame, c.tucss + kTcpSequence, static_cast<std::uint32_t>(before));
    if (!last && holds(frame, c.tucss + kTcpFlags, 1))
      frame[c.tucss + kTcpFlags] &= static_cast<std::uint8_t>(~kTcpFinPsh);
  } else {
    put16(frame, c.tucss + kUdpLength, payload);
  }
  if (out.options & kTxTxsm) {
    // Software has left the sum of the pseudo-header there, but for the length.
    if (holds(frame, c.tucso, 2)) {
      InetSum pseudo;
      pseudo.add(ethernet::load_be16(frame, c.tucso));
      pseudo.add(static_cast<std::uint32_t>(payload));
      put16(frame, c.tucso, pseudo.folded());
    }
    insert_sum(frame, c.tucss, c.tucso, c.tucse);
  }
  if (out.options & kTxIxsm) insert_sum(frame, c.ipcss, c.ipcso, c.ipcse);
  if (frame.size() >= ethernet::kHeader) finish(frame);
  ++out.segments;
  out.bytes.resize(std::min<std::size_t>(out.bytes.size(), c.header));
}

// Tag, padding, the wire, statistics.
void E1000::finish(std::vector<std::uint8_t>& frame) {
  if (state_.out.tagged) {
    const std::uint32_t tag = reg(kVet) << 16 | state_.out.tag;
    std::uint8_t bytes[ethernet::kTag];
    for (unsigned i = 0; i < ethernet::kTag; ++i) bytes[i] = static_cast<std::uint8_t>(tag >> (8 * (3 - i)));
    frame.insert(frame.begin() + 2 * ethernet::kAddress, std::begin(bytes), std::end(bytes));
  }
  if (frame.size() < ethernet::kMinFrame && reg(kTctl) & kTctlPsp) frame.resize(ethernet::kMinFrame);

  e1000_tx(frame.size(), phy_.link());
  const std::size_t with_fcs = frame.size() + ethernet::kFcs;
  count(kTpt);
  count(kGptc);
  count_octets(kTotl, with_fcs);
  count_octets(kGotcl, with_fcs);
  if (ethernet::broadcast(frame)) {
    count(kBptc);
  } else if (ethernet::group(frame)) {
    count(kMptc);
  }
  static constexpr std::size_t kSizes[] = {64, 127, 255, 511, 1023};
  unsigned size = 0;
  while (size < std::size(kSizes) && with_fcs > kSizes[size]) ++size;
  count(kPtc64 + 4 * size);

  if (phy_.loopback() || (reg(kRctl) & kRctlLbm) == kRctlLbmMac) {
    accept(frame);
  } else if (netdev_ && phy_.link()) {
    netdev_->send(frame);
  }
}

}  // namespace machina
