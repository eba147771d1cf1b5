#include "hw/pci/config_layout.h"

#include <cassert>

namespace machina {

std::uint32_t config_get(const ConfigLayout::Bytes& bytes, unsigned offset, Width width) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < width; ++i) value |= std::uint32_t{bytes[offset + i]} << (8 * i);
  return value;
}

void config_put(ConfigLayout::Bytes& bytes, unsigned offset, Width width, std::uint32_t value) {
  for (unsigned i = 0; i < width; ++i) bytes[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

void ConfigLayout::define(unsigned offset, Width width, std::uint32_t reset, std::uint32_t writable,
                          std::uint32_t write_one_to_clear) {
  assert(offset + width <= kSize);
  config_put(reset_, offset, width, reset);
  config_put(writable_, offset, width, writable);
  config_put(w1c_, offset, width, write_one_to_clear);
  config_put(check_, offset, width, ~(writable | write_one_to_clear));
  assert((writable & write_one_to_clear) == 0);
}

void ConfigLayout::volatile_bits(unsigned offset, Width width, std::uint32_t mask) {
  config_put(check_, offset, width, config_get(check_, offset, width) & ~mask);
}

void ConfigLayout::write(Bytes& bytes, unsigned offset, Width width, std::uint32_t value) const {
  for (unsigned i = offset; i < offset + width; ++i, value >>= 8) {
    const auto byte = static_cast<std::uint8_t>(value);
    bytes[i] = static_cast<std::uint8_t>(((bytes[i] & ~writable_[i]) | (byte & writable_[i])) & ~(byte & w1c_[i]));
  }
}

bool ConfigLayout::disjoint() const {
  for (unsigned i = 0; i < kSize; ++i)
    if ((writable_[i] & w1c_[i]) || (check_[i] & (writable_[i] | w1c_[i]))) return false;
  return true;
}

}  // namespace machina
