#pragma once
/// Registers of the high precision event timers: "IA-PC HPET (High Precision Event Timers) Specification", revision
/// 1.0a, section 2.3. All have 64 bits and may be accessed in halves.

#include <cstdint>

namespace machina::hpet {

inline constexpr std::uint64_t kBase = 0xfed00000;  ///< of block 0; 2.1 leaves the choice, 3.1.1 tells it by a table
inline constexpr std::uint64_t kSize = 0x400;
/// As many as the block has room for, though NUM_TIM_CAP could tell of 32.
inline constexpr unsigned kMinTimers = 3, kMaxTimers = 24;

// 2.3.1: offsets.
inline constexpr unsigned kGcapId = 0x000;    ///< general capabilities and ID, read-only
inline constexpr unsigned kGenConf = 0x010;   ///< general configuration
inline constexpr unsigned kGintrSta = 0x020;  ///< general interrupt status
inline constexpr unsigned kMainCnt = 0x0f0;   ///< main counter
inline constexpr unsigned kTimers = 0x100;    ///< of timer 0
inline constexpr unsigned kTimerSize = 0x20;
inline constexpr unsigned kTimerConf = 0x00;        ///< Tn_CONF_CAP
inline constexpr unsigned kTimerComparator = 0x08;  ///< Tn_CVR
inline constexpr unsigned kTimerFsb = 0x10;         ///< Tn_FSB_IRR: value in the low half, address in the high one

// 2.3.4: GCAP_ID.
inline constexpr unsigned kRevision = 0x01;
inline constexpr unsigned kNumTimCapShift = 8;  ///< the last timer, not how many
inline constexpr std::uint64_t kCountSizeCap = 1U << 13;
inline constexpr std::uint64_t kLegRtCap = 1U << 15;
inline constexpr unsigned kVendorShift = 16;
inline constexpr unsigned kPeriodShift = 32;  ///< COUNTER_CLK_PERIOD, femtoseconds
inline constexpr std::uint64_t kTickNs = 10;
inline constexpr std::uint64_t kFsPerNs = 1'000'000;

// 2.3.5: GEN_CONF.
inline constexpr std::uint32_t kEnableCnf = 1U << 0;
inline constexpr std::uint32_t kLegRtCnf = 1U << 1;

// 2.3.8: Tn_CONF_CAP, low half. The high half is INT_ROUTE_CAP: a bit for each I/O APIC input.
inline constexpr std::uint32_t kIntTypeCnf = 1U << 1;  ///< level, else edge
inline constexpr std::uint32_t kIntEnbCnf = 1U << 2;
inline constexpr std::uint32_t kTypeCnf = 1U << 3;    ///< periodic
inline constexpr std::uint32_t kPerIntCap = 1U << 4;  ///< read-only
inline constexpr std::uint32_t kSizeCap = 1U << 5;    ///< read-only: 64 bits
inline constexpr std::uint32_t kValSetCnf = 1U << 6;  ///< reads 0: the next write of the comparator sets it
inline constexpr std::uint32_t k32ModeCnf = 1U << 8;
inline constexpr unsigned kIntRouteShift = 9;
inline constexpr std::uint32_t kIntRouteCnf = 0x1fU << kIntRouteShift;
inline constexpr std::uint32_t kFsbEnCnf = 1U << 14;
inline constexpr std::uint32_t kFsbIntDelCap = 1U << 15;  ///< read-only

// 2.3.5: legacy replacement route.
inline constexpr unsigned kTimerLine = 0;  ///< timer 0: IRQ0 of the 8259, I/O APIC input 2
inline constexpr unsigned kClockLine = 8;  ///< timer 1: IRQ8 of both

/// 3.2.4: the shortest period, in ticks, at which periodic interrupts get lost.
inline constexpr std::uint16_t kMinTick = 100;

}  // namespace machina::hpet
