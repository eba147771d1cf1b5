#include "hw/net/eeprom_93c46.h"

namespace machina {
namespace {

constexpr unsigned kOpBits = 2, kAddressBits = 6;
constexpr unsigned kRead = 2;

}  // namespace

void Eeprom93c46::drive(bool select, bool clock, bool data) {
  State& s = state_;
  const bool rising = clock && !s.clock;
  s.clock = clock;
  if (!select || !s.select) {
    // Deselected, a command is forgotten; the clock's edge counts from the next one on.
    s.started = s.reading = false;
    s.command = 0, s.bits = 0;
    s.out = true;
    s.select = select;
    return;
  }
  if (!rising) return;
  if (s.reading) {
    // Words follow each other for as long as it is clocked.
    const unsigned word = s.position / 16 % kWords;
    s.out = words_[word] >> (15 - s.position % 16) & 1;
    s.position = (s.position + 1) % (kWords * 16);
    return;
  }
  if (!s.started) {
    s.started = data;
    return;
  }
  if (s.bits == kOpBits + kAddressBits) return;
  s.command = static_cast<std::uint16_t>(s.command << 1 | (data ? 1 : 0));
  if (++s.bits < kOpBits + kAddressBits) return;
  if (s.command >> kAddressBits != kRead) return;
  s.reading = true;
  s.position = (s.command & (kWords - 1)) * 16U;
  s.out = false;  // the dummy bit before the first
}

}  // namespace machina
