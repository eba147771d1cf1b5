#include "accel/jit/debug.h"

#include <gtest/gtest.h>

#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kCode = BareMachine::kCode;
constexpr std::uint64_t kDr6Clear = 0xffff0ff0;

struct JitDebug : testing::Test {
  JitDebug() {
    m.long_64();
    tables.emplace(m);
    tables->stop_at_every_vector();
  }
  /// Enables DR0 for an address, with R/W and LEN fields.
  void watch(std::uint64_t address, unsigned rw, unsigned length_code) {
    m.cpu().dr[0] = address;
    m.cpu().dr7 = 0x402 | rw << 16 | length_code << 18;
    m.cpu().flush_tlb();
    m.cpu().update_mode();
  }
  /// Runs until a handler stops it.
  int run(std::initializer_list<std::uint8_t> code) {
    m.cpu().dr6 = kDr6Clear;
    m.cpu().gpr[kRsp] = BareMachine::kStack;
    m.cpu().set_segment(kCs, {.selector = 8, .rights = 0xa09b, .limit = 0xffffffff, .base = 0});
    m.cpu().update_mode();
    m.run(code);
    return tables->stopped_at();
  }
  std::uint64_t pushed_rip() const { return tables->stacked(0); }
  BareMachine m;
  std::optional<DescriptorTables> tables;
};

// SDM vol. 3, 18.2.5: a data breakpoint traps after the instruction.
TEST_F(JitDebug, DataBreakpointsTrapAfterTheAccess) {
  watch(0x20004, 1, 3);                                                        // writes of four bytes
  EXPECT_EQ(run({0x8b, 0x04, 0x25, 4, 0, 2, 0, 0x90, 0xf4}), -1) << "a read";  // mov eax, [20004]
  EXPECT_EQ(run({0xc6, 0x04, 0x25, 3, 0, 2, 0, 1, 0xf4}), -1) << "the byte before";
  EXPECT_EQ(run({0xc6, 0x04, 0x25, 7, 0, 2, 0, 1, 0x90, 0xf4}), 1);  // mov byte [20007], 1
  EXPECT_EQ(pushed_rip(), kCode + 8);
  EXPECT_EQ(m.cpu().dr6, kDr6Clear | 1);
  EXPECT_EQ(m.get<std::uint8_t>(0x20007), 1);
  watch(0x20004, 3, 3);
  EXPECT_EQ(run({0x8b, 0x04, 0x25, 1, 0, 2, 0, 0x90, 0xf4}), 1) << "a read that reaches into it";
  EXPECT_EQ(run({0xff, 0x04, 0x25, 4, 0, 2, 0, 0x90, 0xf4}), 1) << "inc [20004]";
  EXPECT_EQ(run({0xf0, 0xff, 0x04, 0x25, 4, 0, 2, 0, 0x90, 0xf4}), 1) << "lock inc";
}

TEST_F(JitDebug, LengthsAndAlignment) {
  watch(0x20005, 3, 2);  // eight bytes: low address bits do not count
  EXPECT_EQ(run({0x8a, 0x04, 0x25, 0, 0, 2, 0, 0xf4}), 1);
  EXPECT_EQ(run({0x8a, 0x04, 0x25, 7, 0, 2, 0, 0xf4}), 1);
  EXPECT_EQ(run({0x8a, 0x04, 0x25, 8, 0, 2, 0, 0xf4}), -1);
}

TEST_F(JitDebug, AWriteThatFaultsTrapsNothing) {
  watch(0x20000, 3, 0);
  m.put<std::uint64_t>((1 << 20) + 0x2000 + 8 * 7, 0);  // 14 MiB: not present
  m.cpu().gpr[kRsi] = 0x20000;
  m.cpu().gpr[kRdi] = 14 << 20;
  EXPECT_EQ(run({0xa4, 0xf4}), 14);  // movsb reads first
  EXPECT_EQ(m.cpu().dr6, kDr6Clear);
}

TEST_F(JitDebug, InstructionBreakpointsFaultBeforeIt) {
  watch(kCode + 1, 0, 0);
  EXPECT_EQ(run({0x90, 0xff, 0xc0, 0xf4}), 1);
  EXPECT_EQ(pushed_rip(), kCode + 1);
  EXPECT_EQ(m.cpu().dr6, kDr6Clear | 1);
  EXPECT_FALSE(tables->stacked(2) & kRf) << "the handler sets it, to go on: SDM vol. 3, 18.3.1.1";
}

