#include "accel/jit/debugger.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "qom/error.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kCode = BareMachine::kCode, kStack = BareMachine::kStack;
constexpr std::uint64_t kData = 0x20000;
using Why = DebugStop::Why;

Breakpoint at(std::uint64_t linear) { return {BreakpointKind::Software, linear, 1}; }
Breakpoint watch(BreakpointKind kind, std::uint64_t linear, std::uint64_t size) { return {kind, linear, size}; }
DebugRequest stops(std::vector<Breakpoint> breakpoints) { return {.breakpoints = std::move(breakpoints)}; }
constexpr DebugRequest kNothing{};

struct JitDebugger : testing::Test {
  JitDebugger() { m.long_64(); }
  Cpu& cpu() { return m.cpu(); }
  /// Puts the code in place and goes to its first byte.
  void start(const std::vector<std::uint8_t>& code) {
    m.put_code(kCode, code);
    cpu().rip = kCode;
  }
  void handlers() {
    tables.emplace(m);
    tables->stop_at_every_vector();
  }
  VcpuExit go() {
    cpu().exit = VcpuExit::Interrupted;
    return run_blocks(cpu());
  }
  VcpuExit go(const DebugRequest& request) {
    debugger.set(request);
    return go();
  }
  /// One instruction; true when that is why it stopped.
  bool step(bool hold = true) {
    return go({.breakpoints = {}, .single_step = true, .hold_interrupts = hold}) == VcpuExit::Debug &&
           debugger.stop().why == Why::Step;
  }
  /// Runs to its HLT, `instructions` of it stepped, and counts its stops at the breakpoints.
  unsigned stops_until_halt(const DebugRequest& request) {
    unsigned met = 0;
    while (go(request) == VcpuExit::Debug) {
      ++met;
      if (met > 1000 || !step()) break;
    }
    return met;
  }
  BareMachine m;
  Debugger debugger{m.cpu()};
  std::optional<DescriptorTables> tables;
};

// --- breakpoints ---

TEST_F(JitDebugger, StopsBeforeTheInstruction) {
  start({0x90, 0xff, 0xc0, 0xff, 0xc3, 0xf4});  // nop; inc eax; inc ebx; hlt
  ASSERT_EQ(go(stops({at(kCode + 3)})), VcpuExit::Debug);
  EXPECT_EQ(cpu().rip, kCode + 3);
  EXPECT_EQ(cpu().gpr[kRax], 1U);
  EXPECT_EQ(cpu().gpr[kRbx], 0U);
  EXPECT_EQ(debugger.stop().why, Why::Breakpoint);
  EXPECT_EQ(debugger.stop().kind, BreakpointKind::Software);
  EXPECT_EQ(debugger.stop().linear, kCode + 3);
  EXPECT_EQ(go(), VcpuExit::Debug) << "and does not move while it is there";
  EXPECT_EQ(cpu().rip, kCode + 3);
  EXPECT_TRUE(step()) << "taken out";
  EXPECT_EQ(cpu().rip, kCode + 5);
  EXPECT_EQ(go(stops({at(kCode + 3)})), VcpuExit::HaltedMasked);
  EXPECT_EQ(cpu().gpr[kRbx], 1U);
}

TEST_F(JitDebugger, StopsAtTheFirstInstructionOfARun) {
  start({0xff, 0xc0, 0xf4});
  ASSERT_EQ(go(stops({{BreakpointKind::Hardware, kCode, 1}})), VcpuExit::Debug);
  EXPECT_EQ(cpu().gpr[kRax], 0U);
  EXPECT_EQ(debugger.stop().kind, BreakpointKind::Hardware);
}

// Only the first byte of an instruction counts, as with debug registers.
TEST_F(JitDebugger, AnAddressWithinAnInstructionIsNone) {
  start({0xb8, 0x90, 0x90, 0x90, 0x90, 0xf4});  // mov eax, 90909090h; hlt
  EXPECT_EQ(go(stops({at(kCode + 1), at(kCode + 2)})), VcpuExit::HaltedMasked);
  EXPECT_EQ(cpu().gpr[kRax], 0x90909090U);
}

