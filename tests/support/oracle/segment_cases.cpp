/// Segment registers, far transfers, tables.

#include "tests/support/oracle/system_cases.h"

namespace machina::jit {

namespace {

constexpr const char* kSegmentNames[] = {"es", "cs", "ss", "ds", "fs", "gs"};

Wanted wanted_for(unsigned segment) { return segment == kSs ? Wanted::Stack : Wanted::Data; }

void name_with_segment(SystemBuilder& b, const char* mnemonic, unsigned segment) {
  b.name((std::string(mnemonic) + ' ' + kSegmentNames[segment]).c_str());
}

}  // namespace

void make_segment_load(SystemBuilder& b) {
  b.start_anywhere();
  const unsigned segment = b.one_of({kEs, kSs, kDs, kFs, kGs});
  const std::uint16_t selector = b.selector(wanted_for(segment));
  switch (b.below(4)) {
    case 0:
      name_with_segment(b, "mov", segment);
      b.state().gpr[kRax] = (b.any() << 16) | selector;
      if (!b.is_64()) b.state().gpr[kRax] &= 0xffffffff;
      b.emit_register(b.operand_width(), {0x8e}, b.chance(97) ? segment : b.below(8), kRax);
      break;
    case 1:
      name_with_segment(b, "mov", segment);
      b.data_value(0, selector, 2);
      b.emit_memory(0, {0x8e}, segment);
      break;
    case 2: {
      const unsigned segment_popped = b.is_64() && segment < kFs && b.chance(90) ? kFs : segment;
      name_with_segment(b, "pop", segment_popped);
      const unsigned width = b.operand_width();
      b.stack_values({b.any() << 16 | selector}, 8);
      switch (segment_popped) {
        case kEs:
          b.emit(width == 8 ? 0 : width, {0x07});
          break;
        case kSs:
          b.emit(width == 8 ? 0 : width, {0x17});
          break;
        case kDs:
          b.emit(width == 8 ? 0 : width, {0x1f});
          break;
        default:
          b.emit(width, {0x0f, segment_popped == kFs ? 0xa1U : 0xa9U});
          break;
      }
      break;
    }
    default: {
      const unsigned loaded = b.is_64() && segment < kFs && segment != kSs ? kGs : segment;
      name_with_segment(b, "lxs", loaded);
      const unsigned width = b.operand_width();
      b.data_value(0, b.number(), width);
      b.data_value(width, selector, 2);
      const unsigned reg = b.one_of({0U, 1U, 2U, 5U, 6U, 7U});
      if (loaded == kEs) {
        b.emit_memory(width, {0xc4}, reg);
      } else if (loaded == kDs) {
        b.emit_memory(width, {0xc5}, reg);
      } else {
        b.emit_memory(width, {0x0f, loaded == kSs ? 0xb2U : loaded == kFs ? 0xb4U : 0xb5U}, reg);
      }
      break;
    }
  }
}

void make_far_transfer(SystemBuilder& b) {
  b.start_anywhere();
  const unsigned width = b.operand_width();
  const bool real = !b.is_protected();
  const bool gate = !real && b.chance(25);
  std::uint64_t real_offset = 0, offset = b.chance(92) ? b.code_offset() : b.number();
  const std::uint16_t real_selector = b.real_target(real_offset);
  if (real && b.chance(95)) offset = real_offset;
  const unsigned kind = b.below(6);
  if (kind == 4 || kind == 5) {  // RET
    unsigned to_cpl = b.cpl();
    if (b.chance(40)) to_cpl = b.cpl() + b.below(4 - b.cpl());
    const std::uint16_t cs = real ? real_selector : b.selector_for(Wanted::Code, to_cpl, 75);
    const std::uint16_t ss = b.selector_for(Wanted::Stack, to_cpl, 80);
    const unsigned extra = kind == 5 ? 8 * b.below(3) : 0;
    b.name("retf");
    b.stack_values({offset, cs}, width);
    b.put(b.stack_linear() + 2 * width + extra, b.stack_linear() + 0x100, width);
    b.put(b.stack_linear() + 3 * width + extra, ss, width);
    if (kind == 4) return b.emit(width, {0xcb});
    b.emit(width, {0xca});
    return b.append(extra, 2);
  }
  const bool task = !real && !gate && b.chance(5);
  const std::uint16_t selector = real   ? real_selector
                                 : gate ? b.far_gate()
                                        : b.selector(task ? Wanted::Tss : Wanted::Code, 75);
  const bool call = b.chance(50);
  const std::string to = gate ? " by gate" : task ? " to task" : "";
  b.name(((call ? "callf" : "jmpf") + to).c_str());
  if (b.chance(50)) b.spoil_tss();
  if (kind < 2 && !b.is_64()) {
    b.emit(width, {call ? 0x9aU : 0xeaU});
    b.append(offset, width);
    return b.append(selector, 2);
  }
  b.data_value(0, offset, width);
  b.data_value(width, selector, 2);
  b.emit_memory(width, {0xff}, call ? 3 : 5);
}

void make_interrupt_return(SystemBuilder& b) {
  b.start_anywhere();
  const unsigned width = b.operand_width();
  const bool real = !b.is_protected();
  const unsigned to_cpl = b.chance(50) ? b.cpl() : b.cpl() + b.below(4 - b.cpl());
  std::uint64_t real_offset = 0, offset = b.chance(92) ? b.code_offset() : b.number();
  const std::uint16_t real_selector = b.real_target(real_offset);
  if (real && b.chance(95)) offset = real_offset;
  const std::uint16_t cs = real ? real_selector : b.selector_for(Wanted::Code, to_cpl, 85);
  const std::uint16_t ss = b.selector_for(Wanted::Stack, to_cpl, 85);
  // KVM may leave the accessed bit to others, and the inner level's segments: that is seen often enough.
  if (b.chance(90)) b.mark_all_accessed();
  if (b.chance(70) && to_cpl > b.cpl())
    for (const unsigned i : {kEs, kDs, kFs, kGs})
      if (i != kDs || b.is_64()) b.state().segment[i].dpl = 3, b.state().segment[i].selector |= 3;
  // Without TF: what it traps is HLT, whose trap is another matter.
  std::uint64_t flags = b.chance(60) ? 2 | (b.any() & 0xcd5) : b.any() & 0x3ffeff;
  if (b.chance(80)) flags &= ~std::uint64_t{0x4000};
  if (b.cpl() == 0 && !b.long_mode() && b.chance(15)) flags |= 1U << 17;
  if (b.chance(80) && b.is_protected()) b.state().rflags &= ~std::uint64_t{0x4000};
  if (b.chance(3)) {
    b.state().rflags |= 0x4000;  // NT: back to the task that the TSS names
    b.put(b.long_mode() ? SystemLayout::kTss64 : SystemLayout::kTss32, b.selector(Wanted::Tss, 80), 2);
  }
  b.name(width == 8 ? "iretq" : "iret");
  b.stack_values({offset, cs, flags, b.stack_linear() + 0x100, ss}, width);
  for (unsigned i = 0; i < 4; ++i) b.put(b.stack_linear() + (5 + i) * width, SystemLayout::kData >> 4, width);
  b.emit(width, {0xcf});
}

void make_interrupt(SystemBuilder& b) {
  b.start_anywhere();
  // INT in real mode is known to keep some KVMs busy for ever, and costs the time to notice.
  if (b.mode() == CodeMode::Real && b.chance(95)) b.start_protected();
  if (b.chance(40)) b.spoil_gates();
  switch (b.below(8)) {
    case 0:
      b.name("int3");
      return b.emit(0, {0xcc});
    case 1:
      b.name("into");
      if (b.chance(70)) b.state().rflags |= 0x800;
      return b.emit(0, {0xce});
    case 2:
      b.name("int1");
      return b.emit(0, {0xf1});
    default:
      b.name("int");
      return b.emit(0, {0xcd, b.chance(50) ? b.below(32) : b.below(256)});
  }
}

void make_system_register(SystemBuilder& b) {
  b.start_anywhere();
  const unsigned width = b.operand_width();
  const bool memory = b.chance(50);
  const auto operand = [&](std::initializer_list<unsigned> bytes, unsigned reg, std::uint64_t value) {
    b.state().gpr[kRax] = value;
    b.data_value(0, value, 2);
    return memory ? b.emit_memory(width, bytes, reg) : b.emit_register(width, bytes, reg, kRax);
  };
  if (b.chance(30)) b.state().cr4 |= 0x800;  // UMIP
  const std::uint64_t rest = b.is_64() ? b.any() << 16 : b.any() << 48 >> 32;
  switch (b.below(11)) {
    case 0:
      b.name("lldt");
      return operand({0x0f, 0x00}, 2, rest | b.selector(Wanted::Ldt));
    case 1:
      b.name("ltr");
      return operand({0x0f, 0x00}, 3, rest | b.selector(Wanted::Tss));
    case 2:
    case 3: {
      const bool lgdt = b.chance(50);
      b.name(lgdt ? "lgdt" : "lidt");
      b.data_value(0, b.any(), 2);
      b.data_value(2, b.chance(60) ? b.number() & 0x7fffffffffff : b.number(), 8);
      return b.emit_memory(b.chance(70) ? 0 : width, {0x0f, 0x01}, lgdt ? 2 : 3);
    }
    case 4:
      b.name("sgdt");
      b.state().gdt.base = b.number() & 0x7fffffff;
      if (b.cpl() != 0) b.state().gdt.base = SystemLayout::kGdt;
      return b.emit_memory(b.chance(70) ? 0 : width, {0x0f, 0x01}, 0);
    case 5:
      b.name("sidt");
      return b.emit_memory(b.chance(70) ? 0 : width, {0x0f, 0x01}, 1);
    case 6:
      b.name("str");
      return operand({0x0f, 0x00}, 1, b.number() & 0xffffffff);
    case 7:
      b.name("sldt");
      return operand({0x0f, 0x00}, 0, b.number() & 0xffffffff);
    case 8:
      b.name("smsw");
      return operand({0x0f, 0x01}, 4, b.number() & 0xffffffff);
    case 9:
      b.name("lmsw");
      return operand({0x0f, 0x01}, 6, b.is_protected() || b.chance(50) ? b.any() & 0xffff : b.any() & 0xfffe);
    default:
      b.name("clts");
      if (b.chance(50)) b.state().cr0 |= 8;
      return b.emit(0, {0x0f, 0x06});
  }
}

void make_descriptor_query(SystemBuilder& b) {
  b.start_anywhere();
  const unsigned width = b.operand_width();
  const std::uint16_t selector =
      b.chance(70) ? b.selector(b.one_of({Wanted::Data, Wanted::Code, Wanted::Stack, Wanted::Ldt, Wanted::Tss}))
                   : b.far_gate();
  b.state().gpr[kRcx] = selector;
  switch (b.below(4)) {
    case 0:
      b.name("lar");
      return b.emit_register(width, {0x0f, 0x02}, kRax, kRcx);
    case 1:
      b.name("lsl");
      return b.emit_register(width, {0x0f, 0x03}, kRax, kRcx);
    case 2:
      b.name("verr");
      return b.emit_register(0, {0x0f, 0x00}, 4, kRcx);
    default:
      b.name("verw");
      return b.emit_register(0, {0x0f, 0x00}, 5, kRcx);
  }
}

}  // namespace machina::jit
