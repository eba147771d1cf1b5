#pragma once
/// Registers of the I/O APIC. Intel 82093AA datasheet (290566-001), section 3; the EOI register: Intel I/O Controller
/// Hub 10 datasheet (319973-003), 13.5.4.

#include <cstdint>

namespace machina::ioapic {

inline constexpr std::uint64_t kAddress = 0xfec00000;
inline constexpr unsigned kPins = 24;

// memory, each 32 bits
inline constexpr std::uint64_t kSelect = 0x00;  // IOREGSEL
inline constexpr std::uint64_t kWindow = 0x10;  // IOWIN
inline constexpr std::uint64_t kEoi = 0x40;     // version 20h and up

// behind the window
inline constexpr std::uint8_t kId = 0x00;
inline constexpr std::uint8_t kVersion = 0x01;
inline constexpr std::uint8_t kArbitration = 0x02;
inline constexpr std::uint8_t kRedirection = 0x10;  // two registers a pin: low, high

inline constexpr unsigned kIdShift = 24;  // of ID and arbitration ID, four bits
inline constexpr std::uint32_t kIdMask = 0xf;
inline constexpr unsigned kMaximumEntryShift = 16;

inline constexpr std::uint8_t kVersion82093 = 0x11;
inline constexpr std::uint8_t kVersionWithEoi = 0x20;

// redirection entry
inline constexpr std::uint64_t kVectorMask = 0xff;
inline constexpr unsigned kDeliveryShift = 8;
inline constexpr std::uint64_t kLogical = std::uint64_t{1} << 11;
inline constexpr std::uint64_t kDeliveryStatus = std::uint64_t{1} << 12;
inline constexpr std::uint64_t kActiveLow = std::uint64_t{1} << 13;
inline constexpr std::uint64_t kRemoteIrr = std::uint64_t{1} << 14;
inline constexpr std::uint64_t kLevel = std::uint64_t{1} << 15;
inline constexpr std::uint64_t kMasked = std::uint64_t{1} << 16;
inline constexpr unsigned kDestinationShift = 56;
inline constexpr std::uint64_t kReadOnly = kDeliveryStatus | kRemoteIrr;
inline constexpr std::uint64_t kDefined = std::uint64_t{0xff} << kDestinationShift | 0x1ffff;

}  // namespace machina::ioapic
