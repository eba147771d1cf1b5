#pragma once
/// Bits of the control registers: SDM vol. 3, 2.5 and 2.2.1.

#include <cstdint>

namespace machina::jit {

inline constexpr std::uint64_t kCr0Pe = 1, kCr0Mp = 2, kCr0Em = 4, kCr0Ts = 8, kCr0Et = 16, kCr0Ne = 32,
                               kCr0Wp = 1U << 16, kCr0Am = 1U << 18, kCr0Nw = 1U << 29, kCr0Cd = 1U << 30,
                               kCr0Pg = 1U << 31;
inline constexpr std::uint64_t kCr4Vme = 1, kCr4Pvi = 2, kCr4Tsd = 4, kCr4De = 8, kCr4Pse = 16, kCr4Pae = 32,
                               kCr4Mce = 64, kCr4Pge = 128, kCr4Pce = 256, kCr4Osfxsr = 512, kCr4Osxmmexcpt = 1024,
                               kCr4Umip = 2048, kCr4La57 = 4096, kCr4Fsgsbase = 1U << 16, kCr4Pcide = 1U << 17,
                               kCr4Osxsave = 1U << 18, kCr4Smep = 1U << 20, kCr4Smap = 1U << 21, kCr4Pke = 1U << 22;
inline constexpr std::uint64_t kEferSce = 1, kEferLme = 0x100, kEferLma = 0x400, kEferNxe = 0x800,
                               kEferAibrse = 1U << 21;

}  // namespace machina::jit
