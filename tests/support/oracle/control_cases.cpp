/// Control, debug and model-specific registers, fast calls, EFLAGS, ports.

#include "tests/support/oracle/system_cases.h"

namespace machina::jit {

namespace {

constexpr std::uint64_t kCanonicalHalf = 0x7fffffffffff;

/// `value` with a few of its bits turned over, most of them among `likely`.
std::uint64_t change_bits(SystemBuilder& b, std::uint64_t value, std::initializer_list<unsigned> likely) {
  for (unsigned i = 1 + b.below(3); i-- > 0;)
    value ^= std::uint64_t{1} << (b.chance(85) ? b.one_of(likely) : b.below(b.is_64() ? 64 : 32));
  return value;
}

std::uint64_t code_address(SystemBuilder& b) {
  if (b.chance(85)) return SystemLayout::kCode + 0x7000 + b.below(0x1000);
  return b.number();
}

std::uint64_t canonical(std::uint64_t value) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << 16) >> 16);
}

/// Values that KVM takes when a state is loaded: addresses are canonical.
void random_msrs(SystemBuilder& b) {
  b.out().has_msrs = true;
  X86State& s = b.state();
  for (const std::uint32_t index : system_msrs()) s.set_msr(index, index == 0x277 ? 0x0007040600070406 : 0);
  s.set_msr(0x174, b.chance(80) ? gdt::flat(gdt::kCode32, 0) : b.number() & 0xffffffff);
  s.set_msr(0x175, b.chance(80) ? SystemLayout::kStack + 0x5000 : canonical(b.number()));
  s.set_msr(0x176, b.chance(80) ? SystemLayout::kHandlers + 0x1000 : canonical(b.number()));
  const std::uint64_t kernel = gdt::flat(gdt::kCode64, 0),
                      user = b.chance(50) ? gdt::flat(gdt::kCode32, 3) : b.below(0x10000);
  s.set_msr(0xc0000081,
            user << 48 | (b.chance(70) ? kernel : b.below(0x10000)) << 32 | (SystemLayout::kHandlers + 0x1800));
  s.set_msr(0xc0000082, b.chance(85) ? SystemLayout::kHandlers + 0x2000 : canonical(b.number()));
  s.set_msr(0xc0000083, b.chance(85) ? SystemLayout::kHandlers + 0x2800 : canonical(b.number()));
  s.set_msr(0xc0000084, b.number() & 0xffffffff & ~std::uint64_t{0x100});
  s.set_msr(0xc0000102, canonical(b.number()));
}

}  // namespace

void make_control_register(SystemBuilder& b) {
  b.start_anywhere();
  if (b.chance(70)) {
    // Most of this is for CPL 0.
    while (b.cpl() != 0) b.start_anywhere();
  }
  X86State& s = b.state();
  if (b.chance(30)) s.cr4 |= 0x800;  // UMIP
  const unsigned cr = b.chance(96) ? b.one_of({0U, 0U, 2U, 3U, 3U, 4U, 4U, 8U}) : b.below(16);
  if (b.chance(20)) {
    b.name(("mov r, cr" + std::to_string(cr)).c_str());
    if (cr >= 8) b.out().code.push_back(b.is_64() ? 0x44 : 0xf0);  // LOCK names CR8 on AMD's
    return b.emit_register(0, {0x0f, 0x20}, cr & 7, kRax);
  }
  b.name(("mov cr" + std::to_string(cr) + ", r").c_str());
  std::uint64_t value = b.number();
  switch (cr) {
    case 0:
      if (b.chance(90)) value = change_bits(b, s.cr0, {0, 1, 2, 3, 4, 5, 16, 18, 29, 30, 31, 31});
      break;
    case 3:
      if (b.chance(80)) {
        value = b.paging() == PagingMode::Pae ? SystemLayout::kPdptPae | 0x20 * b.below(2) : s.cr3 | b.below(32);
        if (b.chance(30)) value = change_bits(b, value, {3, 4, 5, 11, 12, 31});
      }
      break;
    case 4:
      if (b.chance(90))
        value = change_bits(b, s.cr4, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 18, 20, 21});
      break;
    case 8:
      value = b.chance(80) ? b.below(16) : b.number();
      break;
    default:
      break;
  }
  s.gpr[kRax] = b.is_64() ? value : value & 0xffffffff;
  if (cr >= 8) b.out().code.push_back(b.is_64() ? 0x44 : 0xf0);
  b.emit_register(0, {0x0f, 0x22}, cr & 7, kRax);
}

