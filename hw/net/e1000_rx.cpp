// The receiver of the 82540EM: 317453, 3.2 and 10.

#include <algorithm>
#include <bit>

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

const TraceEvent<std::uint64_t, unsigned, unsigned> e1000_rx{"e1000_rx", "bytes={} head={} status={:#x}"};
const TraceEvent<std::uint64_t> e1000_rx_filtered{"e1000_rx_filtered", "bytes={}"};
const TraceEvent<std::uint64_t, unsigned, unsigned> e1000_receiver_overrun{"e1000_receiver_overrun",
                                                                           "bytes={} rdh={} rdt={}"};
const TraceEvent<unsigned, std::uint64_t, std::uint64_t> e1000_rx_desc{"e1000_rx_desc", "head={} addr={:#x} bytes={}"};

constexpr std::int64_t kDelayUnit = 1024;   // ns, of RDTR and RADV: 13.4.30, 13.4.31
constexpr std::size_t kLongest = 16 * KiB;  // with the check sequence, when LPE allows long frames: 13.4.22
constexpr std::size_t kLongestTagged = ethernet::kMaxFrame + ethernet::kTag;  // 1522 bytes with the check sequence
constexpr unsigned kAddresses = 16;
constexpr std::uint16_t kTagVlan = 0x0fff;

}  // namespace

// 13.4.22, BSIZE and BSEX.
unsigned E1000::receive_buffer() const {
  const unsigned size = reg(kRctl) >> kRctlBsizeShift & 3;
  if (reg(kRctl) & kRctlBsex && size != 0) return 32768U >> size;
  return 2048U >> size;
}

// From head to tail the descriptors are the card's; none when both are equal.
unsigned E1000::receive_free() const {
  const unsigned ring = reg(kRdlen) / kDescriptor, head = reg(kRdh), tail = reg(kRdt);
  if (head >= ring || tail >= ring) return 0;
  return head <= tail ? tail - head : ring - head + tail;
}

bool E1000::can_receive() {
  // What a receiver that is off is given, it does not hear.
  return !(reg(kRctl) & kRctlEn) || !phy_.link() || !bus_master() || receive_free() > 0;
}

bool E1000::passes_filters(FrameView frame) const {
  const std::uint32_t rctl = reg(kRctl);
  const std::uint16_t tag_type = static_cast<std::uint16_t>(reg(kVet));
  if (rctl & kRctlVfe && ethernet::load_be16(frame, 12) == tag_type && frame.size() >= 16) {
    // 10.3.2: a bit of the table for each VLAN.
    const unsigned vlan = ethernet::load_be16(frame, 14) & kTagVlan;
    if (!(reg(kVfta + 4 * (vlan >> 5)) >> (vlan & 0x1f) & 1)) return false;
  }
  const bool group = ethernet::group(frame);
  if (group ? rctl & kRctlMpe : rctl & kRctlUpe) return true;
  if (ethernet::broadcast(frame) && rctl & kRctlBam) return true;
  for (unsigned n = 0; n < kAddresses; ++n) {
    const std::uint32_t low = reg(kRa + 8 * n), high = reg(kRa + 8 * n + 4);
    if (!(high & kRahAv)) continue;
    bool same = true;
    for (unsigned i = 0; i < ethernet::kAddress && same; ++i)
      same = frame[i] == ((i < 4 ? low >> (8 * i) : high >> (8 * (i - 4))) & 0xff);
    if (same) return true;
  }
  if (!group) return false;
  // 10.1.2: twelve bits of the last two bytes, which of them MO says.
  static constexpr unsigned kShift[] = {4, 3, 2, 0};
  const unsigned both = static_cast<unsigned>(frame[5]) << 8 | frame[4];
  const unsigned bit = both >> kShift[rctl >> kRctlMoShift & 3] & 0xfff;
  return reg(kMta + 4 * (bit >> 5)) >> (bit & 0x1f) & 1;
}

ReceiveFilter E1000::receive_filter() const {
  const std::uint32_t rctl = reg(kRctl);
  ReceiveFilter f;
  f.promiscuous = rctl & kRctlUpe;
  f.all_multicast = rctl & kRctlMpe;
  f.broadcast = rctl & kRctlBam;
  for (unsigned n = 0; n < kAddresses; ++n) {
    const std::uint32_t low = reg(kRa + 8 * n), high = reg(kRa + 8 * n + 4);
    if (!(high & kRahAv)) continue;
    MacAddress address;
    for (unsigned i = 0; i < MacAddress::kSize; ++i)
      address.bytes[i] = static_cast<std::uint8_t>(i < 4 ? low >> (8 * i) : high >> (8 * (i - 4)));
    if (n == 0) {
      f.main = address;
    } else {
      f.unicast.push_back(address);
    }
  }
  for (unsigned i = 0; i < 128; ++i) f.multicast_hash += static_cast<unsigned>(std::popcount(reg(kMta + 4 * i)));
  f.vlan_filter = rctl & kRctlVfe;
  for (unsigned v = 0; f.vlan_filter && v <= kTagVlan; ++v)
    if (reg(kVfta + 4 * (v >> 5)) >> (v & 0x1f) & 1) f.vlans.push_back(static_cast<std::uint16_t>(v));
  return f;
}

void E1000::receive(FrameView frame) {
  if (phy_.link()) accept(frame);
}

