#include "hw/net/rtl8139.h"

#include <algorithm>
#include <bit>

#include "core/log.h"
#include "core/trace/trace_event.h"
#include "core/units.h"
#include "hw/net/ethernet.h"

namespace machina {

using namespace rtl8139;

namespace {

const TraceEvent<std::uint64_t, unsigned, std::uint64_t> rtl8139_read{"rtl8139_read",
                                                                      "addr={:#04x} size={} value={:#x}"};
const TraceEvent<std::uint64_t, unsigned, std::uint64_t> rtl8139_write{"rtl8139_write",
                                                                       "addr={:#04x} size={} value={:#x}"};
const TraceEvent<unsigned> rtl8139_raise{"rtl8139_raise", "causes={:#x}"};
const TraceEvent<std::uint64_t, bool, unsigned> rtl8139_rx{"rtl8139_rx", "bytes={} cplus={:d} status={:#x}"};
const TraceEvent<unsigned> rtl8139_rx_missed{"rtl8139_rx_missed", "cause={:#x}"};
const TraceEvent<std::uint64_t> rtl8139_tx{"rtl8139_tx", "bytes={}"};
const TraceEvent<> rtl8139_reset{"rtl8139_reset", ""};

constexpr std::uint16_t kVendorRealtek = 0x10ec, kDeviceRtl8139 = 0x8139;
constexpr std::uint8_t kRevisionCplus = 0x20;
constexpr std::uint16_t kEepromSignature = 0x8129;
constexpr unsigned kEepromMac = 7;               // word
constexpr std::uint64_t kPciClock = 33'000'000;  // what TCTR counts: 6.12

constexpr std::uint8_t kConfig1Default = 0x0c;  // registers are mapped to ports and to memory
constexpr std::uint16_t kBmcrDefault = 0x1000;  // negotiates
constexpr std::uint16_t kBmcrRestart = 1 << 9, kBmcrReset = 1 << 15;
constexpr std::uint16_t kBmsrDefault = 0x7809;  // 10 and 100 Mbit/s, full and half, can negotiate
constexpr std::uint16_t kBmsrLink = 0x0024;     // negotiated, link
constexpr std::uint16_t kAbilities = 0x05e1;

/// What software changes in each byte. Not here: ISR, whose ones clear, and what is written only in other modes.
std::uint8_t writable(unsigned at) {
  if (at < kRbstart + 4 && !(at >= 0x06 && at < kMar0)) return 0xff;
  switch (at & ~1U) {
    case kCapr:
    case kImr:
    case kMulint:
    case kBmcr:
    case kAnar:
    case kNwaytr:
    case kCscr:
      return 0xff;
    case kCpcr:
      return at == kCpcr ? 0x7f : 0x00;
    default:
      break;
  }
  if (at >= kRcr && at < kRcr + 4) return 0xff;
  if (at >= kTcr && at < kTcr + 4) return static_cast<std::uint8_t>(kTcrWritable >> (8 * (at - kTcr)));
  if (at >= kTimerInt && at < kTimerInt + 4) return 0xff;
  if (at >= kRdsar && at < kRdsar + 8) return 0xff;
  if (at == kCr) return kCrTe | kCrRe;
  if (at == kMtps) return 0x3f;
  return 0;
}

bool is_config(unsigned at) {
  return (at >= kConfig0 && at <= kConfig1) || at == kConfig3 || at == kConfig4 || at == kConfig5;
}

}  // namespace

void Rtl8139::class_init(PciDeviceClass& c) {
  c.description = "Realtek RTL8139C+ Fast Ethernet";
  c.vendor_id = kVendorRealtek;
  c.device_id = kDeviceRtl8139;
  c.revision = kRevisionCplus;
  c.class_code = pci::kClassNetworkEthernet;
  c.rom_optional = true;
  c.set_default("romfile", "pxe-rtl8139.rom");
  declare_nic(c, &Rtl8139::mac_, &Rtl8139::netdev_);
}

void Rtl8139::realize() {
  mac_ = choose_mac(*this, mac_);
  const PciDeviceClass& c = pci_class();
  Eeprom93c46::Image image{};
  image[0] = kEepromSignature;
  image[1] = c.vendor_id;
  image[2] = c.device_id;
  image[3] = c.subsystem_vendor_id;
  image[4] = c.subsystem_id;
  for (unsigned i = 0; i < 3; ++i)
    image[kEepromMac + i] = static_cast<std::uint16_t>(mac_.bytes[2 * i] | mac_.bytes[2 * i + 1] << 8);
  eeprom_.burn(image);
  add_bar(0, BarKind::Io, ports_);
  add_bar(1, BarKind::Memory, registers_);
  use_interrupt_pin(1);
  timer_ = std::make_unique<Timer>(clock(), "rtl8139.timer", [this] {
    raise(kIntTimeout);
    arm_timer();
  });
  transmit_more_ = std::make_unique<Timer>(clock(), "rtl8139.transmit", [this] { poll_rings(state_.polling); });
  if (netdev_) netdev_->attach(this);
}

void Rtl8139::unrealize() {
  if (netdev_) netdev_->attach(nullptr);
  timer_.reset();
  transmit_more_.reset();
}

// --- reset ---

void Rtl8139::reset_enter() {
  PciDevice::reset_enter();
  state_ = State();
  eeprom_.reset();
  std::copy(mac_.bytes.begin(), mac_.bytes.end(), state_.regs.begin() + kIdr0);
  put(kConfig1, 1, kConfig1Default);
  put(kBmcr, 2, kBmcrDefault);
  put(kAnar, 2, kAbilities);
  software_reset();
}

void Rtl8139::reset_hold() {
  timer_->cancel();
  transmit_more_->cancel();
  PciDevice::reset_hold();
}

void Rtl8139::reset_exit() {
  if (netdev_) netdev_->resume_input();
}

// 6.6, RST: transmitter, receiver and FIFOs. Addresses, configuration and the PHY stay.
void Rtl8139::software_reset() {
  rtl8139_reset();
  for (unsigned n = 0; n < 4; ++n) {
    put(kTsd0 + 4 * n, 4, kTsdOwn);
    put(kTsad0 + 4 * n, 4, 0);
  }
  for (const unsigned at : {kRbstart, kTcr, kRcr, kMpc, kTimerInt}) put(at, 4, 0);
  for (const unsigned at : {kCbr, kImr, kIsr, kCpcr}) put(at, 2, 0);
  put(kCapr, 2, 0xfff0);
  put(kRdsar, 8, 0);
  put(kCr, 1, 0);
  state_.next_buffer = 0;
  state_.normal = state_.high = state_.receive = 0;
  state_.packet.clear();
  state_.open = state_.too_long = false;
  state_.polling = 0;
  state_.timer_base = clock().now_ns();
}

// --- interrupts, link, timer ---

void Rtl8139::raise(std::uint16_t causes) {
  rtl8139_raise(causes);
  put(kIsr, 2, get(kIsr, 2) | causes);
  update();
}

void Rtl8139::update() { set_intx(get(kIsr, 2) & get(kImr, 2)); }

void Rtl8139::link_changed(bool) { raise(kIntLink); }

std::uint32_t Rtl8139::timer_count() const {
  const auto passed = static_cast<std::uint64_t>(clock().now_ns() - state_.timer_base);
  return static_cast<std::uint32_t>(mul_div(passed, kPciClock, static_cast<std::uint64_t>(kNsPerSecond)));
}

// 6.13: the interrupt comes when TCTR gets to TimerInt, and once around after that; 0 is never.
void Rtl8139::arm_timer() {
  const std::uint32_t at = get(kTimerInt, 4);
  if (at == 0) {
    timer_->cancel();
    return;
  }
  std::uint64_t ticks = static_cast<std::uint32_t>(at - timer_count());
  if (ticks == 0) ticks = std::uint64_t{1} << 32;
  timer_->arm(clock().now_ns() +
              static_cast<std::int64_t>(mul_div_up(ticks, static_cast<std::uint64_t>(kNsPerSecond), kPciClock)));
}

// --- registers ---

std::uint32_t Rtl8139::get(unsigned offset, unsigned width) const {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < width; ++i) value |= std::uint32_t{state_.regs[offset + i]} << (8 * i);
  return value;
}

