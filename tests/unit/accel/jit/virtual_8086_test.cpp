#include <gtest/gtest.h>

#include "accel/jit/fault.h"
#include "accel/jit/load_segment.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

// Virtual-8086 mode with and without its extensions: SDM vol. 3, chapter 20, tables 20-1 and 20-2.

namespace machina::jit {
namespace {

constexpr std::uint64_t kCode = BareMachine::kCode;
constexpr std::uint64_t kStackBase = 0x60000, kSp = 0x8000;
using Tables = DescriptorTables;

struct Virtual8086 : testing::Test {
  Virtual8086() : tables((m.protected_32(), m)) {
    tables.stop_at_every_vector();
    tables.gate(0x80, Tables::handler(0x80), 0xee);
    // The redirection map ends where the I/O map begins; behind it lies the latter's last byte.
    m.cpu().tr.limit = 0x68 + 32;
    m.put<std::uint16_t>(Tables::kTss + 0x66, 0x68 + 32);
  }
  void start(std::uint32_t flags, std::uint64_t cr4 = 0) {
    m.protected_32();
    Cpu& cpu = m.cpu();
    cpu.cr4 = cr4;
    cpu.tr.limit = 0x68 + 32;
    for (unsigned i = 0; i < 6; ++i) cpu.set_segment(i, virtual_segment(static_cast<std::uint16_t>(0x2000 + i)));
    cpu.set_segment(kCs, virtual_segment(kCode >> 4));
    cpu.set_segment(kSs, virtual_segment(kStackBase >> 4));
    cpu.gpr[kRsp] = kSp;
    cpu.cpl = 3;
    cpu.set_eflags(flags | kVm);
    cpu.update_mode();
  }
  void run(std::initializer_list<std::uint8_t> code) {
    m.put_code(kCode, std::span(code.begin(), code.size()));
    m.cpu().rip = 0;
    run_blocks(m.cpu());
  }
  void redirect(unsigned vector, bool to_protected_mode) {
    const std::uint64_t at = Tables::kTss + 0x68 + vector / 8;
    const auto bit = static_cast<std::uint8_t>(1U << vector % 8);
    m.put<std::uint8_t>(at,
                        static_cast<std::uint8_t>((m.get<std::uint8_t>(at) & ~bit) | (to_protected_mode ? bit : 0)));
  }
  std::uint16_t on_stack(unsigned below) const { return m.get<std::uint16_t>(kStackBase + kSp - below); }
  BareMachine m;
  Tables tables;
};

TEST_F(Virtual8086, IsEnteredByIretAndLeftByAFault) {
  m.protected_32();
  // push gs fs ds es ss esp eflags cs eip; iret. All dwords.
  m.put_code(kCode, std::array<std::uint8_t, 1>{0xcf});
  const std::uint32_t frame[] = {0,      0x3000, kVm | kIf | kIopl | 2, 0x7000, kStackBase >> 4, 0x2001, 0x2002,
                                 0x2003, 0x2004};
  for (unsigned i = 0; i < 9; ++i) m.put<std::uint32_t>(BareMachine::kStack - 36 + 4 * i, i == 3 ? kSp : frame[i]);
  m.put<std::uint32_t>(BareMachine::kStack - 36 + 16, kStackBase >> 4);
  m.cpu().gpr[kRsp] = BareMachine::kStack - 36;
  m.put_code(0x30000, std::array<std::uint8_t, 5>{0x8c, 0xd8, 0x0f, 0x0b, 0});  // mov ax, ds; ud2
  m.cpu().rip = kCode;
  run_blocks(m.cpu());
  EXPECT_EQ(tables.stopped_at(), 6);
  EXPECT_EQ(m.cpu().gpr[kRax] & 0xffff, 0x2002U);
  EXPECT_EQ(m.cpu().gpr[kRsp], Tables::kInnerStack - 36);
  EXPECT_EQ(tables.stacked(0), 2U);
  EXPECT_EQ(tables.stacked(1), 0x3000U);
  EXPECT_EQ(tables.stacked(2), kVm | kRf | kIf | kIopl | 2U);
  EXPECT_EQ(tables.stacked(3), kSp);
  EXPECT_EQ(tables.stacked(4), kStackBase >> 4);
  EXPECT_EQ(tables.stacked(5), 0x2001U) << "ES";
  EXPECT_EQ(tables.stacked(6), 0x2002U) << "DS";
  EXPECT_EQ(tables.stacked(7), 0x2003U) << "FS";
  EXPECT_EQ(tables.stacked(8), 0x2004U) << "GS";
  EXPECT_FALSE(m.cpu().virtual_8086());
  EXPECT_EQ(m.cpu().segment[kDs].selector, 0);
  EXPECT_FALSE(m.cpu().segment[kDs].present());
}

TEST_F(Virtual8086, IntGoesByIopl) {
  start(kIopl);
  run({0xcd, 0x80});
  EXPECT_EQ(tables.stopped_at(), 0x80);
  EXPECT_EQ(tables.stacked(0), 2U);
  start(0);
  run({0xcd, 0x80});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), 0U);
  start(0);  // INT3 does not
  tables.gate(3, Tables::handler(3), 0xee);
  run({0xcc});
  EXPECT_EQ(tables.stopped_at(), 3);
}