// Chained blocks: a loop that runs at full speed stops each time round.
TEST_F(JitDebugger, MeetsItEachTimeRoundALoop) {
  start({0xb9, 5, 0, 0, 0, 0xff, 0xc0, 0xff, 0xc9, 0x75, 0xfa, 0xf4});  // mov ecx, 5; l: inc eax; dec ecx; jnz l; hlt
  go();                                                                 // blocks exist before there is a breakpoint
  EXPECT_EQ(cpu().gpr[kRax], 5U);
  for (const unsigned offset : {5U, 7U, 9U}) {
    cpu().rip = kCode;
    EXPECT_EQ(stops_until_halt(stops({at(kCode + offset)})), 5U) << offset;
  }
  cpu().rip = kCode;
  EXPECT_EQ(stops_until_halt(stops({at(kCode + 5), at(kCode + 7), at(kCode + 9), at(kCode), at(kCode + 11)})), 17U);
}

// The same offset in another page splits blocks there, and stops nothing.
TEST_F(JitDebugger, AnotherPageHasNoStop) {
  start({0xb9, 3, 0, 0, 0, 0xff, 0xc0, 0xff, 0xc9, 0x75, 0xfa, 0xf4});
  EXPECT_EQ(stops_until_halt(stops({at(kCode + 0x1000 + 7), at(0xffff800000000005)})), 0U);
  EXPECT_EQ(cpu().gpr[kRax], 3U);
}

TEST_F(JitDebugger, AnyNumberOfBreakpoints) {
  std::vector<std::uint8_t> code(300, 0x90);
  code.push_back(0xf4);
  m.put_code(kCode, code);
  cpu().rip = kCode;
  DebugRequest request;
  for (unsigned i = 0; i < 300; ++i) request.breakpoints.push_back(at(kCode + i));
  std::reverse(request.breakpoints.begin(), request.breakpoints.end());
  EXPECT_EQ(stops_until_halt(request), 300U);
}

TEST_F(JitDebugger, IsOfTheLinearAddress) {
  m.real_mode();
  cpu().set_segment(kCs, {.selector = 0xff0, .rights = 0x9b, .limit = 0xffff, .base = 0xff00});
  m.put_code(kCode, std::vector<std::uint8_t>{0x40, 0x43, 0xf4});  // inc ax; inc bx; hlt
  cpu().rip = 0x100;
  cpu().update_mode();
  ASSERT_EQ(go(stops({at(kCode + 1), at(0x101)})), VcpuExit::Debug);
  EXPECT_EQ(cpu().rip, 0x101U);
  EXPECT_EQ(debugger.stop().linear, kCode + 1);
}

// One page of memory at two addresses has its blocks once.
TEST_F(JitDebugger, TheSameMemoryAtAnotherAddressDoesNotStop) {
  m.put<std::uint64_t>((1 << 20) + 0x2000 + 8, 0x87);  // 2 MiB shows 0
  start({0xff, 0xc0, 0xf4});
  cpu().rip = kCode + (2 << 20);
  EXPECT_EQ(go(stops({at(kCode), at(kCode + 2)})), VcpuExit::HaltedMasked);
  cpu().rip = kCode;
  EXPECT_EQ(go(), VcpuExit::Debug);
}

TEST_F(JitDebugger, SurvivesThatItsCodeIsOverwritten) {
  // mov byte [kCode+13], C3h (inc ebx instead of inc eax); nop...; inc eax; hlt
  start({0xc6, 0x04, 0x25, 0x0d, 0, 1, 0, 0xc3, 0x90, 0x90, 0x90, 0x90, 0xff, 0xc0, 0xf4});
  ASSERT_EQ(go(stops({at(kCode + 12)})), VcpuExit::Debug);
  EXPECT_EQ(cpu().rip, kCode + 12);
  EXPECT_TRUE(step());
  EXPECT_EQ(cpu().gpr[kRbx], 1U);
  EXPECT_EQ(cpu().gpr[kRax], 0U);
}

