#pragma once
/// The 256 words that IDENTIFY DEVICE and IDENTIFY PACKET DEVICE answer: ATA/ATAPI-6, 8.15 and 8.16.

#include <array>
#include <cstdint>
#include <string>

namespace machina {

struct DiskGeometry {
  std::uint32_t cylinders = 0;
  std::uint32_t heads = 0;
  std::uint32_t sectors = 0;  ///< per track
  std::uint64_t total() const { return std::uint64_t{cylinders} * heads * sectors; }
};

struct DiskIdentity {
  std::string serial;   ///< up to 20 characters
  std::string version;  ///< of the firmware, up to 8
  std::string model;    ///< up to 40
  DiskGeometry native;  ///< after power-on
  DiskGeometry current;
  std::uint64_t sectors = 0;
  unsigned multiple = 0;  ///< SET MULTIPLE MODE; 0 is none
  unsigned max_multiple = 0;
  std::uint8_t transfer_mode = 0;  ///< as SET FEATURES set it: 20h + MWDMA mode, 40h + UDMA mode, or PIO
  bool dma = false;                ///< the channel has a bus master
  bool write_cache = false;
  bool look_ahead = false;
  unsigned unit = 0;  ///< 0 or 1, for what the drive says of its jumper
};

/// Of a CD or DVD drive.
struct PacketIdentity {
  std::string serial, version, model;
  std::uint8_t transfer_mode = 0;
  bool dma = false;
  unsigned unit = 0;
};

using IdentifyData = std::array<std::uint8_t, 512>;
IdentifyData identify_data(const DiskIdentity& disk);
/// IDENTIFY PACKET DEVICE: 8.16.
IdentifyData identify_data(const PacketIdentity& drive);

inline constexpr std::uint8_t kMaxMwdma = 2;
inline constexpr std::uint8_t kMaxUdma = 5;

}  // namespace machina