TEST_F(Virtual8086, HandlersOfCpl0Only) {
  start(kIopl);
  tables.segment(Tables::kFree, 0xc0bb);
  tables.gate(0x80, Tables::handler(0x80), 0xee, Tables::kFree);
  run({0xcd, 0x80});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), Tables::kFree);
}

TEST_F(Virtual8086, SensitiveInstructionsGoByIopl) {
  for (const std::uint8_t code :
       {std::uint8_t{0x9c}, std::uint8_t{0x9d}, std::uint8_t{0xcf}, std::uint8_t{0xfa}, std::uint8_t{0xfb}}) {
    start(0);
    run({code, 0x0f, 0x0b});
    EXPECT_EQ(tables.stopped_at(), 13) << "opcode " << +code;
    EXPECT_EQ(tables.stacked(1), 0U);
  }
  start(kIopl);
  run({0xfb, 0x9c, 0x58, 0xfa, 0x9c, 0x5b, 0x0f, 0x0b});  // sti; pushf; pop ax; cli; pushf; pop bx; ud2
  EXPECT_EQ(m.cpu().gpr[kRax] & 0xffff, kIopl | kIf | 2U);
  EXPECT_EQ(m.cpu().gpr[kRbx] & 0xffff, kIopl | 2U);
}

TEST_F(Virtual8086, ExtensionsRedirectInterrupts) {
  redirect(0x80, false);
  redirect(0x81, true);
  m.put<std::uint32_t>(0x80 * 4, 0x30000010);  // 3000h:0010h
  m.put_code(0x30010, std::array<std::uint8_t, 2>{0x0f, 0x0b});
  start(kVif | kIf | kCf, kCr4Vme);  // IOPL 0: method 5
  run({0xcd, 0x80});
  EXPECT_EQ(tables.stopped_at(), 6);
  EXPECT_EQ(tables.stacked(0), 0x10U);
  EXPECT_EQ(tables.stacked(1), 0x3000U);
  EXPECT_EQ(tables.stacked(2), kVm | kRf | kIf | kCf | 2U) << "VIF is clear, IF is not";
  EXPECT_EQ(on_stack(2), kIopl | kIf | kCf | 2U) << "IOPL 3, and VIF as IF";
  EXPECT_EQ(on_stack(4), kCode >> 4);
  EXPECT_EQ(on_stack(6), 2U);

  start(kIopl | kIf, kCr4Vme);  // IOPL 3: method 6, IF itself
  run({0xcd, 0x80});
  EXPECT_EQ(tables.stacked(2), kVm | kRf | kIopl | 2U);
  EXPECT_EQ(on_stack(2), kIopl | kIf | 2U);

  start(0, kCr4Vme);
  run({0xcd, 0x81});
  EXPECT_EQ(tables.stopped_at(), 13) << "method 3: the monitor's, which IOPL keeps away";
  start(kIopl, kCr4Vme);
  tables.gate(0x81, Tables::handler(0x81), 0xee);
  run({0xcd, 0x81});
  EXPECT_EQ(tables.stopped_at(), 0x81);
  start(0, kCr4Vme);
  m.cpu().tr.limit = 0x66;  // no map
  run({0xcd, 0x80});
  EXPECT_EQ(tables.stopped_at(), 13);
}