TEST_F(JitDebugger, IsThereWhenItsAddressIsMappedLater) {
  m.put<std::uint64_t>((1 << 20) + 0x2000 + 8 * 7, 0);  // 14 MiB: not present
  handlers();
  m.put_code(14 << 20, std::vector<std::uint8_t>{0xff, 0xc3, 0xf4});
  start({0xff, 0xe0});  // jmp rax
  cpu().gpr[kRax] = (14 << 20) + 2;
  debugger.set(stops({at((14 << 20) + 2)}));
  ASSERT_EQ(go(), VcpuExit::Debug) << "before its fetch";
  EXPECT_EQ(cpu().cr2, 0U);
  cpu().rip = 14 << 20;
  EXPECT_NE(go(), VcpuExit::Debug);
  EXPECT_EQ(tables->stopped_at(), 14);
  m.put<std::uint64_t>((1 << 20) + 0x2000 + 8 * 7, 14 << 20 | 0x87);
  cpu().rip = 14 << 20;
  ASSERT_EQ(go(), VcpuExit::Debug);
  EXPECT_EQ(cpu().rip, (14U << 20) + 2);
}

TEST_F(JitDebugger, StopsAtAHandler) {
  handlers();
  start({0x0f, 0x0b});  // ud2
  ASSERT_EQ(go(stops({at(DescriptorTables::handler(6))})), VcpuExit::Debug);
  EXPECT_EQ(cpu().rip, DescriptorTables::handler(6));
  EXPECT_EQ(tables->stacked(0), kCode);
}

// The guest's own breakpoint in DR0, at the same instruction.
TEST_F(JitDebugger, LeavesTheGuestItsDebugRegisters) {
  handlers();
  start({0x90, 0xff, 0xc0, 0xf4});
  cpu().dr[0] = kCode + 1;
  cpu().dr7 = 0x402;
  cpu().update_mode();
  ASSERT_EQ(go(stops({at(kCode + 1)})), VcpuExit::Debug);
  EXPECT_EQ(cpu().dr6, 0xffff0ff0U);
  EXPECT_EQ(go(kNothing), VcpuExit::HaltedMasked);
  EXPECT_EQ(tables->stopped_at(), 1);
  EXPECT_EQ(cpu().dr6, 0xffff0ff1U);
  EXPECT_EQ(tables->stacked(0), kCode + 1);
}

TEST_F(JitDebugger, ARequestCanChangeWhileBlocksExist) {
  start({0xb9, 0x20, 0, 0, 0, 0xff, 0xc0, 0xff, 0xc9, 0x75, 0xfa, 0xf4});
  for (unsigned round = 0; round < 20; ++round) {
    ASSERT_EQ(go(stops({at(kCode + 5), at(kCode + 0x100 + round)})), VcpuExit::Debug);
    ASSERT_TRUE(step());
    ASSERT_EQ(go(stops({at(kCode + 9)})), VcpuExit::Debug);
    EXPECT_EQ(cpu().rip, kCode + 9);
    ASSERT_TRUE(step());
  }
  EXPECT_EQ(cpu().gpr[kRax], 20U);
  EXPECT_EQ(go(kNothing), VcpuExit::HaltedMasked);
  EXPECT_EQ(cpu().gpr[kRax], 0x20U);
}

// Blocks of another CPU, which has no request, and of one with another.
TEST_F(JitDebugger, IsOneCpusOwn) {
  BareMachine other(m);
  other.long_64();
  start({0xff, 0xc0, 0xff, 0xc3, 0xf4});
  Debugger second(other.cpu());
  second.set(stops({at(kCode + 4)}));
  ASSERT_EQ(go(stops({at(kCode + 2)})), VcpuExit::Debug);
  EXPECT_EQ(run_blocks(other.cpu()), VcpuExit::Debug);
  EXPECT_EQ(other.cpu().rip, kCode + 4);
  second.set(kNothing);
  EXPECT_EQ(run_blocks(other.cpu()), VcpuExit::HaltedMasked);
  EXPECT_EQ(go(), VcpuExit::Debug);
  EXPECT_EQ(cpu().rip, kCode + 2);
}

// While the breakpoint is not met, code runs in blocks as ever.
TEST_F(JitDebugger, DoesNotSlowOtherCodeDown) {
  // mov ecx, 10000h; l: inc eax; add ebx, eax; xor edx, ebx; dec ecx; jnz l; hlt
  start({0xb9, 0, 0, 1, 0, 0xff, 0xc0, 0x01, 0xc3, 0x31, 0xda, 0xff, 0xc9, 0x75, 0xf6, 0xf4});
  EXPECT_EQ(go(stops({at(0x99999)})), VcpuExit::HaltedMasked);
  EXPECT_LT(cpu().fault_chain.jump_count, 10U) << "blocks looked up";
}

