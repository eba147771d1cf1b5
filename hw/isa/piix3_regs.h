#pragma once
/// Registers of function 0 of the Intel PIIX3: "82371FB (PIIX) and 82371SB (PIIX3) PCI ISA IDE Xcelerator", order
/// number 290550-002, section 2.2 (configuration space) and 2.5.1 (reset control).

#include <cstdint>

namespace machina::piix3 {

inline constexpr unsigned kIort = 0x4c;     ///< ISA I/O recovery timer
inline constexpr unsigned kXbcs = 0x4e;     ///< X-bus chip select, 16 bits
inline constexpr unsigned kPirqrcA = 0x60;  ///< PIRQA# route control, to D at 63h
inline constexpr unsigned kTom = 0x69;      ///< top of memory
inline constexpr unsigned kMstat = 0x6a;    ///< miscellaneous status, 16 bits
inline constexpr unsigned kMbirq0 = 0x70;   ///< motherboard device IRQ route control
inline constexpr unsigned kMbdma0 = 0x76;   ///< motherboard device DMA control, to 77h
inline constexpr unsigned kPcsc = 0x78;     ///< programmable chip select control, 16 bits
inline constexpr unsigned kApicbase = 0x80;
inline constexpr unsigned kDlc = 0x82;      ///< deterministic latency control
inline constexpr unsigned kSmicntl = 0xa0;  ///< SMI control
inline constexpr unsigned kSmien = 0xa2;    ///< SMI enable, 16 bits
inline constexpr unsigned kSee = 0xa4;      ///< system event enable, 32 bits
inline constexpr unsigned kFtmr = 0xa8;     ///< fast off timer
inline constexpr unsigned kSmireq = 0xaa;   ///< SMI request, 16 bits
inline constexpr unsigned kCtltmr = 0xac;   ///< STPCLK# low timer
inline constexpr unsigned kCthtmr = 0xae;   ///< STPCLK# high timer

// 2.2.10: PIRQ route control.
inline constexpr std::uint8_t kPirqDisable = 0x80;
inline constexpr std::uint8_t kPirqRoute = 0x0f;
/// IRQ 0, 1, 2, 8 and 13 are no legal routes: the timer, the keyboard, the cascade, the RTC and the FPU have them.
inline constexpr std::uint16_t kLegalRoutes = 0xdef8;

// 2.5.1.2: reset control register, port CF9h.
inline constexpr std::uint16_t kResetControl = 0xcf9;
inline constexpr std::uint8_t kRcSystemReset = 1 << 1;  ///< SRST: a hard reset, else the CPU's alone
inline constexpr std::uint8_t kRcResetCpu = 1 << 2;     ///< RCPU: its rising edge resets

}  // namespace machina::piix3
