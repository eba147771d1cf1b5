#include "accel/jit/x87_environment.h"

#include <algorithm>
#include <cstring>

#include "accel/jit/host_float.h"

namespace machina::jit {

namespace {

constexpr std::uint16_t kTagValid = 0, kTagZero = 1, kTagSpecial = 2, kTagEmpty = 3;
constexpr unsigned kTopShift = 11;

unsigned top_of(const FxImage& image) { return image.status >> kTopShift & 7; }

/// Zero, special (not a number, infinity, denormal, unsupported), or an ordinary number.
std::uint16_t classify(const std::array<std::uint8_t, 16>& st) {
  std::uint64_t significand;
  std::uint16_t exponent;
  std::memcpy(&significand, st.data(), 8);
  std::memcpy(&exponent, st.data() + 8, 2);
  exponent &= 0x7fff;
  if (exponent == 0 && significand == 0) return kTagZero;
  if (exponent == 0 || exponent == 0x7fff || !(significand >> 63)) return kTagSpecial;
  return kTagValid;
}

/// Fields of an image one after the other, of 16 bits or 32 whose upper half is all ones where nothing is said of it.
class Fields {
 public:
  Fields(std::uint8_t* at, bool wide) : at_(at), wide_(wide) {}
  void put(std::uint32_t value) {
    std::memcpy(at_, &value, wide_ ? 4 : 2);
    at_ += wide_ ? 4 : 2;
  }
  void put_half(std::uint16_t value) { put(0xffff0000U | value); }

 private:
  std::uint8_t* at_;
  bool wide_;
};

std::uint32_t field(const std::uint8_t* from, bool wide, unsigned index) {
  std::uint32_t value = 0;
  std::memcpy(&value, from + index * (wide ? 4 : 2), wide ? 4 : 2);
  return value;
}

}  // namespace

std::uint16_t x87_control_word(std::uint16_t value) {
  constexpr std::uint16_t kZeros = 0xe080, kOnes = 0x40;
  return static_cast<std::uint16_t>((value & ~kZeros) | kOnes);
}

std::uint16_t x87_tag_word(const Cpu& cpu) {
  const FxImage& image = cpu.x87.image;
  unsigned tags = 0;
  for (unsigned r = 0; r < 8; ++r) {
    const bool valid = image.valid >> r & 1;
    tags |= static_cast<unsigned>(valid ? classify(image.st[(r - top_of(image)) & 7]) : kTagEmpty) << (2 * r);
  }
  return static_cast<std::uint16_t>(tags);
}

void put_x87_environment(const Cpu& cpu, X87EnvironmentFormat format, std::uint8_t* to) {
  const FloatState& x87 = cpu.x87;
  Fields fields(to, format.wide);
  fields.put_half(x87.image.control);
  fields.put_half(x87.image.status);
  fields.put_half(x87_tag_word(cpu));
  const auto ip = static_cast<std::uint32_t>(x87.last_ip), dp = static_cast<std::uint32_t>(x87.last_dp);
  if (format.protected_mode) {
    fields.put(ip);
    fields.put(x87.last_cs | static_cast<std::uint32_t>(x87.opcode) << 16);
    fields.put(dp);
    fields.put_half(x87.last_ds);
    return;
  }
  const std::uint32_t code = ip + (static_cast<std::uint32_t>(x87.last_cs) << 4);
  const std::uint32_t data = dp + (static_cast<std::uint32_t>(x87.last_ds) << 4);
  const std::uint32_t high = format.wide ? 0xffff : 0xf;
  fields.put_half(static_cast<std::uint16_t>(code));
  fields.put((code >> 16 & high) << 12 | x87.opcode);
  fields.put_half(static_cast<std::uint16_t>(data));
  fields.put((data >> 16 & high) << 12);
}

void take_x87_environment(Cpu& cpu, X87EnvironmentFormat format, const std::uint8_t* from) {
  FloatState& x87 = cpu.x87;
  FxImage& image = x87.image;
  // Registers stay where they are when TOP moves: the image has them by ST.
  const unsigned before = top_of(image);
  image.control = x87_control_word(static_cast<std::uint16_t>(field(from, format.wide, 0)));
  image.status = static_cast<std::uint16_t>(field(from, format.wide, 1));
  std::rotate(image.st.begin(), image.st.begin() + ((top_of(image) - before) & 7), image.st.end());
  const std::uint32_t tags = field(from, format.wide, 2);
  unsigned valid = 0;
  for (unsigned r = 0; r < 8; ++r)
    if ((tags >> (2 * r) & 3) != kTagEmpty) valid |= 1U << r;
  image.valid = static_cast<std::uint8_t>(valid);
  const std::uint32_t ip = field(from, format.wide, 3), ip_high = field(from, format.wide, 4);
  const std::uint32_t dp = field(from, format.wide, 5), dp_high = field(from, format.wide, 6);
  if (format.protected_mode) {
    x87.last_ip = ip;
    x87.last_cs = static_cast<std::uint16_t>(ip_high);
    if (format.wide) x87.opcode = ip_high >> 16 & 0x7ff;
    x87.last_dp = dp;
    x87.last_ds = static_cast<std::uint16_t>(dp_high);
  } else {
    x87.last_ip = (ip & 0xffff) | (ip_high >> 12 & 0xffff) << 16;
    x87.last_dp = (dp & 0xffff) | (dp_high >> 12 & 0xffff) << 16;
    x87.last_cs = x87.last_ds = 0;
    x87.opcode = ip_high & 0x7ff;
  }
  update_error_summary(cpu);
}

void initialize_x87(Cpu& cpu) {
  FloatState& x87 = cpu.x87;
  const unsigned before = top_of(x87.image);
  std::rotate(x87.image.st.begin(), x87.image.st.begin() + ((0 - before) & 7), x87.image.st.end());
  x87.image.control = 0x37f;
  x87.image.status = 0;
  x87.image.valid = 0;
  x87.opcode = x87.last_cs = x87.last_ds = 0;
  x87.last_ip = x87.last_dp = 0;
}

}  // namespace machina::jit