// --- single step ---

TEST_F(JitDebugger, StepsOneInstructionAtATime) {
  start({0xff, 0xc0, 0xeb, 0x01, 0x90, 0xe8, 0, 0, 0, 0, 0xc3});  // inc eax; jmp +1; nop; call +0; ret
  for (const std::uint64_t rip : {kCode + 2, kCode + 5, kCode + 10, kCode + 10}) {
    ASSERT_TRUE(step());
    EXPECT_EQ(cpu().rip, rip);
  }
  EXPECT_EQ(debugger.stop().linear, kCode + 10);
}

TEST_F(JitDebugger, StepsAreNotSeenByTheGuest) {
  handlers();
  start({0x9c, 0x58, 0x9d, 0x90});  // pushfq; pop rax; popfq; nop
  cpu().gpr[kRsp] = kStack - 8;
  m.put<std::uint64_t>(kStack - 8, 2);
  for (unsigned i = 0; i < 4; ++i) ASSERT_TRUE(step());
  EXPECT_EQ(cpu().gpr[kRax], 2U);
  EXPECT_EQ(cpu().dr6, 0xffff0ff0U);
  EXPECT_EQ(cpu().rip, kCode + 4);
}

// The guest steps itself: its #DB comes with the instruction that it is of.
TEST_F(JitDebugger, StepsAGuestThatStepsItself) {
  handlers();
  start({0x90, 0x90});
  cpu().set_eflags(0x102);
  cpu().update_mode();
  ASSERT_TRUE(step());
  EXPECT_EQ(cpu().rip, DescriptorTables::handler(1));
  EXPECT_EQ(tables->stacked(0), kCode + 1);
  EXPECT_EQ(cpu().dr6, 0xffff4ff0U);
}

TEST_F(JitDebugger, AStepOverIntNAndFaultsEndsInTheHandler) {
  handlers();
  const std::pair<std::vector<std::uint8_t>, unsigned> cases[] = {
      {{0xcd, 0x40}, 0x40}, {{0xcc}, 3}, {{0x0f, 0x0b}, 6}, {{0xf7, 0xf0}, 0}};  // the last: div eax, of 0
  for (const auto& [code, vector] : cases) {
    start(code);
    cpu().gpr[kRax] = 0;
    ASSERT_TRUE(step());
    EXPECT_EQ(cpu().rip, DescriptorTables::handler(vector));
  }
}

TEST_F(JitDebugger, AStepOverIretqEndsAtItsTarget) {
  handlers();
  start({0xcd, 0x40, 0xff, 0xc0});
  m.put_code(DescriptorTables::handler(0x40), std::vector<std::uint8_t>{0x48, 0xcf});
  ASSERT_TRUE(step());
  ASSERT_TRUE(step());
  EXPECT_EQ(cpu().rip, kCode + 2);
}

TEST_F(JitDebugger, AStepOverHltHalts) {
  start({0xf4, 0x90});
  ASSERT_TRUE(step());
  EXPECT_TRUE(debugger.stop().halted);
  EXPECT_EQ(cpu().rip, kCode + 1);
  ASSERT_TRUE(step());
  EXPECT_FALSE(debugger.stop().halted);
  EXPECT_EQ(cpu().rip, kCode + 2);
}

TEST_F(JitDebugger, StepsElementsOfARepetition) {
  start({0xf3, 0xaa, 0x90});  // rep stosb; nop
  cpu().gpr[kRcx] = 3;
  cpu().gpr[kRdi] = kData;
  for (const std::uint64_t left : {2U, 1U}) {
    ASSERT_TRUE(step());
    EXPECT_EQ(cpu().rip, kCode);
    EXPECT_EQ(cpu().gpr[kRcx], left);
  }
  ASSERT_TRUE(step());
  EXPECT_EQ(cpu().rip, kCode + 2);
}

