#pragma once
/// A 93C46: 64 words of EEPROM on three wires, the Microwire bus, where network cards keep their address. National
/// Semiconductor's datasheet NM93C46, timing diagram of READ. Not modelled: writing (commands other than READ do
/// nothing), the organisation in bytes.

#include <array>
#include <cstdint>

namespace machina {

class Eeprom93c46 {
 public:
  static constexpr unsigned kWords = 64;
  using Image = std::array<std::uint16_t, kWords>;

  void burn(const Image& image) { words_ = image; }
  std::uint16_t word(unsigned n) const { return n < kWords ? words_[n] : 0xffff; }

  /// The wires, as software drives them.
  void drive(bool select, bool clock, bool data);
  bool out() const { return state_.out; }
  void reset() { state_ = State(); }

 private:
  Image words_{};
  struct State {
    bool select = false, clock = false;
    bool out = true;            ///< ready; the wire is pulled up
    bool started = false;       ///< the start bit has come
    std::uint16_t command = 0;  ///< operation and address, as far as they have come
    unsigned bits = 0;          ///< of it
    unsigned position = 0;      ///< bit that is read next, from the first of word 0 on
    bool reading = false;
  } state_;
};

}  // namespace machina
