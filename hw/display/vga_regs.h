#pragma once
/// Registers of a VGA. Source: IBM VGA, in "IBM Personal System/2 Hardware Interface Technical Reference, Video
/// Subsystem", section 2; the dispi registers are those of the Bochs VBE display interface, version B0C5h.

#include <cstdint>

namespace machina::vga {

// General registers. 3?4h, 3?5h and 3?Ah are at 3Bxh (monochrome) or 3Dxh (colour), as bit 0 of Misc says.
inline constexpr std::uint16_t kAttributeIndex = 0x3c0;  // and data: a flip-flop tells which
inline constexpr std::uint16_t kAttributeRead = 0x3c1;
inline constexpr std::uint16_t kMiscWrite = 0x3c2;  // reads: input status 0
inline constexpr std::uint16_t kVgaEnable = 0x3c3;
inline constexpr std::uint16_t kSequencerIndex = 0x3c4;
inline constexpr std::uint16_t kSequencerData = 0x3c5;
inline constexpr std::uint16_t kDacMask = 0x3c6;
inline constexpr std::uint16_t kDacReadIndex = 0x3c7;  // reads: DAC state
inline constexpr std::uint16_t kDacWriteIndex = 0x3c8;
inline constexpr std::uint16_t kDacData = 0x3c9;
inline constexpr std::uint16_t kFeatureRead = 0x3ca;
inline constexpr std::uint16_t kMiscRead = 0x3cc;
inline constexpr std::uint16_t kGraphicsIndex = 0x3ce;
inline constexpr std::uint16_t kGraphicsData = 0x3cf;
inline constexpr std::uint16_t kCrtcIndex = 0x3d4;
inline constexpr std::uint16_t kCrtcData = 0x3d5;
inline constexpr std::uint16_t kInputStatus1 = 0x3da;  // writes: feature control
inline constexpr std::uint16_t kMonoToColour = 0x20;   // from 3Bxh to 3Dxh

inline constexpr std::uint8_t kMiscColour = 1U << 0;
inline constexpr unsigned kMiscClockShift = 2;
inline constexpr std::uint8_t kMiscPage = 1U << 5;  // odd/even: which of two addresses behind each pair

inline constexpr std::uint8_t kStatus0Sense = 1U << 4;
inline constexpr std::uint8_t kStatus0Interrupt = 1U << 7;

inline constexpr std::uint8_t kStatus1Blank = 1U << 0;
inline constexpr std::uint8_t kStatus1VerticalRetrace = 1U << 3;

enum Sequencer : std::uint8_t { kSeqReset, kSeqClocking, kSeqMapMask, kSeqCharMap, kSeqMemoryMode };
inline constexpr std::uint8_t kClocking8Dots = 1U << 0;
inline constexpr std::uint8_t kClockingHalf = 1U << 3;
inline constexpr std::uint8_t kClockingScreenOff = 1U << 5;
inline constexpr std::uint8_t kMemoryExtended = 1U << 1;    // clear: 64 KiB, and one font
inline constexpr std::uint8_t kMemorySequential = 1U << 2;  // clear: odd and even addresses go to different planes
inline constexpr std::uint8_t kMemoryChain4 = 1U << 3;

enum Graphics : std::uint8_t {
  kGrSetReset,
  kGrEnableSetReset,
  kGrColourCompare,
  kGrRotate,
  kGrReadMap,
  kGrMode,
  kGrMisc,
  kGrColourDontCare,
  kGrBitMask
};
inline constexpr std::uint8_t kGrModeReadCompare = 1U << 3;
inline constexpr std::uint8_t kGrModeOddEven = 1U << 4;
inline constexpr std::uint8_t kGrModeInterleave = 1U << 5;
inline constexpr std::uint8_t kGrMode256 = 1U << 6;
inline constexpr std::uint8_t kGrMiscGraphics = 1U << 0;
inline constexpr std::uint8_t kGrMiscChainOddEven = 1U << 1;

enum Crtc : std::uint8_t {
  kCrHorizontalTotal = 0x00,
  kCrHorizontalDisplayEnd = 0x01,
  kCrVerticalTotal = 0x06,
  kCrOverflow = 0x07,
  kCrPresetRowScan = 0x08,
  kCrMaximumScanLine = 0x09,
  kCrCursorStart = 0x0a,
  kCrCursorEnd = 0x0b,
  kCrStartHigh = 0x0c,
  kCrStartLow = 0x0d,
  kCrCursorHigh = 0x0e,
  kCrCursorLow = 0x0f,
  kCrRetraceStart = 0x10,
  kCrRetraceEnd = 0x11,
  kCrVerticalDisplayEnd = 0x12,
  kCrOffset = 0x13,
  kCrUnderline = 0x14,
  kCrMode = 0x17,
  kCrLineCompare = 0x18
};
inline constexpr std::uint8_t kCrtcProtect = 1U << 7;          // of RetraceEnd: 00h to 07h are read-only
inline constexpr std::uint8_t kInterruptDisable = 1U << 5;     // of RetraceEnd
inline constexpr std::uint8_t kInterruptRun = 1U << 4;         // of RetraceEnd; clear: the latch is held clear
inline constexpr std::uint8_t kOverflowLineCompare = 1U << 4;  // the bit of 07h that stays writable
inline constexpr std::uint8_t kScanDouble = 1U << 7;           // of MaximumScanLine
inline constexpr std::uint8_t kCursorOff = 1U << 5;            // of CursorStart
inline constexpr std::uint8_t kUnderlineCountBy4 = 1U << 5;
inline constexpr std::uint8_t kUnderlineDoubleword = 1U << 6;
inline constexpr std::uint8_t kModeA13 = 1U << 0;  // clear: row scan counter bit 0 instead (CGA)
inline constexpr std::uint8_t kModeA14 = 1U << 1;  // clear: bit 1 (Hercules)
inline constexpr std::uint8_t kModeCountBy2 = 1U << 3;
inline constexpr std::uint8_t kModeAddressWrap = 1U << 5;
inline constexpr std::uint8_t kModeByte = 1U << 6;

enum Attribute : std::uint8_t {
  kArMode = 0x10,
  kArOverscan = 0x11,
  kArPlaneEnable = 0x12,
  kArPanning = 0x13,
  kArColourSelect = 0x14
};
inline constexpr std::uint8_t kAttributeAddressSource = 1U << 5;  // of the index: the screen is on, the palette locked
inline constexpr std::uint8_t kArModeLineGraphics = 1U << 2;
inline constexpr std::uint8_t kArModeBlink = 1U << 3;
inline constexpr std::uint8_t kArModePanningCompat = 1U << 5;
inline constexpr std::uint8_t kArMode256 = 1U << 6;
inline constexpr std::uint8_t kArModePalette54 = 1U << 7;

enum Dispi : std::uint16_t {
  kDispiId = 0,
  kDispiXRes = 1,
  kDispiYRes = 2,
  kDispiBpp = 3,
  kDispiEnable = 4,
  kDispiBank = 5,
  kDispiVirtWidth = 6,
  kDispiVirtHeight = 7,
  kDispiXOffset = 8,
  kDispiYOffset = 9,
  kDispiMemory64k = 10,
  kDispiRegisters = 11
};
inline constexpr std::uint16_t kDispiIdFirst = 0xb0c0, kDispiIdLast = 0xb0c5;
inline constexpr std::uint16_t kDispiEnabled = 1U << 0;
inline constexpr std::uint16_t kDispiGetCaps = 1U << 1;
inline constexpr std::uint16_t kDispi8BitDac = 1U << 5;
inline constexpr std::uint16_t kDispiLinear = 1U << 6;
inline constexpr std::uint16_t kDispiNoClear = 1U << 7;
inline constexpr std::uint16_t kDispiMaxX = 16000, kDispiMaxY = 12000, kDispiMaxBpp = 32;

}  // namespace machina::vga
