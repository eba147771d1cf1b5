#pragma once
/// Command words of the interrupt controller. Intel 8259A datasheet (order 231468-003), "Programming the 8259A";
/// ports and ELCR: Intel 82371SB (PIIX3) datasheet (290550-002), 2.5.2 and 2.5.5.

#include <cstdint>

namespace machina::i8259 {

inline constexpr std::uint16_t kMasterPort = 0x20;  // two ports: A0 = 0, A0 = 1
inline constexpr std::uint16_t kSlavePort = 0xa0;
inline constexpr std::uint16_t kElcrPort = 0x4d0;  // ELCR1 (IRQ0-7), ELCR2 (IRQ8-15)

// Timer, keyboard and cascade (0-2), real-time clock (8) and numeric error (13) are edge triggered for ever.
inline constexpr std::uint8_t kMasterElcrMask = 0xf8;
inline constexpr std::uint8_t kSlaveElcrMask = 0xde;

inline constexpr std::uint8_t kCascade = 2;  // the master's input that the slave drives
inline constexpr unsigned kSpurious = 7;

// A0 = 0
inline constexpr std::uint8_t kIcw1 = 0x10;        // D4: begins an initialisation
inline constexpr std::uint8_t kIcw1Icw4 = 0x01;    // IC4: ICW4 will come
inline constexpr std::uint8_t kIcw1Single = 0x02;  // SNGL: ICW3 will not come
inline constexpr std::uint8_t kOcw3 = 0x08;        // D3 with D4 = 0

// ICW2
inline constexpr std::uint8_t kIcw2Vector = 0xf8;  // T7-T3

// ICW4
inline constexpr std::uint8_t kIcw4AutoEoi = 0x02;  // AEOI
inline constexpr std::uint8_t kIcw4Sfnm = 0x10;     // special fully nested mode

// OCW2: R, SL, EOI in D7-D5, level in D2-D0
enum class Ocw2 : std::uint8_t {
  ClearRotateInAeoi = 0,
  NonSpecificEoi = 1,
  NoOperation = 2,
  SpecificEoi = 3,
  SetRotateInAeoi = 4,
  RotateOnNonSpecificEoi = 5,
  SetPriority = 6,
  RotateOnSpecificEoi = 7,
};

// OCW3
inline constexpr std::uint8_t kOcw3ReadIsr = 0x01;            // RIS
inline constexpr std::uint8_t kOcw3ReadEnable = 0x02;         // RR: RIS counts
inline constexpr std::uint8_t kOcw3Poll = 0x04;               // P
inline constexpr std::uint8_t kOcw3SpecialMask = 0x20;        // SMM
inline constexpr std::uint8_t kOcw3SpecialMaskEnable = 0x40;  // ESMM: SMM counts

// The answer to a poll
inline constexpr std::uint8_t kPollInterrupt = 0x80;  // I; the level in D2-D0

}  // namespace machina::i8259
