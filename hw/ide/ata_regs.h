#pragma once
/// Registers, bits and commands of ATA disks: "AT Attachment with Packet Interface - 6" (ATA/ATAPI-6), T13/1410D
/// revision 3b, sections 7 (registers) and 8 (commands).

#include <cstdint>

namespace machina::ata {

inline constexpr unsigned kSectorSize = 512;

// Command block registers, offsets from 1F0h or 170h. What is read at an offset may differ from what is written.
inline constexpr unsigned kData = 0;
inline constexpr unsigned kError = 1;
inline constexpr unsigned kFeatures = 1;
inline constexpr unsigned kSectorCount = 2;
inline constexpr unsigned kLbaLow = 3;
inline constexpr unsigned kLbaMid = 4;
inline constexpr unsigned kLbaHigh = 5;
inline constexpr unsigned kDevice = 6;
inline constexpr unsigned kStatus = 7;
inline constexpr unsigned kCommand = 7;

// 7.15: status.
inline constexpr std::uint8_t kErr = 0x01;
inline constexpr std::uint8_t kDrq = 0x08;
inline constexpr std::uint8_t kDsc = 0x10;  ///< seek complete; command dependent since ATA-4
inline constexpr std::uint8_t kDf = 0x20;   ///< device fault
inline constexpr std::uint8_t kDrdy = 0x40;
inline constexpr std::uint8_t kBsy = 0x80;

// 7.11: error.
inline constexpr std::uint8_t kAbrt = 0x04;
inline constexpr std::uint8_t kIdnf = 0x10;  ///< no such sector
inline constexpr std::uint8_t kUnc = 0x40;   ///< uncorrectable data
/// 9.12: what the error register says after reset or diagnostics: device 0 (or the device asked) passed.
inline constexpr std::uint8_t kDiagnosticPassed = 0x01;

// 7.10: device.
inline constexpr std::uint8_t kDeviceSelect = 0x10;
inline constexpr std::uint8_t kDeviceLba = 0x40;
inline constexpr std::uint8_t kDeviceHead = 0x0f;      ///< head, or LBA 27:24
inline constexpr std::uint8_t kDeviceObsolete = 0xa0;  ///< ones on drives and in software before ATA-4

// 7.9: device control.
inline constexpr std::uint8_t kNien = 0x02;
inline constexpr std::uint8_t kSrst = 0x04;
inline constexpr std::uint8_t kHob = 0x80;

// 7.11 and 8.23: of the PACKET command. Registers that have other names there.
inline constexpr unsigned kInterruptReason = kSectorCount;
inline constexpr unsigned kByteCountLow = kLbaMid;
inline constexpr unsigned kByteCountHigh = kLbaHigh;
inline constexpr std::uint8_t kReasonCommand = 0x01;  ///< C/D: a packet, or the end; else data
inline constexpr std::uint8_t kReasonToHost = 0x02;   ///< I/O
inline constexpr std::uint8_t kPacketDma = 0x01;      ///< features: data goes by DMA
inline constexpr std::uint8_t kPacketOverlap = 0x02;  ///< features: the bus may be released
inline constexpr unsigned kSenseKeyShift = 4;         ///< of the error register; bits 3:0 as above

/// Section 8, and those of ATA-1 to ATA-4 that firmware and old systems still use.
enum class Command : std::uint8_t {
  Nop = 0x00,
  DeviceReset = 0x08,
  Recalibrate = 0x10,  // ATA-3 and before
  ReadSectors = 0x20,
  ReadSectorsNoRetry = 0x21,  // ATA-4 and before
  ReadSectorsExt = 0x24,
  ReadDmaExt = 0x25,
  ReadMultipleExt = 0x29,
  WriteSectors = 0x30,
  WriteSectorsNoRetry = 0x31,
  WriteSectorsExt = 0x34,
  WriteDmaExt = 0x35,
  WriteMultipleExt = 0x39,
  ReadVerify = 0x40,
  ReadVerifyNoRetry = 0x41,
  ReadVerifyExt = 0x42,
  Seek = 0x70,
  ExecuteDeviceDiagnostic = 0x90,
  InitializeDeviceParameters = 0x91,
  StandbyImmediateOld = 0x94,  // ATA-3 and before, to 99h
  IdleImmediateOld = 0x95,
  StandbyOld = 0x96,
  IdleOld = 0x97,
  CheckPowerModeOld = 0x98,
  SleepOld = 0x99,
  Packet = 0xa0,
  IdentifyPacketDevice = 0xa1,
  ReadMultiple = 0xc4,
  WriteMultiple = 0xc5,
  SetMultipleMode = 0xc6,
  ReadDma = 0xc8,
  ReadDmaNoRetry = 0xc9,
  WriteDma = 0xca,
  WriteDmaNoRetry = 0xcb,
  StandbyImmediate = 0xe0,
  IdleImmediate = 0xe1,
  Standby = 0xe2,
  Idle = 0xe3,
  CheckPowerMode = 0xe5,
  Sleep = 0xe6,
  FlushCache = 0xe7,
  FlushCacheExt = 0xea,
  IdentifyDevice = 0xec,
  SetFeatures = 0xef,
};

/// 8.46, table 44: subcommands of SET FEATURES.
enum class Feature : std::uint8_t {
  EnableWriteCache = 0x02,
  SetTransferMode = 0x03,
  DisableLookAhead = 0x55,
  KeepSettings = 0x66,  ///< a soft reset changes no settings
  DisableWriteCache = 0x82,
  EnableLookAhead = 0xaa,
  RevertSettings = 0xcc,  ///< a soft reset goes back to power-on settings
};

}  // namespace machina::ata