void make_debug_register(SystemBuilder& b) {
  b.start_anywhere();
  b.out().has_debug = true;
  X86State& s = b.state();
  for (std::uint64_t& d : s.dr) d = b.is_64() ? canonical(b.number()) : b.number() & 0xffffffff;
  s.dr6 = 0xffff0ff0 | (b.any() & 0xe00f);
  s.dr7 = 0x400 | (b.chance(15) ? 0x2000 : 0);
  if (b.chance(40)) s.cr4 |= 8;  // DE
  const unsigned dr = b.below(8);
  if (b.chance(40)) {
    b.name("mov r, dr");
    return b.emit_register(0, {0x0f, 0x21}, dr, kRax);
  }
  b.name("mov dr, r");
  std::uint64_t value = b.number();
  if (dr >= 6 || dr == 4 || dr == 5) {
    if (b.chance(70)) value &= 0xffffffff;
    // Breakpoints at once would be another matter.
    if (dr == 7 || dr == 5) value &= ~std::uint64_t{0xff};
  }
  s.gpr[kRax] = b.is_64() ? value : value & 0xffffffff;
  b.emit_register(0, {0x0f, 0x23}, dr, kRax);
}

void make_msr(SystemBuilder& b) {
  b.start_anywhere();
  if (b.chance(80))
    while (b.cpl() != 0) b.start_anywhere();
  random_msrs(b);
  X86State& s = b.state();
  const bool known = b.chance(93);
  std::uint32_t index = b.chance(75) ? system_msrs()[b.below(static_cast<unsigned>(system_msrs().size()))]
                                     : b.one_of({0xc0000080U, 0xc0000100U, 0xc0000101U});
  if (!known) index = static_cast<std::uint32_t>(b.number());
  // The clocks differ, of course, and what is not state of the processor's proper is not for this oracle.
  if (!known && (index < 0x40000 || (index >> 16) >= 0x4000)) index = 0x12345678;
  s.gpr[kRcx] = index;
  if (b.chance(30)) {
    b.name("rdmsr");
    return b.emit(0, {0x0f, 0x32});
  }
  b.name("wrmsr");
  std::uint64_t value = b.number();
  if (index == 0xc0000080) value = change_bits(b, s.efer, {0, 8, 10, 11, 12, 13, 14, 15});
  if (index == 0x277 && b.chance(80)) {
    value = 0;
    for (unsigned i = 0; i < 8; ++i)
      value |= std::uint64_t{b.chance(97) ? b.one_of({0U, 1U, 4U, 5U, 6U, 7U}) : b.below(256)} << 8 * i;
  }
  if (b.chance(60) && index != 0x277) value = index == 0xc0000080 ? value : canonical(value);
  s.gpr[kRax] = value & 0xffffffff;
  s.gpr[kRdx] = value >> 32;
  b.emit(0, {0x0f, 0x30});
}

