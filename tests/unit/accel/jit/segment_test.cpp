#include <gtest/gtest.h>

#include "accel/jit/fault.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

// Segment registers and the tables behind them: which fault, with which error code, and what is left behind.

namespace machina::jit {
namespace {

constexpr std::uint64_t kCode = BareMachine::kCode, kStack = BareMachine::kStack;
using Tables = DescriptorTables;

struct SegmentLoad : testing::Test {
  SegmentLoad() : tables((m.protected_32(), m)) { tables.stop_at_every_vector(); }
  /// Runs `code` with AX, and expects it to reach its HLT.
  void passes(std::uint16_t ax, std::initializer_list<std::uint8_t> code) {
    start(ax);
    m.run(code);
    EXPECT_EQ(m.cpu().rip, kCode + code.size());
  }
  void faults(std::uint16_t ax, std::initializer_list<std::uint8_t> code, Vector vector, std::uint32_t error) {
    start(ax);
    m.run(code);
    EXPECT_EQ(tables.stopped_at(), static_cast<int>(vector));
    EXPECT_EQ(tables.stacked(0), error);
  }
  void start(std::uint16_t ax) {
    m.protected_32();
    if (user) tables.user();
    m.cpu().gpr[kRax] = ax;
  }
  bool user = false;
  BareMachine m;
  Tables tables;
};

TEST_F(SegmentLoad, DataSegmentsAreCheckedInOrder) {
  constexpr std::uint16_t s = Tables::kFree;
  passes(Tables::kData0, {0x8e, 0xd8, 0xf4});  // mov ds, ax
  passes(0, {0x8e, 0xd8, 0xf4});               // null is fine until it is used...
  faults(3, {0x8e, 0xd8, 0x8b, 0x03}, Vector::GeneralProtection, 0);
  faults(0x100, {0x8e, 0xd8}, Vector::GeneralProtection, 0x100);  // beyond the table
  faults(Tables::kTssSelector, {0x8e, 0xd8}, Vector::GeneralProtection, Tables::kTssSelector);
  tables.segment(s, 0xc099);  // code that is only executed
  faults(s, {0x8e, 0xd8}, Vector::GeneralProtection, s);
  tables.segment(s, 0xc09b);
  passes(s, {0x8e, 0xd8, 0xf4});
  faults(s | 1, {0x8e, 0xd8}, Vector::GeneralProtection, s);  // RPL > DPL
  tables.segment(s, 0xc01b);
  faults(s | 3, {0x8e, 0xd8}, Vector::GeneralProtection, s);  // privilege before presence
  faults(s, {0x8e, 0xd8}, Vector::SegmentNotPresent, s);
  tables.segment(s, 0xc09f);  // conforming: any privilege
  passes(s | 3, {0x8e, 0xd8, 0xf4});
  user = true;
  faults(Tables::kData0, {0x8e, 0xd8}, Vector::GeneralProtection, Tables::kData0);
}

TEST_F(SegmentLoad, StackSegmentsAreCheckedInOrder) {
  constexpr std::uint16_t s = Tables::kFree;
  passes(Tables::kData0, {0x8e, 0xd0, 0xf4});
  faults(0, {0x8e, 0xd0}, Vector::GeneralProtection, 0);
  faults(Tables::kData0 | 1, {0x8e, 0xd0}, Vector::GeneralProtection, Tables::kData0);
  faults(Tables::kData3, {0x8e, 0xd0}, Vector::GeneralProtection, Tables::kData3 & ~3U);
  faults(Tables::kCode0, {0x8e, 0xd0}, Vector::GeneralProtection, Tables::kCode0);
  tables.segment(s, 0xc091);
  faults(s, {0x8e, 0xd0}, Vector::GeneralProtection, s);  // read-only
  tables.segment(s, 0xc013);
  faults(s, {0x8e, 0xd0}, Vector::StackSegment, s);
}

TEST_F(SegmentLoad, SetsTheAccessedBitOnceEverythingIsRight) {
  constexpr std::uint16_t s = Tables::kFree;
  tables.segment(s, 0xc092);
  faults(s | 3, {0x8e, 0xd8}, Vector::GeneralProtection, s);
  EXPECT_EQ(tables.rights_byte(s), 0x92);
  passes(s, {0x8e, 0xd8, 0xf4});
  EXPECT_EQ(tables.rights_byte(s), 0x93);
  EXPECT_EQ(m.cpu().segment[kDs].rights, 0xc093);
}

TEST_F(SegmentLoad, LimitsAndBasesCountAtOnce) {
  constexpr std::uint16_t s = Tables::kFree;
  tables.segment(s, 0x4093, 0x20000, 0xf);
  m.put<std::uint32_t>(0x2000c, 0xfeed);
  passes(s, {0x8e, 0xd8, 0x8b, 0x1d, 0xc, 0, 0, 0, 0xf4});  // mov ds, ax; mov ebx, [0ch]
  EXPECT_EQ(m.cpu().gpr[kRbx], 0xfeedU);
  faults(s, {0x8e, 0xd8, 0x8b, 0x1d, 0xd, 0, 0, 0, 0xf4}, Vector::GeneralProtection, 0);
  tables.segment(s, 0xc091);  // read-only
  faults(s, {0x8e, 0xd8, 0x89, 0x1d, 0, 0, 2, 0, 0xf4}, Vector::GeneralProtection, 0);
  tables.segment(s, 0x4097, 0, 0xfff);  // expand-down: above the limit only
  faults(s, {0x8e, 0xd8, 0x8b, 0x1d, 0xff, 0xf, 0, 0, 0xf4}, Vector::GeneralProtection, 0);
  passes(s, {0x8e, 0xd8, 0x8b, 0x1d, 0, 0x10, 0, 0, 0xf4});
}

TEST_F(SegmentLoad, PopKeepsTheStackWhenItFaults) {
  start(0);
  m.put<std::uint32_t>(kStack - 4, 0x1f8);
  m.cpu().gpr[kRsp] = kStack - 4;
  m.run({0x1f});  // pop ds
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), 0x1f8U);
  EXPECT_EQ(m.cpu().gpr[kRsp], kStack - 4 - 16);
}

