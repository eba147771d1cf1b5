#pragma once
/// Registers of the real-time clock. Motorola MC146818A datasheet (ADI1149), "Memory map", "Registers"; ports: Intel
/// 82371SB PIIX3 datasheet (290550-002), 2.5.7.

#include <cstdint>

namespace machina::rtc {

inline constexpr std::uint16_t kPort = 0x70;       // index, data
inline constexpr std::uint8_t kNmiDisable = 0x80;  // bit 7 of the index port

enum Register : std::uint8_t {
  Seconds = 0x00,
  SecondsAlarm = 0x01,
  Minutes = 0x02,
  MinutesAlarm = 0x03,
  Hours = 0x04,
  HoursAlarm = 0x05,
  DayOfWeek = 0x06,  // 1 is Sunday
  DayOfMonth = 0x07,
  Month = 0x08,
  Year = 0x09,
  A = 0x0a,
  B = 0x0b,
  C = 0x0c,
  D = 0x0d,
  ShutdownStatus = 0x0f,  // PC/AT: how firmware goes on after a reset
  Century = 0x32,         // PC/AT convention, named in the FADT
};

// Register A
inline constexpr std::uint8_t kAUip = 0x80;
inline constexpr std::uint8_t kADv = 0x70;       // divider
inline constexpr std::uint8_t kARs = 0x0f;       // periodic rate
inline constexpr std::uint8_t kADv32768 = 0x20;  // a 32.768 kHz crystal, running
// Register B
inline constexpr std::uint8_t kBSet = 0x80;
inline constexpr std::uint8_t kBPie = 0x40;
inline constexpr std::uint8_t kBAie = 0x20;
inline constexpr std::uint8_t kBUie = 0x10;
inline constexpr std::uint8_t kBSqwe = 0x08;
inline constexpr std::uint8_t kBBinary = 0x04;  // DM
inline constexpr std::uint8_t kB24Hour = 0x02;
inline constexpr std::uint8_t kBDse = 0x01;
// Register C; the flags stand where their enable bits stand in B
inline constexpr std::uint8_t kCIrqf = 0x80;
inline constexpr std::uint8_t kCPf = kBPie;
inline constexpr std::uint8_t kCAf = kBAie;
inline constexpr std::uint8_t kCUf = kBUie;
// Register D
inline constexpr std::uint8_t kDVrt = 0x80;  // the battery is good

/// Shutdown status by which firmware for this machine (SeaBIOS, its src/resume.c) knows the end of a suspend to RAM.
inline constexpr std::uint8_t kShutdownResume = 0xfe;

inline constexpr std::uint8_t kHourPm = 0x80;    // in 12-hour format
inline constexpr std::uint8_t kDontCare = 0xc0;  // alarm bytes C0h to FFh match always

inline constexpr std::uint64_t kCrystalHz = 32768;
inline constexpr std::int64_t kUipNs = 244'000;  // UIP rises at least 244 us before the update

}  // namespace machina::rtc
