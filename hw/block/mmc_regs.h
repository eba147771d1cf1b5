#pragma once
/// Commands, sense codes and other numbers of CD and DVD drives: "Multimedia Commands - 3" (MMC-3), T10/1363-D revision
/// 10g, with what it takes from SPC-2, and SFF-8020i revision 2.6 for what only older software uses.

#include <cstdint>

namespace machina::mmc {

inline constexpr unsigned kBlockSize = 2048;  ///< of a data disc
inline constexpr unsigned kCdbSize = 12;      ///< of the command packets of ATAPI

enum class Opcode : std::uint8_t {
  TestUnitReady = 0x00,
  RequestSense = 0x03,
  Inquiry = 0x12,
  StartStopUnit = 0x1b,
  PreventAllowMediumRemoval = 0x1e,
  ReadCapacity = 0x25,
  Read10 = 0x28,
  Seek10 = 0x2b,
  ReadSubChannel = 0x42,
  ReadTocPmaAtip = 0x43,
  GetConfiguration = 0x46,
  GetEventStatusNotification = 0x4a,
  ReadDiscInformation = 0x51,
  ModeSelect10 = 0x55,
  ModeSense10 = 0x5a,
  Read12 = 0xa8,
  ReadDvdStructure = 0xad,
  ReadCdMsf = 0xb9,
  SetCdSpeed = 0xbb,
  MechanismStatus = 0xbd,
  ReadCd = 0xbe,
};

/// SPC-2, table 107.
enum class SenseKey : std::uint8_t {
  NoSense = 0x0,
  NotReady = 0x2,
  MediumError = 0x3,
  HardwareError = 0x4,
  IllegalRequest = 0x5,
  UnitAttention = 0x6,
  AbortedCommand = 0xb,
};

/// Additional sense code and its qualifier: MMC-3, annex A.
struct Asc {
  std::uint8_t code = 0;
  std::uint8_t qualifier = 0;
  bool operator==(const Asc&) const = default;
};
inline constexpr Asc kNoAdditionalSense{0x00, 0x00};
inline constexpr Asc kUnrecoveredReadError{0x11, 0x00};
inline constexpr Asc kParameterListLengthError{0x1a, 0x00};
inline constexpr Asc kInvalidOpcode{0x20, 0x00};
inline constexpr Asc kLbaOutOfRange{0x21, 0x00};
inline constexpr Asc kInvalidFieldInCdb{0x24, 0x00};
inline constexpr Asc kInvalidFieldInParameterList{0x26, 0x00};
inline constexpr Asc kMediumMayHaveChanged{0x28, 0x00};
inline constexpr Asc kPowerOnOrReset{0x29, 0x00};
inline constexpr Asc kIncompatibleFormat{0x30, 0x02};  ///< cannot read medium
inline constexpr Asc kSavingNotSupported{0x39, 0x00};
inline constexpr Asc kNoMediumTrayClosed{0x3a, 0x01};
inline constexpr Asc kNoMediumTrayOpen{0x3a, 0x02};
inline constexpr Asc kDataPhaseError{0x4b, 0x00};
inline constexpr Asc kMediumRemovalPrevented{0x53, 0x02};
inline constexpr Asc kIllegalModeForTrack{0x64, 0x00};

/// SPC-2, 7.23.2: sense data of format 70h.
struct Sense {
  SenseKey key = SenseKey::NoSense;
  Asc asc;
  bool operator==(const Sense&) const = default;
};
inline constexpr unsigned kSenseSize = 18;

// 5.2, table 17: profiles.
inline constexpr std::uint16_t kProfileCdRom = 0x0008;
inline constexpr std::uint16_t kProfileDvdRom = 0x0010;

/// 5.3: features.
enum class Feature : std::uint16_t {
  ProfileList = 0x0000,
  Core = 0x0001,
  Morphing = 0x0002,
  RemovableMedium = 0x0003,
  RandomReadable = 0x0010,
  CdRead = 0x001e,
  DvdRead = 0x001f,
};

/// 6.3 and SFF-8020i 10.8.6: mode pages.
enum class ModePage : std::uint8_t {
  ErrorRecovery = 0x01,
  CdDeviceParameters = 0x0d,
  Capabilities = 0x2a,
  All = 0x3f,
};

/// 6.7, table 64: codes of media events.
enum class MediaEvent : std::uint8_t { NoChange = 0, EjectRequest = 1, NewMedia = 2, MediaRemoval = 3 };
inline constexpr std::uint8_t kEventClassMedia = 4;

inline constexpr std::uint8_t kLeadOutTrack = 0xaa;
/// ADR 1 (the Q sub-channel tells the position), data track, copying prohibited.
inline constexpr std::uint8_t kAdrControlData = 0x14;

}  // namespace machina::mmc
