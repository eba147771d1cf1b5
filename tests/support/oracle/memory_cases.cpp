/// Page tables, segment limits, and the delivery of faults.

#include "tests/support/oracle/system_cases.h"

namespace machina::jit {

namespace {

using L = SystemLayout;
constexpr std::uint64_t kNoExecute = std::uint64_t{1} << 63;

/// An access to the operand, of any kind. RBX and what it needs are set.
void emit_access(SystemBuilder& b) {
  const unsigned width = b.operand_width();
  switch (b.below(12)) {
    case 0:
      b.name("mov r8, m");
      return b.emit_memory(0, {0x8a}, kRdx);
    case 1:
      b.name("mov m8, r");
      return b.emit_memory(0, {0x88}, kRdx);
    case 2:
    case 3:
      b.name("mov r, m");
      return b.emit_memory(width, {0x8b}, kRdx);
    case 4:
    case 5:
      b.name("mov m, r");
      return b.emit_memory(width, {0x89}, kRdx);
    case 6:
      b.name("add m, r");
      return b.emit_memory(width, {0x01}, kRdx);
    case 7:
      b.name("xchg");
      return b.emit_memory(width, {0x87}, kRdx);
    case 8:
      b.name("cmpxchg");
      return b.emit_memory(width, {0x0f, 0xb1}, kRdx);
    case 9:
      b.name("cmpxchg8b");
      return b.emit_memory(0, {0x0f, 0xc7}, 1);
    case 10:
      b.name("push m");
      return b.emit_memory(width == 4 && b.is_64() ? 0 : width, {0xff}, 6);
    default:
      b.name("pop m");
      return b.emit_memory(width == 4 && b.is_64() ? 0 : width, {0x8f}, 0);
  }
}

/// An access by way of the stack.
void emit_stack_access(SystemBuilder& b) {
  const unsigned width = b.is_64() ? 0 : b.operand_width();
  switch (b.below(8)) {
    case 0:
      b.name("push");
      return b.emit(width, {0x50});
    case 1:
      b.name("pop");
      return b.emit(width, {0x59});
    case 2:
      b.name("pusha");
      return b.emit(width, {0x60});
    case 3:
      b.name("popa");
      b.put(b.stack_linear() + 24, L::kData, 4);
      return b.emit(width, {0x61});
    case 4:
      b.name("enter");
      b.emit(width, {0xc8});
      return b.append(b.below(0x40), 3);
    case 5:
      b.name("leave");
      b.state().gpr[kRbp] = b.state().gpr[kRsp];
      return b.emit(width, {0xc9});
    case 6:
      b.name("pushf");
      return b.emit(width, {0x9c});
    default:
      b.name("push sreg");
      return b.emit(width, {0x0f, 0xa0});
  }
}

std::uint64_t random_entry(SystemBuilder& b, std::uint64_t address, bool narrow) {
  // P, RW, US nearly always, the others often, and now and then a reserved bit.
  std::uint64_t e = address;
  if (b.chance(92)) e |= 1;
  if (b.chance(75)) e |= 2;
  if (b.chance(75)) e |= 4;
  e |= b.any() & 0xe60 & ~std::uint64_t{0x80};  // A, D, available
  if (b.chance(20)) e |= b.any() & 0x118;       // PWT, PCD, G
  if (narrow) return e;
  if (b.chance(15)) e |= kNoExecute;
  if (b.chance(6)) e |= std::uint64_t{1} << (48 + b.below(4));
  if (b.chance(15)) e |= (b.any() & 0x7f) << 52;
  return e;
}

/// SMEP and SMAP, on pages of which a supervisor has its own: SDM vol. 3, 4.6.1.
void separate_supervisor(SystemBuilder& b) {
  constexpr std::uint64_t kPage = 0x1000, kSmep = 1U << 20, kSmap = 1U << 21, kFlagAc = 1U << 18;
  const bool narrow = b.paging() == PagingMode::Bits32;
  const std::uint64_t table = narrow ? L::kTable32 : L::kTable;
  const unsigned width = narrow ? 4 : 8;
  b.state().cr4 |= b.one_of({kSmep, kSmap, kSmep | kSmap});
  if (b.chance(40)) b.state().rflags |= kFlagAc;
  // At CPL 3 code, data and the stack that it starts with are the user's; at another, data now and then.
  const bool user = b.cpl() == 3, user_data = user || b.chance(30);
  for (std::uint64_t at = 0; at < L::kRam; at += kPage) {
    const bool is_data = at >= L::kData && at < L::kStack;
    const bool is_code = (at >= L::kCode && at < L::kHandlers) || at == L::kTargets;
    const bool is_stack = at == L::kStack + 0x3000 || at == L::kStack + 0x4000;
    const bool shared = is_data ? user_data : user && (is_code || is_stack);
    b.put(table + at / kPage * width, at | 3 | (shared ? 4 : 0), width);
  }
}

/// A window of the directory that leads to `page` by entries of its own: the linear address of that page.
std::uint64_t make_window(SystemBuilder& b, std::uint64_t page) {
  const bool narrow = b.paging() == PagingMode::Bits32;
  const unsigned width = narrow ? 4 : 8;
  const unsigned shift = narrow ? 22 : 21;
  // The table of windows is the last page of RAM.
  const std::uint64_t directory = narrow ? L::kDirectory32 : L::kDirectory, table = L::kWindowTable;
  std::uint64_t window = 1 + b.below(narrow ? 1023 : 500);
  const bool high = b.paging() == PagingMode::Long && b.chance(30);
  if (b.chance(30)) {
    std::uint64_t e = random_entry(b, 0, narrow) | 0x80;  // PS
    if (b.chance(20)) e |= 0x1000;                        // PAT
    if (b.chance(10)) e |= (b.any() & 0xff) << 13;        // PSE-36, or reserved
    b.put(directory + window * width, e, width);
  } else {
    b.put(directory + window * width, random_entry(b, table, narrow), width);
    const std::uint64_t index = page >> 12 & (narrow ? 1023 : 511);
    for (std::uint64_t i = 0; i < 2; ++i) {
      std::uint64_t e = random_entry(b, page + 0x1000 * i, narrow);
      if (b.chance(10)) e |= 0x80;  // PAT
      b.put(table + (index + i) * width, e, width);
    }
  }
  std::uint64_t linear = (window << shift) + page;
  if (high) {
    // By another entry of the upper levels as well.
    const std::uint64_t upper = 1 + b.below(510), top = b.chance(50) ? 256 + b.below(256) : b.below(256);
    if (b.chance(25)) {
      std::uint64_t e = random_entry(b, 0, false) | 0x80;  // a page of 1 GiB
      if (b.chance(20)) e |= 0x1000;                       // PAT
      if (b.chance(10)) e |= (b.any() & 0x1ffff) << 13;    // reserved
      b.put(L::kPdpt + 8 * upper, e, 8);
      linear = (upper << 30) + page;
    } else if (b.chance(50)) {
      b.put(L::kPdpt + 8 * upper, random_entry(b, L::kDirectory, false) & ~std::uint64_t{0x80}, 8);
      linear += upper << 30;
    } else {
      b.put(L::kPml4 + 8 * top, random_entry(b, L::kPdpt, false) & ~std::uint64_t{b.chance(80) ? 0x180U : 0}, 8);
      linear += top << 39;
      if (top >= 256) linear |= 0xffff000000000000;
    }
  } else if (b.paging() == PagingMode::Pae && b.chance(30)) {
    const std::uint64_t upper = 1 + b.below(3);
    b.put(L::kPdptPae + 8 * upper, L::kDirectory | (b.chance(90) ? 1 : 0), 8);
    linear += upper << 30;
  }
  return linear;
}

void start_with_paging(SystemBuilder& b) {
  do {
    b.start_anywhere();
  } while (b.paging() == PagingMode::None);
}

}  // namespace

void make_paging(SystemBuilder& b) {
  start_with_paging(b);
  if (b.chance(20)) separate_supervisor(b);
  // Offsets near the end of a page, so that some accesses need two.
  const std::uint64_t page = L::kData + 0x1000 + 0x1000 * b.below(4);
  const std::uint64_t within = b.chance(70) ? 8 * b.below(500) : 0xff0 + b.below(16);
  const std::uint64_t linear = make_window(b, page);
  const bool reaches = b.is_64() || (b.state().segment[kDs].limit == 0xffffffff && linear < 0x100000000);
  if (!reaches) {
    // 16 bits do not get to a window: its own page, in other ways.
    b.spoil_page_tables();
    emit_access(b);
    return;
  }
  switch (b.below(8)) {
    case 0: {  // fetch
      b.name("jmp");
      const std::uint64_t code = make_window(b, L::kTargets);
      b.state().gpr[kRax] = code + 0x100 + b.below(0xe00);
      return b.emit_register(0, {0xff}, 4, kRax);
    }
    case 1:  // by the stack
      b.point_stack_at(linear + within);
      return emit_stack_access(b);
    case 2:  // by the processor itself, whatever the CPL
      b.state().gdt.base = linear & ~std::uint64_t{0xfff};
      b.name("mov ds");
      b.state().gpr[kRax] = gdt::flat(gdt::kData32, 3);
      for (std::uint64_t i = 0; i < 4; ++i)
        for (const unsigned kind : {gdt::kCode64, gdt::kCode32, gdt::kCode16, gdt::kData32, gdt::kData16}) {
          DescriptorFields d{.dpl = static_cast<unsigned>(i)};
          d.type = kind <= gdt::kCode16 ? 11 : b.chance(50) ? 3 : 2;
          d.l = kind == gdt::kCode64;
          d.db = kind == gdt::kCode32 || kind == gdt::kData32;
          b.put(page + (gdt::flat(static_cast<gdt::Kind>(kind), static_cast<unsigned>(i)) & ~7U), d.raw(), 8);
        }
      return b.emit_register(0, {0x8e}, kDs, kRax);
    case 3:
      b.name("invlpg");
      b.point_data_at(linear + within);
      return b.emit_memory(0, {0x0f, 0x01}, 7);
    default:
      b.point_data_at(linear + within);
      return emit_access(b);
  }
}

void make_limits(SystemBuilder& b) {
  b.start_anywhere();
  X86State& s = b.state();
  const bool stack = b.chance(35);
  const unsigned used = stack ? kSs : kDs;
  X86Segment& segment = s.segment[used];
  if (b.is_64()) {
    // No limits, but addresses that are not canonical.
    const std::uint64_t edge = b.chance(50) ? 0x800000000000 : 0xffff800000000000;
    const std::uint64_t at = b.chance(60) ? edge - 16 + b.below(32) : b.chance(50) ? b.number() : b.data_linear();
    if (stack) {
      b.point_stack_at(at);
      return emit_stack_access(b);
    }
    s.gpr[kRbx] = at;
    return emit_access(b);
  }
  // In the segment's middle, at its limit, at the top of the address space.
  const std::uint64_t offset = stack ? s.gpr[kRsp] : s.gpr[kRbx];
  if (b.is_protected()) {
    segment.limit = static_cast<std::uint32_t>(offset + b.below(20)) - 6;
    segment.g = false;
    if (b.chance(20)) segment.limit = 0xffffffff, segment.g = true;
    if (b.chance(20)) {
      segment.type |= 4;  // downwards
      if (b.chance(50)) segment.limit = static_cast<std::uint32_t>(offset) - 1 - b.below(3);
    }
    if (!stack && b.chance(15)) segment.type &= 0xd;                                       // read-only
    if (!stack && b.chance(15)) segment.type = static_cast<std::uint8_t>(8 | b.below(8));  // code
    if (!stack && b.chance(4)) segment.present = false, segment.unusable = true, segment.selector = 0;
    if (b.chance(10)) segment.db = !segment.db;
    // G as the limit has it: loaded states keep no other.
    if (segment.limit > 0xfffff) segment.limit |= 0xfff;
    segment.g = segment.limit > 0xfffff;
    if (b.chance(15))
      s.gpr[stack ? kRsp : kRbx] =
          b.one_of({0xffffffffU, 0xfffffffeU, 0xfffffffdU, 0xfffffff9U, 0xffffU, 0xfffeU, 0xfffdU});
  } else {
    s.gpr[stack ? kRsp : kRbx] = b.chance(50) ? 0xfff0 + b.below(16) : b.below(16);
  }
  return stack ? emit_stack_access(b) : emit_access(b);
}

void make_delivery(SystemBuilder& b) {
  b.start_anywhere();
  X86State& s = b.state();
  if (b.chance(60)) b.spoil_gates();
  if (b.chance(40)) b.spoil_tss();
  if (b.paging() != PagingMode::None && b.chance(10)) separate_supervisor(b);
  if (b.chance(30)) b.spoil_page_tables();
  if (b.chance(15))
    s.idt.limit = static_cast<std::uint16_t>(b.below((b.long_mode() ? 16 : b.is_protected() ? 8 : 4) * 16));
  if (b.chance(10)) b.point_stack_at(b.one_of({std::uint64_t{0}, std::uint64_t{2}, L::kRam, b.number() & 0x7fffffff}));
  switch (b.below(7)) {
    case 0:
      b.name("ud2");
      return b.emit(0, {0x0f, 0x0b});
    case 1:
      b.name("div");
      s.gpr[kRcx] = 0;
      return b.emit_register(0, {0xf7}, 6, kRcx);
    case 2:
      b.name("fninit");
      s.cr0 |= 4;  // EM
      return b.emit(0, {0xdb, 0xe3});
    case 3:
      b.name("hlt");
      return b.emit(0, {0xf4});
    case 4:
      b.name("mov m, r");
      if (b.is_64()) s.gpr[kRbx] = b.chance(50) ? 0x8000000000000000 : 0x7fffffff0000;
      if (!b.is_64() && b.is_protected()) s.segment[kDs].limit = 0x100, s.segment[kDs].g = false;
      return b.emit_memory(0, {0x89}, kRdx);
    case 5:
      b.name("mov ds");
      s.gpr[kRax] = b.below(0x10000);
      return b.emit_register(0, {0x8e}, kDs, kRax);
    default:
      b.name("push");
      return b.emit(0, {0x50});
  }
}

// --- what families want now and then ---

void SystemBuilder::spoil_page_tables() {
  if (paging_ == PagingMode::None) return;
  const bool narrow = paging_ == PagingMode::Bits32;
  const std::uint64_t table = narrow ? L::kTable32 : L::kTable;
  const unsigned width = narrow ? 4 : 8;
  for (unsigned i = 1 + below(2); i-- > 0;) {
    const std::uint64_t physical =
        one_of({data_, data_ + 8, stack_, stack_ - 8, L::kTss32, L::kIdt32, L::kIdt64, L::kGdt, L::kStack + 0xff0,
                L::kHandlers, L::kStack + 0x1ff0, L::kTss64, L::kLdt});
    const std::uint64_t page = physical >> 12;
    std::uint64_t e = page << 12 | 7;
    switch (below(6)) {
      case 0:
        e &= ~std::uint64_t{1};
        break;
      case 1:
        e &= ~std::uint64_t{2};
        break;
      case 2:
        e &= ~std::uint64_t{4};
        break;
      case 3:
        if (!narrow) e |= std::uint64_t{1} << (below(2) ? 63 : 48 + below(4));
        break;
      default:
        e |= any() & 0x160;
        break;
    }
    put(table + page * width, e, width);
  }
}

void SystemBuilder::spoil_gates() {
  if (mode_ == CodeMode::Real) {
    const unsigned vector = chance(60) ? one_of({0U, 3U, 4U, 6U, 7U, 12U, 13U}) : below(256);
    return put(L::kVectors + 4 * vector, (L::kCode >> 4) << 16 | below(0x8000), 4);
  }
  const bool long_gates = long_mode();
  const unsigned kind = below(8);
  const bool everything = chance(50);
  for (unsigned vector = 0; vector < 256; ++vector) {
    if (!everything && !(vector < 32 && chance(20))) continue;
    if (everything && vector >= 32 && vector % 8 != 0) continue;
    unsigned type = 14, dpl = chance(50) ? 3 : 0, low = 0;
    bool present = true;
    std::uint16_t to = gdt::flat(long_gates ? gdt::kCode64 : gdt::kCode32, 0);
    std::uint64_t offset = L::kHandlers + vector * L::kHandlerStep;
    switch (kind) {
      case 0:
        type = 15;
        break;
      case 1:
        type = one_of({6U, 7U, 5U, 12U, 4U, 0U, 9U, 15U});
        if (type == 6 || type == 7) offset = 0x7000 + 4 * vector;
        if (type == 5) to = gdt::kOtherTss32;
        break;
      case 2:
        present = chance(60);
        break;
      case 3:
        to = selector_for(Wanted::Code, chance(60) ? 0 : below(4), 60);
        break;
      case 4:
        low = long_gates ? below(8) : 0;
        break;
      case 5:
        if (chance(30)) offset = number();
        break;
      case 6:
        to = gdt::flat(static_cast<gdt::Kind>(below(5)), below(4));
        break;
      default:
        dpl = below(4);
        break;
    }
    const std::uint64_t at = long_gates ? L::kIdt64 + 16 * vector : L::kIdt32 + 8 * vector;
    put(at, gate_descriptor(type, dpl, present, to, offset, low), 8);
    if (long_gates) put(at + 8, offset >> 32, 8);
  }
}

void SystemBuilder::spoil_tss() {
  X86State& s = state();
  switch (below(5)) {
    case 0:
      s.tr.limit = below(0x80);
      break;
    case 1:
      if (!long_mode()) {
        s.tr.type = 3;
        s.tr.base = L::kTss16;
        s.tr.limit = 0x2b;
      }
      break;
    case 2:
      for (unsigned level = 0; level < 3; ++level) {
        if (long_mode()) put(L::kTss64 + 4 + 8 * level, chance(50) ? stack_ + below(64) : number(), 8);
        if (!long_mode()) put(L::kTss32 + 8 + 8 * level, selector_for(Wanted::Stack, level, 60), 2);
      }
      break;
    case 3:
      for (unsigned ist = 1; ist < 8; ++ist)
        put(L::kTss64 + 0x24 + 8 * (ist - 1), chance(70) ? L::kStack + 0x4000 + below(0x400) : number(), 8);
      break;
    default:
      for (unsigned level = 0; level < 3; ++level)
        if (!long_mode()) put(L::kTss32 + 4 + 8 * level, chance(50) ? L::kStack + below(0x4000) : number(), 4);
      break;
  }
}

}  // namespace machina::jit
