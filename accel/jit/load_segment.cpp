#include "accel/jit/load_segment.h"

namespace machina::jit {

namespace {

constexpr std::uint16_t kRealData = 0x93, kRealCode = 0x9b, kVirtual = 0xf3, kSizeBits = 0xf000;

}  // namespace

Segment null_segment(std::uint16_t selector, unsigned dpl) {
  return {.selector = selector, .rights = static_cast<std::uint16_t>(dpl << 5), .limit = 0, .base = 0};
}

Segment real_segment(const Segment& before, std::uint16_t selector) {
  Segment s{.selector = selector, .rights = kRealData, .limit = 0xffff, .base = std::uint64_t{selector} << 4};
  // A null selector of protected mode left nothing that is worth keeping.
  if (before.present()) {
    s.limit = before.limit;
    s.rights = static_cast<std::uint16_t>((before.rights & kSizeBits) | (before.code() ? kRealCode : kRealData));
  }
  return s;
}

Segment virtual_segment(std::uint16_t selector) {
  return {.selector = selector, .rights = kVirtual, .limit = 0xffff, .base = std::uint64_t{selector} << 4};
}

Segment stack_segment(Cpu& cpu, std::uint16_t selector, unsigned cpl, Vector vector, bool null_allowed) {
  if (is_null(selector)) {
    if (!null_allowed || (selector & 3U) != cpl) raise(vector, 0);
    return null_segment(selector, cpl);
  }
  const std::uint32_t error = selector_error(selector);
  Descriptor d;
  if (!read_descriptor(cpu, selector, d)) raise(vector, error);
  if ((selector & 3U) != cpl || !d.writable_data() || d.dpl() != cpl) raise(vector, error);
  if (!d.present()) raise(Vector::StackSegment, error);
  mark_accessed(cpu, d);
  return d.segment(selector);
}

Segment data_segment(Cpu& cpu, std::uint16_t selector, Vector vector) {
  if (is_null(selector)) return null_segment(selector);
  const std::uint32_t error = selector_error(selector);
  Descriptor d;
  if (!read_descriptor(cpu, selector, d)) raise(vector, error);
  if (!d.readable()) raise(vector, error);
  if (!d.conforming() && ((selector & 3U) > d.dpl() || cpu.cpl > d.dpl())) raise(vector, error);
  if (!d.present()) raise(Vector::SegmentNotPresent, error);
  mark_accessed(cpu, d);
  return d.segment(selector);
}

void load_segment(Cpu& cpu, unsigned index, std::uint16_t selector) {
  if (cpu.virtual_8086()) return cpu.set_segment(index, virtual_segment(selector));
  if (!cpu.protected_mode()) return cpu.set_segment(index, real_segment(cpu.segment[index], selector));
  if (index == kSs) {
    const bool null_allowed = cpu.long_code() && cpu.cpl != 3;
    return cpu.set_segment(kSs, stack_segment(cpu, selector, cpu.cpl, Vector::GeneralProtection, null_allowed));
  }
  cpu.set_segment(index, data_segment(cpu, selector));
}

void drop_inner_segments(Cpu& cpu, unsigned cpl) {
  for (const unsigned i : {kEs, kDs, kFs, kGs}) {
    Segment s = cpu.segment[i];
    const bool conforming = s.code() && s.conforming_or_down();
    if (!is_null(s.selector) && (conforming || s.dpl() >= cpl)) continue;
    // The base stays: that of FS and GS is their user's in 64-bit code, where selectors are null.
    s.selector = 0;
    s.rights = static_cast<std::uint16_t>(s.rights & ~0x80U);
    cpu.set_segment(i, s);
  }
}

void set_code_segment(Cpu& cpu, Segment code, unsigned cpl) {
  code.selector = static_cast<std::uint16_t>((code.selector & ~3U) | cpl);
  cpu.set_segment(kCs, code);
  cpu.cpl = static_cast<std::uint8_t>(cpl);
}

}  // namespace machina::jit
