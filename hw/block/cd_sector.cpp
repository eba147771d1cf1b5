#include "hw/block/cd_sector.h"

#include <algorithm>

namespace machina {

namespace {

constexpr std::uint64_t kFramesPerSecond = 75, kSecondsPerMinute = 60, kPregap = 2 * kFramesPerSecond;
constexpr Msf kBeyond{0xff, 59, 74};

// Offsets in a mode 1 sector: ECMA-130, 14.2.
constexpr std::size_t kHeader = 12, kUserData = 16, kEdc = 2064, kEccP = 2076, kEccQ = 2248;

std::uint8_t bcd(unsigned value) { return static_cast<std::uint8_t>(value / 10 << 4 | value % 10); }

/// ECMA-130, 14.3: the polynomial (x^16 + x^15 + x^2 + 1)(x^16 + x^2 + x + 1), least significant bit first.
std::uint32_t edc(std::span<const std::uint8_t> bytes) {
  constexpr std::uint32_t kPolynomial = 0xd8018001;
  static constexpr auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (unsigned bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? kPolynomial : 0);
      table[i] = value;
    }
    return table;
  }();
  std::uint32_t crc = 0;
  for (const std::uint8_t byte : bytes) crc = crc >> 8 ^ kTable[(crc ^ byte) & 0xff];
  return crc;
}

/// Annex A: GF(2^8) over x^8 + x^4 + x^3 + x^2 + 1, primitive element 2.
constexpr std::uint8_t times_alpha(std::uint8_t v) { return static_cast<std::uint8_t>(v << 1 ^ (v & 0x80 ? 0x1d : 0)); }
/// 1 / (1 + alpha) times v, for all v.
constexpr auto kOverOnePlusAlpha = [] {
  std::array<std::uint8_t, 256> table{};
  for (unsigned v = 0; v < 256; ++v) {
    const auto byte = static_cast<std::uint8_t>(v);
    table[static_cast<std::uint8_t>(byte ^ times_alpha(byte))] = byte;
  }
  return table;
}();

/// Two parity bytes for each of `vectors` code words of `length` bytes. Byte n of word v is at `where(v, n)` of the
/// data that both codes protect; parity goes to `out` at v and v + vectors.
///
/// Both codes are Reed-Solomon codes whose check matrix has the rows 1 1 … 1 and alpha^(length+1) … alpha 1 (A.3, A.4):
/// with the sums S0 and S1 over the data bytes, the two parity bytes p, q solve p + q = S0 and alpha p + q = S1.
template <class Where>
void add_parity(std::span<std::uint8_t> protected_bytes, std::uint8_t* out, unsigned vectors, unsigned length,
                Where where) {
  for (unsigned v = 0; v < vectors; ++v) {
    std::uint8_t s0 = 0, s1 = 0;
    for (unsigned n = 0; n < length; ++n) {
      const std::uint8_t byte = protected_bytes[where(v, n)];
      s0 ^= byte;
      s1 = times_alpha(static_cast<std::uint8_t>(s1 ^ byte));
    }
    s1 = times_alpha(s1);
    const std::uint8_t first = kOverOnePlusAlpha[s0 ^ s1];
    out[v] = first;
    out[v + vectors] = static_cast<std::uint8_t>(s0 ^ first);
  }
}

}  // namespace

Msf msf_of(std::uint64_t lba) {
  const std::uint64_t frames = lba + kPregap;
  const std::uint64_t minute = frames / (kSecondsPerMinute * kFramesPerSecond);
  if (minute > 0xff) return kBeyond;
  return {static_cast<std::uint8_t>(minute), static_cast<std::uint8_t>(frames / kFramesPerSecond % kSecondsPerMinute),
          static_cast<std::uint8_t>(frames % kFramesPerSecond)};
}

std::int64_t lba_of(Msf at) {
  const std::uint64_t seconds = at.minute * kSecondsPerMinute + at.second;
  return static_cast<std::int64_t>(seconds * kFramesPerSecond + at.frame) - static_cast<std::int64_t>(kPregap);
}

std::array<std::uint8_t, kRawSectorSize> mode1_sector(std::uint64_t lba, std::span<const std::uint8_t> user_data) {
  std::array<std::uint8_t, kRawSectorSize> s{};
  std::fill_n(s.begin() + 1, kSyncSize - 2, std::uint8_t{0xff});
  // 14.2.2: the address in BCD; discs beyond 99:59:74 have no sectors of this form, and the number goes around.
  const Msf at = msf_of(lba);
  s[kHeader] = bcd(at.minute % 100U), s[kHeader + 1] = bcd(at.second), s[kHeader + 2] = bcd(at.frame);
  s[kHeader + 3] = 1;  // mode
  std::copy_n(user_data.begin(), kCdUserData, s.begin() + kUserData);
  const std::uint32_t code = edc(std::span(s).first(kEdc));
  for (unsigned i = 0; i < 4; ++i) s[kEdc + i] = static_cast<std::uint8_t>(code >> (8 * i));
  // A.3 and A.4: the codes work on two interleaved arrays of 16-bit words (26 x 43 for P with its parity, Q runs over
  // both in diagonals), which as bytes start with the header.
  const auto words = std::span(s).subspan(kHeader);
  add_parity(words, s.data() + kEccP, 86, 24, [](unsigned v, unsigned n) { return v + n * 86; });
  add_parity(words, s.data() + kEccQ, 52, 43,
             [](unsigned v, unsigned n) { return (v / 2 * 86 + v % 2 + n * 88) % (86 * 26); });
  return s;
}

}  // namespace machina