// Having been stopped at once, and stepped by an element, it has begun.
TEST_F(JitDebugger, ARepetitionStopsOnceAtItsBreakpoint) {
  start({0xf3, 0xaa, 0x90, 0xf4});
  cpu().gpr[kRcx] = 5;
  cpu().gpr[kRdi] = kData;
  const DebugRequest request = stops({at(kCode)});
  ASSERT_EQ(go(request), VcpuExit::Debug);
  ASSERT_TRUE(step());
  EXPECT_EQ(cpu().gpr[kRcx], 4U);
  EXPECT_EQ(go(request), VcpuExit::HaltedMasked);
  EXPECT_EQ(cpu().gpr[kRcx], 0U);
}

TEST_F(JitDebugger, StepsThroughInterruptShadows) {
  handlers();
  m.interrupt_vector = 0x40;
  start({0xfb, 0x90, 0x90});  // sti; nop; nop
  ASSERT_TRUE(step(false));
  EXPECT_EQ(cpu().rip, kCode + 1);
  ASSERT_TRUE(step(false));
  EXPECT_EQ(cpu().rip, kCode + 2) << "in the shadow";
  ASSERT_TRUE(step(false));
  EXPECT_EQ(cpu().rip, DescriptorTables::handler(0x40)) << "the interrupt is a step";
}

TEST_F(JitDebugger, HoldsInterrupts) {
  handlers();
  cpu().set_eflags(0x202);
  m.interrupt_vector = 0x40;
  m.nmi = true;
  start({0x90, 0x90, 0x90, 0xf4});
  ASSERT_TRUE(step());
  ASSERT_TRUE(step());
  EXPECT_EQ(cpu().rip, kCode + 2);
  EXPECT_TRUE(m.nmi);
  go(kNothing);
  EXPECT_EQ(tables->stopped_at(), 2);
}

TEST_F(JitDebugger, ATripleFaultIsNoStep) {
  cpu().idt.limit = 0;
  start({0x0f, 0x0b});
  EXPECT_EQ(go({.breakpoints = {}, .single_step = true, .hold_interrupts = false}), VcpuExit::Shutdown);
}

TEST_F(JitDebugger, ABreakpointGoesBeforeAStep) {
  start({0x90, 0x90});
  EXPECT_EQ(go({.breakpoints = {at(kCode)}, .single_step = true, .hold_interrupts = false}), VcpuExit::Debug);
  EXPECT_EQ(debugger.stop().why, Why::Breakpoint);
  EXPECT_EQ(cpu().rip, kCode);
}

TEST_F(JitDebugger, AKickIsNotLost) {
  start({0x90, 0x90});
  cpu().request(kRequestKick);
  EXPECT_EQ(go({.breakpoints = {}, .single_step = true, .hold_interrupts = false}), VcpuExit::Interrupted);
  EXPECT_EQ(go(), VcpuExit::Debug);
}

// --- watchpoints ---

struct WatchCase {
  const char* name;
  std::vector<std::uint8_t> code;  ///< of one instruction, of kData by RDI or RSI
  bool reads, writes;
};

struct JitDebuggerWatch : JitDebugger, testing::WithParamInterface<WatchCase> {};

