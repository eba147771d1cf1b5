#pragma once
/// What each byte of a function's configuration space is: its value after reset, which bits a guest may write, which a
/// one clears, and which must be equal in the snapshot of another instance. No bit is both writable and write-one-to-
/// clear; a bit that is neither is read-only.

#include <array>
#include <cstdint>

#include "core/memory/io_result.h"

namespace machina {

class ConfigLayout {
 public:
  static constexpr unsigned kSize = 256;
  using Bytes = std::array<std::uint8_t, kSize>;

  /// A register of 1, 2 or 4 bytes at `offset`; replaces what was said of these bytes before.
  void define(unsigned offset, Width width, std::uint32_t reset, std::uint32_t writable = 0,
              std::uint32_t write_one_to_clear = 0);

  /// What a guest's write makes of `bytes`. `offset + width` must be within the space.
  void write(Bytes& bytes, unsigned offset, Width width, std::uint32_t value) const;

  const Bytes& reset_value() const { return reset_; }
  const Bytes& writable() const { return writable_; }
  const Bytes& write_one_to_clear() const { return w1c_; }
  /// Identity and capabilities: bits that are neither writable nor changed by the device.
  const Bytes& check() const { return check_; }
  /// The device itself changes these bits (status, pending bits): they are not compared.
  void volatile_bits(unsigned offset, Width width, std::uint32_t mask);

  /// No bit of writable() is one of write_one_to_clear(), and check() has none of either.
  bool disjoint() const;

 private:
  Bytes reset_{}, writable_{}, w1c_{}, check_{};
};

/// Little-endian fields of configuration space.
std::uint32_t config_get(const ConfigLayout::Bytes& bytes, unsigned offset, Width width);
void config_put(ConfigLayout::Bytes& bytes, unsigned offset, Width width, std::uint32_t value);

}  // namespace machina
