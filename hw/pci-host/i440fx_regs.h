#pragma once
/// Registers of the Intel 440FX PCI and memory controller, function 0: "82441FX PCI and Memory Controller (PMC)",
/// May 1996, section 3.2.

#include <cstdint>

namespace machina::i440fx {

inline constexpr unsigned kPmccfg = 0x50;   ///< PMC configuration, 16 bits
inline constexpr unsigned kDeturbo = 0x52;  ///< deturbo counter
inline constexpr unsigned kDbc = 0x53;      ///< data buffer control
inline constexpr unsigned kAxc = 0x54;      ///< auxiliary control
inline constexpr unsigned kDrt = 0x55;      ///< DRAM row type, 16 bits
inline constexpr unsigned kDramc = 0x57;    ///< DRAM control
inline constexpr unsigned kDramt = 0x58;    ///< DRAM timing
inline constexpr unsigned kPam0 = 0x59;     ///< programmable attribute map, to 5Fh
inline constexpr unsigned kPamCount = 7;
inline constexpr unsigned kDrb0 = 0x60;  ///< DRAM row boundaries, to 67h
inline constexpr unsigned kFdhc = 0x68;  ///< fixed DRAM hole control
inline constexpr unsigned kMtt = 0x70;   ///< multi-transaction timer
inline constexpr unsigned kClt = 0x71;   ///< CPU latency timer
inline constexpr unsigned kSmram = 0x72;
inline constexpr unsigned kErrcmd = 0x90;
inline constexpr unsigned kErrsts = 0x91;
inline constexpr unsigned kTrc = 0x93;  ///< turbo reset control

// 3.2.18: a segment's four bits in a PAM register; bits 3:2 of each nibble are reserved.
inline constexpr std::uint8_t kPamReadEnable = 1 << 0;   ///< reads go to DRAM, else to PCI
inline constexpr std::uint8_t kPamWriteEnable = 1 << 1;  ///< writes go to DRAM, else to PCI

// 3.2.24: SMRAM.
inline constexpr std::uint8_t kSmramBase = 0x02;      ///< C_BASE_SEG: A0000h-BFFFFh, the only legal value
inline constexpr std::uint8_t kSmramEnable = 1 << 3;  ///< G_SMRAME
inline constexpr std::uint8_t kSmramLock = 1 << 4;    ///< D_LCK
inline constexpr std::uint8_t kSmramClose = 1 << 5;   ///< D_CLS
inline constexpr std::uint8_t kSmramOpen = 1 << 6;    ///< D_OPEN

// 3.2.29: turbo reset control.
inline constexpr std::uint8_t kTrcHardReset = 1 << 1;
inline constexpr std::uint8_t kTrcResetCpu = 1 << 2;  ///< its rising edge resets
inline constexpr std::uint8_t kTrcBist = 1 << 3;

/// Table "PAM registers and associated memory segments": which nibble is whose.
struct PamSegment {
  std::uint32_t start;
  std::uint32_t size;
  std::uint8_t reg;    ///< offset in configuration space
  std::uint8_t shift;  ///< of the nibble
};
inline constexpr PamSegment kPamSegments[] = {
    {0xf0000, 0x10000, kPam0, 4},    {0xc0000, 0x4000, kPam0 + 1, 0}, {0xc4000, 0x4000, kPam0 + 1, 4},
    {0xc8000, 0x4000, kPam0 + 2, 0}, {0xcc000, 0x4000, kPam0 + 2, 4}, {0xd0000, 0x4000, kPam0 + 3, 0},
    {0xd4000, 0x4000, kPam0 + 3, 4}, {0xd8000, 0x4000, kPam0 + 4, 0}, {0xdc000, 0x4000, kPam0 + 4, 4},
    {0xe0000, 0x4000, kPam0 + 5, 0}, {0xe4000, 0x4000, kPam0 + 5, 4}, {0xe8000, 0x4000, kPam0 + 6, 0},
    {0xec000, 0x4000, kPam0 + 6, 4},
};

inline constexpr std::uint32_t kSmramStart = 0xa0000;
inline constexpr std::uint32_t kSmramSize = 0x20000;

}  // namespace machina::i440fx
