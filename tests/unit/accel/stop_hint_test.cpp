#include "accel/stop_hint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "accel/stop_report.h"
#include "tests/support/sparse_memory.h"

namespace machina {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

/// A triple fault in 64-bit code at 1000h, whose IDT holds something.
class StopHint : public testing::Test {
 protected:
  StopHint() : state(test::long_mode()) {
    state.cr4 |= 0x600;
    state.rip = 0x1000;
    state.gpr[kRsp] = 0x7000;
    state.idt = {0x20000, 0xfff};
    state.gdt = {0x30000, 0x1f};
    at.bytes = {0x90};
    at.instruction = "nop";
    report.kind = StopKind::TripleFault;
    report.state = &state;
  }
  static TableRead descriptor(std::uint16_t selector, std::uint64_t low) {
    return {.table = TableRead::Table::Gdt, .index = selector, .linear = 0x30000U + selector, .low = low};
  }
  static TableRead gate(std::uint8_t vector, std::uint64_t low) {
    return {.table = TableRead::Table::Idt, .size = 16, .index = vector, .linear = 0x20000U + 16 * vector, .low = low};
  }
  FaultRecord& add(std::uint8_t vector, bool has_code = false, std::uint32_t code = 0) {
    if (!report.chain.empty()) report.chain.back().failed = true;
    FaultRecord& e = report.chain.emplace_back();
    e.vector = vector;
    e.has_error_code = has_code;
    e.error_code = code;
    e.rip = state.rip;
    e.rsp = state.gpr[kRsp];
    return e;
  }
  std::vector<std::string> hints() const { return hints_for(report, at); }

