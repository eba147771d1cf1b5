#include "hw/net/e1000_phy.h"

namespace machina {
namespace {

// IEEE 802.3, clause 22.2.4 and 40.5.1.1: 0 to 15; from 16 on the 88E1011's own.
constexpr unsigned kControl = 0, kStatus = 1, kId1 = 2, kId2 = 3, kAdvertise = 4, kPartner = 5, kExpansion = 6,
                   kNextPage = 7, k1000Control = 9, k1000Status = 10, kExtendedStatus = 15, kSpecControl = 16,
                   kSpecStatus = 17, kInterruptEnable = 18, kExtControl = 20, kLed = 24, kPage = 29, kPageData = 30;

constexpr std::uint16_t kReset = 1 << 15, kLoopback = 1 << 14, kAutoneg = 1 << 12, kPowerDown = 1 << 11,
                        kIsolate = 1 << 10, kRestart = 1 << 9;
constexpr std::uint16_t kStatusComplete = 1 << 5, kStatusLink = 1 << 2;

constexpr std::uint16_t kControlDefault = 0x1140;    // autonegotiation, 1000 Mbit/s, full duplex
constexpr std::uint16_t kStatusDefault = 0x7949;     // all of 10 and 100 Mbit/s, extended status, can negotiate
constexpr std::uint16_t kPartnerAbility = 0x45e1;    // acknowledged; pause; all of 10 and 100 Mbit/s
constexpr std::uint16_t kPartnerExpansion = 0x000d;  // it negotiates and has next pages
constexpr std::uint16_t kPartner1000 = 0x3c00;       // both receivers well; 1000BASE-T full and half
constexpr std::uint16_t kResolved = 0xac00;          // 88E1011 register 17: 1000 Mbit/s, full duplex, resolved, link

constexpr std::uint16_t writable(unsigned reg) {
  switch (reg) {
    case kControl:
      return 0x7dc0;  // but reset and restart, which are done at once
    case kAdvertise:
    case kNextPage:
    case kSpecControl:
    case kInterruptEnable:
    case kExtControl:
    case kLed:
    case kPage:
    case kPageData:
      return 0xffff;
    case k1000Control:
      return 0xff00;
    default:
      return 0;
  }
}

}  // namespace

void E1000Phy::reset() {
  state_ = State();
  auto& r = state_.reg;
  r[kControl] = kControlDefault;
  r[kStatus] = kStatusDefault;
  r[kId1] = 0x0141;
  r[kId2] = 0x0c20;
  r[kAdvertise] = 0x0de1;
  r[k1000Control] = 0x0e00;
  r[kExtendedStatus] = 0x3000;
  r[kSpecControl] = 0x0068;
  r[kExtControl] = 0x0d60;
}

bool E1000Phy::link() const {
  return cable_ && !state_.negotiating && !(state_.reg[kControl] & (kPowerDown | kIsolate));
}

bool E1000Phy::loopback() const { return state_.reg[kControl] & kLoopback; }

void E1000Phy::lose_link() { state_.lost = true; }

void E1000Phy::set_cable(bool present) {
  if (cable_ && !present) lose_link();
  cable_ = present;
}

void E1000Phy::begin() {
  if (link()) lose_link();
  state_.negotiating = state_.reg[kControl] & kAutoneg;
}

void E1000Phy::finish() { state_.negotiating = false; }

std::uint16_t E1000Phy::read(unsigned reg) {
  std::uint16_t value = state_.reg[reg % kRegisters];
  const bool up = link();
  switch (reg) {
    case kStatus:
      // 22.2.4.2.13: a link that was lost is told of once, even if it is back.
      if (up && !state_.lost) value |= kStatusLink;
      if (up && state_.reg[kControl] & kAutoneg) value |= kStatusComplete;
      state_.lost = false;
      break;
    case kPartner:
      return up ? kPartnerAbility : 0;
    case kExpansion:
      return up ? kPartnerExpansion : 0x0004;
    case k1000Status:
      return up ? kPartner1000 : 0;
    case kSpecStatus:
      return up ? kResolved : 0;
    default:
      break;
  }
  return value;
}

bool E1000Phy::write(unsigned reg, std::uint16_t value) {
  if (reg >= kRegisters) return false;
  if (reg == kControl && value & kReset) {
    const bool was_up = link();
    reset();
    if (was_up) lose_link();
    return true;
  }
  const bool was_up = link();
  const std::uint16_t mask = writable(reg);
  state_.reg[reg] = static_cast<std::uint16_t>((state_.reg[reg] & ~mask) | (value & mask));
  if (was_up && !link()) lose_link();
  return reg == kControl && value & kRestart && value & kAutoneg;
}

}  // namespace machina
