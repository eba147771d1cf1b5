#pragma once
/// Serial presence detect: what a memory module tells of itself in the first 128 bytes of its EEPROM.
///
/// Source: JEDEC Standard 21-C, 4.1.2: appendix E (SDR SDRAM, revision 1.2), D (DDR SDRAM, 1.0), J (DDR2, 1.3). Timings
/// are those of PC133, PC3200 and PC2-6400 modules; nothing depends on them here.

#include <array>
#include <cstdint>
#include <vector>

namespace machina::spd {

inline constexpr unsigned kSlots = 8;  ///< as many EEPROMs have addresses of their own: 50h to 57h
inline constexpr std::uint8_t kFirstAddress = 0x50;

/// The fundamental memory type, byte 2.
enum class Kind : std::uint8_t { Sdr = 4, Ddr = 7, Ddr2 = 8 };

struct Module {
  Kind kind;
  std::uint64_t bytes;  ///< a power of two
  friend bool operator==(const Module&, const Module&) = default;
};

/// How `ram` bytes are made of modules, all of one kind, the largest first. What is left over when all slots are full,
/// or is less than the smallest module of the kind (4 MiB, 32 MiB, 128 MiB), is in none.
std::vector<Module> modules_of(std::uint64_t ram);

/// The content of the module's EEPROM.
std::array<std::uint8_t, 256> content(const Module& module);

}  // namespace machina::spd
