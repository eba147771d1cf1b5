#pragma once
/// Power management of the Intel PIIX4: "82371AB PCI-TO-ISA / IDE Xcelerator (PIIX4)", order number 290562-001,
/// section 7.1 (configuration space of function 3) and 7.2 (I/O space).

#include <cstdint>

namespace machina::piix4 {

// 7.1: configuration space.
inline constexpr unsigned kPmba = 0x40;       ///< power management base address
inline constexpr unsigned kCntA = 0x44;       ///< count A; device activity and resources follow, to 7Fh
inline constexpr unsigned kDevActB = 0x58;    ///< device activity B
inline constexpr unsigned kPmRegMisc = 0x80;  ///< bit 0: the I/O space at PMBA is decoded
inline constexpr unsigned kSmbba = 0x90;      ///< SMBus base address
inline constexpr unsigned kSmbHstCfg = 0xd2;  ///< SMBus host configuration, to D6h
inline constexpr std::uint32_t kPmbaAddress = 0xffc0;
/// Where SeaBIOS puts it, and we where there is no firmware.
inline constexpr std::uint32_t kPmbaOfFirmware = 0x600;
inline constexpr std::uint32_t kSmbbaAddress = 0xfff0;
inline constexpr std::uint32_t kSmbbaOfFirmware = 0x700;
inline constexpr std::uint32_t kSmbHstEn = 1 << 0;     ///< of SMBHSTCFG: the ports at SMBBA are decoded
inline constexpr std::uint32_t kSmbIntrSel = 7 << 1;   ///< where the SMBus interrupt goes: SMI# when 0
inline constexpr std::uint32_t kSmbIntrIrq9 = 4 << 1;  ///< to IRQ9
inline constexpr std::uint32_t kIoSpace = 0x00000001;  ///< in a base address: read-only one
inline constexpr std::uint32_t kPmIose = 0x01;
inline constexpr std::uint32_t kApmcEnable = 1U << 25;  ///< of DEVACTB: a write to APMC is an SMI

// 7.2: I/O space, 64 bytes at PMBA.
inline constexpr unsigned kPmsts = 0x00;    ///< status, 16 bits
inline constexpr unsigned kPmen = 0x02;     ///< resume enable, 16 bits
inline constexpr unsigned kPmcntrl = 0x04;  ///< control, 16 bits
inline constexpr unsigned kPmtmr = 0x08;    ///< timer, 24 bits, read-only
inline constexpr unsigned kPcntrl = 0x10;   ///< processor control, 32 bits
inline constexpr unsigned kGlben = 0x20;    ///< global enable, 16 bits
inline constexpr unsigned kGlbctl = 0x28;   ///< global control, 32 bits
inline constexpr unsigned kDevctl = 0x2c;   ///< device control, 32 bits
inline constexpr unsigned kGporeg = 0x34;   ///< general-purpose outputs, 32 bits
inline constexpr unsigned kPmSize = 0x40;

// 7.2.1 and 7.2.2: PMSTS and PMEN. Bits have the same place in both.
inline constexpr std::uint16_t kTimerOverflow = 1 << 0;  ///< TMROF
inline constexpr std::uint16_t kBusMaster = 1 << 4;      ///< BM_STS
inline constexpr std::uint16_t kGlobal = 1 << 5;         ///< GBL
inline constexpr std::uint16_t kPowerButton = 1 << 8;    ///< PWRBTN
inline constexpr std::uint16_t kRtc = 1 << 10;           ///< RTC
inline constexpr std::uint16_t kResume = 1 << 15;        ///< RSM_STS, ACPI's WAK_STS; status only
inline constexpr std::uint16_t kStatusBits = kTimerOverflow | kBusMaster | kGlobal | kPowerButton | kRtc | kResume;
inline constexpr std::uint16_t kEnableBits = kTimerOverflow | kGlobal | kPowerButton | kRtc;
inline constexpr std::uint16_t kWakeBits = kPowerButton | kRtc;  ///< those that have power in S3

// 7.2.3: PMCNTRL.
inline constexpr std::uint16_t kSciEnable = 1 << 0;
inline constexpr std::uint16_t kBrldEnable = 1 << 1;  ///< BRLD_EN_BM
inline constexpr unsigned kSusTypShift = 10;
inline constexpr std::uint16_t kSusTyp = 7 << kSusTypShift;
inline constexpr std::uint16_t kSusEnable = 1 << 13;  ///< write-only: goes to sleep
// SUS_TYP as the PC's ACPI tables use it (_S5, _S3, _S4). The chip calls 2 "powered on suspend"; firmware for this
// machine says with it that memory has been saved to disk.
inline constexpr unsigned kSoftOff = 0;
inline constexpr unsigned kSuspendToRam = 1;
inline constexpr unsigned kSuspendToDisk = 2;

// 7.2.4: the timer runs at a quarter of 14.31818 MHz; its status bit is set when bit 23 changes.
inline constexpr std::uint64_t kTimerHz = 3579545;
inline constexpr unsigned kTimerBits = 24;

// GLBCTL.
inline constexpr std::uint8_t kSmiEnable = 1 << 0;
inline constexpr std::uint8_t kBiosRelease = 1 << 1;  ///< BIOS_RLS: sets GBL_STS

/// Advanced power management: APMC, and APMS at the next port.
inline constexpr std::uint16_t kApmPort = 0xb2;
/// What an operating system writes to APMC to have ACPI (SCI_EN) turned on and off: ACPI_ENABLE and ACPI_DISABLE of the
/// FADT that firmware builds for this machine.
inline constexpr std::uint8_t kApmAcpiEnable = 0xf1;
inline constexpr std::uint8_t kApmAcpiDisable = 0xf0;

/// General-purpose event block 0, where firmware for this machine expects it: two bytes of status, two of enable. (The
/// chip's own GPSTS and GPEN, at PMBA + 0Ch, are wired to nothing here.)
inline constexpr std::uint16_t kGpePort = 0xafe0;
inline constexpr unsigned kGpeSize = 4;

}  // namespace machina::piix4