void Rtl8139::put(unsigned offset, unsigned width, std::uint64_t value) {
  for (unsigned i = 0; i < width; ++i) state_.regs[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::uint8_t Rtl8139::read_byte(unsigned at) {
  const auto byte_of = [at](unsigned base, std::uint32_t value) {
    return static_cast<std::uint8_t>(value >> (8 * (at - base)));
  };
  if (at >= kTctr && at < kTctr + 4) return byte_of(kTctr, timer_count());
  if (at >= kTcr && at < kTcr + 4) return byte_of(kTcr, get(kTcr, 4) | kTcrVersion);
  if (at >= kBmsr && at < kBmsr + 2)
    return byte_of(kBmsr, static_cast<std::uint32_t>(kBmsrDefault | (link() ? kBmsrLink : 0)));
  if (at >= kAnlpar && at < kAnlpar + 2) return byte_of(kAnlpar, link() ? kAbilities | 0x4000U : 0U);
  switch (at) {
    case kCr: {
      const bool empty = (get(kCapr, 2) + 16) % ring_size() == get(kCbr, 2);
      return static_cast<std::uint8_t>(get(kCr, 1) | (empty ? kCrBufe : 0));
    }
    case k9346cr: {
      const std::uint32_t value = get(k9346cr, 1);
      if ((value & kEeMode) != kEeProgram) return static_cast<std::uint8_t>(value);
      return static_cast<std::uint8_t>((value & ~kEeDo) | (eeprom_.out() ? kEeDo : 0));
    }
    case kMsr:
      return link() ? 0 : kMsrLinkb;
    case kTsadStatus:
    case kTsadStatus + 1: {
      // 6.20: OWN, TABT, TUN and TOK of the four buffers.
      std::uint32_t all = 0;
      for (unsigned n = 0; n < 4; ++n) {
        const std::uint32_t tsd = get(kTsd0 + 4 * n, 4);
        all |= (tsd & kTsdOwn ? 1U << n : 0) | (tsd & kTsdTabt ? 0x10U << n : 0) | (tsd & kTsdTun ? 0x100U << n : 0) |
               (tsd & kTsdTok ? 0x1000U << n : 0);
      }
      return byte_of(kTsadStatus, all);
    }
    case kAner:
      return link() ? 1 : 0;
    default:
      return state_.regs[at];
  }
}

void Rtl8139::write_byte(unsigned at, std::uint8_t value) {
  if (at == kIsr || at == kIsr + 1) {
    state_.regs[at] &= static_cast<std::uint8_t>(~value);
    return;
  }
  std::uint8_t mask = writable(at);
  if (is_config(at)) mask = (get(k9346cr, 1) & kEeMode) == kEeConfig ? 0xff : 0;
  // TSD: what the transmitter says of itself is not written. In C+ mode DTCCR is there, and nothing behind it.
  if (at >= kTsd0 && at < kTsad0 && cplus_transmitter()) {
    mask = at >= kDtccr + kDtccrSize ? 0 : at == kDtccr ? 0xc8 : 0xff;
  } else if (at >= kTsd0 && at < kTsad0) {
    mask = static_cast<std::uint8_t>(0x003f3fff >> (8 * (at - kTsd0) % 32));
  }
  if (at == k9346cr) mask = 0xff & ~kEeDo;
  state_.regs[at] = static_cast<std::uint8_t>((state_.regs[at] & ~mask) | (value & mask));
}

IoResult Rtl8139::read(Offset offset, Width width) {
  std::uint64_t value = 0;
  for (Width i = 0; i < width && offset + i < kRegisters; ++i)
    value |= std::uint64_t{read_byte(static_cast<unsigned>(offset + i))} << (8 * i);
  rtl8139_read(offset, width, value);
  return value;
}

IoResult Rtl8139::write(Offset offset, Width width, std::uint64_t value) {
  rtl8139_write(offset, width, value);
  if (moving_) return IoStatus::NoResponse;
  const auto first = static_cast<unsigned>(offset);
  for (Width i = 0; i < width && first + i < kRegisters; ++i)
    write_byte(first + i, static_cast<std::uint8_t>(value >> (8 * i)));
  written(first, first + width - 1, value);
  return io_ok();
}

// What writing starts, once all of its bytes are there.
void Rtl8139::written(unsigned first, unsigned last, std::uint64_t value) {
  const auto touches = [&](unsigned at, unsigned size) { return first < at + size && last >= at; };
  const auto byte = [&](unsigned at) { return static_cast<std::uint8_t>(value >> (8 * (at - first))); };
  if (touches(kCr, 1)) {
    if (byte(kCr) & kCrRst) {
      software_reset();
      timer_->cancel();
      transmit_more_->cancel();
    }
    update();
    if (netdev_) netdev_->resume_input();
  }
  if (touches(kIsr, 2) || touches(kImr, 2)) update();
  if (touches(kCapr, 2) || touches(kRcr, 4)) {
    if (netdev_) netdev_->resume_input();
  }
  if (touches(kMpc, 4)) put(kMpc, 4, 0);
  if (touches(kTctr, 4)) {
    state_.timer_base = clock().now_ns();
    arm_timer();
  }
  if (touches(kTimerInt, 4)) arm_timer();
  if (touches(k9346cr, 1)) {
    const std::uint8_t v = byte(k9346cr);
    const bool programs = (v & kEeMode) == kEeProgram;
    eeprom_.drive(programs && v & kEeCs, v & kEeSk, v & kEeDi);
  }
  if (touches(kBmcr, 2)) put(kBmcr, 2, get(kBmcr, 2) & ~std::uint32_t{kBmcrRestart | kBmcrReset});
  if (touches(kRdsar, 8)) state_.receive = 0;
  if (touches(kTsad0, 8) && cplus_transmitter()) state_.normal = 0;
  if (touches(kTsad0 + 8, 8) && cplus_transmitter()) state_.high = 0;
  if (touches(kDtccr, 1) && cplus_transmitter()) dump_tally();
  for (unsigned n = 0; n < 4; ++n) {
    if (!touches(kTsd0 + 4 * n + 1, 1) || cplus_transmitter()) continue;  // the byte with OWN
    const unsigned at = kTsd0 + 4 * n;
    put(at, 4, get(at, 4) & ~std::uint32_t{kTsdTok | kTsdTun | kTsdTabt});
    transmit_buffers();
  }
  if (touches(kTppoll, 1)) {
    const std::uint8_t v = byte(kTppoll);
    poll_rings(v);
    if (v & kTppollSw) raise(kIntSw);
  }
}

// --- what both ways share ---

bool Rtl8139::can_receive() {
  const bool on = get(kCr, 1) & kCrRe;
  // Without descriptors a frame is lost: nothing tells this card when there are some again.
  if (!on || !bus_master() || get(kCpcr, 2) & kCpRx) return true;
  return ring_free() > ethernet::kMaxFrame + 2 * ethernet::kFcs;
}

std::uint16_t Rtl8139::classify(FrameView frame) const {
  const std::uint32_t rcr = get(kRcr, 4);
  if (ethernet::broadcast(frame)) return rcr & kRcrAb ? kRxBar : 0;
  if (ethernet::group(frame)) {
    // 6.2: the six uppermost bits of the remainder choose a bit of MAR0 to MAR7.
    const unsigned bit = ethernet::crc_of_address(frame.first(ethernet::kAddress)) >> 26;
    return rcr & kRcrAm && state_.regs[kMar0 + (bit >> 3)] >> (bit & 7) & 1 ? kRxMar : 0;
  }
  if (rcr & kRcrApm && std::equal(frame.begin(), frame.begin() + ethernet::kAddress, state_.regs.begin() + kIdr0))
    return kRxPam;
  return 0;
}

ReceiveFilter Rtl8139::receive_filter() const {
  const std::uint32_t rcr = get(kRcr, 4);
  ReceiveFilter f;
  f.promiscuous = rcr & kRcrAap;
  f.broadcast = rcr & kRcrAb;
  std::copy_n(state_.regs.begin() + kIdr0, ethernet::kAddress, f.main.bytes.begin());
  if (rcr & kRcrAm)
    for (unsigned i = 0; i < 8; ++i) f.multicast_hash += static_cast<unsigned>(std::popcount(state_.regs[kMar0 + i]));
  f.all_multicast = f.multicast_hash == 64;
  return f;
}

void Rtl8139::receive(FrameView frame) {
  if (link()) accept(frame);
}

void Rtl8139::accept(FrameView given) {
  if (!(get(kCr, 1) & kCrRe) || !bus_master() || given.size() > ethernet::kMaxFrame + ethernet::kTag) return;
  const std::uint16_t why = classify(given);
  if (why == 0 && !(get(kRcr, 4) & kRcrAap)) return;
  Bytes frame(given.begin(), given.end());
  if (frame.size() < ethernet::kMinFrame) frame.resize(ethernet::kMinFrame);
  rtl8139_rx(frame.size(), (get(kCpcr, 2) & kCpRx) != 0, why);
  if (get(kCpcr, 2) & kCpRx) {
    store_in_descriptor(std::move(frame), why);
  } else {
    store_in_ring(frame, why);
  }
}

void Rtl8139::send(Bytes frame, std::uint32_t tag) {
  if (frame.size() < ethernet::kHeader) return;
  if (tag & kTagc) {
    // The tag stands in the descriptor with its bytes exchanged.
    const std::uint8_t bytes[] = {0x81, 0x00, static_cast<std::uint8_t>(tag), static_cast<std::uint8_t>(tag >> 8)};
    frame.insert(frame.begin() + 2 * ethernet::kAddress, std::begin(bytes), std::end(bytes));
  }
  if (frame.size() < ethernet::kMinFrame) frame.resize(ethernet::kMinFrame);
  rtl8139_tx(frame.size());
  ++state_.tally.tx_ok;
  if ((get(kTcr, 4) & kTcrLbk) == kTcrLbk) {
    accept(frame);
  } else if (netdev_) {
    netdev_->send(frame);
  }
}

void Rtl8139::received_well(std::uint16_t status) {
  Tally& t = state_.tally;
  ++t.rx_ok;
  if (status & kRxPam) ++t.rx_physical;
  if (status & kRxBar) ++t.rx_broadcast;
  if (status & kRxMar) ++t.rx_multicast;
  raise(kIntRok);
}

void Rtl8139::missed(std::uint16_t cause) {
  rtl8139_rx_missed(cause);
  put(kMpc, 4, (get(kMpc, 4) + 1) & 0xffffff);
  ++state_.tally.missed;
  ++state_.tally.rx_errors;
  raise(cause);
}

MACHINA_TYPE(Rtl8139, PciDevice, NetworkCard);

}  // namespace machina
