#include "machines/gdb/registers.h"

#include <fmt/format.h>

#include <cstring>

#include "machines/gdb/float_registers.h"

namespace machina {
namespace {

using Feature = GdbRegister::Feature;
using Get = std::function<std::uint64_t(const X86State&)>;
using Set = std::function<bool(X86State&, std::uint64_t, const GuestMemory&)>;

constexpr std::uint64_t kLow = 0xffffffff;

/// One of up to 64 bits.
GdbRegister number(std::string name, unsigned bits, std::string type, Feature feature, Get get, Set set) {
  GdbRegister r{std::move(name), bits, std::move(type), feature, {}, {}};
  r.read = [get = std::move(get)](const X86State& s, std::span<std::uint8_t> to) {
    const std::uint64_t value = get(s);
    std::memcpy(to.data(), &value, to.size());  // little endian on both sides
  };
  r.write = [set = std::move(set)](X86State& s, std::span<const std::uint8_t> from, const GuestMemory& memory) {
    std::uint64_t value = 0;
    std::memcpy(&value, from.data(), from.size());
    return set(s, value, memory);
  };
  return r;
}

template <class Member>
GdbRegister field(std::string name, unsigned bits, std::string type, Member X86State::*member) {
  return number(
      std::move(name), bits, std::move(type), Feature::System, [member](const X86State& s) { return s.*member; },
      [member](X86State& s, std::uint64_t v, const GuestMemory&) {
        s.*member = static_cast<Member>(v);
        return true;
      });
}

/// Of 16 bytes or 10.
using ReadBytes = void (*)(const X86State&, unsigned, std::span<std::uint8_t>);
using WriteBytes = bool (*)(X86State&, unsigned, std::span<const std::uint8_t>);
GdbRegister bytes(std::string name, unsigned size, std::string type, Feature feature, unsigned n, ReadBytes read,
                  WriteBytes write) {
  GdbRegister r{std::move(name), size * 8, std::move(type), feature, {}, {}};
  r.read = [n, read](const X86State& s, std::span<std::uint8_t> to) { read(s, n, to); };
  r.write = [n, write](X86State& s, std::span<const std::uint8_t> from, const GuestMemory&) {
    return write(s, n, from);
  };
  return r;
}

/// Its number in gdb is the order of these.
constexpr std::pair<const char*, Gpr> kWideNames[] = {{"rax", kRax}, {"rbx", kRbx}, {"rcx", kRcx}, {"rdx", kRdx},
                                                      {"rsi", kRsi}, {"rdi", kRdi}, {"rbp", kRbp}, {"rsp", kRsp},
                                                      {"r8", kR8},   {"r9", kR9},   {"r10", kR10}, {"r11", kR11},
                                                      {"r12", kR12}, {"r13", kR13}, {"r14", kR14}, {"r15", kR15}};
constexpr std::pair<const char*, Gpr> kNarrowNames[] = {{"eax", kRax}, {"ecx", kRcx}, {"edx", kRdx}, {"ebx", kRbx},
                                                        {"esp", kRsp}, {"ebp", kRbp}, {"esi", kRsi}, {"edi", kRdi}};
constexpr std::pair<const char*, SegmentIndex> kSegmentNames[] = {{"cs", kCs}, {"ss", kSs}, {"ds", kDs},
                                                                  {"es", kEs}, {"fs", kFs}, {"gs", kGs}};

constexpr std::uint64_t kRflagsDefined = 0x3f7fd5;  // SDM vol. 1, 3.4.3
constexpr std::uint64_t kRflagsOne = 2;

}  // namespace

std::uint64_t gdb_pc(const X86State& s) {
  if (is_64_bit_code(s)) return s.rip;  // CS has no base there: SDM vol. 1, 3.2.4
  return (s.segment[kCs].base + s.rip) & kLow;
}

void set_gdb_pc(X86State& s, std::uint64_t linear) {
  if (linear == gdb_pc(s)) return;
  s.rip = is_64_bit_code(s) ? linear : (linear - s.segment[kCs].base) & kLow;
  // Somebody who sets it wants the CPU to go on there, and one that has halted would not.
  if (s.mp_state == MpState::Halted) s.mp_state = MpState::Runnable;
}

GdbRegisters::GdbRegisters(GdbView view, bool avx) : view_(view), avx_(avx) {
  add_general();
  add_float();
  add_system();
}

void GdbRegisters::add_general() {
  // Pointers have the size of gdb's architecture, so they cannot be told of where that may change.
  const bool open = view_ == GdbView::Open;
  if (view_ != GdbView::Narrow) {
    for (const auto& [name, index] : kWideNames) {
      const bool stack = index == kRsp || index == kRbp;
      all_.push_back(number(
          name, 64, stack && !open ? "data_ptr" : "int64", Feature::Core,
          [i = index](const X86State& s) { return s.gpr[i]; },
          [i = index](X86State& s, std::uint64_t v, const GuestMemory&) {
            s.gpr[i] = v;
            return true;
          }));
    }
    all_.push_back(number("rip", 64, open ? "int64" : "code_ptr", Feature::Core, gdb_pc,
                          [](X86State& s, std::uint64_t v, const GuestMemory&) {
                            set_gdb_pc(s, v);
                            return true;
                          }));
  }
  if (view_ != GdbView::Wide) {
    for (const auto& [name, index] : kNarrowNames) {
      const bool stack = index == kRsp || index == kRbp;
      all_.push_back(number(
          name, 32, stack && !open ? "data_ptr" : "int32", Feature::Core,
          [i = index](const X86State& s) { return s.gpr[i] & kLow; },
          [i = index](X86State& s, std::uint64_t v, const GuestMemory&) {
            s.gpr[i] = (s.gpr[i] & ~kLow) | v;
            return true;
          }));
    }
    all_.push_back(number(
        "eip", 32, open ? "int32" : "code_ptr", Feature::Core, [](const X86State& s) { return gdb_pc(s) & kLow; },
        [](X86State& s, std::uint64_t v, const GuestMemory&) {
          if (v != (gdb_pc(s) & kLow)) set_gdb_pc(s, v);
          return true;
        }));
  }
  all_.push_back(number(
      "eflags", 32, "i386_eflags", Feature::Core, [](const X86State& s) { return s.rflags & kLow; },
      [](X86State& s, std::uint64_t v, const GuestMemory&) {
        s.rflags = (v & kRflagsDefined) | kRflagsOne;
        return true;
      }));
  for (const auto& [name, index] : kSegmentNames) {
    all_.push_back(number(
        name, 32, "int32", Feature::Core, [i = index](const X86State& s) { return s.segment[i].selector; },
        [i = index](X86State& s, std::uint64_t v, const GuestMemory& memory) {
          if (v > 0xffff) return false;
          // gdb writes back what it has read: then nothing of the hidden part is to change.
          return v == s.segment[i].selector || load_segment(s, s.segment[i], static_cast<std::uint16_t>(v), memory);
        }));
  }
}

void GdbRegisters::add_float() {
  using namespace gdb_float;
  for (unsigned i = 0; i < 8; ++i)
    all_.push_back(bytes(fmt::format("st{}", i), kStBytes, "i387_ext", Feature::Core, i, read_st, write_st));
  static constexpr const char* kNames[] = {"fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"};
  for (unsigned i = 0; i < 8; ++i) {
    const auto which = static_cast<Control>(i);
    all_.push_back(number(
        kNames[i], 32, "int", Feature::Core, [which](const X86State& s) { return read_control(s, which); },
        [which](X86State& s, std::uint64_t v, const GuestMemory&) {
          return write_control(s, which, static_cast<std::uint32_t>(v));
        }));
  }
  const unsigned vectors = view_ == GdbView::Narrow ? 8 : 16;
  for (unsigned i = 0; i < vectors; ++i)
    all_.push_back(bytes(fmt::format("xmm{}", i), kVectorBytes, "vec128", Feature::Sse, i, read_xmm, write_xmm));
  all_.push_back(number(
      "mxcsr", 32, "i386_mxcsr", Feature::Sse, [](const X86State& s) { return read_mxcsr(s); },
      [](X86State& s, std::uint64_t v, const GuestMemory&) { return write_mxcsr(s, static_cast<std::uint32_t>(v)); }));
  if (!avx_) return;
  for (unsigned i = 0; i < vectors; ++i)
    all_.push_back(bytes(fmt::format("ymm{}h", i), kVectorBytes, "uint128", Feature::Avx, i, read_ymmh, write_ymmh));
}

void GdbRegisters::add_system() {
  for (const auto& [name, index] : kSegmentNames) {
    // fs_base and gs_base are where a 64-bit guest has its per-CPU and per-thread data.
    all_.push_back(number(
        fmt::format("{}_base", name), 64, "int64", Feature::System,
        [i = index](const X86State& s) { return s.segment[i].base; },
        [i = index](X86State& s, std::uint64_t v, const GuestMemory&) {
          s.segment[i].base = v;
          return true;
        }));
  }
  constexpr std::uint32_t kKernelGsBase = 0xc0000102;
  all_.push_back(number(
      "k_gs_base", 64, "int64", Feature::System, [](const X86State& s) { return s.msr(kKernelGsBase); },
      [](X86State& s, std::uint64_t v, const GuestMemory&) {
        s.set_msr(kKernelGsBase, v);
        return true;
      }));
  // The offset in CS, which is what the CPU's manual calls IP.
  all_.push_back(number(
      "ip", 64, "int64", Feature::System, [](const X86State& s) { return s.rip; },
      [](X86State& s, std::uint64_t v, const GuestMemory&) {
        s.rip = v;
        return true;
      }));
  all_.push_back(field("cr0", 64, "i386_cr0", &X86State::cr0));
  all_.push_back(field("cr2", 64, "int64", &X86State::cr2));
  all_.push_back(field("cr3", 64, "i386_cr3", &X86State::cr3));
  all_.push_back(field("cr4", 64, "i386_cr4", &X86State::cr4));
  all_.push_back(field("cr8", 64, "int64", &X86State::cr8));
  all_.push_back(field("efer", 64, "i386_efer", &X86State::efer));
  for (unsigned i = 0; i < 4; ++i) {
    all_.push_back(number(
        fmt::format("dr{}", i), 64, "int64", Feature::System, [i](const X86State& s) { return s.dr[i]; },
        [i](X86State& s, std::uint64_t v, const GuestMemory&) {
          s.dr[i] = v;
          return true;
        }));
  }
  all_.push_back(field("dr6", 64, "int64", &X86State::dr6));
  all_.push_back(field("dr7", 64, "int64", &X86State::dr7));
  const auto table = [this](const char* name, X86TableRegister X86State::*t) {
    all_.push_back(number(
        fmt::format("{}_base", name), 64, "int64", Feature::System, [t](const X86State& s) { return (s.*t).base; },
        [t](X86State& s, std::uint64_t v, const GuestMemory&) {
          (s.*t).base = v;
          return true;
        }));
    all_.push_back(number(
        fmt::format("{}_limit", name), 32, "int32", Feature::System, [t](const X86State& s) { return (s.*t).limit; },
        [t](X86State& s, std::uint64_t v, const GuestMemory&) {
          if (v > 0xffff) return false;
          (s.*t).limit = static_cast<std::uint16_t>(v);
          return true;
        }));
  };
  table("gdtr", &X86State::gdt);
  table("idtr", &X86State::idt);
  const auto system_segment = [this](const char* name, X86Segment X86State::*t) {
    all_.push_back(number(
        name, 32, "int32", Feature::System, [t](const X86State& s) { return (s.*t).selector; },
        [t](X86State& s, std::uint64_t v, const GuestMemory&) { return v == (s.*t).selector; }));
    all_.push_back(number(
        fmt::format("{}_base", name), 64, "int64", Feature::System, [t](const X86State& s) { return (s.*t).base; },
        [t](X86State& s, std::uint64_t v, const GuestMemory&) {
          (s.*t).base = v;
          return true;
        }));
  };
  system_segment("ldtr", &X86State::ldt);
  system_segment("tr", &X86State::tr);
}

std::size_t GdbRegisters::size() const {
  std::size_t total = 0;
  for (const GdbRegister& r : all_) total += r.bits / 8;
  return total;
}

std::string GdbRegisters::read(const X86State& state, std::size_t index) const {
  if (index >= all_.size()) return {};
  const GdbRegister& r = all_[index];
  std::string value(r.bits / 8, '\0');
  r.read(state, {reinterpret_cast<std::uint8_t*>(value.data()), value.size()});
  return value;
}

std::string GdbRegisters::read(const X86State& state) const {
  std::string values;
  for (std::size_t i = 0; i < all_.size(); ++i) values += read(state, i);
  return values;
}

bool GdbRegisters::write(X86State& state, std::size_t index, std::string_view value, const GuestMemory& memory) const {
  if (index >= all_.size() || value.size() != all_[index].bits / 8) return false;
  return all_[index].write(state, {reinterpret_cast<const std::uint8_t*>(value.data()), value.size()}, memory);
}

bool GdbRegisters::write(X86State& state, std::string_view values, const GuestMemory& memory) const {
  if (values.size() != size()) return false;
  const X86State before = state;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const std::string_view value = values.substr(0, all_[i].bits / 8);
    values.remove_prefix(value.size());
    if (value != read(before, i) && !write(state, i, value, memory)) return false;
  }
  return true;
}