TEST_F(SegmentLoad, PushAndPopOfEveryRegister) {
  // push cs; pop es; push fs; pop gs; push ss; pop ds
  passes(0, {0x0e, 0x07, 0x0f, 0xa0, 0x0f, 0xa9, 0x16, 0x1f, 0xf4});
  EXPECT_EQ(m.cpu().segment[kEs].selector, Tables::kCode0);
  EXPECT_EQ(m.cpu().segment[kDs].selector, Tables::kData0);
  EXPECT_EQ(m.cpu().gpr[kRsp], kStack);
}

TEST_F(SegmentLoad, MovFromASegmentRegister) {
  m.cpu().gpr[kRcx] = ~0U;
  passes(0, {0x8c, 0xd8, 0x66, 0x8c, 0xd1, 0x8c, 0x0d, 0, 0, 2, 0, 0xf4});  // mov eax, ds; mov cx, ss; mov [20000h], cs
  EXPECT_EQ(m.cpu().gpr[kRax], Tables::kData0);
  EXPECT_EQ(m.cpu().gpr[kRcx], 0xffff0000U | Tables::kData0);
  EXPECT_EQ(m.get<std::uint32_t>(0x20000), Tables::kCode0);
}

TEST_F(SegmentLoad, FarPointers) {
  m.put<std::uint32_t>(0x20000, 0x11223344);
  m.put<std::uint16_t>(0x20004, Tables::kCode0);
  passes(0, {0xc4, 0x1d, 0, 0, 2, 0, 0x0f, 0xb4, 0x0d, 0, 0, 2, 0, 0xf4});  // les ebx, [20000h]; lfs ecx, [20000h]
  EXPECT_EQ(m.cpu().gpr[kRbx], 0x11223344U);
  EXPECT_EQ(m.cpu().gpr[kRcx], 0x11223344U);
  EXPECT_EQ(m.cpu().segment[kEs].selector, Tables::kCode0);
  EXPECT_EQ(m.cpu().segment[kFs].selector, Tables::kCode0);
  m.put<std::uint16_t>(0x20004, 0x1f8);
  start(0);
  m.cpu().gpr[kRbx] = 7;
  m.run({0xc5, 0x1d, 0, 0, 2, 0});  // lds
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(m.cpu().gpr[kRbx], 7U);
}

