#pragma once
/// Registers of the local APIC. Intel SDM vol. 3A, chapter 11 "Advanced Programmable Interrupt Controller", table 11-1
/// (register addresses), table 11-6 (x2APIC MSRs). Revision 325384-083.

#include <cstdint>

namespace machina::apic {

inline constexpr std::uint64_t kDefaultBase = 0xfee00000;
inline constexpr std::uint64_t kPageSize = 0x1000;

/// Offsets in the page; the MSR of a register in x2APIC mode is 800h + offset / 10h.
enum Register : std::uint32_t {
  Id = 0x020,
  Version = 0x030,
  Tpr = 0x080,
  Apr = 0x090,
  Ppr = 0x0a0,
  Eoi = 0x0b0,
  RemoteRead = 0x0c0,
  Ldr = 0x0d0,
  Dfr = 0x0e0,
  Svr = 0x0f0,
  Isr = 0x100,  // eight registers, as the next two
  Tmr = 0x180,
  Irr = 0x200,
  Esr = 0x280,
  LvtCmci = 0x2f0,
  IcrLow = 0x300,
  IcrHigh = 0x310,
  LvtTimer = 0x320,
  LvtThermal = 0x330,
  LvtPerformance = 0x340,
  LvtLint0 = 0x350,
  LvtLint1 = 0x360,
  LvtError = 0x370,
  TimerInitial = 0x380,
  TimerCurrent = 0x390,
  TimerDivide = 0x3e0,
  SelfIpi = 0x3f0,  // x2APIC only
};

inline constexpr std::uint32_t kMsrFirst = 0x800, kMsrLast = 0x8ff;
inline constexpr std::uint32_t kMsrApicBase = 0x1b;
inline constexpr std::uint32_t kMsrTscDeadline = 0x6e0;

// IA32_APIC_BASE
inline constexpr std::uint64_t kBaseBootstrap = 1U << 8;
inline constexpr std::uint64_t kBaseExtended = 1U << 10;  // x2APIC
inline constexpr std::uint64_t kBaseEnable = 1U << 11;
inline constexpr std::uint64_t kBaseAddress = 0xffffffffff000;  // up to 52 bits of physical address

// version: an integrated APIC, LVT entries 0 to 6, EOI broadcasts can be suppressed
inline constexpr std::uint32_t kVersionValue = 0x14 | 6U << 16 | 1U << 24;

// spurious vector register
inline constexpr std::uint32_t kSvrVector = 0xff;
inline constexpr std::uint32_t kSvrEnable = 1U << 8;
inline constexpr std::uint32_t kSvrNoFocus = 1U << 9;
inline constexpr std::uint32_t kSvrNoEoiBroadcast = 1U << 12;
inline constexpr std::uint32_t kSvrDefined = kSvrVector | kSvrEnable | kSvrNoFocus | kSvrNoEoiBroadcast;

// error status register
inline constexpr std::uint32_t kEsrSendIllegalVector = 1U << 5;
inline constexpr std::uint32_t kEsrReceiveIllegalVector = 1U << 6;
inline constexpr std::uint32_t kEsrIllegalRegister = 1U << 7;
inline constexpr unsigned kFirstLegalVector = 16;

// local vector table; the delivery mode stands as in messages
inline constexpr std::uint32_t kLvtVector = 0xff;
inline constexpr std::uint32_t kLvtDelivery = 7U << 8;
inline constexpr std::uint32_t kLvtActiveLow = 1U << 13;
inline constexpr std::uint32_t kLvtRemoteIrr = 1U << 14;
inline constexpr std::uint32_t kLvtLevel = 1U << 15;
inline constexpr std::uint32_t kLvtMasked = 1U << 16;
inline constexpr std::uint32_t kLvtTimerMode = 3U << 17;
inline constexpr std::uint32_t kLvtTimerPeriodic = 1U << 17;
inline constexpr std::uint32_t kLvtTimerDeadline = 2U << 17;
inline constexpr std::uint32_t kLvtPinDefined = kLvtVector | kLvtDelivery | kLvtActiveLow | kLvtLevel | kLvtMasked;
inline constexpr std::uint32_t kLvtEventDefined = kLvtVector | kLvtDelivery | kLvtMasked;

// interrupt command register; vector, delivery mode, assert and level stand as in message data
inline constexpr std::uint32_t kIcrLogical = 1U << 11;
inline constexpr unsigned kIcrShorthandShift = 18;
inline constexpr std::uint32_t kIcrLowDefined = 0xccfff & ~(1U << 12);
enum class Shorthand : std::uint8_t { None = 0, Self = 1, AllIncludingSelf = 2, AllExcludingSelf = 3 };

inline constexpr std::uint32_t kDfrFlat = 0xf;  // model, in bits 31-28; 0 is cluster

}  // namespace machina::apic
