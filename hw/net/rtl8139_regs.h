#pragma once
/// Registers of Realtek's RTL8139C+: "RTL8139C(L)+ Advanced Fast Ethernet Controller", datasheet revision 1.6, section
/// 6; descriptors of its C+ mode, section 9. Names are the datasheet's.

#include <cstdint>

namespace machina::rtl8139 {

inline constexpr unsigned kIdr0 = 0x00;
inline constexpr unsigned kMar0 = 0x08;
inline constexpr unsigned kTsd0 = 0x10;   ///< four, old mode
inline constexpr unsigned kDtccr = 0x10;  ///< 64 bits, in the place of the first two, C+ mode
inline constexpr unsigned kTsad0 = 0x20;  ///< four, old mode; TNPDS and THPDS in C+ mode
inline constexpr unsigned kRbstart = 0x30;
inline constexpr unsigned kCr = 0x37;
inline constexpr unsigned kCapr = 0x38;
inline constexpr unsigned kCbr = 0x3a;
inline constexpr unsigned kImr = 0x3c;
inline constexpr unsigned kIsr = 0x3e;
inline constexpr unsigned kTcr = 0x40;
inline constexpr unsigned kRcr = 0x44;
inline constexpr unsigned kTctr = 0x48;
inline constexpr unsigned kMpc = 0x4c;
inline constexpr unsigned k9346cr = 0x50;
inline constexpr unsigned kConfig0 = 0x51;
inline constexpr unsigned kConfig1 = 0x52;
inline constexpr unsigned kTimerInt = 0x54;
inline constexpr unsigned kMsr = 0x58;
inline constexpr unsigned kConfig3 = 0x59;
inline constexpr unsigned kConfig4 = 0x5a;
inline constexpr unsigned kMulint = 0x5c;
inline constexpr unsigned kTsadStatus = 0x60;
inline constexpr unsigned kBmcr = 0x62;
inline constexpr unsigned kBmsr = 0x64;
inline constexpr unsigned kAnar = 0x66;
inline constexpr unsigned kAnlpar = 0x68;
inline constexpr unsigned kAner = 0x6a;
inline constexpr unsigned kNwaytr = 0x70;
inline constexpr unsigned kCscr = 0x74;
inline constexpr unsigned kConfig5 = 0xd8;
inline constexpr unsigned kTppoll = 0xd9;
inline constexpr unsigned kCpcr = 0xe0;
inline constexpr unsigned kRdsar = 0xe4;
inline constexpr unsigned kMtps = 0xec;
inline constexpr unsigned kRegisters = 0x100;

// 6.4: TSD.
inline constexpr std::uint32_t kTsdSize = 0x1fff;
inline constexpr std::uint32_t kTsdOwn = 1U << 13;
inline constexpr std::uint32_t kTsdTun = 1U << 14;
inline constexpr std::uint32_t kTsdTok = 1U << 15;
inline constexpr std::uint32_t kTsdTabt = 1U << 30;
// DTCCR: where the counters go, on a boundary of 64 bytes, and the command, which is over when it reads 0.
inline constexpr std::uint64_t kDtccrCmd = 1U << 3;
inline constexpr std::uint64_t kDtccrAddress = ~std::uint64_t{0x3f};
inline constexpr unsigned kDtccrSize = 8;
inline constexpr unsigned kTally = 64;
// 6.6: CR.
inline constexpr std::uint8_t kCrBufe = 1 << 0;
inline constexpr std::uint8_t kCrTe = 1 << 2;
inline constexpr std::uint8_t kCrRe = 1 << 3;
inline constexpr std::uint8_t kCrRst = 1 << 4;
// 6.7 and 6.8: IMR, ISR.
inline constexpr std::uint16_t kIntRok = 1 << 0;
inline constexpr std::uint16_t kIntTok = 1 << 2;
inline constexpr std::uint16_t kIntTer = 1 << 3;
inline constexpr std::uint16_t kIntRxovw = 1 << 4;  ///< no descriptor, in C+ mode
inline constexpr std::uint16_t kIntLink = 1 << 5;
inline constexpr std::uint16_t kIntFovw = 1 << 6;
inline constexpr std::uint16_t kIntTdu = 1 << 7;
inline constexpr std::uint16_t kIntSw = 1 << 8;
inline constexpr std::uint16_t kIntTimeout = 1 << 14;
// 6.9: TCR.
inline constexpr std::uint32_t kTcrWritable = 0x030607f1;
inline constexpr std::uint32_t kTcrLbk = 3U << 17;
inline constexpr std::uint32_t kTcrVersion = 0x74800000;  ///< RTL8139C+
// 6.10: RCR.
inline constexpr std::uint32_t kRcrAap = 1U << 0;
inline constexpr std::uint32_t kRcrApm = 1U << 1;
inline constexpr std::uint32_t kRcrAm = 1U << 2;
inline constexpr std::uint32_t kRcrAb = 1U << 3;
inline constexpr std::uint32_t kRcrWrap = 1U << 7;
inline constexpr unsigned kRcrRblenShift = 11;
// 6.11: 9346CR.
inline constexpr std::uint8_t kEeDo = 1 << 0, kEeDi = 1 << 1, kEeSk = 1 << 2, kEeCs = 1 << 3;
inline constexpr std::uint8_t kEeMode = 0xc0, kEeProgram = 0x80, kEeConfig = 0xc0;
// 6.16: MSR.
inline constexpr std::uint8_t kMsrLinkb = 1 << 2;  ///< no link
// Table of C+CR and TPPoll.
inline constexpr std::uint16_t kCpTx = 1 << 0, kCpRx = 1 << 1, kCpRxChecksum = 1 << 5, kCpRxVlan = 1 << 6;
inline constexpr std::uint8_t kTppollSw = 1 << 0, kTppollNormal = 1 << 6, kTppollHigh = 1 << 7;

// 5.x: the header of a frame in the ring of the old mode.
inline constexpr std::uint16_t kRxRok = 1 << 0;
inline constexpr std::uint16_t kRxBar = 1 << 13;
inline constexpr std::uint16_t kRxPam = 1 << 14;
inline constexpr std::uint16_t kRxMar = 1 << 15;

// 9: descriptors, first dword.
inline constexpr unsigned kDescriptor = 16;
inline constexpr unsigned kRing = 64;  ///< descriptors at most
inline constexpr std::uint32_t kOwn = 1U << 31;
inline constexpr std::uint32_t kEor = 1U << 30;
inline constexpr std::uint32_t kFs = 1U << 29;
inline constexpr std::uint32_t kLs = 1U << 28;
inline constexpr std::uint32_t kLgsen = 1U << 27;
inline constexpr unsigned kMssShift = 16;
inline constexpr std::uint32_t kMss = 0x7ff;
inline constexpr std::uint32_t kTxIpcs = 1U << 18;
inline constexpr std::uint32_t kTxUdpcs = 1U << 17;
inline constexpr std::uint32_t kTxTcpcs = 1U << 16;
inline constexpr std::uint32_t kTxSize = 0xffff;
inline constexpr std::uint32_t kRxSize = 0x1fff;
inline constexpr std::uint32_t kCpMar = 1U << 27;
inline constexpr std::uint32_t kCpPam = 1U << 26;
inline constexpr std::uint32_t kCpBar = 1U << 25;
inline constexpr unsigned kPidShift = 16;  ///< 1 TCP, 2 UDP, 3 other IP
inline constexpr std::uint32_t kIpf = 1U << 15, kUdpf = 1U << 14, kTcpf = 1U << 13;
// Second dword.
inline constexpr std::uint32_t kTagc = 1U << 17;  ///< insert a tag
inline constexpr std::uint32_t kTava = 1U << 16;  ///< a tag was taken out

}  // namespace machina::rtl8139
