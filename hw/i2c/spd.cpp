#include "hw/i2c/spd.h"

#include <algorithm>
#include <bit>
#include <string_view>

#include "core/units.h"

namespace machina::spd {

namespace {

/// Chips of a rank: addresses of rows and columns, and internal banks.
struct Geometry {
  std::uint8_t rows, columns, banks;
};

/// Ranks of one kind, from the smallest on, each twice the one before. A rank is 8 bytes wide.
struct Ranks {
  Kind kind;
  std::uint64_t smallest;
  std::array<Geometry, 8> geometry;
  unsigned most;  ///< ranks of a module

  std::uint64_t largest() const { return smallest << (geometry.size() - 1); }
};

constexpr Ranks kSdr{
    Kind::Sdr,
    4 * MiB,
    {{{10, 8, 2}, {11, 8, 2}, {11, 8, 4}, {12, 8, 4}, {12, 9, 4}, {12, 10, 4}, {13, 10, 4}, {13, 11, 4}}},
    1};
constexpr Ranks kDdr{
    Kind::Ddr,
    32 * MiB,
    {{{12, 8, 4}, {12, 9, 4}, {12, 10, 4}, {13, 10, 4}, {13, 11, 4}, {14, 11, 4}, {14, 12, 4}, {15, 12, 4}}},
    1};
constexpr Ranks kDdr2{
    Kind::Ddr2,
    128 * MiB,
    {{{13, 9, 4}, {13, 10, 4}, {14, 10, 4}, {14, 10, 8}, {15, 10, 8}, {15, 11, 8}, {15, 12, 8}, {15, 13, 8}}},
    8};

const Ranks& ranks_of(Kind kind) { return kind == Kind::Sdr ? kSdr : kind == Kind::Ddr ? kDdr : kDdr2; }

constexpr unsigned kUsed = 128, kLog2Size = 8, kDataWidth = 64;
constexpr std::size_t kRevision = 62, kChecksum = 63, kPartNumber = 73, kPartNumberLength = 18;

/// Bytes of which each kind has its own opinion, apart from the geometry: 8 to 30, 32 to 62. What is not named is 0.
struct Field {
  std::uint8_t offset, value;
};

constexpr Field kSdrFields[] = {
    {5, 1},      // ranks
    {8, 0x01},   // LVTTL
    {9, 0x75},   // cycle time at CL 3: 7.5 ns
    {10, 0x54},  // access: 5.4 ns
    {12, 0x82},  // refresh each 7.8 us, self-refresh
    {13, 8},     // width of a chip
    {15, 1},     // clocks between column addresses
    {16, 0x8f},  // bursts of 1, 2, 4, 8 and a page
    {18, 0x06},  // CAS latencies 2 and 3
    {19, 0x01},  // CS latency 0
    {20, 0x01},  // WE latency 0
    {22, 0x0e},  // write 1 / read burst, precharge all, auto-precharge
    {23, 0xa0},  // cycle time at CL 2: 10 ns
    {24, 0x60},  // access: 6 ns
    {27, 20},    // tRP, ns
    {28, 15},    // tRRD
    {29, 20},    // tRCD
    {30, 45},    // tRAS
    {32, 0x15},  // setup and hold of addresses and data: 1.5 ns and 0.8 ns
    {33, 0x08}, {34, 0x15}, {35, 0x08}, {kRevision, 0x12}, {126, 0x64},  // works at 100 MHz as well
};

constexpr Field kDdrFields[] = {
    {5, 1},
    {8, 0x04},   // SSTL 2.5 V
    {9, 0x50},   // cycle time at CL 3: 5 ns
    {10, 0x70},  // access: 0.7 ns
    {12, 0x82},
    {13, 8},
    {15, 1},
    {16, 0x0e},  // bursts of 2, 4 and 8
    {18, 0x1c},  // CAS latencies 2, 2.5 and 3
    {19, 0x01},
    {20, 0x02},  // WE latency 1
    {21, 0x20},  // differential clock
    {23, 0x60},  // cycle time at CL 2.5: 6 ns
    {24, 0x70},
    {25, 0x75},  // at CL 2: 7.5 ns
    {26, 0x75},
    {27, 15 * 4},  // tRP, quarters of ns
    {28, 10 * 4},  // tRRD
    {29, 15 * 4},  // tRCD
    {30, 40},      // tRAS, ns
    {32, 0x60},    // setup and hold: 0.6 ns, of data 0.4 ns
    {33, 0x60},
    {34, 0x40},
    {35, 0x40},
    {41, 55},    // tRC
    {42, 70},    // tRFC
    {43, 0x28},  // longest cycle: 10 ns
    {44, 0x28},  // tDQSQ: 0.4 ns
    {45, 0x50},  // tQHS: 0.5 ns
    {kRevision, 0x10},
};

constexpr Field kDdr2Fields[] = {
    {8, 0x05},                               // SSTL 1.8 V
    {9, 0x25},                               // cycle time at CL 6: 2.5 ns
    {10, 0x40},                              // access: 0.4 ns
    {12, 0x82},   {13, 8},      {16, 0x0c},  // bursts of 4 and 8
    {18, 0x70},                              // CAS latencies 4, 5 and 6
    {19, 0x01},                              // thickness up to 4.1 mm
    {20, 0x02},                              // unbuffered DIMM
    {22, 0x03},                              // weak driver, 50 ohm termination
    {23, 0x30},                              // at CL 5: 3 ns
    {24, 0x45},   {25, 0x3d},                // at CL 4: 3.75 ns
    {26, 0x50},   {27, 15 * 4}, {28, 30},    // tRRD: 7.5 ns
    {29, 15 * 4}, {30, 45},     {32, 0x17},        {33, 0x25}, {34, 0x05}, {35, 0x12}, {36, 15 * 4},  // tWR
    {37, 30},                                                                                         // tWTR
    {38, 30},                                                                                         // tRTP
    {41, 60},     {42, 127},    {43, 0x80},  // longest cycle: 8 ns
    {44, 0x14},   {45, 0x1e},   {kRevision, 0x13},
};

/// Byte 31, a bit for the size of a rank: 4 MiB << n of an SDR module; later kinds reuse the low bits for what is
/// larger than 512 MiB.
std::uint8_t density(Kind kind, std::uint64_t rank) {
  const auto n = static_cast<unsigned>(std::countr_zero(rank / (4 * MiB)));
  return static_cast<std::uint8_t>(1U << (kind == Kind::Sdr ? n : n % 8));
}

template <std::size_t N>
void apply(std::array<std::uint8_t, 256>& bytes, const Field (&fields)[N]) {
  for (const Field& f : fields) bytes[f.offset] = f.value;
}

}  // namespace

std::vector<Module> modules_of(std::uint64_t ram) {
  const std::uint64_t largest = std::bit_floor(ram);
  const Ranks& ranks = largest <= kSdr.largest() ? kSdr : largest <= kDdr.largest() ? kDdr : kDdr2;
  std::vector<Module> modules;
  while (modules.size() < kSlots && ram >= ranks.smallest) {
    const std::uint64_t size = std::min(std::bit_floor(ram), ranks.largest() * ranks.most);
    modules.push_back({ranks.kind, size});
    ram -= size;
  }
  return modules;
}

std::array<std::uint8_t, 256> content(const Module& module) {
  const Ranks& ranks = ranks_of(module.kind);
  const std::uint64_t rank = std::min(module.bytes, ranks.largest());
  const auto count = static_cast<unsigned>(module.bytes / rank);
  const Geometry& g = ranks.geometry.at(static_cast<std::size_t>(std::countr_zero(rank / ranks.smallest)));

  std::array<std::uint8_t, 256> bytes{};
  bytes[0] = kUsed;
  bytes[1] = kLog2Size;
  bytes[2] = static_cast<std::uint8_t>(module.kind);
  bytes[3] = g.rows;
  bytes[4] = g.columns;
  bytes[6] = kDataWidth;
  bytes[17] = g.banks;
  bytes[31] = density(module.kind, rank);
  switch (module.kind) {
    case Kind::Sdr:
      apply(bytes, kSdrFields);
      break;
    case Kind::Ddr:
      apply(bytes, kDdrFields);
      break;
    case Kind::Ddr2: {
      apply(bytes, kDdr2Fields);
      constexpr unsigned kHeight30mm = 3U << 5;
      bytes[5] = static_cast<std::uint8_t>(kHeight30mm | (count - 1));
      break;
    }
  }
  constexpr std::string_view kPart = "MACHINA";
  for (std::size_t i = 0; i < kPartNumberLength; ++i)
    bytes[kPartNumber + i] = static_cast<std::uint8_t>(i < kPart.size() ? kPart[i] : ' ');
  unsigned sum = 0;
  for (std::size_t i = 0; i < kChecksum; ++i) sum += bytes[i];
  bytes[kChecksum] = static_cast<std::uint8_t>(sum);
  return bytes;
}

}  // namespace machina::spd