TEST_F(SegmentLoad, LocalDescriptors) {
  constexpr std::uint16_t ldt = Tables::kFree;
  tables.segment(ldt, 0x82, Tables::kLdt, 0xf);
  tables.segment(0xc, 0xc093);
  faults(0xc, {0x8e, 0xd8}, Vector::GeneralProtection, 0xc);  // no LDT yet
  start(ldt);
  m.cpu().gpr[kRbx] = 0xc;
  m.run({0x0f, 0x00, 0xd0, 0x8e, 0xdb, 0x0f, 0x00, 0xc1, 0xf4});  // lldt ax; mov ds, bx; sldt ecx
  EXPECT_EQ(m.cpu().segment[kDs].selector, 0xc);
  EXPECT_EQ(m.cpu().gpr[kRcx], ldt);
  faults(0x14, {0x8e, 0xd8}, Vector::GeneralProtection, 0x14);
  faults(Tables::kData0, {0x0f, 0x00, 0xd0}, Vector::GeneralProtection, Tables::kData0);
  tables.segment(ldt, 0x02, Tables::kLdt, 0xf);
  faults(ldt, {0x0f, 0x00, 0xd0}, Vector::SegmentNotPresent, ldt);
  user = true;
  faults(ldt, {0x0f, 0x00, 0xd0}, Vector::GeneralProtection, 0);
}

TEST(SystemSegment, HasABaseOf32BitsInCompatibilityMode) {
  BareMachine m;
  m.long_64();
  Tables tables(m);
  tables.segment(Tables::kFree, 0x82, 0x5000, 0xff);
  m.put<std::uint64_t>(Tables::kGdt + Tables::kFree + 8, 0x7a);
  const auto base_after_lldt = [&m] {
    m.cpu().gpr[kRax] = Tables::kFree;
    m.run({0x0f, 0x00, 0xd0, 0xf4});  // lldt ax
    return m.cpu().ldt.base;
  };
  EXPECT_EQ(base_after_lldt(), 0x7a00005000U);
  Segment cs = m.cpu().segment[kCs];
  cs.rights = 0xc09b;
  m.cpu().set_segment(kCs, cs);
  m.cpu().update_mode();
  EXPECT_EQ(base_after_lldt(), 0x5000U);
  // Nor need the table reach beyond the first half.
  m.cpu().gdt.limit = Tables::kFree + 7;
  m.cpu().ldt = {};
  EXPECT_EQ(base_after_lldt(), 0x5000U);
}

TEST_F(SegmentLoad, TaskRegisterMarksItsSegmentBusy) {
  constexpr std::uint16_t t = Tables::kFree;
  tables.segment(t, 0x89, 0x5000, 0x67);
  passes(t, {0x0f, 0x00, 0xd8, 0x0f, 0x00, 0xc9, 0xf4});  // ltr ax; str ecx
  EXPECT_EQ(m.cpu().gpr[kRcx], t);
  EXPECT_EQ(tables.rights_byte(t), 0x8b);
  EXPECT_EQ(m.cpu().tr.base, 0x5000U);
  faults(t, {0x0f, 0x00, 0xd8}, Vector::GeneralProtection, t);  // busy by now
  faults(0, {0x0f, 0x00, 0xd8}, Vector::GeneralProtection, 0);
  tables.segment(t, 0x09, 0x5000, 0x67);
  faults(t, {0x0f, 0x00, 0xd8}, Vector::SegmentNotPresent, t);
}

TEST_F(SegmentLoad, DescriptorTableRegisters) {
  m.put<std::uint16_t>(0x20000, 0x1234);
  m.put<std::uint32_t>(0x20002, 0xaabbccdd);
  passes(0, {0x0f, 0x01, 0x1d, 0, 0, 2, 0, 0x0f, 0x01, 0x0d, 0, 1, 2, 0, 0xf4});  // lidt [20000h]; sidt [20100h]
  EXPECT_EQ(m.cpu().idt.base, 0xaabbccddU);
  EXPECT_EQ(m.get<std::uint16_t>(0x20100), 0x1234);
  EXPECT_EQ(m.get<std::uint32_t>(0x20102), 0xaabbccddU);
  passes(0, {0x66, 0x0f, 0x01, 0x1d, 0, 0, 2, 0, 0xf4});  // of 16 bits: 24 of the base
  EXPECT_EQ(m.cpu().idt.base, 0xbbccddU);
}