TEST_F(Virtual8086, ExtensionsVirtualizeIf) {
  start(kIf, kCr4Vme);
  run({0xfb, 0x9c, 0x58, 0xfa, 0x9c, 0x5b, 0x0f, 0x0b});
  EXPECT_EQ(m.cpu().gpr[kRax] & 0xffff, kIopl | kIf | 2U);
  EXPECT_EQ(m.cpu().gpr[kRbx] & 0xffff, kIopl | 2U);
  EXPECT_EQ(tables.stacked(2), kVm | kRf | kIf | 2U);

  start(kVip | kIf, kCr4Vme);
  run({0xfb});
  EXPECT_EQ(tables.stopped_at(), 13) << "an interrupt is pending";

  for (const std::uint32_t popped : {kIf | 2U, 2U}) {
    start(kIf | (popped & kIf ? 0 : kVif), kCr4Vme);
    m.put<std::uint16_t>(kStackBase + kSp, static_cast<std::uint16_t>(popped));
    run({0x9d, 0x0f, 0x0b});
    EXPECT_EQ(tables.stacked(2), kVm | kRf | kIf | (popped & kIf ? kVif : 0) | 2U);
  }
  start(kIf | kVip, kCr4Vme);
  m.put<std::uint16_t>(kStackBase + kSp, kIf | 2);
  run({0x9d});
  EXPECT_EQ(tables.stopped_at(), 13);
  start(kIf, kCr4Vme);
  m.put<std::uint16_t>(kStackBase + kSp, kTf | 2);
  run({0x9d});
  EXPECT_EQ(tables.stopped_at(), 13);
  start(kIf, kCr4Vme);
  run({0x66, 0x9c});
  EXPECT_EQ(tables.stopped_at(), 13) << "instructions of 32 bits have no such help";
}

TEST_F(Virtual8086, IretStaysWithinTheProgram) {
  start(kIopl | kIf);
  m.put<std::uint16_t>(kStackBase + kSp, 0x10);
  m.put<std::uint16_t>(kStackBase + kSp + 2, 0x3000);
  m.put<std::uint16_t>(kStackBase + kSp + 4, kCf | 2);
  m.put_code(0x30010, std::array<std::uint8_t, 2>{0x0f, 0x0b});
  run({0xcf});
  EXPECT_EQ(tables.stopped_at(), 6);
  EXPECT_EQ(tables.stacked(0), 0x10U);
  EXPECT_EQ(tables.stacked(1), 0x3000U);
  EXPECT_EQ(tables.stacked(2), kVm | kRf | kIopl | kCf | 2U);
  EXPECT_EQ(tables.stacked(3), kSp + 6);

  start(kIf, kCr4Vme);  // with the extensions: VIF
  m.put<std::uint16_t>(kStackBase + kSp + 4, kIf | 2);
  run({0xcf});
  EXPECT_EQ(tables.stacked(2), kVm | kRf | kIf | kVif | 2U);
}

TEST_F(Virtual8086, HasNoProtectedModeInstructions) {
  start(kIopl);
  run({0x0f, 0x00, 0xc0});  // sldt ax
  EXPECT_EQ(tables.stopped_at(), 6);
  start(kIopl);
  run({0x63, 0xc0});  // arpl
  EXPECT_EQ(tables.stopped_at(), 6);
}

TEST_F(Virtual8086, SegmentsHaveTheirLimits) {
  start(kIopl);
  m.cpu().gpr[kRbx] = 0x10000;
  run({0x67, 0x8b, 0x03});  // mov ax, [ebx]
  EXPECT_EQ(tables.stopped_at(), 13);
  start(kIopl);
  m.put<std::uint16_t>(0x50010, 0x1234);
  run({0xb8, 0x00, 0x50, 0x8e, 0xd8, 0xa1, 0x10, 0, 0x0f, 0x0b});  // mov ax, 5000h; mov ds, ax; mov ax, [10h]
  EXPECT_EQ(m.cpu().gpr[kRax] & 0xffff, 0x1234U);
}

}  // namespace
}  // namespace machina::jit