  static constexpr std::uint64_t kGate = 0x00008e0000080000, kCode64 = 0x00af9b000000ffff, kCode32 = 0x00cf9b000000ffff;
  X86State state;
  StoppedAt at;
  StopReport report;
};

TEST_F(StopHint, NothingIsSaidWhereNothingIsKnown) {
  EXPECT_THAT(hints(), IsEmpty());
  add(6).gate = gate(6, kGate);
  EXPECT_THAT(hints(), IsEmpty());
}

TEST_F(StopHint, AnEmptyIdtIsAReset) {
  for (const X86TableRegister idt : {X86TableRegister{0, 0}, {0, 0x7f}, {0x20000, 0}}) {
    state.idt = idt;
    EXPECT_TRUE(resets_on_purpose(report));
    EXPECT_THAT(hints(), Contains(HasSubstr("the IDT holds nothing")));
  }
  state.idt = {0x20000, 0x7f};
  EXPECT_FALSE(resets_on_purpose(report)) << "some exceptions have a place there";
  state.idt = {0, 0xfff};
  EXPECT_FALSE(resets_on_purpose(report));
  state.idt = {0, 0};
  report.kind = StopKind::Other;
  EXPECT_FALSE(resets_on_purpose(report));
  report.kind = StopKind::TripleFault;
  state = X86State::at_reset(0, true);
  EXPECT_FALSE(resets_on_purpose(report)) << "the vectors of real mode";
  state.idt.limit = 0;
  EXPECT_TRUE(resets_on_purpose(report));
}

TEST_F(StopHint, RipMayLeadNowhere) {
  test::SparseMemory m;
  report.read = m.reader();
  at = {};
  EXPECT_THAT(hints(), Contains(HasSubstr("RIP is not mapped")));
  state = X86State::at_reset(0, true);
  EXPECT_THAT(hints(), Contains(HasSubstr("physical address 0xfffffff0, where neither RAM nor ROM is")));
}

TEST_F(StopHint, RipMayBeInMemoryThatNobodyFilled) {
  at.bytes.assign(15, 0);
  EXPECT_THAT(hints(), Contains(HasSubstr("only zeros at RIP")));
  at.bytes[7] = 1;
  EXPECT_THAT(hints(), IsEmpty());
}

TEST_F(StopHint, TheStackMayHaveOverflowed) {
  add(14, true, 2).address = 0x6ff8;
  EXPECT_THAT(hints(), Contains(HasSubstr("CR2 0x6ff8 lies at the top of the stack (RSP 0x7000)")));
  report.chain[0].address = 0x9000;
  EXPECT_THAT(hints(), IsEmpty());
  add(14, true, 2).address = 0x6fd8;
  EXPECT_THAT(hints(), Contains(HasSubstr("the stack overflowed"))) << "found while the handler is entered";
}

TEST_F(StopHint, TheStackMayBeBeyondItsSegment) {
  state.segment[kSs].selector = 0x10;
  add(12, true, 0);
  EXPECT_THAT(hints(), Contains(HasSubstr("SS:RSP 0010:7000 is beyond the limit")));
}

TEST_F(StopHint, TheTssMayBeBad) {
  state.tr.selector = 0x28;
  state.tr.limit = 0x20;
  add(10, true, 0x28);
  EXPECT_THAT(hints(), Contains(HasSubstr("TR 0028, base 0x0, limit 0x20")));
}

TEST_F(StopHint, AGateMayLeadToOtherCode) {
  FaultRecord& e = add(6);
  e.failed = true;
  e.gate = gate(6, kGate);
  e.descriptor = descriptor(8, kCode32);
  EXPECT_THAT(hints(), Contains(HasSubstr("the gate of #UD leads to code that is not 64-bit")));
  report.chain[0].descriptor = descriptor(8, kCode64);
  EXPECT_THAT(hints(), IsEmpty());
}

TEST_F(StopHint, AHandlerMayBeMissing) {
  add(14, true, 0).gate = gate(14, 0);
  report.chain[0].address = 0x123456789;
  EXPECT_THAT(hints(), Contains(HasSubstr("no handler for #PF: IDT vector 0x0e at 0x200e0")));
}

TEST_F(StopHint, ASelectorMayLeadNowhere) {
  FaultRecord& e = add(13, true, 0x88);
  e.cause = {.table = TableRead::Table::Gdt, .result = TableRead::Result::BeyondLimit, .index = 0x88};
  EXPECT_THAT(hints(),
              Contains(HasSubstr("a selector leads nowhere: GDT selector 0x0088: beyond the limit of the table "
                                 "(GDT limit 0x1f)")));
  e.cause = descriptor(0x10, 0x00cf13000000ffff);
  EXPECT_THAT(hints(), Contains(HasSubstr("not present")));
}

TEST_F(StopHint, TablesMustBeMapped) {
  add(6).gate = {.table = TableRead::Table::Idt, .result = TableRead::Result::Fault, .index = 6, .linear = 0x40000060};
  EXPECT_THAT(hints(), Contains(HasSubstr("cannot read its own table: IDT vector 0x06 at 0x40000060")));
}

TEST_F(StopHint, RealModeNeedsRoomForItsVectors) {
  state = X86State::at_reset(0, true);
  state.idt.limit = 3;
  add(3).gate = {.table = TableRead::Table::Vectors, .result = TableRead::Result::BeyondLimit, .size = 4, .index = 3};
  EXPECT_THAT(hints(), Contains(HasSubstr("limit 0x3 leaves no room for vector 0x03")));
}

TEST_F(StopHint, VectorsMayNotBeEnabled) {
  add(6);
  at.instruction = "movaps xmm0, xmm1";
  EXPECT_THAT(hints(), IsEmpty());
  state.cr4 &= ~std::uint64_t{0x200};
  EXPECT_THAT(hints(), Contains(HasSubstr("CR4.OSFXSR is clear")));
  at.instruction = "vaddps ymm0, ymm1, ymm2";
  EXPECT_THAT(hints(), Contains(HasSubstr("CR4.OSXSAVE is clear")));
  report.chain.clear();
  add(7);
  state.cr0 |= 8;
  EXPECT_THAT(hints(), Contains(HasSubstr("CR0.TS is set")));
}

TEST_F(StopHint, PageTablesMayBeWrong) {
  add(14, true, 9);
  EXPECT_THAT(hints(), Contains(HasSubstr("XD (bit 63) while EFER.NXE is clear")));
  state.efer |= 0x800;
  EXPECT_THAT(hints(), Contains(HasSubstr("more bits than the CPU has")));
  report.chain[0].error_code = 0x11;
  EXPECT_THAT(hints(), Contains(HasSubstr("not executable")));
}

TEST_F(StopHint, AnEntryThatIsRefusedIsExplained) {
  report.kind = StopKind::EntryRefused;
  state.cr4 &= ~std::uint64_t{0x20};
  EXPECT_THAT(hints(), Contains(HasSubstr("without CR4.PAE")));
  state = X86State::at_reset(0, true);
  EXPECT_THAT(hints(), Contains(HasSubstr("none of the usual offences")));
}

TEST_F(StopHint, WhatKvmCannotEmulateIsNamed) {
  report.kind = StopKind::NotEmulated;
  at.instruction = "xsave64 [rax]";
  EXPECT_THAT(hints(), Contains(HasSubstr("cannot emulate 'xsave64'")));
  EXPECT_THAT(hints(), Contains(HasSubstr("-accel jit")));
}

}  // namespace
}  // namespace machina