// SDM vol. 3, 18.2.4: with CR4.DE.
TEST_F(JitDebug, PortBreakpoints) {
  m.ports[0x80] = 1;
  watch(0x80, 2, 1);
  EXPECT_EQ(run({0xe4, 0x80, 0xf4}), -1) << "without DE";
  m.cpu().cr4 |= kCr4De;
  EXPECT_EQ(run({0xe4, 0x81, 0x90, 0xf4}), 1);
  EXPECT_EQ(pushed_rip(), kCode + 2);
  EXPECT_EQ(run({0xe6, 0x82, 0x90, 0xf4}), -1);
}

TEST_F(JitDebug, GeneralDetectGuardsTheRegisters) {
  m.cpu().dr7 = 0x2400;
  EXPECT_EQ(run({0x0f, 0x21, 0xc0, 0xf4}), 1);  // mov rax, dr0
  EXPECT_EQ(pushed_rip(), kCode);
  EXPECT_EQ(m.cpu().dr6, kDr6Clear | kDr6Access);
  EXPECT_EQ(m.cpu().dr7, 0x400U) << "the handler may use them";
}

TEST_F(JitDebug, RegistersHaveTheirFixedBits) {
  m.cpu().gpr[kRax] = 0;
  m.cpu().gpr[kRbx] = 0xffffffff;
  // mov dr6, rax; mov rcx, dr6; mov dr6, rbx; mov rdx, dr6
  m.run({0x0f, 0x23, 0xf0, 0x0f, 0x21, 0xf1, 0x0f, 0x23, 0xf3, 0x0f, 0x21, 0xf2, 0xf4});
  EXPECT_EQ(m.cpu().gpr[kRcx], 0xffff0ff0U);
  EXPECT_EQ(m.cpu().gpr[kRdx], 0xffffefffU);
  m.cpu().gpr[kRax] = 0;
  m.run({0x0f, 0x23, 0xf8, 0x0f, 0x21, 0xf9, 0xf4});  // mov dr7, rax; mov rcx, dr7
  EXPECT_EQ(m.cpu().gpr[kRcx], 0x400U);
  m.cpu().gpr[kRax] = std::uint64_t{1} << 32;
  EXPECT_EQ(run({0x0f, 0x23, 0xf8, 0xf4}), 13);
  EXPECT_EQ(run({0x0f, 0x23, 0xf0, 0xf4}), 13);
  EXPECT_EQ(run({0x0f, 0x23, 0xc0, 0xf4}), -1) << "DR0 takes any";
}

TEST_F(JitDebug, Dr4And5AreOtherNamesWithoutDe) {
  EXPECT_EQ(run({0x0f, 0x21, 0xe1, 0xf4}), -1);  // mov rcx, dr4
  EXPECT_EQ(m.cpu().gpr[kRcx], m.cpu().dr6);
  m.cpu().cr4 |= kCr4De;
  EXPECT_EQ(run({0x0f, 0x21, 0xe1, 0xf4}), 6);
}

TEST_F(JitDebug, SingleStepTrapsAfterEachInstruction) {
  m.cpu().set_eflags(kTf | 2);
  EXPECT_EQ(run({0x90, 0x90, 0xf4}), 1);
  EXPECT_EQ(pushed_rip(), kCode + 1);
  EXPECT_EQ(m.cpu().dr6, kDr6Clear | kDr6SingleStep);
}

TEST_F(JitDebug, BranchStepTrapsAfterBranches) {
  m.cpu().set_eflags(kTf | 2);
  m.cpu().msrs.debugctl = kDebugctlBranchStep;
  EXPECT_EQ(run({0x90, 0x90, 0xeb, 0, 0x90, 0xf4}), -1) << "a jump to the next instruction looks like none";
  m.cpu().set_eflags(kTf | 2);
  EXPECT_EQ(run({0x90, 0x90, 0xeb, 1, 0xf4, 0x90, 0xf4}), 1);
  EXPECT_EQ(pushed_rip(), kCode + 5);
  EXPECT_EQ(m.cpu().msrs.debugctl, 0U);
}