void E1000::accept(FrameView given) {
  if (!(reg(kRctl) & kRctlEn) || !bus_master()) return;
  frame_.assign(given.begin(), given.end());
  if (frame_.size() < ethernet::kMinFrame) frame_.resize(ethernet::kMinFrame);
  const std::size_t with_fcs = frame_.size() + ethernet::kFcs;

  count(kTpr);
  count_octets(kTorl, with_fcs);
  if ((frame_.size() > kLongestTagged && !(reg(kRctl) & kRctlLpe)) || with_fcs > kLongest) {
    count(kRoc);
    return;
  }
  if (!passes_filters(frame_)) return e1000_rx_filtered(frame_.size());

  const bool broadcast = ethernet::broadcast(frame_), group = ethernet::group(frame_);
  const std::uint32_t rxcsum = reg(kRxcsum);
  InetSum packet;
  if (const std::size_t start = rxcsum & kRxcsumPcss; start < frame_.size())
    packet.add(std::span(frame_).subspan(start));
  const InetCheck checked = check_inet(frame_);
  std::uint32_t status = 0, errors = 0;
  if (rxcsum & kRxcsumIpofl && checked.ip) {
    status |= kRxIpcs;
    if (!checked.ip_good) errors |= kRxIpe;
  }
  if (rxcsum & kRxcsumTuofl && checked.payload) {
    status |= kRxTcpcs;
    if (!checked.payload_good) errors |= kRxTcpe;
  }
  if (status == 0) status |= kRxIxsm;

  // 9.2 of 802.1Q by 10.3: the tag leaves the frame and goes into the descriptor.
  std::uint16_t tag = 0;
  std::vector<std::uint8_t> bytes = frame_;
  if (reg(kCtrl) & kCtrlVme && bytes.size() >= 16 && ethernet::load_be16(bytes, 12) == reg(kVet)) {
    tag = ethernet::load_be16(bytes, 14);
    status |= kRxVp;
    bytes.erase(bytes.begin() + 12, bytes.begin() + 16);
  }
  // The check sequence is that of the frame on the wire.
  if (!(reg(kRctl) & kRctlSecrc)) {
    const std::uint32_t fcs = ethernet::fcs(frame_);
    for (unsigned i = 0; i < ethernet::kFcs; ++i) bytes.push_back(static_cast<std::uint8_t>(fcs >> (8 * i)));
  }
  if (!store(bytes, status | errors << 8, packet.folded(), tag)) return;

  count(kGprc);
  count_octets(kGorcl, with_fcs);
  if (broadcast) {
    count(kBprc);
  } else if (group) {
    count(kMprc);
  }
  static constexpr std::size_t kSizes[] = {64, 127, 255, 511, 1023};
  unsigned size = 0;
  while (size < std::size(kSizes) && with_fcs > kSizes[size]) ++size;
  count(kPrc64 + 4 * size);
}

// 3.2.5: the frame goes into as many buffers as it needs, or nowhere.
bool E1000::store(std::span<const std::uint8_t> bytes, std::uint32_t status_errors, std::uint16_t checksum,
                  std::uint16_t tag) {
  const unsigned buffer = receive_buffer(), ring = reg(kRdlen) / kDescriptor, before = receive_free();
  if (bytes.size() > std::size_t{before} * buffer) {
    e1000_receiver_overrun(bytes.size(), reg(kRdh), reg(kRdt));
    count(kMpc);
    count(kRnbc);
    raise(kIntRxo);
    return false;
  }
  e1000_rx(bytes.size(), reg(kRdh), status_errors);
  const Moving moving(*this);
  const std::uint64_t base = reg(kRdbal) | std::uint64_t{reg(kRdbah)} << 32;
  unsigned head = reg(kRdh);
  while (!bytes.empty()) {
    const std::uint64_t at = base + std::uint64_t{head} * kDescriptor;
    const std::size_t part = std::min<std::size_t>(bytes.size(), buffer);
    if (const std::uint64_t address = dma().load(at, 8); address != 0) {
      e1000_rx_desc(head, address, part);
      dma().write(address, bytes.first(part));
    } else {
      log::guest_error("e1000", "receive descriptor {} has no buffer", head);
    }
    bytes = bytes.subspan(part);
    std::uint32_t status = kRxDd;
    if (bytes.empty()) status |= kRxEop | status_errors;
    // In one piece: software looks at DD while this goes on.
    dma().store(at + 8, 8,
                part | std::uint64_t{checksum} << 16 | std::uint64_t{status} << 32 | std::uint64_t{tag} << 48);
    head = (head + 1) % ring;
  }
  reg(kRdh) = head;

  // 13.4.22, RDMTS: the half, quarter or eighth of the ring.
  std::uint32_t causes = 0;
  const unsigned threshold = ring >> ((reg(kRctl) >> kRctlRdmtsShift & 3) + 1), now = receive_free();
  if (now <= threshold && before > threshold) causes |= kIntRxdmt0;
  receive_interrupt(causes);
  return true;
}

// 13.4.30 and 13.4.31: RXT0 waits until RDTR has passed without a frame, or RADV since the first.
void E1000::receive_interrupt(std::uint32_t causes) {
  const std::int64_t delay = reg(kRdtr) * kDelayUnit, limit = reg(kRadv) * kDelayUnit;
  if (delay == 0) {
    raise(causes | kIntRxt0);
    return;
  }
  const std::int64_t now = clock().now_ns();
  if (limit != 0 && state_.receive_limit == 0) state_.receive_limit = now + limit;
  receive_delay_->arm(state_.receive_limit ? std::min(now + delay, state_.receive_limit) : now + delay);
  if (causes) raise(causes);
}

}  // namespace machina
