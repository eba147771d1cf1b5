#pragma once
/// Registers of Intel's 82540EM: "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual", order
/// number 317453 (revision 4.0), chapters 3 (descriptors), 5 (EEPROM) and 13 (registers). Names are the manual's.

#include <cstdint>

namespace machina::e1000 {

// 13.4: offsets in the memory BAR.
inline constexpr unsigned kCtrl = 0x0000;
inline constexpr unsigned kStatus = 0x0008;
inline constexpr unsigned kEecd = 0x0010;
inline constexpr unsigned kEerd = 0x0014;
inline constexpr unsigned kCtrlExt = 0x0018;
inline constexpr unsigned kFla = 0x001c;
inline constexpr unsigned kMdic = 0x0020;
inline constexpr unsigned kFcal = 0x0028;
inline constexpr unsigned kFcah = 0x002c;
inline constexpr unsigned kFct = 0x0030;
inline constexpr unsigned kVet = 0x0038;
inline constexpr unsigned kIcr = 0x00c0;
inline constexpr unsigned kItr = 0x00c4;
inline constexpr unsigned kIcs = 0x00c8;
inline constexpr unsigned kIms = 0x00d0;
inline constexpr unsigned kImc = 0x00d8;
inline constexpr unsigned kRctl = 0x0100;
inline constexpr unsigned kFcttv = 0x0170;
inline constexpr unsigned kTxcw = 0x0178;
inline constexpr unsigned kRxcw = 0x0180;
inline constexpr unsigned kTctl = 0x0400;
inline constexpr unsigned kTipg = 0x0410;
inline constexpr unsigned kAit = 0x0458;
inline constexpr unsigned kLedctl = 0x0e00;
inline constexpr unsigned kPba = 0x1000;
inline constexpr unsigned kFcrtl = 0x2160;
inline constexpr unsigned kFcrth = 0x2168;
inline constexpr unsigned kRdbal = 0x2800;
inline constexpr unsigned kRdbah = 0x2804;
inline constexpr unsigned kRdlen = 0x2808;
inline constexpr unsigned kRdh = 0x2810;
inline constexpr unsigned kRdt = 0x2818;
inline constexpr unsigned kRdtr = 0x2820;
inline constexpr unsigned kRxdctl = 0x2828;
inline constexpr unsigned kRadv = 0x282c;
inline constexpr unsigned kRsrpd = 0x2c00;
inline constexpr unsigned kTxdmac = 0x3000;
inline constexpr unsigned kTdbal = 0x3800;
inline constexpr unsigned kTdbah = 0x3804;
inline constexpr unsigned kTdlen = 0x3808;
inline constexpr unsigned kTdh = 0x3810;
inline constexpr unsigned kTdt = 0x3818;
inline constexpr unsigned kTidv = 0x3820;
inline constexpr unsigned kTxdctl = 0x3828;
inline constexpr unsigned kTadv = 0x382c;
inline constexpr unsigned kTspmt = 0x3830;
// 13.7: statistics, cleared by reading.
inline constexpr unsigned kStatistics = 0x4000;
inline constexpr unsigned kMpc = 0x4010;
inline constexpr unsigned kPrc64 = 0x405c;  ///< received, by size; five more follow
inline constexpr unsigned kGprc = 0x4074;
inline constexpr unsigned kBprc = 0x4078;
inline constexpr unsigned kMprc = 0x407c;
inline constexpr unsigned kGptc = 0x4080;
inline constexpr unsigned kGorcl = 0x4088;
inline constexpr unsigned kGorch = 0x408c;
inline constexpr unsigned kGotcl = 0x4090;
inline constexpr unsigned kGotch = 0x4094;
inline constexpr unsigned kRnbc = 0x40a0;
inline constexpr unsigned kRoc = 0x40ac;
inline constexpr unsigned kTorl = 0x40c0;
inline constexpr unsigned kTorh = 0x40c4;
inline constexpr unsigned kTotl = 0x40c8;
inline constexpr unsigned kToth = 0x40cc;
inline constexpr unsigned kTpr = 0x40d0;
inline constexpr unsigned kTpt = 0x40d4;
inline constexpr unsigned kPtc64 = 0x40d8;  ///< sent, by size; five more follow
inline constexpr unsigned kMptc = 0x40f0;
inline constexpr unsigned kBptc = 0x40f4;
inline constexpr unsigned kTsctc = 0x40f8;
inline constexpr unsigned kTsctfc = 0x40fc;
inline constexpr unsigned kStatisticsEnd = 0x4100;

inline constexpr unsigned kRxcsum = 0x5000;
inline constexpr unsigned kMta = 0x5200;   ///< 128
inline constexpr unsigned kRa = 0x5400;    ///< 16 pairs
inline constexpr unsigned kVfta = 0x5600;  ///< 128
inline constexpr unsigned kWuc = 0x5800;
inline constexpr unsigned kWufc = 0x5808;
inline constexpr unsigned kWus = 0x5810;
inline constexpr unsigned kManc = 0x5820;
inline constexpr unsigned kIpav = 0x5838;
inline constexpr unsigned kIp4at = 0x5840;
inline constexpr unsigned kIp6at = 0x5880;
inline constexpr unsigned kWupl = 0x5900;
inline constexpr unsigned kWupm = 0x5a00;
// Semaphores of later members of the family (82573, 631xESB): U-Boot's driver takes them of any.
inline constexpr unsigned kSwsm = 0x5b50;
inline constexpr unsigned kSwFwSync = 0x5b5c;
inline constexpr unsigned kFflt = 0x5f00;
inline constexpr unsigned kRegistersEnd = 0x6000;  ///< what is modelled of 128 KiB

// 13.4.1: CTRL.
inline constexpr std::uint32_t kCtrlFd = 1U << 0;
inline constexpr std::uint32_t kCtrlSlu = 1U << 6;
inline constexpr std::uint32_t kCtrlRst = 1U << 26;
inline constexpr std::uint32_t kCtrlVme = 1U << 30;
inline constexpr std::uint32_t kCtrlPhyRst = 1U << 31;
// 13.4.2: STATUS.
inline constexpr std::uint32_t kStatusFd = 1U << 0;
inline constexpr std::uint32_t kStatusLu = 1U << 1;
inline constexpr std::uint32_t kStatusTxOff = 1U << 4;
inline constexpr std::uint32_t kStatusSpeed1000 = 2U << 6;
inline constexpr std::uint32_t kStatusAsdv1000 = 2U << 8;
// 13.4.3: EECD.
inline constexpr std::uint32_t kEecdSk = 1U << 0;
inline constexpr std::uint32_t kEecdCs = 1U << 1;
inline constexpr std::uint32_t kEecdDi = 1U << 2;
inline constexpr std::uint32_t kEecdDo = 1U << 3;
inline constexpr std::uint32_t kEecdFwe = 3U << 4;
inline constexpr std::uint32_t kEecdReq = 1U << 6;
inline constexpr std::uint32_t kEecdGnt = 1U << 7;
inline constexpr std::uint32_t kEecdPres = 1U << 8;
// 13.4.4: EERD.
inline constexpr std::uint32_t kEerdStart = 1U << 0;
inline constexpr std::uint32_t kEerdDone = 1U << 4;
inline constexpr unsigned kEerdAddressShift = 8;
inline constexpr unsigned kEerdDataShift = 16;
// 13.4.9: MDIC.
inline constexpr unsigned kMdicRegisterShift = 16;
inline constexpr unsigned kMdicPhyShift = 21;
inline constexpr std::uint32_t kMdicOp = 3U << 26;
inline constexpr std::uint32_t kMdicWrite = 1U << 26;
inline constexpr std::uint32_t kMdicRead = 2U << 26;
inline constexpr std::uint32_t kMdicReady = 1U << 28;
inline constexpr std::uint32_t kMdicInterrupt = 1U << 29;
inline constexpr std::uint32_t kMdicError = 1U << 30;
// 13.4.17: ICR, ICS, IMS, IMC.
inline constexpr std::uint32_t kIntTxdw = 1U << 0;
inline constexpr std::uint32_t kIntTxqe = 1U << 1;
inline constexpr std::uint32_t kIntLsc = 1U << 2;
inline constexpr std::uint32_t kIntRxdmt0 = 1U << 4;
inline constexpr std::uint32_t kIntRxo = 1U << 6;
inline constexpr std::uint32_t kIntRxt0 = 1U << 7;
inline constexpr std::uint32_t kIntMdac = 1U << 9;
inline constexpr std::uint32_t kIntTxdLow = 1U << 15;
inline constexpr std::uint32_t kIntSrpd = 1U << 16;
inline constexpr std::uint32_t kIntAll = 0x0001f6df;
// 13.4.22: RCTL.
inline constexpr std::uint32_t kRctlEn = 1U << 1;
inline constexpr std::uint32_t kRctlUpe = 1U << 3;
inline constexpr std::uint32_t kRctlMpe = 1U << 4;
inline constexpr std::uint32_t kRctlLpe = 1U << 5;
inline constexpr std::uint32_t kRctlLbm = 3U << 6;
inline constexpr std::uint32_t kRctlLbmMac = 1U << 6;
inline constexpr unsigned kRctlRdmtsShift = 8;
inline constexpr unsigned kRctlMoShift = 12;
inline constexpr std::uint32_t kRctlBam = 1U << 15;
inline constexpr unsigned kRctlBsizeShift = 16;
inline constexpr std::uint32_t kRctlVfe = 1U << 18;
inline constexpr std::uint32_t kRctlBsex = 1U << 25;
inline constexpr std::uint32_t kRctlSecrc = 1U << 26;
// 13.4.33: TCTL.
inline constexpr std::uint32_t kTctlEn = 1U << 1;
inline constexpr std::uint32_t kTctlPsp = 1U << 3;
// 13.4.30: RDTR.
inline constexpr std::uint32_t kRdtrFpd = 1U << 31;
// 13.4.44: TXDCTL.
inline constexpr unsigned kTxdctlLwthreshShift = 25;
// 13.5.3: RAH.
inline constexpr std::uint32_t kRahAv = 1U << 31;
// 13.4.48: RXCSUM.
inline constexpr std::uint32_t kRxcsumPcss = 0xff;
inline constexpr std::uint32_t kRxcsumIpofl = 1U << 8;
inline constexpr std::uint32_t kRxcsumTuofl = 1U << 9;

inline constexpr unsigned kDescriptor = 16;  ///< bytes of each kind

// 3.2.3: receive descriptors. Status in bits 39:32 of the second half, errors in 47:40.
inline constexpr std::uint32_t kRxDd = 1U << 0;
inline constexpr std::uint32_t kRxEop = 1U << 1;
inline constexpr std::uint32_t kRxIxsm = 1U << 2;
inline constexpr std::uint32_t kRxVp = 1U << 3;
inline constexpr std::uint32_t kRxTcpcs = 1U << 5;
inline constexpr std::uint32_t kRxIpcs = 1U << 6;
inline constexpr std::uint32_t kRxPif = 1U << 7;
inline constexpr std::uint32_t kRxTcpe = 1U << 5;
inline constexpr std::uint32_t kRxIpe = 1U << 6;

// 3.3.3, 3.3.6 and 3.3.7: transmit descriptors. Command in bits 31:24 of the third dword.
inline constexpr std::uint32_t kTxEop = 1U << 24;
inline constexpr std::uint32_t kTxIc = 1U << 26;   ///< legacy: insert checksum
inline constexpr std::uint32_t kTxTse = 1U << 26;  ///< extended: segment
inline constexpr std::uint32_t kTxRs = 1U << 27;
inline constexpr std::uint32_t kTxRps = 1U << 28;
inline constexpr std::uint32_t kTxDext = 1U << 29;
inline constexpr std::uint32_t kTxVle = 1U << 30;
inline constexpr std::uint32_t kTxIde = 1U << 31;
inline constexpr unsigned kTxTypeShift = 20;
inline constexpr std::uint32_t kTxContextIp = 1U << 25;   ///< of a context: IPv4
inline constexpr std::uint32_t kTxContextTcp = 1U << 24;  ///< of a context: TCP
inline constexpr std::uint32_t kTxDd = 1U << 0;           ///< status, in the fourth dword
inline constexpr std::uint8_t kTxIxsm = 1U << 0;          ///< POPTS
inline constexpr std::uint8_t kTxTxsm = 1U << 1;

}  // namespace machina::e1000