TEST_F(JitDebug, ARepeatedInstructionTrapsAfterEachItem) {
  m.cpu().set_eflags(kTf | 2);
  m.cpu().gpr[kRcx] = 3;
  m.cpu().gpr[kRdi] = 0x20000;
  EXPECT_EQ(run({0xf3, 0x6c, 0xf4}), 1);  // rep insb
  EXPECT_EQ(pushed_rip(), kCode);
  EXPECT_EQ(m.cpu().gpr[kRcx], 2U);
}

TEST_F(JitDebug, ARepetitionIsNoBranch) {
  m.cpu().set_eflags(kTf | 2);
  m.cpu().msrs.debugctl = kDebugctlBranchStep;
  m.cpu().gpr[kRcx] = 3;
  m.cpu().gpr[kRdi] = 0x20000;
  EXPECT_EQ(run({0xf3, 0xaa, 0xf4}), -1);  // rep stosb
  EXPECT_EQ(m.cpu().gpr[kRcx], 0U);
}

// SDM vol. 3, 18.3.1.1: a breakpoint on a repeated instruction comes once, and what interrupts it finds RF set.
TEST_F(JitDebug, ABreakpointOnARepetitionComesOnce) {
  watch(kCode, 0, 0);
  tables->gate(1, 0x9000);
  m.put<std::uint32_t>(0x9000, 0x10244c81);  // or dword [rsp+16], RF
  m.put<std::uint32_t>(0x9004, 0x00010000);
  m.put<std::uint32_t>(0x9008, 0xcf48c3ff);  // inc ebx; iretq
  m.cpu().gpr[kRbx] = 0;
  m.cpu().gpr[kRcx] = 1000;
  m.cpu().gpr[kRdi] = 0x20000;
  EXPECT_EQ(run({0xf3, 0xaa, 0xf4}), -1);
  EXPECT_EQ(m.cpu().gpr[kRcx], 0U);
  EXPECT_EQ(m.cpu().gpr[kRbx], 1U);
  m.cpu().dr7 = 0x400;
  m.cpu().gpr[kRcx] = 2;
  m.cpu().set_eflags(kTf | 2);
  tables->gate(1, DescriptorTables::handler(1));
  EXPECT_EQ(run({0xf3, 0xaa, 0xf4}), 1);
  EXPECT_EQ(m.cpu().gpr[kRcx], 1U);
  EXPECT_TRUE(tables->stacked(2) & kRf) << "the next element is one of the same instruction";
}

// SDM vol. 2, HLT: a debug exception ends it.
TEST_F(JitDebug, SingleStepEndsAHalt) {
  tables->gate(1, 0x9000);
  m.put<std::uint32_t>(0x9000, 0x90f4c3ff);  // inc ebx; hlt
  m.cpu().gpr[kRbx] = 0;
  m.cpu().set_eflags(kTf | 2);
  run({0xf4, 0x90});
  EXPECT_EQ(m.cpu().rip, 0x9003U) << "the handler went on to its own halt";
  EXPECT_EQ(m.cpu().gpr[kRbx], 1U);
  EXPECT_EQ(pushed_rip(), kCode + 1);
}

// SDM vol. 3, 6.15, interrupt 17: CPL 3 with CR0.AM and EFLAGS.AC.
TEST_F(JitDebug, AlignmentCheck) {
  tables->user();
  const auto user = [&](std::uint64_t cr0, std::uint32_t flags) {
    m.cpu().cr0 = (m.cpu().cr0 & ~kCr0Am) | cr0;
    m.cpu().set_eflags(flags | 2);
    tables->user();
    m.cpu().gpr[kRsp] = BareMachine::kStack;
    m.run({0x8b, 0x04, 0x25, 2, 0, 2, 0, 0x0f, 0x0b});  // mov eax, [20002]; ud2
    return tables->stopped_at();
  };
  EXPECT_EQ(user(0, kAc), 6);
  EXPECT_EQ(user(kCr0Am, 0), 6);
  EXPECT_EQ(user(kCr0Am, kAc), 17);
  EXPECT_EQ(tables->stacked(0), 0U) << "its error code";
}

}  // namespace
}  // namespace machina::jit