bool load_segment(X86State& s, X86Segment& segment, std::uint16_t selector, const GuestMemory& memory) {
  if (is_real_mode(s)) {
    segment.selector = selector;
    segment.base = std::uint64_t{selector} << 4;
    return true;
  }
  if (selector < 4) {  // the null selector: SDM vol. 3, 3.4.2
    if (&segment == &s.segment[kCs]) return false;
    segment = {};
    segment.selector = selector;
    segment.unusable = true;
    segment.present = false;
    return true;
  }
  // SDM vol. 3, 3.4.5.
  const bool local = selector & 4;
  const std::uint64_t table = local ? s.ldt.base : s.gdt.base;
  const std::uint64_t limit = local ? s.ldt.limit : s.gdt.limit;
  if ((selector | 7U) > limit) return false;
  std::uint64_t d = 0;
  if (!memory.read_linear(s, table + (selector & ~7U), {reinterpret_cast<std::uint8_t*>(&d), sizeof d})) return false;
  X86Segment made;
  made.selector = selector;
  made.base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000);
  made.limit = static_cast<std::uint32_t>((d & 0xffff) | (d >> 32 & 0xf0000));
  made.type = d >> 40 & 0xf;
  made.s = d >> 44 & 1;
  made.dpl = d >> 45 & 3;
  made.present = d >> 47 & 1;
  made.avl = d >> 52 & 1, made.l = d >> 53 & 1, made.db = d >> 54 & 1, made.g = d >> 55 & 1;
  if (made.g) made.limit = made.limit << 12 | 0xfff;
  const bool code = made.type & 8;
  if (!made.s || !made.present || (&segment == &s.segment[kCs]) != code) {
    // Data segments may be code that is readable.
    if (!made.s || !made.present || !code || !(made.type & 2) || &segment == &s.segment[kCs]) return false;
  }
  segment = made;
  return true;
}

}  // namespace machina