TEST_F(SegmentLoad, UserModeInstructionPrevention) {
  tables.gate(0x80, Tables::handler(0x80), 0xee);
  for (const bool umip : {false, true}) {
    for (const std::uint8_t modrm : {std::uint8_t{0xc0}, std::uint8_t{0xc8}}) {  // sldt eax, str eax
      start(0);
      tables.user();
      m.cpu().cr4 |= umip ? kCr4Umip : 0;
      m.run({0x0f, 0x00, modrm, 0xcd, 0x80});
      EXPECT_EQ(tables.stopped_at(), umip ? 13 : 0x80);
    }
    start(0);
    tables.user();
    m.cpu().cr4 |= umip ? kCr4Umip : 0;
    m.run({0x0f, 0x01, 0x05, 0, 0, 2, 0, 0xcd, 0x80});  // sgdt [20000h]
    EXPECT_EQ(tables.stopped_at(), umip ? 13 : 0x80);
  }
}

TEST_F(SegmentLoad, AccessRightsAndLimits) {
  constexpr std::uint16_t s = Tables::kFree;
  tables.segment(s, 0xc0f3, 0, 0x12345fff);
  passes(s, {0x0f, 0x02, 0xc8, 0x0f, 0x03, 0xd0, 0xf4});  // lar ecx, eax; lsl edx, eax
  EXPECT_EQ(m.cpu().gpr[kRcx] & 0xf0ff00, 0xc0f300U);
  EXPECT_EQ(m.cpu().gpr[kRdx], 0x12345fffU);
  EXPECT_TRUE(m.cpu().flags.zf());
  m.cpu().gpr[kRcx] = 5;
  passes(0x1f8, {0x0f, 0x02, 0xc8, 0xf4});
  EXPECT_FALSE(m.cpu().flags.zf());
  EXPECT_EQ(m.cpu().gpr[kRcx], 5U);
  tables.call_gate(s, 0, 0x8c, Tables::kCode0);
  passes(s, {0x0f, 0x02, 0xc8, 0xf4});
  EXPECT_TRUE(m.cpu().flags.zf());
  passes(s, {0x0f, 0x03, 0xc8, 0xf4});
  EXPECT_FALSE(m.cpu().flags.zf()) << "a gate has no limit";
  passes(Tables::kData0 | 3, {0x0f, 0x02, 0xc8, 0xf4});
  EXPECT_FALSE(m.cpu().flags.zf()) << "RPL may not see it";
}

TEST_F(SegmentLoad, VerifyReadAndWrite) {
  constexpr std::uint16_t s = Tables::kFree;
  const auto answers = [&](std::uint16_t rights) {
    tables.segment(s, rights);
    start(s);
    m.run(
        {0x0f, 0x00, 0xe0, 0x0f, 0x94, 0xc1, 0x0f, 0x00, 0xe8, 0x0f, 0x94, 0xc5, 0xf4});  // verr ax; setz cl; verw; ch
    return (m.cpu().gpr[kRcx] & 1) | (m.cpu().gpr[kRcx] >> 7 & 2);
  };
  EXPECT_EQ(answers(0xc093), 3U);
  EXPECT_EQ(answers(0xc091), 1U);
  EXPECT_EQ(answers(0xc09b), 1U);
  EXPECT_EQ(answers(0xc099), 0U);
  EXPECT_EQ(answers(0x0082), 0U);
}

TEST_F(SegmentLoad, AdjustRpl) {
  start(0x11);
  m.cpu().gpr[kRbx] = 0x1b;
  m.run({0x63, 0xd8, 0xf4});  // arpl ax, bx
  EXPECT_EQ(m.cpu().gpr[kRax], 0x13U);
  EXPECT_TRUE(m.cpu().flags.zf());
  m.run({0x63, 0xd8, 0xf4});
  EXPECT_FALSE(m.cpu().flags.zf());
}

