#include "hw/net/ne2000.h"

#include <algorithm>
#include <bit>

#include "core/log.h"
#include "core/trace/trace_event.h"
#include "hw/net/dp8390_regs.h"
#include "hw/net/ethernet.h"

namespace machina {

using namespace dp8390;

namespace {

const TraceEvent<unsigned, unsigned, unsigned> ne2000_read{"ne2000_read", "page={} reg={:#04x} value={:#04x}"};
const TraceEvent<unsigned, unsigned, unsigned> ne2000_write{"ne2000_write", "page={} reg={:#04x} value={:#04x}"};
const TraceEvent<unsigned, unsigned> ne2000_raise{"ne2000_raise", "causes={:#04x} imr={:#04x}"};
const TraceEvent<std::uint64_t, unsigned, unsigned> ne2000_rx{"ne2000_rx", "bytes={} page={} next={}"};
const TraceEvent<std::uint64_t> ne2000_rx_overflow{"ne2000_rx_overflow", "bytes={}"};
const TraceEvent<std::uint64_t, unsigned> ne2000_tx{"ne2000_tx", "bytes={} page={}"};

constexpr unsigned kDataPort = 0x10, kResetPort = 0x18;
constexpr unsigned kPageRealtek = 3;
// IEEE 802.3, 4.4.2: 10 Mbit/s; a preamble of 8 bytes and a gap of 12.
constexpr std::int64_t kByteTime = 800, kPreamble = 8, kGap = 12;

void put_low(std::uint16_t& word, std::uint8_t byte) { word = static_cast<std::uint16_t>((word & 0xff00) | byte); }
void put_high(std::uint16_t& word, std::uint8_t byte) {
  word = static_cast<std::uint16_t>((word & 0x00ff) | byte << 8);
}

}  // namespace

void Ne2000::set_mac(const MacAddress& mac) {
  // Each byte of the PROM is seen twice, on both halves of the bus; 57h behind the address tells a 16-bit board.
  prom_ = {};
  for (unsigned i = 0; i < MacAddress::kSize; ++i) prom_[2 * i] = prom_[2 * i + 1] = mac.bytes[i];
  for (unsigned i = 28; i < prom_.size(); ++i) prom_[i] = 0x57;
}

void Ne2000::reset() {
  state_ = State();
  wires_.interrupt(false);
}

// 10.4: what the reset line changes; all else stays.
void Ne2000::chip_reset() {
  State& s = state_;
  s.cr = kCrStp | kCrRdAbort;
  s.isr = kIsrRst;
  s.imr = 0;
  s.dcr &= static_cast<std::uint8_t>(~kDcrLas);
  s.tcr &= static_cast<std::uint8_t>(~kTcrLb);
  s.left = 0;
  update();
  wires_.room();
}

void Ne2000::raise(std::uint8_t causes) {
  ne2000_raise(causes, state_.imr);
  state_.isr |= causes;
  update();
}

// --- ports ---

IoResult Ne2000::read(Offset port, Width width) {
  if (port >= kDataPort && port < kResetPort) return read_data(width);
  std::uint64_t value = 0;
  for (Width i = 0; i < width; ++i) {
    const auto n = static_cast<unsigned>(port + i);
    std::uint8_t byte = 0xff;
    if (n >= kResetPort) {
      chip_reset();
    } else if (n < kPageRegisters) {
      byte = read_register(n);
      ne2000_read(state_.cr >> kCrPageShift, n, byte);
    }
    value |= std::uint64_t{byte} << (8 * i);
  }
  return value;
}

IoResult Ne2000::write(Offset port, Width width, std::uint64_t value) {
  if (port >= kDataPort && port < kResetPort) {
    write_data(width, static_cast<std::uint32_t>(value));
    return io_ok();
  }
  for (Width i = 0; i < width; ++i) {
    const auto n = static_cast<unsigned>(port + i);
    if (n < kPageRegisters) write_register(n, static_cast<std::uint8_t>(value >> (8 * i)));
  }
  return io_ok();
}

std::uint8_t Ne2000::read_register(unsigned n) {
  const State& s = state_;
  if (n == kCr) return s.cr;
  switch (s.cr >> kCrPageShift) {
    case 0:
      switch (n) {
        case kClda0:
          return 0;
        case kClda1:
          return s.curr;
        case kBnry:
          return s.bnry;
        case kTsr:
          return s.tsr;
        case kIsr:
          return s.isr;
        case kCrda0:
          return static_cast<std::uint8_t>(s.crda);
        case kCrda1:
          return static_cast<std::uint8_t>(s.crda >> 8);
        case kRbcr0:
        case kRbcr1:
          return id_[n - kRbcr0] ? id_[n - kRbcr0] : std::uint8_t{0xff};
        case kRsr:
          return s.rsr;
        default:
          return 0;  // collisions, FIFO, tallies
      }
    case 1:
      if (n >= kMar0) return s.mar[n - kMar0];
      return n == kCurr ? s.curr : s.par[n - kPar0];
    case 2:
      switch (n) {
        case kPstart:
          return s.pstart;
        case kPstop:
          return s.pstop;
        case kTpsr:
          return s.tpsr;
        case kRcr:
          return s.rcr | 0xc0;
        case kTcr:
          return s.tcr | 0xe0;
        case kDcr:
          return s.dcr | 0x80;
        case kImr:
          return s.imr | 0x80;
        default:
          return 0;
      }
    default:
      break;
  }
  // Page 3 is the RTL8029's configuration: full duplex on a twisted pair.
  return id_[0] && (n == 5 || n == 6) ? 0x40 : 0;
}

void Ne2000::write_register(unsigned n, std::uint8_t value) {
  State& s = state_;
  ne2000_write(s.cr >> kCrPageShift, n, value);
  if (n == kCr) {
    command(value);
    return;
  }
  const unsigned page = s.cr >> kCrPageShift;
  if (page == 1) {
    if (n >= kMar0) {
      s.mar[n - kMar0] = value;
    } else if (n == kCurr) {
      s.curr = value;
      wires_.room();
    } else {
      s.par[n - kPar0] = value;
    }
    return;
  }
  if (page != 0) {
    if (page != kPageRealtek) log::guest_error("ne2000", "write of register {:#x} on page {}", n, page);
    return;
  }
  switch (n) {
    case kPstart:
      s.pstart = value;
      break;
    case kPstop:
      s.pstop = value;
      break;
    case kBnry:
      s.bnry = value;
      wires_.room();
      break;
    case kTpsr:
      s.tpsr = value;
      break;
    case kTbcr0:
      put_low(s.tbcr, value);
      break;
    case kTbcr1:
      put_high(s.tbcr, value);
      break;
    case kIsr:
      s.isr &= static_cast<std::uint8_t>(~(value & ~kIsrRst));
      update();
      wires_.room();
      break;
    case kRsar0:
      put_low(s.rsar, value);
      break;
    case kRsar1:
      put_high(s.rsar, value);
      break;
    case kRbcr0:
      put_low(s.rbcr, value);
      break;
    case kRbcr1:
      put_high(s.rbcr, value);
      break;
    case kRcr:
      s.rcr = value & 0x3f;
      break;
    case kTcr:
      s.tcr = value & 0x1f;
      break;
    case kDcr:
      s.dcr = value & 0x7f;
      break;
    case kImr:
      s.imr = value & 0x7f;
      update();
      break;
    default:
      break;
  }
}

// 10.3, command register. TXP goes out by itself, and the frame with it at once.
void Ne2000::command(std::uint8_t value) {
  State& s = state_;
  s.cr = value & static_cast<std::uint8_t>(~kCrTxp);
  const bool running = !(value & kCrStp) && value & kCrSta;
  if (value & kCrStp) {
    s.isr |= kIsrRst;
  } else if (running) {
    s.isr &= static_cast<std::uint8_t>(~kIsrRst);
  }
  const std::uint8_t remote = value & kCrRd;
  if (remote == kCrRdRead || remote == kCrRdWrite) {
    s.crda = s.rsar;
    s.left = s.rbcr;
    if (s.left == 0) s.isr |= kIsrRdc;
  } else if (remote & kCrRdAbort) {
    s.left = 0;
  } else if (remote == kCrRdSend) {
    log::unimp("ne2000", "send packet command");
  }
  if (value & kCrTxp && running) transmit();
  update();
  wires_.room();
}

// --- memory ---

std::uint8_t Ne2000::load(unsigned address) const {
  if (address < prom_.size()) return prom_[address];
  if (address >= kRamStart && address < kRamEnd) return state_.ram[address - kRamStart];
  return 0xff;
}

void Ne2000::store(unsigned address, std::uint8_t value) {
  if (address >= kRamStart && address < kRamEnd) state_.ram[address - kRamStart] = value;
}

// 8.0: remote DMA runs around the receive ring, so that a frame that wraps is read in one go.
void Ne2000::remote_advance(unsigned bytes) {
  State& s = state_;
  s.crda = static_cast<std::uint16_t>(s.crda + bytes);
  if (s.crda == s.pstop * kPage) s.crda = static_cast<std::uint16_t>(s.pstart * kPage);
  s.left = s.left > bytes ? static_cast<std::uint16_t>(s.left - bytes) : std::uint16_t{0};
  if (s.left == 0) raise(kIsrRdc);
}

// 10.3, WTS: a word at a time, of which an access of a byte gets the lower one. Boards behind PCI take two at once.
std::uint32_t Ne2000::read_data(Width width) {
  const State& s = state_;
  const unsigned unit = s.dcr & kDcrWts ? std::max(width, 2U) : 1;
  std::uint32_t value = 0;
  for (unsigned i = 0; i < unit; ++i) {
    if ((s.cr & kCrRd) != kCrRdRead || s.left == 0) return value | ~0U << (8 * i);
    value |= std::uint32_t{load(s.crda)} << (8 * i);
    remote_advance(1);
  }
  return value;
}

void Ne2000::write_data(Width width, std::uint32_t value) {
  const State& s = state_;
  const unsigned unit = s.dcr & kDcrWts ? std::max(width, 2U) : 1;
  for (unsigned i = 0; i < unit; ++i) {
    if ((s.cr & kCrRd) != kCrRdWrite || s.left == 0) return;
    store(s.crda, static_cast<std::uint8_t>(value >> (8 * i)));
    remote_advance(1);
  }
}

// --- transmitter ---

void Ne2000::transmit() {
  State& s = state_;
  std::vector<std::uint8_t> frame(s.tbcr);
  for (unsigned i = 0; i < frame.size(); ++i) frame[i] = load((s.tpsr * kPage + i) & 0xffff);
  ne2000_tx(frame.size(), s.tpsr);
  s.tsr = kTsrPtx;
  if (!(s.tcr & kTcrLb)) wires_.send(frame);
  s.isr |= kIsrPtx;
}

// --- receiver ---

bool Ne2000::ring_good() const {
  const State& s = state_;
  return s.pstart < s.pstop && s.curr >= s.pstart && s.curr < s.pstop;
}

// Pages from CURR up to BNRY. Both equal is an empty ring, so that a frame never fills it to there. 7.0: drivers write
// the page before the next frame to BNRY; before the ring's first, that is meant to be its last (as Linux' driver has
// it). Another page outside of the ring is one that the chip never comes to.
unsigned Ne2000::ring_free() const {
  const State& s = state_;
  const unsigned pages = s.pstop - s.pstart;
  unsigned boundary = s.bnry;
  if (boundary + 1 == s.pstart) boundary = s.pstop - 1U;
  if (boundary < s.pstart || boundary >= s.pstop || boundary == s.curr) return pages;
  return (s.curr < boundary ? boundary - s.curr : pages - (s.curr - boundary)) - 1;
}

bool Ne2000::can_receive() const {
  const State& s = state_;
  // Stopped, in loopback or with a ring that is none, it hears nothing.
  if (s.cr & kCrStp || s.tcr & kTcrLb || !ring_good()) return true;
  if (s.wire_taken) return false;
  // Frames wait for room, but not for ever: a driver that acknowledged all it was told of, between its last look at the
  // ring and the acknowledgement of what came meanwhile, would never look again. One frame is lost, as it would be on
  // the wire, and the overflow tells.
  const bool told = s.isr & (kIsrPrx | kIsrOvw);
  return !told || ring_free() * kPage >= ethernet::kMaxFrame + ethernet::kFcs + kHeader;
}

bool Ne2000::accepts(std::span<const std::uint8_t> frame) const {
  const State& s = state_;
  if (ethernet::broadcast(frame)) return s.rcr & kRcrAb;
  if (ethernet::group(frame)) {
    // 5.0: the six uppermost bits of the remainder choose a bit of MAR0 to MAR7.
    const unsigned bit = ethernet::crc_of_address(frame.first(ethernet::kAddress)) >> 26;
    return s.rcr & kRcrAm && s.mar[bit >> 3] >> (bit & 7) & 1;
  }
  return s.rcr & kRcrPro || std::equal(s.par.begin(), s.par.end(), frame.begin());
}

ReceiveFilter Ne2000::receive_filter() const {
  ReceiveFilter f;
  f.promiscuous = state_.rcr & kRcrPro;
  f.broadcast = state_.rcr & kRcrAb;
  std::copy(state_.par.begin(), state_.par.end(), f.main.bytes.begin());
  if (state_.rcr & kRcrAm)
    for (const std::uint8_t m : state_.mar) f.multicast_hash += static_cast<unsigned>(std::popcount(m));
  f.all_multicast = f.multicast_hash == 64;
  return f;
}

void Ne2000::receive(std::span<const std::uint8_t> given) {
  State& s = state_;
  if (s.cr & kCrStp || s.tcr & kTcrLb || !ring_good() || given.size() > ethernet::kMaxFrame) return;
  if (!accepts(given)) return;
  std::vector<std::uint8_t> bytes(kHeader);
  bytes.insert(bytes.end(), given.begin(), given.end());
  if (given.size() < ethernet::kMinFrame) bytes.resize(kHeader + ethernet::kMinFrame);
  const std::span<const std::uint8_t> frame = std::span(bytes).subspan(kHeader);
  const std::size_t length = frame.size() + ethernet::kFcs;
  s.rsr = static_cast<std::uint8_t>((s.rcr & kRcrMon ? kRsrMpa : kRsrPrx) | (ethernet::group(given) ? kRsrPhy : 0));
  if (s.rcr & kRcrMon) return;

  const auto pages = static_cast<unsigned>((kHeader + length + kPage - 1) / kPage);
  if (pages > ring_free()) {
    ne2000_rx_overflow(length);
    raise(kIsrOvw);
    return;
  }
  unsigned next = s.curr + pages;
  if (next >= s.pstop) next -= s.pstop - s.pstart;
  ne2000_rx(length, s.curr, next);
  const std::uint32_t fcs = ethernet::fcs(frame);
  for (unsigned i = 0; i < ethernet::kFcs; ++i) bytes.push_back(static_cast<std::uint8_t>(fcs >> (8 * i)));
  // 7.0: status, next page, and the length with the check sequence.
  bytes[0] = s.rsr;
  bytes[1] = static_cast<std::uint8_t>(next);
  bytes[2] = static_cast<std::uint8_t>(length);
  bytes[3] = static_cast<std::uint8_t>(length >> 8);
  unsigned at = s.curr * kPage;
  for (const std::uint8_t b : bytes) {
    store(at, b);
    if (++at == s.pstop * kPage) at = s.pstart * kPage;
  }
  s.curr = static_cast<std::uint8_t>(next);
  s.wire_taken = true;
  wires_.wire_taken((kPreamble + static_cast<std::int64_t>(length) + kGap) * kByteTime);
  raise(kIsrPrx);
}

void Ne2000::wire_free() {
  state_.wire_taken = false;
  wires_.room();
}

}  // namespace machina