// Ends after the instruction, in the middle of a block and at its end, and before an instruction more.
TEST_P(JitDebuggerWatch, StopsAfterItsAccess) {
  const WatchCase& c = GetParam();
  for (const BreakpointKind kind : {BreakpointKind::Write, BreakpointKind::Read, BreakpointKind::Access}) {
    for (const bool first : {true, false}) {
      std::vector<std::uint8_t> code = first ? std::vector<std::uint8_t>{} : std::vector<std::uint8_t>{0xff, 0xc3};
      code.insert(code.end(), c.code.begin(), c.code.end());
      const std::uint64_t after = kCode + code.size();
      code.insert(code.end(), {0x41, 0xff, 0xc7, 0xf4});  // inc r15d; hlt
      m.put_code(kCode, code);
      m.put<std::uint64_t>(kData, 0);
      m.put<std::uint64_t>(kData + 8, 0);
      cpu().rip = kCode;
      cpu().gpr[kRdi] = cpu().gpr[kRsi] = kData;
      cpu().gpr[kRsp] = kData + 8;
      cpu().gpr[kRcx] = 1;
      cpu().gpr[kRdx] = 0x80;
      cpu().gpr[kRax] = cpu().gpr[15] = 0;
      const bool met = (kind != BreakpointKind::Read && c.writes) || (kind != BreakpointKind::Write && c.reads);
      const VcpuExit exit = go(stops({watch(kind, kData, 1)}));
      ASSERT_EQ(exit == VcpuExit::Debug, met) << static_cast<int>(kind) << first;
      if (!met) continue;
      EXPECT_EQ(debugger.stop().why, Why::Watchpoint);
      EXPECT_EQ(debugger.stop().kind, kind);
      EXPECT_EQ(debugger.stop().linear, kData);
      EXPECT_EQ(cpu().gpr[15], 0U) << "nothing ran after it";
      if (c.code[0] != 0xff && c.code[0] != 0xc3) {
        EXPECT_EQ(cpu().rip, after);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Instructions, JitDebuggerWatch,
    testing::Values(
        WatchCase{"load", {0x8b, 0x07}, true, false}, WatchCase{"store", {0x89, 0x07}, false, true},
        WatchCase{"update", {0xff, 0x07}, true, true}, WatchCase{"locked", {0xf0, 0x48, 0x01, 0x07}, true, true},
        WatchCase{"cmpxchg", {0x0f, 0xb1, 0x07}, true, true},
        WatchCase{"cmpxchg16b", {0x48, 0x0f, 0xc7, 0x0f}, true, true}, WatchCase{"xchg", {0x87, 0x07}, true, true},
        WatchCase{"push", {0x50}, false, true}, WatchCase{"call", {0xe8, 0, 0, 0, 0}, false, true},
        WatchCase{"stosb", {0xaa}, false, true}, WatchCase{"rep stosq", {0xf3, 0x48, 0xab}, false, true},
        WatchCase{"lodsb", {0xac}, true, false}, WatchCase{"scasb", {0xae}, true, false},
        WatchCase{"repe cmpsb", {0xf3, 0xa6}, true, false}, WatchCase{"insb", {0x6c}, false, true},
        WatchCase{"outsb", {0x6e}, true, false}, WatchCase{"rep insb", {0xf3, 0x6c}, false, true},
        WatchCase{"fxsave", {0x0f, 0xae, 0x07}, true, true},  // what it leaves as it is
        WatchCase{"movdqu store", {0xf3, 0x0f, 0x7f, 0x07}, false, true},
        WatchCase{"movdqu load", {0xf3, 0x0f, 0x6f, 0x07}, true, false},
        WatchCase{"vmovdqu store", {0xc5, 0xfe, 0x7f, 0x07}, false, true},
        WatchCase{"paddb", {0x66, 0x0f, 0xfc, 0x07}, true, false}, WatchCase{"fld", {0xdd, 0x07}, true, false},
        WatchCase{"fst", {0xdd, 0x17}, false, true}, WatchCase{"bts", {0x0f, 0xba, 0x2f, 0x01}, true, true},
        WatchCase{"sgdt", {0x0f, 0x01, 0x07}, false, true}, WatchCase{"movnti", {0x0f, 0xc3, 0x07}, false, true},
        WatchCase{"fnstcw", {0xd9, 0x3f}, false, true}),
    [](const auto& tested) {
      std::string name = tested.param.name;
      std::replace(name.begin(), name.end(), ' ', '_');
      return name;
    });

TEST_F(JitDebugger, WatchesOfAnySizeAndNumber) {
  DebugRequest request;
  for (unsigned i = 0; i < 50; ++i) request.breakpoints.push_back(watch(BreakpointKind::Write, kData + 100 * i, 3));
  request.breakpoints.push_back(watch(BreakpointKind::Write, kData + 0x2ffe, 0x10000));
  const auto write_of = [&](std::uint64_t address) {
    start({0x89, 0x07, 0x90, 0xf4});  // mov [rdi], eax; nop; hlt
    cpu().gpr[kRdi] = address;
    return go(request) == VcpuExit::Debug ? debugger.stop().linear : 0;
  };
  EXPECT_EQ(write_of(kData + 2), kData + 2);
  EXPECT_EQ(write_of(kData + 3), 0U);
  EXPECT_EQ(write_of(kData + 97), kData + 100) << "where what is watched begins";
  EXPECT_EQ(write_of(kData + 96), 0U);
  EXPECT_EQ(write_of(kData + 4902), kData + 4902);
  EXPECT_EQ(write_of(kData + 0x2ffc), kData + 0x2ffe) << "across pages";
  EXPECT_EQ(write_of(kData + 0x9000), kData + 0x9000);
  EXPECT_EQ(write_of(kData + 0x12ffd), kData + 0x12ffd);
  EXPECT_EQ(write_of(kData + 0x12ffe), 0U);
}

TEST_F(JitDebugger, ARepetitionStopsAfterTheElement) {
  start({0x90, 0xf3, 0xaa, 0x90, 0xf4});  // nop; rep stosb; nop; hlt
  cpu().gpr[kRcx] = 100;
  cpu().gpr[kRdi] = kData;
  cpu().gpr[kRax] = 7;
  ASSERT_EQ(go(stops({watch(BreakpointKind::Write, kData + 40, 1)})), VcpuExit::Debug);
  EXPECT_EQ(cpu().gpr[kRdi], kData + 41);
  EXPECT_EQ(m.get<std::uint8_t>(kData + 40), 7);
  EXPECT_EQ(m.get<std::uint8_t>(kData + 41), 0);
  EXPECT_EQ(go(), VcpuExit::HaltedMasked);
  EXPECT_EQ(m.get<std::uint8_t>(kData + 99), 7);
}

// A port must not be read twice.
TEST_F(JitDebugger, InsReadsItsPortOnce) {
  start({0xf3, 0x6c, 0x90, 0xf4});
  m.ports[0x80] = 5;
  cpu().gpr[kRcx] = 2;
  cpu().gpr[kRdx] = 0x80;
  cpu().gpr[kRdi] = kData;
  ASSERT_EQ(go(stops({watch(BreakpointKind::Write, kData, 1)})), VcpuExit::Debug);
  EXPECT_EQ(cpu().gpr[kRcx], 1U);
  EXPECT_EQ(m.get<std::uint8_t>(kData), 5);
  EXPECT_EQ(go(), VcpuExit::HaltedMasked);
}

TEST_F(JitDebugger, DeliveryOfAnEventIsAnAccess) {
  handlers();
  const DebugRequest request = stops({watch(BreakpointKind::Write, kStack - 8 * 5, 8)});  // RIP
  for (const unsigned vector : {0x40U, 6U}) {
    start(vector == 6 ? std::vector<std::uint8_t>{0x90, 0x0f, 0x0b} : std::vector<std::uint8_t>{0x90, 0xcd, 0x40});
    cpu().gpr[kRsp] = kStack;
    ASSERT_EQ(go(request), VcpuExit::Debug);
    EXPECT_EQ(debugger.stop().why, Why::Watchpoint);
    EXPECT_EQ(cpu().rip, DescriptorTables::handler(vector));
  }
  start({0x90, 0x90, 0x90});
  cpu().gpr[kRsp] = kStack;
  cpu().set_eflags(0x202);
  m.interrupt_vector = 0x41;
  ASSERT_EQ(go(request), VcpuExit::Debug);
  EXPECT_EQ(cpu().rip, DescriptorTables::handler(0x41));
  // Its gate is read.
  start({0x90, 0xcd, 0x40});
  cpu().gpr[kRsp] = kStack;
  ASSERT_EQ(go(stops({watch(BreakpointKind::Read, DescriptorTables::kIdt + 0x40 * 16, 16)})), VcpuExit::Debug);
  EXPECT_EQ(cpu().rip, DescriptorTables::handler(0x40));
}

TEST_F(JitDebugger, AnAccessThatFaultsIsNone) {
  handlers();
  m.put<std::uint64_t>((1 << 20) + 0x2000 + 8 * 7, 0);  // 14 MiB: not present
  start({0x90, 0xa4, 0x90});                            // movsb
  cpu().gpr[kRsi] = kData;
  cpu().gpr[kRdi] = 14 << 20;
  EXPECT_EQ(go(stops({watch(BreakpointKind::Read, kData, 1)})), VcpuExit::HaltedMasked);
  EXPECT_EQ(tables->stopped_at(), 14);
}

TEST_F(JitDebugger, FetchingIsNoAccess) {
  start({0x90, 0x90, 0xf4});
  EXPECT_EQ(go(stops({watch(BreakpointKind::Access, kCode, 16)})), VcpuExit::HaltedMasked);
}

// The guest's own, of the same bytes, and its trap.
TEST_F(JitDebugger, WatchesBesideTheGuest) {
  handlers();
  start({0x89, 0x07, 0x90, 0xf4});
  cpu().gpr[kRdi] = kData;
  cpu().dr[0] = kData;
  cpu().dr7 = 0xd0402;  // four bytes, writes
  cpu().flush_tlb();
  cpu().update_mode();
  ASSERT_EQ(go(stops({watch(BreakpointKind::Write, kData, 4)})), VcpuExit::Debug);
  EXPECT_EQ(debugger.stop().why, Why::Watchpoint);
  EXPECT_EQ(cpu().rip, DescriptorTables::handler(1)) << "the trap of the same instruction";
  EXPECT_EQ(tables->stacked(0), kCode + 2);
  EXPECT_EQ(cpu().dr6, 0xffff0ff1U);
}

TEST_F(JitDebugger, AWatchThatIsGoneCostsNothing) {
  start({0x89, 0x07, 0x90, 0xf4});
  cpu().gpr[kRdi] = kData;
  ASSERT_EQ(go(stops({watch(BreakpointKind::Write, kData, 4)})), VcpuExit::Debug);
  start({0x89, 0x07, 0x90, 0xf4});
  EXPECT_EQ(go(kNothing), VcpuExit::HaltedMasked);
  EXPECT_EQ(cpu().debugger, nullptr);
  EXPECT_EQ(cpu().tlb->entry(kData).write.load(), kData) << "in the TLB again";
}

TEST_F(JitDebugger, RefusesAWatchOfNoBytesAndKeepsWhatItHad) {
  start({0x90, 0x90, 0xf4});
  debugger.set(stops({at(kCode + 1)}));
  EXPECT_THROW(debugger.set(stops({watch(BreakpointKind::Write, kData, 0)})), Error);
  EXPECT_EQ(go(), VcpuExit::Debug);
  EXPECT_EQ(cpu().rip, kCode + 1);
}

TEST_F(JitDebugger, WrapsAt4GiBOutsideOf64BitCode) {
  m.protected_32();
  // Registers that are not RAM, but for 0: mov [edi], eax; nop; hlt
  start({0x89, 0x07, 0x90, 0xf4});
  cpu().gpr[kRdi] = 0xfffffffe;
  ASSERT_EQ(go(stops({watch(BreakpointKind::Write, 1, 1)})), VcpuExit::Debug);
  EXPECT_EQ(debugger.stop().linear, 1U);
}

// --- sets of offsets ---

TEST(JitBlockEnds, KeepASetAsLongAsItWillDo) {
  BlockEndSets sets;
  std::vector<std::uint32_t> retired;
  auto first = sets.take(std::vector<std::uint64_t>{0x1005, 0x2007}, retired);
  EXPECT_TRUE(first->at(0x9007));
  EXPECT_FALSE(first->at(0x9006));
  EXPECT_EQ(sets.take(std::vector<std::uint64_t>{0x5005}, retired), first);
  const std::uint32_t mode = first->mode;
  const auto second = sets.take(std::vector<std::uint64_t>{0x1006}, retired);
  EXPECT_NE(second->mode, mode);
  EXPECT_TRUE(second->at(5)) << "what was asked for before comes back, as a rule";
  EXPECT_TRUE(retired.empty()) << "somebody has it";
  first.reset();
  const auto third = sets.take(std::vector<std::uint64_t>{0x100}, retired);
  EXPECT_EQ(retired, std::vector<std::uint32_t>{mode});
  EXPECT_EQ(third->mode, mode) << "numbers are used again";
}

TEST(JitBlockEnds, DropOffsetsThatNobodyAsksFor) {
  BlockEndSets sets;
  std::vector<std::uint32_t> retired;
  std::shared_ptr<const BlockEnds> set;
  for (unsigned i = 0; i < 1000; ++i) set = sets.take(std::vector<std::uint64_t>{i}, retired);
  EXPECT_LE(set->offsets.count(), 70U);
  EXPECT_TRUE(set->at(999));
}

}  // namespace
}  // namespace machina::jit
