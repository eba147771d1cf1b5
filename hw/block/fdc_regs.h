#pragma once
/// Registers, status bytes and commands of the Intel 82078 (datasheet 290474-003, sections 2, 5 and 6), as a PC/AT has
/// it: interface mode PC/AT, in which status registers A and B do not answer.

#include <cstdint>

namespace machina::fdc {

inline constexpr std::uint16_t kBase = 0x3f0;

// Offsets of ports; 6 is the disk controller's.
inline constexpr unsigned kDor = 2;
inline constexpr unsigned kTdr = 3;
inline constexpr unsigned kMsr = 4;  ///< read
inline constexpr unsigned kDsr = 4;  ///< write
inline constexpr unsigned kFifo = 5;
inline constexpr unsigned kDir = 7;  ///< read
inline constexpr unsigned kCcr = 7;  ///< write

// Digital output register.
inline constexpr std::uint8_t kDorDrive = 0x03;
inline constexpr std::uint8_t kDorNotReset = 0x04;
inline constexpr std::uint8_t kDorGate = 0x08;   ///< interrupt and DMA request reach the bus
inline constexpr std::uint8_t kDorMotor = 0x10;  ///< of drive 0; the others follow

// Tape drive register: which drive is a tape.
inline constexpr std::uint8_t kTdrTape = 0x03;

// Main status register.
inline constexpr std::uint8_t kMsrRequest = 0x80;
inline constexpr std::uint8_t kMsrToHost = 0x40;
inline constexpr std::uint8_t kMsrNonDma = 0x20;
inline constexpr std::uint8_t kMsrBusy = 0x10;

// Data rate select register; the configuration control register has the rate alone.
inline constexpr std::uint8_t kDsrReset = 0x80;
inline constexpr std::uint8_t kRate = 0x03;
/// Kilobits a second by the two bits.
inline constexpr unsigned kRateKbps[] = {500, 300, 250, 1000};
inline constexpr std::uint8_t kRateAfterReset = 0x02;

// Digital input register.
inline constexpr std::uint8_t kDirChanged = 0x80;

// Status byte 0.
inline constexpr std::uint8_t kSt0Abnormal = 0x40;
inline constexpr std::uint8_t kSt0Invalid = 0x80;
inline constexpr std::uint8_t kSt0Polled = 0xc0;
inline constexpr std::uint8_t kSt0SeekEnd = 0x20;
inline constexpr std::uint8_t kSt0EquipmentCheck = 0x10;
inline constexpr std::uint8_t kSt0Head = 0x04;
// Status byte 1.
inline constexpr std::uint8_t kSt1EndOfCylinder = 0x80;
inline constexpr std::uint8_t kSt1DataError = 0x20;
inline constexpr std::uint8_t kSt1NoData = 0x04;
inline constexpr std::uint8_t kSt1NotWritable = 0x02;
inline constexpr std::uint8_t kSt1MissingAddressMark = 0x01;
// Status byte 2.
inline constexpr std::uint8_t kSt2ControlMark = 0x40;
inline constexpr std::uint8_t kSt2DataErrorInData = 0x20;
inline constexpr std::uint8_t kSt2WrongCylinder = 0x10;
inline constexpr std::uint8_t kSt2ScanEqual = 0x08;
inline constexpr std::uint8_t kSt2ScanNotSatisfied = 0x04;
// Status byte 3.
inline constexpr std::uint8_t kSt3WriteProtected = 0x40;
inline constexpr std::uint8_t kSt3Ones = 0x28;
inline constexpr std::uint8_t kSt3Track0 = 0x10;

// Command codes, and the modifiers that share their byte.
inline constexpr std::uint8_t kMultiTrack = 0x80;
inline constexpr std::uint8_t kMfm = 0x40;
inline constexpr std::uint8_t kSkip = 0x20;
enum class Command : std::uint8_t {
  ReadTrack = 0x02,
  Specify = 0x03,
  SenseDriveStatus = 0x04,
  WriteData = 0x05,
  ReadData = 0x06,
  Recalibrate = 0x07,
  SenseInterruptStatus = 0x08,
  WriteDeletedData = 0x09,
  ReadId = 0x0a,
  ReadDeletedData = 0x0c,
  FormatTrack = 0x0d,
  DumpReg = 0x0e,
  Seek = 0x0f,
  Version = 0x10,
  ScanEqual = 0x11,
  PerpendicularMode = 0x12,
  Configure = 0x13,
  Lock = 0x14,
  Verify = 0x16,
  PowerdownMode = 0x17,
  PartId = 0x18,
  ScanLowOrEqual = 0x19,
  ScanHighOrEqual = 0x1d,
  Save = 0x2e,
  Option = 0x33,
  Restore = 0x4e,
  DriveSpecification = 0x8e,
  RelativeSeek = 0x8f,
};

// Second byte of commands.
inline constexpr std::uint8_t kSelectDrive = 0x03;
inline constexpr std::uint8_t kSelectHead = 0x04;
inline constexpr std::uint8_t kVerifyCount = 0x80;  ///< of VERIFY: the last parameter is a number of sectors

// CONFIGURE, second parameter.
inline constexpr std::uint8_t kImpliedSeek = 0x40;
inline constexpr std::uint8_t kFifoOff = 0x20;
inline constexpr std::uint8_t kPollOff = 0x10;
inline constexpr std::uint8_t kFifoThreshold = 0x0f;

inline constexpr std::uint8_t kSpecifyNonDma = 0x01;  ///< second parameter
inline constexpr std::uint8_t kPerpendicularDrives = 0x3c;
inline constexpr std::uint8_t kPerpendicularOverwrite = 0x80;
inline constexpr std::uint8_t kPerpendicularGapWgate = 0x03;
inline constexpr std::uint8_t kRelativeSeekIn = 0x40;  ///< first byte: towards the spindle
inline constexpr std::uint8_t kLockOn = 0x80;          ///< first byte
inline constexpr std::uint8_t kVersionEnhanced = 0x90;
inline constexpr std::uint8_t kPartId = 0x41;         ///< 82078, 64 pins
inline constexpr std::uint8_t kDriveSpecDone = 0x80;  ///< a byte of DRIVE SPECIFICATION
inline constexpr std::uint8_t kDriveSpecNoResult = 0x40;

}  // namespace machina::fdc
