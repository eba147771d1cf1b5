#include "machines/gdb/float_registers.h"

#include <algorithm>
#include <cstring>

namespace machina::gdb_float {
namespace {

// The legacy region, SDM vol. 1, table 10-2, and what follows it, 13.4.2 and 13.4.3.
constexpr std::size_t kFcw = 0, kFsw = 2, kFtw = 4, kFopAt = 6, kFip = 8, kFcs = 12, kFdp = 16, kFds = 20, kMxcsr = 24;
constexpr std::size_t kSt = 32, kXmm = 160, kLegacy = 512, kXstateBv = 512, kHeaderEnd = 576;
/// Where every CPU with AVX has them: CPUID leaf 0Dh, sub-leaf 2, of the standard form.
constexpr std::size_t kYmmHigh = 576, kYmmEnd = kYmmHigh + 16 * 16;
constexpr std::uint64_t kX87 = 1, kSse = 2, kAvx = 4;
constexpr std::uint16_t kInitialFcw = 0x37f;
constexpr std::uint32_t kInitialMxcsr = 0x1f80;

template <class T>
T at(const X86State& s, std::size_t offset) {
  T value{};
  if (offset + sizeof value <= s.xsave.size()) std::memcpy(&value, s.xsave.data() + offset, sizeof value);
  return value;
}

template <class T>
void put(X86State& s, std::size_t offset, T value) {
  std::memcpy(s.xsave.data() + offset, &value, sizeof value);
}

/// An image that is the legacy region alone has no header: all that is there is in use.
bool in_use(const X86State& s, std::uint64_t component) {
  return s.xsave.size() < kHeaderEnd || at<std::uint64_t>(s, kXstateBv) & component;
}

/// Before one of its registers is changed the component is there as a whole.
void use(X86State& s, std::uint64_t component) {
  if (in_use(s, component)) return;
  const auto clear = [&](std::size_t from, std::size_t to) {
    std::fill(s.xsave.begin() + static_cast<std::ptrdiff_t>(from), s.xsave.begin() + static_cast<std::ptrdiff_t>(to),
              std::uint8_t{0});
  };
  if (component == kX87) {
    clear(kFcw, kMxcsr);
    put(s, kFcw, kInitialFcw);
    clear(kSt, kXmm);
  } else if (component == kSse) {
    clear(kXmm, kXmm + 16 * 16);
  } else {
    clear(kYmmHigh, kYmmEnd);
  }
  put(s, kXstateBv, at<std::uint64_t>(s, kXstateBv) | component);
}

void read_piece(const X86State& s, std::uint64_t component, std::size_t offset, std::span<std::uint8_t> to) {
  std::fill(to.begin(), to.end(), std::uint8_t{0});
  if (offset + to.size() <= s.xsave.size() && in_use(s, component))
    std::memcpy(to.data(), s.xsave.data() + offset, to.size());
}

bool write_piece(X86State& s, std::uint64_t component, std::size_t offset, std::span<const std::uint8_t> from) {
  if (offset + from.size() > s.xsave.size()) return false;
  use(s, component);
  std::memcpy(s.xsave.data() + offset, from.data(), from.size());
  return true;
}

/// Two bits a register, where the image has one: SDM vol. 1, 8.1.7 and table 10-3.
std::uint16_t full_tags(const X86State& s) {
  const unsigned top = at<std::uint16_t>(s, kFsw) >> 11 & 7;
  std::uint16_t tags = 0;
  for (unsigned i = 0; i < 8; ++i) {
    constexpr unsigned kValid = 0, kZero = 1, kSpecial = 2, kEmpty = 3;
    unsigned tag = kEmpty;
    if (at<std::uint8_t>(s, kFtw) >> i & 1) {
      const std::size_t place = kSt + std::size_t{16} * ((i - top) & 7);  // by position on the stack
      const auto significand = at<std::uint64_t>(s, place);
      const unsigned exponent = at<std::uint16_t>(s, place + 8) & 0x7fff;
      if (exponent == 0 && significand == 0) {
        tag = kZero;
      } else {
        tag = exponent == 0 || exponent == 0x7fff || !(significand >> 63) ? kSpecial : kValid;
      }
    }
    tags = static_cast<std::uint16_t>(tags | tag << 2 * i);
  }
  return tags;
}

}  // namespace

void read_st(const X86State& s, unsigned n, std::span<std::uint8_t> to) {
  read_piece(s, kX87, kSt + std::size_t{16} * n, to);
}

bool write_st(X86State& s, unsigned n, std::span<const std::uint8_t> from) {
  return write_piece(s, kX87, kSt + std::size_t{16} * n, from);
}

std::uint32_t read_control(const X86State& s, Control which) {
  if (s.xsave.size() < kLegacy || !in_use(s, kX87)) return which == kFctrl ? kInitialFcw : which == kFtag ? 0xffff : 0;
  switch (which) {
    case kFctrl:
      return at<std::uint16_t>(s, kFcw);
    case kFstat:
      return at<std::uint16_t>(s, kFsw);
    case kFtag:
      return full_tags(s);
    case kFiseg:
      return at<std::uint16_t>(s, kFcs);
    case kFioff:
      return at<std::uint32_t>(s, kFip);
    case kFoseg:
      return at<std::uint16_t>(s, kFds);
    case kFooff:
      return at<std::uint32_t>(s, kFdp);
    case kFop:
      return at<std::uint16_t>(s, kFopAt) & 0x7ff;
  }
  return 0;
}

bool write_control(X86State& s, Control which, std::uint32_t value) {
  if (s.xsave.size() < kLegacy) return false;
  use(s, kX87);
  const auto half = static_cast<std::uint16_t>(value);
  switch (which) {
    case kFctrl:
      put(s, kFcw, half);
      break;
    case kFstat:
      put(s, kFsw, half);
      break;
    case kFtag: {
      std::uint8_t there = 0;
      for (unsigned i = 0; i < 8; ++i)
        if ((value >> 2 * i & 3) != 3) there = static_cast<std::uint8_t>(there | 1U << i);
      put(s, kFtw, there);
      break;
    }
    case kFiseg:
      put(s, kFcs, half);
      break;
    case kFioff:
      put(s, kFip, value);
      break;
    case kFoseg:
      put(s, kFds, half);
      break;
    case kFooff:
      put(s, kFdp, value);
      break;
    case kFop:
      put(s, kFopAt, static_cast<std::uint16_t>(half & 0x7ff));
      break;
  }
  return true;
}

void read_xmm(const X86State& s, unsigned n, std::span<std::uint8_t> to) {
  read_piece(s, kSse, kXmm + std::size_t{16} * n, to);
}

bool write_xmm(X86State& s, unsigned n, std::span<const std::uint8_t> from) {
  return write_piece(s, kSse, kXmm + std::size_t{16} * n, from);
}

void read_ymmh(const X86State& s, unsigned n, std::span<std::uint8_t> to) {
  read_piece(s, kAvx, kYmmHigh + std::size_t{16} * n, to);
}

bool write_ymmh(X86State& s, unsigned n, std::span<const std::uint8_t> from) {
  return write_piece(s, kAvx, kYmmHigh + std::size_t{16} * n, from);
}

// XRSTOR of the standard form loads it from here whatever XSTATE_BV says: SDM vol. 1, 13.8.1.
std::uint32_t read_mxcsr(const X86State& s) {
  return s.xsave.size() < kLegacy ? kInitialMxcsr : at<std::uint32_t>(s, kMxcsr);
}

bool write_mxcsr(X86State& s, std::uint32_t value) {
  constexpr std::uint32_t kDefined = 0xffff;  // a bit beyond makes loading it fault
  if (s.xsave.size() < kLegacy || value & ~kDefined) return false;
  put(s, kMxcsr, value);
  return true;
}

}  // namespace machina::gdb_float
