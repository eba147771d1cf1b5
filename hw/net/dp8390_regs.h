#pragma once
/// Registers of National Semiconductor's DP8390D ("Network Interface Controller", datasheet of July 1995), section 10,
/// and of the board that Novell built around it: the NE2000.

#include <cstdint>

namespace machina::dp8390 {

// 10.1: register addresses. Page 0, reading.
inline constexpr unsigned kCr = 0x0;  ///< on all pages
inline constexpr unsigned kClda0 = 0x1;
inline constexpr unsigned kClda1 = 0x2;
inline constexpr unsigned kBnry = 0x3;
inline constexpr unsigned kTsr = 0x4;
inline constexpr unsigned kNcr = 0x5;
inline constexpr unsigned kFifo = 0x6;
inline constexpr unsigned kIsr = 0x7;
inline constexpr unsigned kCrda0 = 0x8;
inline constexpr unsigned kCrda1 = 0x9;
inline constexpr unsigned kRsr = 0xc;
inline constexpr unsigned kCntr0 = 0xd;
inline constexpr unsigned kCntr2 = 0xf;
// Page 0, writing.
inline constexpr unsigned kPstart = 0x1;
inline constexpr unsigned kPstop = 0x2;
inline constexpr unsigned kTpsr = 0x4;
inline constexpr unsigned kTbcr0 = 0x5;
inline constexpr unsigned kTbcr1 = 0x6;
inline constexpr unsigned kRsar0 = 0x8;
inline constexpr unsigned kRsar1 = 0x9;
inline constexpr unsigned kRbcr0 = 0xa;
inline constexpr unsigned kRbcr1 = 0xb;
inline constexpr unsigned kRcr = 0xc;
inline constexpr unsigned kTcr = 0xd;
inline constexpr unsigned kDcr = 0xe;
inline constexpr unsigned kImr = 0xf;
// Page 1.
inline constexpr unsigned kPar0 = 0x1;
inline constexpr unsigned kCurr = 0x7;
inline constexpr unsigned kMar0 = 0x8;

inline constexpr unsigned kPageRegisters = 0x10;

// 10.3: the bits.
inline constexpr std::uint8_t kCrStp = 1 << 0;
inline constexpr std::uint8_t kCrSta = 1 << 1;
inline constexpr std::uint8_t kCrTxp = 1 << 2;
inline constexpr std::uint8_t kCrRd = 7 << 3;  ///< remote DMA
inline constexpr std::uint8_t kCrRdRead = 1 << 3;
inline constexpr std::uint8_t kCrRdWrite = 2 << 3;
inline constexpr std::uint8_t kCrRdSend = 3 << 3;
inline constexpr std::uint8_t kCrRdAbort = 4 << 3;
inline constexpr unsigned kCrPageShift = 6;

inline constexpr std::uint8_t kIsrPrx = 1 << 0;
inline constexpr std::uint8_t kIsrPtx = 1 << 1;
inline constexpr std::uint8_t kIsrTxe = 1 << 3;
inline constexpr std::uint8_t kIsrOvw = 1 << 4;
inline constexpr std::uint8_t kIsrRdc = 1 << 6;
inline constexpr std::uint8_t kIsrRst = 1 << 7;  ///< shows the state and is not cleared by writing

inline constexpr std::uint8_t kDcrWts = 1 << 0;  ///< words
inline constexpr std::uint8_t kDcrLas = 1 << 2;
inline constexpr std::uint8_t kTcrLb = 3 << 1;  ///< loopback
inline constexpr std::uint8_t kTsrPtx = 1 << 0;
inline constexpr std::uint8_t kTsrAbt = 1 << 3;
inline constexpr std::uint8_t kRcrAr = 1 << 1;   ///< runts
inline constexpr std::uint8_t kRcrAb = 1 << 2;   ///< broadcasts
inline constexpr std::uint8_t kRcrAm = 1 << 3;   ///< multicasts, by the hash table
inline constexpr std::uint8_t kRcrPro = 1 << 4;  ///< all
inline constexpr std::uint8_t kRcrMon = 1 << 5;  ///< count, do not store
inline constexpr std::uint8_t kRsrPrx = 1 << 0;
inline constexpr std::uint8_t kRsrMpa = 1 << 4;  ///< missed
inline constexpr std::uint8_t kRsrPhy = 1 << 5;  ///< broadcast or multicast

inline constexpr unsigned kPage = 256;  ///< bytes of a page of the ring
inline constexpr unsigned kHeader = 4;  ///< before each frame in it: 7.0

}  // namespace machina::dp8390
