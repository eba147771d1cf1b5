#include "tests/support/oracle/system_builder.h"

#include <cstring>

namespace machina::jit {

namespace {

using L = SystemLayout;
constexpr std::uint64_t kPageSize = 4096;
constexpr std::uint64_t kCr0Pe = 1, kCr0Et = 16, kCr0Ne = 32, kCr0Wp = 1U << 16, kCr0Pg = 1U << 31;
constexpr std::uint64_t kCr4Pse = 16, kCr4Pae = 32, kCr4Pge = 128, kCr4Osfxsr = 512;
constexpr std::uint64_t kEferSce = 1, kEferLme = 0x100, kEferLma = 0x400, kEferNxe = 0x800;
constexpr std::uint64_t kFlagIf = 0x200, kFlagVm = 1U << 17, kFlagsArithmetic = 0x8d5, kFlagDf = 0x400;

class Image {
 public:
  template <class T>
  void put(std::uint64_t at, T value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
  }
  void fill(std::uint64_t at, std::uint64_t size, std::uint8_t value) { std::memset(bytes.data() + at, value, size); }

  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(L::kRam, 0xf4);
};

std::uint64_t handler(unsigned vector) { return L::kHandlers + vector * L::kHandlerStep; }

/// Linear addresses from 4 MiB (2 MiB) on, a window of that size for each entry of the directory, lead to the same
/// memory in other ways: see spoil_page_tables().
void put_page_tables(Image& m) {
  for (const std::uint64_t table :
       {L::kPml4, L::kPdpt, L::kDirectory, L::kTable, L::kPdptPae, L::kDirectory32, L::kTable32})
    m.fill(table, kPageSize, 0);
  m.put<std::uint64_t>(L::kPml4, L::kPdpt | 7);
  m.put<std::uint64_t>(L::kPdpt, L::kDirectory | 7);
  m.put<std::uint64_t>(L::kPdptPae, L::kDirectory | 1);
  m.put<std::uint64_t>(L::kDirectory, L::kTable | 7);
  m.put<std::uint32_t>(L::kDirectory32, L::kTable32 | 7);
  for (std::uint64_t i = 0; i < L::kRam / kPageSize; ++i) {
    m.put<std::uint64_t>(L::kTable + 8 * i, i * kPageSize | 7);
    m.put<std::uint32_t>(L::kTable32 + 4 * i, static_cast<std::uint32_t>(i * kPageSize | 7));
  }
}

/// SDM vol. 3, figures 8-2 and 8-11.
void put_task_states(Image& m) {
  constexpr unsigned kBitmapAt = 0x68;
  for (const std::uint64_t tss : {L::kTss32, L::kTss64, L::kOtherTss32, L::kTss16}) m.fill(tss, 0x100, 0);
  for (unsigned level = 0; level < 3; ++level) {
    const std::uint64_t top = L::kStack + 0x1000 * (level + 1);
    const auto ss = gdt::flat(gdt::kData32, level);
    m.put<std::uint32_t>(L::kTss32 + 4 + 8 * level, static_cast<std::uint32_t>(top));
    m.put<std::uint32_t>(L::kTss32 + 8 + 8 * level, ss);
    m.put<std::uint64_t>(L::kTss64 + 4 + 8 * level, top);
    m.put<std::uint16_t>(L::kTss16 + 2 + 4 * level, static_cast<std::uint16_t>(0x7000 + 0x100 * level));
    m.put<std::uint16_t>(L::kTss16 + 4 + 4 * level, ss);
  }
  for (unsigned ist = 1; ist < 8; ++ist)
    m.put<std::uint64_t>(L::kTss64 + 0x24 + 8 * (ist - 1), L::kStack + 0x4000 + 0x100 * ist);
  for (const std::uint64_t tss : {L::kTss32, L::kTss64}) m.put<std::uint16_t>(tss + 0x66, kBitmapAt);
  // A task to switch to: flat, at CPL 0, where HLTs are.
  const std::uint64_t t = L::kOtherTss32;
  m.put<std::uint32_t>(t + 0x1c, L::kPdpt);
  m.put<std::uint32_t>(t + 0x20, static_cast<std::uint32_t>(L::kHandlers + 0x800));
  m.put<std::uint32_t>(t + 0x24, 2);
  m.put<std::uint32_t>(t + 0x38, static_cast<std::uint32_t>(L::kStack + 0x6000));
  for (unsigned i = 0; i < 6; ++i)
    m.put<std::uint32_t>(t + 0x48 + 4 * i, gdt::flat(i == kCs ? gdt::kCode32 : gdt::kData32, 0));
}

}  // namespace

const char* name_of(CodeMode mode) {
  constexpr const char* kNames[] = {"real", "vm86", "prot16", "prot32", "compat16", "compat32", "long64"};
  return kNames[static_cast<unsigned>(mode)];
}

std::uint64_t DescriptorFields::raw() const {
  const std::uint64_t rights = type | unsigned{s} << 4 | dpl << 5 | unsigned{present} << 7;
  const std::uint64_t flags = unsigned{avl} | unsigned{l} << 1 | unsigned{db} << 2 | unsigned{g} << 3;
  return (limit & 0xffff) | (base & 0xffffff) << 16 | rights << 40 | (limit >> 16 & 0xfULL) << 48 | flags << 52 |
         (base >> 24 & 0xff) << 56;
}

std::uint64_t gate_descriptor(unsigned type, unsigned dpl, bool present, std::uint16_t selector, std::uint64_t offset,
                              unsigned low) {
  const std::uint64_t rights = type | dpl << 5 | unsigned{present} << 7;
  return (offset & 0xffff) | std::uint64_t{selector} << 16 | std::uint64_t{low} << 32 | rights << 40 |
         (offset >> 16 & 0xffff) << 48;
}

std::vector<std::uint8_t> memory_at_rest() {
  Image m;
  for (unsigned vector = 0; vector < 256; ++vector) {
    const auto offset = static_cast<std::uint16_t>(handler(vector) - L::kCode);
    m.put<std::uint32_t>(L::kVectors + 4 * vector, static_cast<std::uint32_t>(L::kCode >> 4 << 16) | offset);
    m.put<std::uint64_t>(L::kIdt32 + 8 * vector,
                         gate_descriptor(14, 0, true, gdt::flat(gdt::kCode32, 0), handler(vector)));
    m.put<std::uint64_t>(L::kIdt64 + 16 * vector,
                         gate_descriptor(14, 0, true, gdt::flat(gdt::kCode64, 0), handler(vector)));
    m.put<std::uint64_t>(L::kIdt64 + 16 * vector + 8, 0);
  }
  for (std::uint64_t at = L::kTargets; at < L::kTargets + kPageSize; at += 2) m.put<std::uint8_t>(at, 0xe6);
  m.fill(L::kGdt, 0x400, 0);
  m.fill(L::kLdt, 0x400, 0);
  for (unsigned dpl = 0; dpl < 4; ++dpl) {
    for (const unsigned kind : {gdt::kCode64, gdt::kCode32, gdt::kCode16, gdt::kData32, gdt::kData16}) {
      DescriptorFields d{.dpl = dpl};
      d.type = kind <= gdt::kCode16 ? 11 : 3;
      d.l = kind == gdt::kCode64;
      d.db = kind == gdt::kCode32 || kind == gdt::kData32;
      m.put<std::uint64_t>(L::kGdt + (gdt::flat(static_cast<gdt::Kind>(kind), dpl) & ~7U), d.raw());
    }
  }
  const auto system = [&m](std::uint16_t selector, unsigned type, std::uint64_t base, std::uint32_t limit) {
    m.put<std::uint64_t>(L::kGdt + selector,
                         DescriptorFields{.base = base, .limit = limit, .type = type, .s = false, .g = false}.raw());
  };
  system(gdt::kTss32, 11, L::kTss32, 0x88);
  system(gdt::kTss64, 11, L::kTss64, 0x88);
  system(gdt::kLdt, 2, L::kLdt, 0xff);
  system(gdt::kOtherTss32, 9, L::kOtherTss32, 0x67);
  system(gdt::kTss16, 1, L::kTss16, 0x2b);
  put_page_tables(m);
  put_task_states(m);
  return m.bytes;
}

// --- dice ---

std::uint64_t SystemBuilder::number() {
  const std::uint64_t edges[] = {0,
                                 1,
                                 0x7f,
                                 0x80,
                                 0xff,
                                 0xffff,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 0x7fffffffffff,
                                 0x800000000000,
                                 0xffff7fffffffffff,
                                 0xffff800000000000,
                                 ~std::uint64_t{0}};
  if (chance(25)) return edges[below(std::size(edges))];
  return any() >> below(64);
}

// --- where the case starts ---

X86Segment SystemBuilder::segment_of(std::uint16_t selector, unsigned type, unsigned dpl, bool l, bool db) const {
  X86Segment s;
  s.selector = selector;
  s.base = 0;
  s.limit = 0xffffffff;
  s.type = static_cast<std::uint8_t>(type);
  s.dpl = static_cast<std::uint8_t>(dpl);
  s.l = l;
  s.db = db;
  s.g = true;
  return s;
}

void SystemBuilder::start_real_segments() {
  const bool vm = mode_ == CodeMode::Virtual8086;
  for (unsigned i = 0; i < 6; ++i) {
    X86Segment s;
    const std::uint64_t base = i == kCs ? L::kCode : i == kSs ? L::kStack : L::kData;
    s.selector = static_cast<std::uint16_t>(base >> 4);
    s.base = base;
    s.limit = 0xffff;
    s.type = i == kCs && !vm ? 11 : 3;
    s.dpl = vm ? 3 : 0;
    state().segment[i] = s;
  }
}

void SystemBuilder::start_protected_segments() {
  const bool wide = mode_ == CodeMode::Protected32 || mode_ == CodeMode::Compatibility32;
  const gdt::Kind code = is_64() ? gdt::kCode64 : wide ? gdt::kCode32 : gdt::kCode16;
  const gdt::Kind data = is_16() ? gdt::kData16 : gdt::kData32;
  for (unsigned i = 0; i < 6; ++i) state().segment[i] = segment_of(gdt::flat(data, cpl_), 3, cpl_, false, !is_16());
  state().segment[kCs] = segment_of(gdt::flat(code, cpl_), 11, cpl_, is_64(), wide);
  if (is_16()) {
    // 64 KiB each, so that 16 bits reach all of it.
    state().segment[kCs].base = L::kCode;
    for (const unsigned i : {kEs, kDs, kFs, kGs}) state().segment[i].base = L::kData;
    state().segment[kSs].base = L::kStack;
    for (X86Segment& s : state().segment) s.limit = 0xffff, s.g = false;
    // With a stack of 32 bits often, as such code has on its way to another mode.
    if (chance(90)) state().segment[kSs] = segment_of(gdt::flat(gdt::kData32, cpl_), 3, cpl_, false, true);
  }
  if (is_64() && chance(50)) {
    state().segment[kFs].base = number();
    state().segment[kGs].base = number();
    for (const unsigned i : {kFs, kGs}) {
      std::uint64_t& base = state().segment[i].base;
      base = static_cast<std::uint64_t>(static_cast<std::int64_t>(base << 16) >> 16);
    }
  }
}

void SystemBuilder::start_control() {
  X86State& s = state();
  s.cr0 = kCr0Et | kCr0Ne;
  s.cr4 = kCr4Osfxsr;
  s.efer = kEferSce;
  if (mode_ != CodeMode::Real) s.cr0 |= kCr0Pe;
  if (chance(50)) s.cr0 |= kCr0Wp;
  if (chance(50)) s.cr4 |= kCr4Pge;
  if (chance(50)) s.efer |= kEferNxe;
  switch (paging_) {
    case PagingMode::None:
      s.cr3 = number() & 0xfffff000;
      break;
    case PagingMode::Bits32:
      s.cr0 |= kCr0Pg;
      s.cr3 = L::kDirectory32;
      if (chance(75)) s.cr4 |= kCr4Pse;
      break;
    case PagingMode::Pae:
      s.cr0 |= kCr0Pg;
      s.cr4 |= kCr4Pae;
      s.cr3 = L::kPdptPae;
      break;
    case PagingMode::Long:
      s.cr0 |= kCr0Pg;
      s.cr4 |= kCr4Pae;
      s.cr3 = L::kPml4;
      s.efer |= kEferLme | kEferLma;
      break;
  }
  s.rflags = 2 | (any() & kFlagsArithmetic);
  if (chance(30)) s.rflags |= kFlagIf;
  if (chance(10)) s.rflags |= kFlagDf;
  if (chance(is_64() && cpl_ == 3 ? 2 : 30)) s.rflags |= std::uint64_t{below(4)} << 12;
  if (mode_ == CodeMode::Virtual8086) s.rflags |= kFlagVm;
  s.gdt = {L::kGdt, gdt::kLimit};
  s.ldt = {};
  s.ldt.selector = gdt::kLdt;
  s.ldt.base = L::kLdt;
  s.ldt.limit = 0xff;
  s.ldt.type = 2;
  s.ldt.s = false;
  s.tr = s.ldt;
  s.tr.type = 11;
  s.tr.limit = 0x88;
  s.tr.selector = long_mode() ? gdt::kTss64 : gdt::kTss32;
  s.tr.base = long_mode() ? L::kTss64 : L::kTss32;
  s.idt = {L::kIdt32, 0x7ff};
  if (long_mode()) s.idt = {L::kIdt64, 0xfff};
  if (mode_ == CodeMode::Real) s.idt = {L::kVectors, 0x3ff};
}

void SystemBuilder::random_registers() {
  for (std::uint64_t& r : state().gpr) {
    r = number();
    if (!is_64()) r &= 0xffffffff;
  }
  // In 32-bit code the upper registers keep what they had.
  if (!long_mode())
    for (unsigned i = kR8; i <= kR15; ++i) state().gpr[i] = 0;
}

void SystemBuilder::start(CodeMode mode, unsigned cpl, PagingMode paging) {
  mode_ = mode;
  cpl_ = cpl;
  paging_ = paging;
  c_.mode = name_of(mode);
  c_.code.clear();
  c_.patches.clear();
  c_.has_msrs = c_.has_debug = c_.has_plain_tables = false;
  // Such code runs natively where nothing else does, on page tables that take long to forget.
  if (is_64() && cpl == 3 && chance(85)) set_page_flags();
  c_.state = X86State{};
  next_free_ = 0;
  if (is_protected()) {
    start_protected_segments();
  } else {
    start_real_segments();
  }
  start_control();
  random_registers();
  state().apic_base = 0xfee00900;
  c_.code_physical = L::kCode + below(0x1000);
  state().rip = c_.code_physical - state().segment[kCs].base;
  point_data_at(L::kData + 0x1000 + below(0x2000));
  point_stack_at(L::kStack + 0x3000 + (chance(80) ? 8 * below(0x200) : below(0x1000)));
}

void SystemBuilder::start_anywhere() {
  if (chance(20)) return start(CodeMode::Real, 0, PagingMode::None);
  if (chance(abilities_.virtual_8086 ? 15 : 1))
    return start(
        CodeMode::Virtual8086, 3,
        chance(abilities_.legacy_paging ? 33 : 97) ? PagingMode::None : one_of({PagingMode::Bits32, PagingMode::Pae}));
  start_protected();
}

void SystemBuilder::start_protected() {
  const unsigned cpl = chance(60) ? 0 : chance(70) ? 3 : 1 + below(2);
  if (chance(50)) {
    const bool plain = chance(abilities_.legacy_paging ? 33 : 97);
    const PagingMode paging = plain ? PagingMode::None : one_of({PagingMode::Bits32, PagingMode::Pae});
    start(chance(70) ? CodeMode::Protected32 : CodeMode::Protected16, cpl, paging);
  } else {
    start(
        one_of({CodeMode::Long, CodeMode::Long, CodeMode::Long, CodeMode::Compatibility32, CodeMode::Compatibility16}),
        cpl, PagingMode::Long);
  }
}

// --- memory ---

void SystemBuilder::put(std::uint64_t physical, std::uint64_t value, unsigned width) {
  if (physical + width > L::kRam) return;
  if (width < 8) value &= (std::uint64_t{1} << 8 * width) - 1;
  if ((physical >= L::kPml4 && physical < L::kCode) || physical >= L::kWindowTable) c_.has_plain_tables = false;
  c_.patches.push_back({physical, value, static_cast<std::uint8_t>(width)});
}

void SystemBuilder::set_page_flags() {
  constexpr std::uint64_t kAccessed = 0x20, kDirty = 0x40;
  put(L::kPml4, L::kPdpt | 7 | kAccessed, 8);
  put(L::kPdpt, L::kDirectory | 7 | kAccessed, 8);
  put(L::kDirectory, L::kTable | 7 | kAccessed, 8);
  for (std::uint64_t i = 0; i < L::kRam / kPageSize; ++i)
    put(L::kTable + 8 * i, i * kPageSize | 7 | kAccessed | kDirty, 8);
  c_.has_plain_tables = true;
}

void SystemBuilder::point_data_at(std::uint64_t linear) {
  data_ = linear;
  state().gpr[kRbx] = is_64() ? linear : (linear - state().segment[kDs].base) & 0xffffffff;
}

void SystemBuilder::point_stack_at(std::uint64_t linear) {
  stack_ = linear;
  state().gpr[kRsp] = is_64() ? linear : (linear - state().segment[kSs].base) & 0xffffffff;
}

void SystemBuilder::stack_values(std::initializer_list<std::uint64_t> values, unsigned width) {
  std::uint64_t at = stack_;
  for (const std::uint64_t value : values) {
    put(at, value, width);
    at += width;
  }
}

void SystemBuilder::data_values(std::initializer_list<std::uint64_t> values, unsigned width) {
  std::uint64_t at = data_;
  for (const std::uint64_t value : values) {
    put(at, value, width);
    at += width;
  }
}

// --- descriptors ---

std::uint16_t SystemBuilder::place(std::uint64_t low, std::uint64_t high) {
  const bool local = chance(30);
  const auto index = static_cast<std::uint16_t>((local ? 0 : gdt::kFirstFree) + 16 * (next_free_++ % 15));
  const std::uint64_t at = (local ? L::kLdt : L::kGdt) + index;
  put(at, low, 8);
  put(at + 8, high, 8);
  return static_cast<std::uint16_t>(index | (local ? 4 : 0));
}

DescriptorFields SystemBuilder::fitting(Wanted wanted, unsigned for_cpl) {
  DescriptorFields d;
  d.dpl = for_cpl;
  d.db = chance(50);
  d.avl = chance(20);
  if (chance(30)) d.limit = below(0x100000), d.g = chance(50);
  switch (wanted) {
    case Wanted::Data:
      // Read, write, accessed, downwards; code that can be read, and conforming
      d.type = chance(75) ? below(8) : 10 + (below(2) | below(2) * 4);
      if (for_cpl < 3 && chance(40)) d.dpl = for_cpl + below(4 - for_cpl);
      if (chance(50)) d.base = number() & 0xffffffff;
      break;
    case Wanted::Stack:
      d.type = 2 | below(2) | below(2) * 4;
      if (chance(50)) d.base = number() & 0xffffffff;
      break;
    case Wanted::Code:
      d.type = 8 | below(8);
      if (d.type & 4) d.dpl = below(for_cpl + 1);
      d.l = long_mode() && chance(60);
      if (d.l) d.db = false;
      if (!d.l && chance(30)) d.base = L::kCode;
      d.limit = chance(85) ? 0xfffff : below(0x20000);
      d.g = d.limit == 0xfffff;
      break;
    case Wanted::Ldt:
      d.type = 2;
      break;
    case Wanted::Tss:
      d.type = !long_mode() && chance(20) ? 1 : 9;
      d.base = long_mode() ? L::kTss64 : d.type == 1 ? L::kTss16 : L::kOtherTss32;
      d.limit = d.type == 1 ? 0x2b : 0x67;
      d.g = false;
      break;
  }
  if (wanted == Wanted::Ldt || wanted == Wanted::Tss) {
    d.s = false;
    d.dpl = below(4);
    if (wanted == Wanted::Ldt) {
      d.base = chance(50) ? L::kLdt : number() & 0xffffffff;
      d.limit = chance(50) ? 0xff : below(0x100000);
      d.g = chance(20);
    }
  }
  return d;
}

void SystemBuilder::spoil(DescriptorFields& d) {
  switch (below(8)) {
    case 0:
      d.type = below(16);
      break;
    case 1:
      d.dpl = below(4);
      break;
    case 2:
      d.present = false;
      break;
    case 3:
      d.s = !d.s;
      break;
    case 4:
      d.l = !d.l;
      break;
    case 5:
      d.limit = below(0x100000);
      d.g = false;
      break;
    case 6:
      d.db = !d.db;
      break;
    case 7:
      d.type ^= 1U << below(4);
      d.dpl = below(4);
      break;
  }
}

std::uint16_t SystemBuilder::selector_for(Wanted wanted, unsigned for_cpl, unsigned percent) {
  const bool fits = chance(percent);
  if (!is_protected()) return static_cast<std::uint16_t>(fits ? (L::kCode >> 4) + below(0x800) : number());
  const bool system = wanted == Wanted::Ldt || wanted == Wanted::Tss;
  if (fits && wanted == Wanted::Data && chance(10)) return static_cast<std::uint16_t>(below(4));
  DescriptorFields d = fitting(wanted, for_cpl);
  unsigned rpl = wanted == Wanted::Data                              ? below(d.dpl + 1)
                 : wanted == Wanted::Code || wanted == Wanted::Stack ? for_cpl
                                                                     : below(4);
  std::uint64_t high = 0;
  if (system && long_mode() && chance(30)) high = number() >> 32;
  if (!fits) {
    switch (below(8)) {
      case 0:
        return static_cast<std::uint16_t>(below(4));
      case 1:
        return static_cast<std::uint16_t>(number());
      case 2:
        return static_cast<std::uint16_t>(8 * below(0x40) | below(8));
      case 3:
        rpl = below(4);
        break;
      default:
        spoil(d);
        break;
    }
  }
  std::uint16_t where = place(d.raw(), high);
  // These are found in the GDT only.
  if (system && fits && (where & 4)) {
    where = static_cast<std::uint16_t>((where & ~7U) + gdt::kFirstFree);
    put(L::kGdt + where, d.raw(), 8);
    put(L::kGdt + where + 8, high, 8);
  }
  return static_cast<std::uint16_t>(where | rpl);
}

std::uint16_t SystemBuilder::selector(Wanted wanted, unsigned percent) { return selector_for(wanted, cpl_, percent); }

std::uint64_t SystemBuilder::code_offset(std::uint64_t base) {
  // Offsets of 16 bits find HLTs as well, at 7000h.
  const std::uint64_t linear = L::kTargets + (below(0x1000) | (mode_ == CodeMode::Virtual8086 ? 0U : 1U));
  return (linear - base) & (is_64() ? ~std::uint64_t{0} : 0xffffffff);
}

std::uint16_t SystemBuilder::real_target(std::uint64_t& offset) {
  const std::uint64_t linear = L::kTargets + 2 * below(0x800) + (mode_ == CodeMode::Virtual8086 ? 0 : 1),
                      base = L::kCode + 0x10 * below(0x700);
  offset = linear - base;
  return static_cast<std::uint16_t>(base >> 4);
}

std::uint16_t SystemBuilder::far_gate() {
  const unsigned target_cpl = chance(50) ? cpl_ : below(cpl_ + 1);
  const std::uint16_t code = selector_for(Wanted::Code, target_cpl, 80);
  const bool task = !long_mode() && chance(15);
  const bool narrow = !long_mode() && chance(30);
  const unsigned type = chance(90) ? (task ? 5 : narrow ? 4 : 12) : below(16);
  const unsigned dpl = chance(80) ? 3 : below(4);
  const unsigned parameters = chance(60) ? 0 : below(32);
  const std::uint16_t to = task ? selector(Wanted::Tss, 80) : code;
  const std::uint64_t offset = chance(80) ? code_offset() : number();
  return static_cast<std::uint16_t>(
      place(gate_descriptor(type, dpl, chance(90), to, offset, parameters), chance(90) ? offset >> 32 : number()) |
      (chance(80) ? 0 : below(4)));
}

void SystemBuilder::mark_all_accessed() {
  constexpr std::uint64_t kCodeOrData = std::uint64_t{1} << 44, kAccessed = std::uint64_t{1} << 40;
  for (MemoryPatch& p : c_.patches)
    if (p.physical >= L::kGdt && p.physical < L::kIdt32 && p.physical % 16 == 0 && (p.value & kCodeOrData))
      p.value |= kAccessed;
}

// --- instructions ---

void SystemBuilder::emit(unsigned width, std::initializer_list<unsigned> bytes) {
  if (width != 0 && width != 8 && width != default_width()) c_.code.push_back(0x66);
  if (width == 8) c_.code.push_back(0x48);
  for (const unsigned b : bytes) c_.code.push_back(static_cast<std::uint8_t>(b));
}

void SystemBuilder::emit_memory(unsigned width, std::initializer_list<unsigned> bytes, unsigned reg) {
  emit(width, bytes);
  c_.code.push_back(static_cast<std::uint8_t>(reg << 3 | (is_16() ? 7U : 3U)));
}

void SystemBuilder::emit_register(unsigned width, std::initializer_list<unsigned> bytes, unsigned reg, unsigned rm) {
  emit(width, bytes);
  c_.code.push_back(static_cast<std::uint8_t>(0xc0 | reg << 3 | rm));
}

void SystemBuilder::append(std::uint64_t value, unsigned width) {
  for (unsigned i = 0; i < width; ++i) c_.code.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

void SystemBuilder::finish() {
  if (mode_ != CodeMode::Virtual8086) return;
  c_.code.push_back(0xe6);  // out kEndPort, al
  c_.code.push_back(L::kEndPort);
}

unsigned SystemBuilder::operand_width() {
  if (is_64()) return one_of({2U, 4U, 8U, 8U});
  return chance(75) ? default_width() : 6 - default_width();
}

}  // namespace machina::jit
