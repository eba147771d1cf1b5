#include "hw/net/e1000.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/log.h"
#include "core/trace/trace_event.h"
#include "core/units.h"
#include "hw/net/e1000_moving.h"

namespace machina {

using namespace e1000;

namespace {

const TraceEvent<unsigned, unsigned> e1000_reg_read{"e1000_reg_read", "reg={:#x} value={:#x}"};
const TraceEvent<unsigned, unsigned> e1000_reg_write{"e1000_reg_write", "reg={:#x} value={:#x}"};
const TraceEvent<unsigned, unsigned, unsigned> e1000_raise{"e1000_raise", "causes={:#x} icr={:#x} ims={:#x}"};
const TraceEvent<unsigned> e1000_mdic{"e1000_mdic", "value={:#x}"};
const TraceEvent<bool> e1000_link{"e1000_link", "up={:d}"};
const TraceEvent<> e1000_reset{"e1000_reset", ""};

constexpr std::uint16_t kDevice82540em = 0x100e;
// 13.4.18: the interval of ITR counts in 256 ns.
constexpr std::int64_t kThrottleUnit = 256;
// How long two ends take to find out that they both do 1000BASE-T: half a second, of IEEE 802.3's one to three.
constexpr std::int64_t kNegotiation = kNsPerSecond / 2;

/// Registers that are read as they were written, and what they hold after reset.
struct Plain {
  unsigned offset;
  unsigned count;
  std::uint32_t writable;
  std::uint32_t reset;
};
constexpr Plain kPlain[] = {
    {kCtrl, 1, 0xffffffff & ~(kCtrlRst | kCtrlPhyRst), kCtrlFd},
    {kCtrlExt, 1, 0xffffffff, 0},
    {kFla, 1, 0xffffffff, 0},
    {kFcal, 1, 0xffffffff, 0},
    {kFcah, 1, 0xffff, 0},
    {kFct, 1, 0xffff, 0},
    {kVet, 1, 0xffff, 0x8100},
    {kItr, 1, 0xffff, 0},
    {kRctl, 1, 0xffffffff, 0},
    {kFcttv, 1, 0xffff, 0},
    {kTxcw, 1, 0xffffffff, 0},
    {kTctl, 1, 0xffffffff, 0},
    {kTipg, 1, 0xffffffff, 0},
    {kAit, 1, 0xffff, 0},
    {kLedctl, 1, 0xffffffff, 0x07068302},  // 13.4.13
    {kPba, 1, 0xffff, 0x00100030},         // 48 KiB for the receiver, 16 for the transmitter
    {kFcrtl, 1, 0xffffffff, 0},
    {kFcrth, 1, 0xffffffff, 0},
    {kRdbal, 1, 0xfffffff0, 0},
    {kRdbah, 1, 0xffffffff, 0},
    {kRdlen, 1, 0x000fff80, 0},
    {kRdh, 1, 0xffff, 0},
    {kRdt, 1, 0xffff, 0},
    {kRdtr, 1, 0xffff, 0},
    {kRxdctl, 1, 0xffffffff, 0x00010000},
    {kRadv, 1, 0xffff, 0},
    {kRsrpd, 1, 0xfff, 0},
    {kTxdmac, 1, 1, 0},
    {kTdbal, 1, 0xfffffff0, 0},
    {kTdbah, 1, 0xffffffff, 0},
    {kTdlen, 1, 0x000fff80, 0},
    {kTdh, 1, 0xffff, 0},
    {kTdt, 1, 0xffff, 0},
    {kTidv, 1, 0xffff, 0},
    {kTxdctl, 1, 0xffffffff, 0},
    {kTadv, 1, 0xffff, 0},
    {kTspmt, 1, 0xffffffff, 0x01000400},
    {kRxcsum, 1, kRxcsumPcss | kRxcsumIpofl | kRxcsumTuofl, 0},
    {kMta, 128, 0xffffffff, 0},
    {kRa, 32, 0xffffffff, 0},
    {kVfta, 128, 0xffffffff, 0},
    {kWuc, 1, 0xf, 0},
    {kWufc, 1, 0xffffffff, 0},
    {kManc, 1, 0xffffffff, 0},
    {kIpav, 1, 0xffffffff, 0},
    {kIp4at, 8, 0xffffffff, 0},
    {kIp6at, 4, 0xffffffff, 0},
    {kWupl, 1, 0xffff, 0},
    {kWupm, 32, 0xffffffff, 0},
    {kSwsm, 1, 0x2, 0},  // SWESMBI: nobody else wants it
    {kSwFwSync, 1, 0xf, 0},
    {kFflt, 8, 0xffffffff, 0},
};

const Plain* plain_at(unsigned offset) {
  for (const Plain& p : kPlain)
    if (offset >= p.offset && offset < p.offset + 4 * p.count) return &p;
  return nullptr;
}

}  // namespace

void E1000::class_init(PciDeviceClass& c) {
  c.description = "Intel 82540EM Gigabit Ethernet";
  c.vendor_id = pci::kVendorIntel;
  c.device_id = kDevice82540em;
  c.revision = 3;
  c.class_code = pci::kClassNetworkEthernet;
  c.rom_optional = true;
  c.set_default("romfile", "pxe-e1000.rom");
  declare_nic(c, &E1000::mac_, &E1000::netdev_);
}

void E1000::realize() {
  mac_ = choose_mac(*this, mac_);
  const PciDeviceClass& c = pci_class();
  eeprom_.burn(e1000_eeprom(mac_, c.device_id, c.vendor_id, c.subsystem_id, c.subsystem_vendor_id));
  add_bar(0, BarKind::Memory, registers_);
  add_bar(1, BarKind::Io, ports_);
  use_interrupt_pin(1);
  define_config(pci::kMinGrant, 1, 0xff);
  throttle_ = std::make_unique<Timer>(clock(), "e1000.itr", [this] { update_interrupt(); });
  receive_delay_ = std::make_unique<Timer>(clock(), "e1000.rdtr", [this] {
    state_.receive_limit = 0;
    raise(kIntRxt0);
  });
  transmit_delay_ = std::make_unique<Timer>(clock(), "e1000.tidv", [this] {
    state_.transmit_limit = 0;
    raise(kIntTxdw);
  });
  transmit_more_ = std::make_unique<Timer>(clock(), "e1000.transmit", [this] { transmit(); });
  negotiation_ = std::make_unique<Timer>(clock(), "e1000.negotiation", [this] {
    phy_.finish();
    if (phy_.link()) raise(kIntLsc);
  });
  phy_.reset();
  if (netdev_) netdev_->attach(this);
  phy_.set_cable(netdev_ && netdev_->link_up());
}

void E1000::unrealize() {
  if (netdev_) netdev_->attach(nullptr);
  for (auto* timer : {&throttle_, &receive_delay_, &transmit_delay_, &transmit_more_, &negotiation_}) timer->reset();
}

// --- reset ---

void E1000::reset_enter() {
  PciDevice::reset_enter();
  phy_.reset();
  eeprom_.reset();
  software_reset();
}

void E1000::reset_hold() {
  for (auto* timer : {&throttle_, &receive_delay_, &transmit_delay_, &transmit_more_, &negotiation_})
    (*timer)->cancel();
  PciDevice::reset_hold();
}

void E1000::reset_exit() {
  // A receiver that is off loses what waits for it.
  if (netdev_) netdev_->resume_input();
}

// 13.4.1, CTRL.RST: all but the PHY and configuration space; then the chip loads itself from the EEPROM.
void E1000::software_reset() {
  e1000_reset();
  state_ = State();
  for (const Plain& p : kPlain)
    for (unsigned i = 0; i < p.count; ++i) reg(p.offset + 4 * i) = p.reset;
  reg(kEecd) = 0;
  reg(kRa) = eeprom_.word(0) | std::uint32_t{eeprom_.word(1)} << 16;
  reg(kRa + 4) = eeprom_.word(2) | kRahAv;
}

// --- interrupts and link ---

void E1000::raise(std::uint32_t causes) {
  reg(kIcr) |= causes;
  e1000_raise(causes, reg(kIcr), reg(kIms));
  update_interrupt();
}

void E1000::update_interrupt() {
  if (!(reg(kIcr) & reg(kIms))) {
    set_intx(false);
    return;
  }
  if (intx() || throttle_->armed()) return;
  set_intx(true);
  if (const std::int64_t interval = reg(kItr); interval != 0)
    throttle_->arm(clock().now_ns() + interval * kThrottleUnit);
}

void E1000::negotiate() {
  const bool was_up = phy_.link();
  phy_.begin();
  if (phy_.negotiating()) negotiation_->arm(clock().now_ns() + kNegotiation);
  if (was_up != phy_.link()) raise(kIntLsc);
}

void E1000::link_changed(bool up) {
  e1000_link(up);
  const bool was_up = phy_.link();
  phy_.set_cable(up);
  if (up) {
    negotiate();
  } else {
    negotiation_->cancel();
    if (was_up) raise(kIntLsc);
  }
}

// 13.4.9.
void E1000::management(std::uint32_t command) {
  const unsigned phy = command >> kMdicPhyShift & 0x1f, index = command >> kMdicRegisterShift & 0x1f;
  const bool was_up = phy_.link();
  std::uint32_t result = command & ~kMdicError;
  if (phy != E1000Phy::kAddress) {
    result |= kMdicError;
  } else if ((command & kMdicOp) == kMdicRead) {
    result = (result & ~0xffffU) | phy_.read(index);
  } else if ((command & kMdicOp) == kMdicWrite) {
    const bool restart = phy_.write(index, static_cast<std::uint16_t>(command));
    if (was_up != phy_.link()) raise(kIntLsc);
    if (restart) negotiate();
  }
  reg(kMdic) = result | kMdicReady;
  e1000_mdic(reg(kMdic));
  if (command & kMdicInterrupt) raise(kIntMdac);
}

// --- registers ---

void E1000::count(unsigned statistic, std::uint32_t by) {
  const std::uint32_t before = reg(statistic);
  reg(statistic) = before + std::min(by, 0xffffffff - before);  // 13.7: they stick at their maximum
}

void E1000::count_octets(unsigned low, std::uint64_t by) {
  const std::uint64_t before = reg(low) | std::uint64_t{reg(low + 4)} << 32;
  const std::uint64_t after = before + std::min(by, ~before);
  reg(low) = static_cast<std::uint32_t>(after);
  reg(low + 4) = static_cast<std::uint32_t>(after >> 32);
}

std::uint32_t E1000::read_statistic(unsigned offset) {
  const std::uint32_t value = reg(offset);
  switch (offset) {
    case kGorcl:
    case kGotcl:
    case kTorl:
    case kTotl:
      break;  // cleared by reading the upper half
    case kGorch:
    case kGotch:
    case kTorh:
    case kToth:
      reg(offset - 4) = 0;
      reg(offset) = 0;
      break;
    default:
      reg(offset) = 0;
  }
  return value;
}

std::uint32_t E1000::read_register(unsigned offset) {
  if (offset >= kStatistics && offset < kStatisticsEnd) return read_statistic(offset);
  switch (offset) {
    case kStatus: {
      std::uint32_t status = kStatusFd | kStatusSpeed1000 | kStatusAsdv1000;
      if (phy_.link()) status |= kStatusLu;
      if (!(reg(kTctl) & kTctlEn)) status |= kStatusTxOff;
      return status;
    }
    case kEecd: {
      std::uint32_t value = reg(kEecd) | kEecdPres;
      if (eeprom_.out()) value |= kEecdDo;
      if (value & kEecdReq) value |= kEecdGnt;
      return value;
    }
    case kIcr: {
      const std::uint32_t causes = reg(kIcr);
      reg(kIcr) = 0;
      update_interrupt();
      return causes;
    }
    case kEerd:
    case kMdic:
    case kIms:
      return reg(offset);
    case kIcs:
    case kImc:
    case kRxcw:
    case kWus:
      return 0;
    default:
      break;
  }
  if (plain_at(offset)) return reg(offset);
  log::unimp("e1000", "read of register {:#x}", offset);
  return 0;
}

void E1000::write_register(unsigned offset, std::uint32_t value) {
  e1000_reg_write(offset, value);
  if (const Plain* p = plain_at(offset)) reg(offset) = (reg(offset) & ~p->writable) | (value & p->writable);
  switch (offset) {
    case kCtrl:
      if (value & kCtrlPhyRst) {
        const bool was_up = phy_.link();
        phy_.reset();
        if (was_up && !phy_.link()) raise(kIntLsc);
        negotiate();
      }
      if (value & kCtrlRst) {
        for (auto* timer : {&throttle_, &receive_delay_, &transmit_delay_, &transmit_more_}) (*timer)->cancel();
        software_reset();
        update_interrupt();
        if (netdev_) netdev_->resume_input();
      }
      return;
    case kEecd:
      reg(kEecd) = value & (kEecdSk | kEecdCs | kEecdDi | kEecdFwe | kEecdReq);
      eeprom_.drive(value & kEecdCs, value & kEecdSk, value & kEecdDi);
      return;
    case kEerd:
      if (value & kEerdStart) {
        const unsigned word = value >> kEerdAddressShift & 0xff;
        reg(kEerd) = word << kEerdAddressShift | std::uint32_t{eeprom_.word(word)} << kEerdDataShift | kEerdDone;
      }
      return;
    case kMdic:
      management(value);
      return;
    case kIcr:
      reg(kIcr) &= ~value;
      update_interrupt();
      return;
    case kIcs:
      raise(value & kIntAll);
      return;
    case kIms:
      reg(kIms) |= value & kIntAll;
      update_interrupt();
      return;
    case kImc:
      reg(kIms) &= ~value;
      update_interrupt();
      return;
    case kRctl:
    case kRdh:
    case kRdt:
    case kRdlen:
      if (netdev_) netdev_->resume_input();
      return;
    case kRdtr:
      if (value & kRdtrFpd && receive_delay_->armed()) {  // 13.4.30: flush the partial descriptor block
        receive_delay_->cancel();
        state_.receive_limit = 0;
        raise(kIntRxt0);
      }
      return;
    case kTctl:
    case kTdt:
      transmit();
      return;
    case kStatus:
    case kWus:
      return;
    default:
      break;
  }
  if (!plain_at(offset)) log::unimp("e1000", "write of register {:#x}: {:#x}", offset, value);
}

IoResult E1000::read(Offset offset, Width) {
  if (offset >= kRegistersEnd) return std::uint64_t{0};  // packet buffer and filter tables
  const std::uint32_t value = read_register(static_cast<unsigned>(offset));
  e1000_reg_read(static_cast<unsigned>(offset), value);
  return value;
}

IoResult E1000::write(Offset offset, Width, std::uint64_t value) {
  if (moving_) return IoStatus::NoResponse;
  if (offset < kRegistersEnd) write_register(static_cast<unsigned>(offset), static_cast<std::uint32_t>(value));
  return io_ok();
}

// 13.2: IOADDR at 0, IODATA at 4.
IoResult E1000::read_port(Offset offset, Width width) {
  return offset == 0                               ? IoResult(state_.port_address)
         : state_.port_address < registers_.size() ? read(state_.port_address & ~3U, width)
                                                   : IoResult(IoStatus::BadRegister);
}

IoResult E1000::write_port(Offset offset, Width width, std::uint64_t value) {
  if (offset == 0) {
    state_.port_address = static_cast<std::uint32_t>(value);
    return io_ok();
  }
  if (state_.port_address >= registers_.size()) return IoStatus::BadRegister;
  return write(state_.port_address & ~3U, width, value);
}

MACHINA_TYPE(E1000, PciDevice, NetworkCard);

}  // namespace machina
