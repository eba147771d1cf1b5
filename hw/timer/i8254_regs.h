#pragma once
/// Registers of the interval timer. Intel 82C54 datasheet (231244-006), "Programming the 82C54"; ports and port 61h:
/// Intel 82371SB (PIIX3) datasheet (290550-002), 2.5.3 and 2.5.6.1.

#include <cstdint>

namespace machina::i8254 {

inline constexpr std::uint16_t kPort = 0x40;  // counters 0 to 2, control word
inline constexpr unsigned kControlWord = 3;
/// CLK of all counters: a third of the colour subcarrier's quadruple, 14.31818 MHz / 12.
inline constexpr std::uint64_t kFrequency = 1193182;

// Control word: SC1 SC0 RW1 RW0 M2 M1 M0 BCD
inline constexpr unsigned kSelectShift = 6;
inline constexpr unsigned kReadBack = 3;  // SC = 3
inline constexpr std::uint8_t kRwMask = 0x30;
inline constexpr unsigned kRwShift = 4;
inline constexpr std::uint8_t kBcd = 0x01;

/// RW1 RW0
enum class Rw : std::uint8_t { CounterLatch = 0, Lsb = 1, Msb = 2, LsbThenMsb = 3 };

// Read-back command: both are active low
inline constexpr std::uint8_t kReadBackNoCount = 0x20;
inline constexpr std::uint8_t kReadBackNoStatus = 0x10;
inline constexpr std::uint8_t kReadBackCounter0 = 0x02;  // counters 1 and 2 in the bits above

// Status byte; RW, M and BCD as programmed in D5-D0
inline constexpr std::uint8_t kStatusOut = 0x80;
inline constexpr std::uint8_t kStatusNullCount = 0x40;

// Port 61h, NMI status and control
inline constexpr std::uint16_t kNmiScPort = 0x61;
inline constexpr std::uint8_t kGate2 = 0x01;
inline constexpr std::uint8_t kSpeakerData = 0x02;
inline constexpr std::uint8_t kSerrDisable = 0x04;
inline constexpr std::uint8_t kIochkDisable = 0x08;
inline constexpr std::uint8_t kRefreshToggle = 0x10;
inline constexpr std::uint8_t kOut2 = 0x20;
inline constexpr std::uint8_t kNmiScWritable = kGate2 | kSpeakerData | kSerrDisable | kIochkDisable;
/// A refresh request each 18 CLK (15.09 us), which is what firmware has always programmed into counter 1.
inline constexpr std::uint64_t kRefreshClocks = 18;

}  // namespace machina::i8254
