#pragma once
/// The setup header of a Linux kernel and the "zero page" (struct boot_params) that it becomes a part of.
///
/// Source: the kernel's Documentation/arch/x86/boot.rst ("The Linux/x86 Boot Protocol", up to version 2.15) and
/// zero-page.rst. Offsets count from the start of the file, which are those in the zero page, too.

#include <cstddef>
#include <cstdint>

namespace machina::boot::linux_header {

// Fields, with the first version that has them.
inline constexpr std::size_t kSetupSects = 0x1f1;       // 8 bits
inline constexpr std::size_t kSyssize = 0x1f4;          // 32 bits, in 16 bytes; 2.04 (before: 16 bits)
inline constexpr std::size_t kVidMode = 0x1fa;          // 16 bits
inline constexpr std::size_t kBootFlag = 0x1fe;         // 16 bits: AA55h
inline constexpr std::size_t kJump = 0x200;             // 16 bits: a short jump over the header, which tells its end
inline constexpr std::size_t kHeader = 0x202;           // 32 bits: "HdrS"
inline constexpr std::size_t kVersion = 0x206;          // 16 bits
inline constexpr std::size_t kKernelVersion = 0x20e;    // 16 bits: of a string, from 200h
inline constexpr std::size_t kTypeOfLoader = 0x210;     // 8 bits
inline constexpr std::size_t kLoadflags = 0x211;        // 8 bits
inline constexpr std::size_t kCode32Start = 0x214;      // 32 bits
inline constexpr std::size_t kRamdiskImage = 0x218;     // 32 bits
inline constexpr std::size_t kRamdiskSize = 0x21c;      // 32 bits
inline constexpr std::size_t kHeapEndPtr = 0x224;       // 16 bits; 2.01
inline constexpr std::size_t kCmdLinePtr = 0x228;       // 32 bits; 2.02
inline constexpr std::size_t kInitrdAddrMax = 0x22c;    // 32 bits; 2.03
inline constexpr std::size_t kKernelAlignment = 0x230;  // 32 bits; 2.05
inline constexpr std::size_t kRelocatable = 0x234;      // 8 bits; 2.05
inline constexpr std::size_t kXloadflags = 0x236;       // 16 bits; 2.12
inline constexpr std::size_t kCmdlineSize = 0x238;      // 32 bits, without the final zero; 2.06
inline constexpr std::size_t kHardwareSubarch = 0x23c;  // 32 bits; 2.07
inline constexpr std::size_t kPayloadOffset = 0x248;    // 32 bits; 2.08
inline constexpr std::size_t kSetupData = 0x250;        // 64 bits; 2.09
inline constexpr std::size_t kPrefAddress = 0x258;      // 64 bits; 2.10
inline constexpr std::size_t kInitSize = 0x260;         // 32 bits; 2.10

inline constexpr std::uint16_t kBootFlagValue = 0xaa55;
inline constexpr std::uint32_t kMagic = 0x53726448;  // "HdrS"

// loadflags
inline constexpr std::uint8_t kLoadedHigh = 1U << 0;
inline constexpr std::uint8_t kCanUseHeap = 1U << 7;
// xloadflags
inline constexpr std::uint16_t kXlfKernel64 = 1U << 0;

inline constexpr std::uint8_t kLoaderUnspecified = 0xff;

// Fields of the zero page outside the setup header.
inline constexpr std::size_t kAcpiRsdpAddr = 0x070;  // 64 bits
inline constexpr std::size_t kE820Entries = 0x1e8;   // 8 bits; the three bytes behind it are zero for us
inline constexpr std::size_t kE820Table = 0x2d0;
inline constexpr std::size_t kHeaderLimit = 0x290;  // where the zero page goes on with something else
inline constexpr std::uint32_t kE820Max = 128;
inline constexpr std::size_t kZeroPageSize = 4096;

/// The 64-bit entry, from the start of the protected-mode kernel; the 32-bit entry is that start.
inline constexpr std::uint64_t kEntry64 = 0x200;

}  // namespace machina::boot::linux_header