void make_fast_call(SystemBuilder& b) {
  b.start_anywhere();
  if (!b.is_protected() && b.chance(80)) b.start_protected();
  random_msrs(b);
  X86State& s = b.state();
  if (b.chance(15)) s.efer &= ~std::uint64_t{1};
  switch (b.below(6)) {
    case 0:
    case 1:
      b.name("syscall");
      return b.emit(0, {0x0f, 0x05});
    case 2: {
      const bool wide = b.is_64() && b.chance(60);
      b.name(wide ? "sysretq" : "sysret");
      s.gpr[kRcx] = b.is_64() ? code_address(b) : code_address(b) & 0xffffffff;
      if (b.is_64()) s.gpr[kR11] = b.any() & ~std::uint64_t{0x100};
      return b.emit(wide ? 8 : 0, {0x0f, 0x07});
    }
    case 3:
      b.name("sysenter");
      return b.emit(0, {0x0f, 0x34});
    case 4: {
      const bool wide = b.is_64() && b.chance(60);
      b.name("sysexit");
      s.gpr[kRcx] = b.stack_linear();
      s.gpr[kRdx] = code_address(b);
      return b.emit(wide ? 8 : 0, {0x0f, 0x35});
    }
    default:
      b.name("swapgs");
      if (b.chance(80))
        while (!b.is_64()) {
          b.start_protected();
          random_msrs(b);
        }
      return b.emit(0, {0x0f, 0x01, 0xf8});
  }
}

void make_flags(SystemBuilder& b) {
  b.start_anywhere();
  X86State& s = b.state();
  if (b.chance(40)) s.rflags = (s.rflags & ~std::uint64_t{0x3000}) | std::uint64_t{b.below(4)} << 12;
  if (b.chance(20)) s.cr4 |= b.one_of({1U, 2U, 3U});  // VME, PVI
  if (b.chance(10)) s.rflags |= 1U << 18;             // AC
  if (b.chance(10)) s.rflags |= 1U << 19;             // VIF
  if (b.chance(5)) s.rflags |= 1U << 20;              // VIP
  switch (b.below(5)) {
    case 0:
      b.name("cli");
      return b.emit(0, {0xfa});
    case 1:
      b.name("sti");
      return b.emit(0, {0xfb});
    case 2:
      b.name("pushf");
      return b.emit(b.operand_width(), {0x9c});
    case 3: {
      b.name("popf");
      const std::uint64_t flags = (b.chance(50) ? b.any() : b.any() & 0x3fffff) & ~std::uint64_t{0x100};
      b.stack_values({flags}, 8);
      return b.emit(b.operand_width(), {0x9d});
    }
    default:
      b.name("hlt");
      return b.emit(0, {0xf4});
  }
}

void make_ports(SystemBuilder& b) {
  b.start_anywhere();
  X86State& s = b.state();
  if (b.chance(40)) s.rflags = (s.rflags & ~std::uint64_t{0x3000}) | std::uint64_t{b.below(4)} << 12;
  // The bitmap is 68h bytes into the TSS, and 20h bytes long.
  const std::uint64_t tss = b.long_mode() ? SystemLayout::kTss64 : SystemLayout::kTss32;
  b.put(tss + 0x68, b.chance(50) ? 0 : b.any(), 8);
  b.put(tss + 0x70, b.any() & b.any(), 8);
  if (b.chance(20)) s.tr.limit = 0x60 + b.below(0x28);
  if (b.chance(10)) b.put(tss + 0x66, b.below(0x90), 2);
  const unsigned port = b.chance(85) ? b.below(0x100) : b.below(0x10000);
  s.gpr[kRdx] = port;
  const unsigned width = b.one_of({1U, 2U, 4U});
  const unsigned prefixed = width == 1 ? 0 : width;
  const unsigned wide = width == 1 ? 0 : 1;
  switch (b.below(6)) {
    case 0:
      b.name("in");
      b.emit(prefixed, {0xe4 | wide, port & 0xff});
      return;
    case 1:
      b.name("in");
      return b.emit(prefixed, {0xec | wide});
    case 2:
      b.name("out");
      b.emit(prefixed, {0xe6 | wide, port & 0xff});
      return;
    case 3:
      b.name("out");
      return b.emit(prefixed, {0xee | wide});
    case 4:
      b.name("ins");
      s.gpr[kRdi] = s.gpr[kRbx];
      return b.emit(prefixed, {0x6c | wide});
    default:
      b.name("outs");
      s.gpr[kRsi] = s.gpr[kRbx];
      return b.emit(prefixed, {0x6e | wide});
  }
}

}  // namespace machina::jit
