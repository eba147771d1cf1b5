#pragma once
/// Registers of the Intel 8237A, by their number within one controller (datasheet 231466-005, figures 5 and 6), and
/// where a PC/AT has the two controllers and their page registers (IBM PC/AT Technical Reference 6280070, "DMA").

#include <array>
#include <cstdint>

namespace machina::i8237 {

// Register numbers. 0 to 7: address and count of channels 0 to 3, in turn.
inline constexpr unsigned kStatusCommand = 0x8;  ///< read status, write command
inline constexpr unsigned kRequest = 0x9;
inline constexpr unsigned kSingleMask = 0xa;
inline constexpr unsigned kMode = 0xb;
inline constexpr unsigned kClearFlipFlop = 0xc;
inline constexpr unsigned kTemporaryMasterClear = 0xd;  ///< read temporary register, write master clear
inline constexpr unsigned kClearMask = 0xe;
inline constexpr unsigned kAllMask = 0xf;

// Command register.
inline constexpr std::uint8_t kCommandMemoryToMemory = 0x01;
inline constexpr std::uint8_t kCommandHoldAddress0 = 0x02;
inline constexpr std::uint8_t kCommandDisable = 0x04;
inline constexpr std::uint8_t kCommandRotating = 0x10;

// Mode register.
inline constexpr std::uint8_t kModeTransfer = 0x0c;
inline constexpr std::uint8_t kModeVerify = 0x00;
inline constexpr std::uint8_t kModeToMemory = 0x04;    ///< the datasheet's "write"
inline constexpr std::uint8_t kModeFromMemory = 0x08;  ///< "read"
inline constexpr std::uint8_t kModeAutoinitialize = 0x10;
inline constexpr std::uint8_t kModeDecrement = 0x20;
inline constexpr std::uint8_t kModeService = 0xc0;
inline constexpr std::uint8_t kModeDemand = 0x00;
inline constexpr std::uint8_t kModeSingle = 0x40;
inline constexpr std::uint8_t kModeBlock = 0x80;
inline constexpr std::uint8_t kModeCascade = 0xc0;

// Request and single mask registers: a channel and what becomes of its bit.
inline constexpr std::uint8_t kSelectChannel = 0x03;
inline constexpr std::uint8_t kSelectSet = 0x04;

// On the board.
inline constexpr std::uint16_t kPorts8 = 0x00;   ///< 16 ports of channels 0 to 3
inline constexpr std::uint16_t kPorts16 = 0xc0;  ///< 32 ports of channels 4 to 7, a register at each two
inline constexpr std::uint16_t kPagePorts = 0x80;
/// Which of the 16 page registers belongs to channels 0 to 7; 4 is that of refresh.
inline constexpr std::array<std::uint8_t, 8> kPageOfChannel{0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa};

}  // namespace machina::i8237