// --- far transfers ---

TEST_F(SegmentLoad, FarJumps) {
  constexpr std::uint16_t s = Tables::kFree;
  const auto jump = [&](std::uint16_t selector, Vector vector, std::uint32_t error) {
    faults(0, {0xea, 0, 0x10, 1, 0, static_cast<std::uint8_t>(selector), static_cast<std::uint8_t>(selector >> 8)},
           vector, error);
  };
  jump(0, Vector::GeneralProtection, 0);
  jump(0x1f8, Vector::GeneralProtection, 0x1f8);
  jump(Tables::kData0, Vector::GeneralProtection, Tables::kData0);
  jump(Tables::kCode3, Vector::GeneralProtection, Tables::kCode3 & ~3U);
  jump(Tables::kCode0 | 1, Vector::GeneralProtection, Tables::kCode0);
  tables.segment(s, 0xc01b);
  jump(s, Vector::SegmentNotPresent, s);
  tables.segment(s, 0x409b, 0, 0xffff);
  jump(s, Vector::GeneralProtection, 0);  // beyond the limit
  tables.segment(s, 0xc09e);              // conforming: RPL does not matter, CPL stays
  m.put<std::uint8_t>(0x11000, 0xf4);
  start(0);
  m.run({0xea, 0, 0x10, 1, 0, s | 3, 0});
  EXPECT_EQ(m.cpu().rip, 0x11001U);
  EXPECT_EQ(m.cpu().segment[kCs].selector, s);
  EXPECT_EQ(tables.rights_byte(s), 0x9f);
}

TEST_F(SegmentLoad, FarCallAndReturnOfTheSamePrivilege) {
  m.put_code(0x11000, std::array<std::uint8_t, 3>{0xca, 8, 0});  // retf 8
  passes(0, {0x9a, 0, 0x10, 1, 0, Tables::kCode0, 0, 0xf4});
  EXPECT_EQ(m.cpu().gpr[kRsp], kStack + 8);
  EXPECT_EQ(m.get<std::uint32_t>(kStack - 4), Tables::kCode0);
  EXPECT_EQ(m.get<std::uint32_t>(kStack - 8), kCode + 7);
}

TEST_F(SegmentLoad, FarReturnToUser) {
  tables.gate(0x80, Tables::handler(0x80), 0xee);
  m.put_code(0x11000, std::array<std::uint8_t, 2>{0xcd, 0x80});
  start(0);
  // push 23h; push 60000h; push 0 (a parameter); push 1bh; push 11000h; retf 4
  m.run({0x6a, 0x23, 0x68, 0, 0, 6, 0, 0x6a, 0, 0x6a, 0x1b, 0x68, 0, 0x10, 1, 0, 0xca, 4, 0});
  EXPECT_EQ(tables.stopped_at(), 0x80);
  EXPECT_EQ(tables.stacked(1), Tables::kCode3);
  EXPECT_EQ(tables.stacked(3), 0x60004U) << "parameters are released from both stacks";
}

TEST_F(SegmentLoad, FarReturnMayNotGoInward) {
  user = true;
  faults(0, {0x6a, 8, 0x6a, 0, 0xcb}, Vector::GeneralProtection, 8);
}

TEST_F(SegmentLoad, CallGateToTheKernelCopiesParameters) {
  constexpr std::uint16_t g = Tables::kFree;
  tables.call_gate(g, Tables::handler(0x42), 0xec, Tables::kCode0, 2);
  user = true;
  start(0);
  m.run({0x6a, 0x11, 0x6a, 0x22, 0x9a, 0, 0, 0, 0, g | 3, 0});  // push 11h; push 22h; call gate
  EXPECT_EQ(tables.stopped_at(), 0x42);
  EXPECT_EQ(m.cpu().gpr[kRsp], Tables::kInnerStack - 24);
  EXPECT_EQ(tables.stacked(0), kCode + 11);
  EXPECT_EQ(tables.stacked(1), Tables::kCode3);
  EXPECT_EQ(tables.stacked(2), 0x22U);
  EXPECT_EQ(tables.stacked(3), 0x11U);
  EXPECT_EQ(tables.stacked(4), kStack - 8);
  EXPECT_EQ(tables.stacked(5), Tables::kData3);
  EXPECT_EQ(m.cpu().cpl, 0);

  m.put_code(Tables::handler(0x42), std::array<std::uint8_t, 3>{0xca, 8, 0});  // retf 8
  tables.gate(0x80, Tables::handler(0x80), 0xee);
  start(0);
  m.run({0x6a, 0x11, 0x6a, 0x22, 0x9a, 0, 0, 0, 0, g | 3, 0, 0xcd, 0x80});
  EXPECT_EQ(tables.stopped_at(), 0x80);
  EXPECT_EQ(tables.stacked(3), kStack);
}

TEST_F(SegmentLoad, CallGatesAreChecked) {
  constexpr std::uint16_t g = Tables::kFree;
  user = true;
  const auto call = [&](Vector vector, std::uint32_t error) { faults(0, {0x9a, 0, 0, 0, 0, g | 3, 0}, vector, error); };
  tables.call_gate(g, 0, 0x8c, Tables::kCode0);
  call(Vector::GeneralProtection, g);  // DPL 0
  tables.call_gate(g, 0, 0x6c, Tables::kCode0);
  call(Vector::SegmentNotPresent, g);
  tables.call_gate(g, 0, 0xec, 0);
  call(Vector::GeneralProtection, 0);
  tables.call_gate(g, 0, 0xec, Tables::kData0);
  call(Vector::GeneralProtection, Tables::kData0);
  tables.call_gate(g, 0, 0xee, Tables::kCode0);
  call(Vector::GeneralProtection, g);  // an interrupt gate
  // A jump may not change the privilege.
  tables.call_gate(g, 0, 0xec, Tables::kCode0);
  faults(0, {0xea, 0, 0, 0, 0, g | 3, 0}, Vector::GeneralProtection, Tables::kCode0);
}

// --- long mode ---

struct LongSegments : testing::Test {
  LongSegments() : tables((m.long_64(), m)) { tables.stop_at_every_vector(); }
  BareMachine m;
  Tables tables;
};

TEST_F(LongSegments, BasesOfFsAndGsCountAndThoseOfDsDoNot) {
  tables.segment(Tables::kFree, 0x4093, 0x30000, 0xff);
  m.put<std::uint32_t>(0x30010, 7);
  m.put<std::uint32_t>(0x10, 9);
  m.cpu().gpr[kRax] = Tables::kFree;
  // mov ds, eax; mov fs, eax; mov ebx, ds:[10h]; mov ecx, fs:[10h]
  m.run({0x8e, 0xd8, 0x8e, 0xe0, 0x8b, 0x1c, 0x25, 0x10, 0, 0, 0, 0x64, 0x8b, 0x0c, 0x25, 0x10, 0, 0, 0, 0xf4});
  EXPECT_EQ(m.cpu().gpr[kRbx], 9U);
  EXPECT_EQ(m.cpu().gpr[kRcx], 7U);
}

TEST_F(LongSegments, NullStackSegmentForTheKernelOnly) {
  m.run({0x31, 0xc0, 0x8e, 0xd0, 0x90, 0xf4});  // xor eax, eax; mov ss, eax
  EXPECT_EQ(m.cpu().rip, kCode + 6);
  EXPECT_EQ(m.cpu().segment[kSs].selector, 0);
  m.cpu().gpr[kRax] = 3;
  m.run({0x8e, 0xd0});
  EXPECT_EQ(tables.stopped_at(), 13);
}

TEST_F(LongSegments, SystemDescriptorsHave16Bytes) {
  constexpr std::uint16_t t = Tables::kFree;
  tables.segment(t, 0x89, 0x5000, 0x67);
  m.put<std::uint64_t>(Tables::kGdt + t + 8, 0xffff8000);
  m.cpu().gpr[kRax] = t;
  m.run({0x0f, 0x00, 0xd8, 0xf4});
  EXPECT_EQ(m.cpu().tr.base, 0xffff800000005000U);
  m.long_64();
  tables.segment(t, 0x89, 0x5000, 0x67);
  m.put<std::uint64_t>(Tables::kGdt + t + 8, 0xff000000);  // bits 63-56 set, 55 clear: canonical in 57 bits
  m.cpu().gpr[kRax] = t;
  m.run({0x0f, 0x00, 0xd8, 0xf4});
  EXPECT_EQ(m.cpu().tr.base, 0xff00000000005000U);
  m.long_64();
  tables.segment(t, 0x89, 0x5000, 0x67);
  m.put<std::uint64_t>(Tables::kGdt + t + 8, 0x80000000);  // not canonical
  m.cpu().gpr[kRax] = t;
  m.run({0x0f, 0x00, 0xd8, 0xf4});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), t);
}

TEST_F(LongSegments, CallGateHas64Bits) {
  constexpr std::uint16_t g = Tables::kFree;
  tables.call_gate(g, Tables::handler(0x42), 0xec, Tables::kCode0);
  m.put<std::uint32_t>(0x20000, 0);
  m.put<std::uint16_t>(0x20004, g | 3);
  tables.user();
  m.run({0xff, 0x1c, 0x25, 0, 0, 2, 0});  // call far [20000h]
  EXPECT_EQ(tables.stopped_at(), 0x42);
  EXPECT_EQ(m.cpu().gpr[kRsp], Tables::kInnerStack - 32);
  EXPECT_EQ(tables.stacked(0), kCode + 7);
  EXPECT_EQ(tables.stacked(1), Tables::kCode3);
  EXPECT_EQ(tables.stacked(2), kStack);
  EXPECT_EQ(tables.stacked(3), Tables::kData3);
  EXPECT_EQ(m.cpu().segment[kSs].selector, 0);
}

TEST_F(LongSegments, FarReturnLeavesAndEntersLongMode) {
  constexpr std::uint16_t s = Tables::kFree;
  tables.segment(s, 0xc09b);
  // In 32-bit code: inc eax (which would be a prefix in 64-bit code), then a far jump back.
  m.put_code(0x11000, std::array<std::uint8_t, 8>{0x40, 0xea, 0, 0x20, 1, 0, 8, 0});
  m.put_code(0x12000, std::array<std::uint8_t, 4>{0x48, 0xff, 0xc0, 0xf4});  // inc rax
  m.cpu().gpr[kRax] = 0xffffffff;
  m.run({0x6a, s, 0x68, 0, 0x10, 1, 0, 0x48, 0xcb});  // push s; push 11000h; retfq
  EXPECT_EQ(m.cpu().rip, 0x12004U);
  EXPECT_EQ(m.cpu().gpr[kRax], 1U);
  EXPECT_TRUE(m.cpu().long_code());
}

TEST_F(LongSegments, TableBasesMustBeCanonical) {
  m.put<std::uint16_t>(0x20000, 0xff);
  m.put<std::uint64_t>(0x20002, 0x8000000000000000);
  m.run({0x0f, 0x01, 0x14, 0x25, 0, 0, 2, 0});  // lgdt [20000h]
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(m.cpu().gdt.base, Tables::kGdt);
}

// The model has 57 bits, the paging mode 48: what is loaded counts by the one, what is accessed by the other.
TEST_F(LongSegments, TableBasesAreOfTheModelsWidth) {
  m.put<std::uint16_t>(0x20000, 0xff);
  m.put<std::uint64_t>(0x20002, 0xff00000000000000);
  m.run({0x0f, 0x01, 0x14, 0x25, 0, 0, 2, 0, 0xf4});  // lgdt [20000h]
  EXPECT_EQ(m.cpu().gdt.base, 0xff00000000000000U);
  m.cpu().gdt.base = Tables::kGdt;
  m.cpu().cr4 |= kCr4Fsgsbase;
  m.cpu().gpr[kRbx] = 0xff00000000000000;
  // wrfsbase rbx; mov al, fs:[0]
  m.run({0xf3, 0x48, 0x0f, 0xae, 0xd3, 0x64, 0x8a, 0x04, 0x25, 0, 0, 0, 0});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(1), kCode + 5);
  EXPECT_EQ(m.cpu().segment[kFs].base, 0xff00000000000000U);
}

}  // namespace
}  // namespace machina::jit
