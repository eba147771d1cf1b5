#include "accel/jit/interrupt.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "accel/jit/jit_state.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kCode = BareMachine::kCode, kStack = BareMachine::kStack;
using Tables = DescriptorTables;

// --- real mode ---

struct RealMode : testing::Test {
  RealMode() {
    // Code and stack within the first 64 KiB of segments.
    m.cpu().set_segment(kCs, {.selector = 0x1000, .rights = 0x9b, .limit = 0xffff, .base = 0x10000});
    m.cpu().gpr[kRsp] = 0x8000;
    m.cpu().update_mode();
  }
  void run(std::initializer_list<std::uint8_t> code) {
    m.put_code(kCode, std::span(code.begin(), code.size()));
    m.cpu().rip = 0;
    run_blocks(m.cpu());
  }
  void vector(unsigned n, std::uint16_t segment, std::uint16_t offset) {
    m.put<std::uint16_t>(n * 4, offset);
    m.put<std::uint16_t>(n * 4 + 2, segment);
  }
  BareMachine m;
};

TEST_F(RealMode, IntPushesFlagsCsIpAndIretTakesThemBack) {
  vector(0x21, 0x2000, 0x10);
  m.put_code(0x20010, std::array<std::uint8_t, 4>{0x9c, 0x58, 0xcf, 0xf4});  // pushf; pop ax; iret
  m.cpu().set_eflags(kIf | kCf);
  m.cpu().update_mode();
  run({0xcd, 0x21, 0xf4});  // int 21h; hlt
  EXPECT_EQ(m.cpu().rip, 3U);
  EXPECT_EQ(m.cpu().segment[kCs].selector, 0x1000);
  EXPECT_EQ(m.cpu().gpr[kRsp], 0x8000U);
  EXPECT_EQ(m.get<std::uint16_t>(0x8000 - 2), kIf | kCf | 2);
  EXPECT_EQ(m.get<std::uint16_t>(0x8000 - 4), 0x1000);
  EXPECT_EQ(m.get<std::uint16_t>(0x8000 - 6), 2);
  EXPECT_EQ(m.cpu().gpr[kRax] & 0xffff, kCf | 2U) << "the handler runs with IF clear";
  EXPECT_EQ(m.cpu().eflags(), kIf | kCf | 2U);
}

TEST_F(RealMode, FaultsPushNoErrorCodeAndTheirOwnAddress) {
  vector(13, 0x2000, 0);
  m.put<std::uint8_t>(0x20000, 0xf4);
  m.cpu().gpr[kRbx] = 0xffff;
  run({0x8b, 0x07});  // mov ax, [bx]: the second byte is beyond the limit
  EXPECT_EQ(m.cpu().segment[kCs].selector, 0x2000);
  EXPECT_EQ(m.cpu().gpr[kRsp], 0x8000U - 6);
  EXPECT_EQ(m.get<std::uint16_t>(0x8000 - 6), 0);
}

TEST_F(RealMode, AVectorBeyondTheLimitOfTheTableIsAGeneralProtection) {
  m.cpu().idt.limit = 13 * 4 + 3;
  vector(13, 0x2000, 0);
  m.put<std::uint8_t>(0x20000, 0xf4);
  run({0xcd, 0x21});
  EXPECT_EQ(m.cpu().rip, 1U);
  EXPECT_EQ(m.get<std::uint16_t>(0x8000 - 6), 0) << "of INT itself";
}

TEST_F(RealMode, FarCallAndFarReturn) {
  m.put_code(0x23000, std::array<std::uint8_t, 5>{0xb8, 0x34, 0x12, 0xca, 4});  // mov ax, 1234h; retf 4
  m.put<std::uint8_t>(0x23005, 0);
  run({0x9a, 0x00, 0x30, 0x00, 0x20, 0xf4});  // call 2000h:3000h; hlt
  EXPECT_EQ(m.cpu().rip, 6U);
  EXPECT_EQ(m.cpu().gpr[kRax] & 0xffff, 0x1234U);
  EXPECT_EQ(m.cpu().gpr[kRsp], 0x8004U);
  EXPECT_EQ(m.cpu().segment[kCs].base, 0x10000U);
}

TEST_F(RealMode, SegmentLoadsKeepTheLimitThatProtectedModeLeft) {
  m.cpu().set_segment(kDs, {.selector = 0, .rights = 0xc093, .limit = 0xffffffff, .base = 0});
  m.put<std::uint32_t>(0x212340, 0xcafe);
  // mov ax, 1234h; mov ds, ax; mov eax, [dword 200000h]
  run({0xb8, 0x34, 0x12, 0x8e, 0xd8, 0x66, 0x67, 0xa1, 0, 0, 0x20, 0, 0xf4});
  EXPECT_EQ(m.cpu().gpr[kRax], 0xcafeU);
  EXPECT_EQ(m.cpu().segment[kDs].limit, 0xffffffffU);
}

// --- protected mode, 32 bits ---

struct ProtectedMode : testing::Test {
  ProtectedMode() : tables((m.protected_32(), m)) { tables.stop_at_every_vector(); }
  BareMachine m;
  Tables tables;
};

TEST_F(ProtectedMode, InterruptGateAtTheSamePrivilege) {
  m.cpu().set_eflags(kIf | kCf | kNt | 2);
  m.run({0xcd, 0x30, 0xf4});
  EXPECT_EQ(tables.stopped_at(), 0x30);
  EXPECT_EQ(m.cpu().gpr[kRsp], kStack - 12);
  EXPECT_EQ(tables.stacked(0), kCode + 2);
  EXPECT_EQ(tables.stacked(1), Tables::kCode0);
  EXPECT_EQ(tables.stacked(2), kIf | kCf | kNt | 2U);
  EXPECT_EQ(m.cpu().eflags(), kCf | 2U);
}

TEST_F(ProtectedMode, TrapGateLeavesIf) {
  tables.gate(0x30, Tables::handler(0x30), 0x8f);
  m.cpu().set_eflags(kIf);
  m.run({0xcd, 0x30});
  EXPECT_EQ(m.cpu().eflags(), kIf | 2U);
}

TEST_F(ProtectedMode, GateOf16BitsPushesWords) {
  tables.gate(0x30, Tables::handler(0x30), 0x86);
  m.run({0xcd, 0x30});
  EXPECT_EQ(tables.stopped_at(), 0x30);
  EXPECT_EQ(m.cpu().gpr[kRsp], kStack - 6);
  EXPECT_EQ(m.get<std::uint16_t>(kStack - 6), (kCode + 2) & 0xffff);
}

TEST_F(ProtectedMode, FromUserToKernelAndBack) {
  tables.gate(0x80, 0x9000, 0xee);
  // mov eax, [esp+12]; iret
  m.put_code(0x9000, std::array<std::uint8_t, 5>{0x8b, 0x44, 0x24, 12, 0xcf});
  tables.user();
  m.cpu().set_eflags(kIf);
  m.run({0xcd, 0x80, 0x0f, 0x0b});  // int 80h; ud2, whose handler stops
  EXPECT_EQ(tables.stopped_at(), 6);
  EXPECT_EQ(m.cpu().gpr[kRax], kStack);
  EXPECT_EQ(m.cpu().cpl, 0);
  EXPECT_EQ(m.cpu().gpr[kRsp], Tables::kInnerStack - 20);
  EXPECT_EQ(tables.stacked(0), kCode + 2);
  EXPECT_EQ(tables.stacked(1), Tables::kCode3);
  EXPECT_EQ(tables.stacked(2), kIf | kRf | 2U) << "RF is set for a fault";
  EXPECT_EQ(tables.stacked(3), kStack);
  EXPECT_EQ(tables.stacked(4), Tables::kData3);
  EXPECT_EQ(m.cpu().segment[kSs].selector, Tables::kData0);
}

TEST_F(ProtectedMode, UserMayNotUseAGateOfTheKernel) {
  tables.user();
  m.run({0xcd, 0x80});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), 0x80U * 8 + 2) << "EXT is clear: INT n is the program's own";
  EXPECT_EQ(tables.stacked(1), kCode);
}

TEST_F(ProtectedMode, BreakpointNeedsTheGatesPrivilegeTooButIcebpDoesNot) {
  tables.user();
  m.run({0xcc});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), 3U * 8 + 2);
  tables.user();
  m.cpu().gpr[kRsp] = kStack;
  m.run({0xf1});
  EXPECT_EQ(tables.stopped_at(), 1);
  EXPECT_EQ(tables.stacked(0), kCode + 1);
}

TEST_F(ProtectedMode, IntoOnlyWithOverflow) {
  m.run({0xce, 0xf4});
  EXPECT_EQ(m.cpu().rip, kCode + 2);
  m.cpu().set_eflags(kOf);
  m.run({0xce, 0xf4});
  EXPECT_EQ(tables.stopped_at(), 4);
  EXPECT_EQ(tables.stacked(0), kCode + 1);
}

TEST_F(ProtectedMode, AGateThatIsNotPresent) {
  tables.gate(0x30, 0, 0x0e);
  m.run({0xcd, 0x30});
  EXPECT_EQ(tables.stopped_at(), 11);
  EXPECT_EQ(tables.stacked(0), 0x30U * 8 + 2);
}

TEST_F(ProtectedMode, ExternalEventsSetExtInTheErrorCode) {
  tables.gate(0x30, 0, 0x0e);
  m.cpu().set_eflags(kIf);
  m.interrupt_vector = 0x30;
  m.run({0x90, 0xf4});
  EXPECT_EQ(tables.stopped_at(), 11);
  EXPECT_EQ(tables.stacked(0), 0x30U * 8 + 3);
  EXPECT_EQ(tables.stacked(1), kCode);
}

// SDM vol. 3, 6.13, and vol. 2, INT n: INT1 counts as an event from outside, INT3 does not.
TEST_F(ProtectedMode, Int1SetsExtInTheErrorCode) {
  tables.gate(1, Tables::handler(1), 0x0e);
  tables.gate(3, Tables::handler(3), 0x0e);
  m.run({0xf1});
  EXPECT_EQ(tables.stopped_at(), 11);
  EXPECT_EQ(tables.stacked(0), 1U << 3 | 3);
  m.run({0xcc});
  EXPECT_EQ(tables.stopped_at(), 11);
  EXPECT_EQ(tables.stacked(0), 3U << 3 | 2);
}

TEST_F(ProtectedMode, ABadCodeSegmentIsNamedByItsSelector) {
  tables.gate(0x30, 0, 0x8e, Tables::kData0);
  m.run({0xcd, 0x30});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), Tables::kData0);

  m.protected_32();
  tables.segment(Tables::kFree, 0xc01b);  // not present
  tables.gate(0x30, 0, 0x8e, Tables::kFree);
  m.run({0xcd, 0x30});
  EXPECT_EQ(tables.stopped_at(), 11);
  EXPECT_EQ(tables.stacked(0), Tables::kFree);

  m.protected_32();
  tables.gate(0x30, 0, 0x8e, 0);
  m.run({0xcd, 0x30});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), 0U);
}

TEST_F(ProtectedMode, ABadInnerStackIsAnInvalidTss) {
  tables.segment(Tables::kFree, 0xc0bb);  // code of CPL 1, whose stack has the wrong privilege
  tables.gate(0x80, Tables::handler(0x80), 0xee, Tables::kFree);
  m.put<std::uint32_t>(Tables::kTss + 12, 0x60000);
  m.put<std::uint32_t>(Tables::kTss + 16, Tables::kData3);
  tables.user();
  m.run({0xcd, 0x80});
  EXPECT_EQ(tables.stopped_at(), 10);
  EXPECT_EQ(tables.stacked(0), Tables::kData3 & ~3U);
  EXPECT_EQ(tables.stacked(1), kCode);
  EXPECT_EQ(tables.stacked(4), kStack);

  m.protected_32();
  m.cpu().tr.limit = 0x10;  // ends within SS1
  tables.user();
  m.run({0xcd, 0x80});
  EXPECT_EQ(tables.stopped_at(), 10);
  EXPECT_EQ(tables.stacked(0), Tables::kTssSelector);
}

TEST_F(ProtectedMode, TwoContributoryFaultsAreADoubleFault) {
  tables.gate(13, 0, 0x0e);  // #GP's gate is not present: #NP, while #GP is delivered
  tables.user();
  m.run({0xf4});  // #GP(0)
  EXPECT_EQ(tables.stopped_at(), 8);
  EXPECT_EQ(tables.stacked(0), 0U);
  EXPECT_EQ(tables.stacked(1), kCode);
}

TEST_F(ProtectedMode, ABenignExceptionThatFaultsGivesWayToTheFault) {
  tables.gate(6, 0, 0x0e);
  m.run({0x0f, 0x0b});
  EXPECT_EQ(tables.stopped_at(), 11);
  EXPECT_EQ(tables.stacked(0), 6U * 8 + 3);
  EXPECT_EQ(tables.stacked(1), kCode);
}

TEST_F(ProtectedMode, AFaultOfTheDoubleFaultShutsDown) {
  for (const unsigned v : {8U, 11U, 13U}) tables.gate(static_cast<std::uint8_t>(v), 0, 0x0e);
  m.run({0x8e, 0xd0, 0x0f, 0x0b});  // mov ss, ax with a null selector
  EXPECT_EQ(m.cpu().exit, VcpuExit::Shutdown);
  EXPECT_EQ(m.cpu().exit, VcpuExit::Shutdown);
  EXPECT_EQ(m.cpu().rip, kCode) << "nothing has changed";
  EXPECT_EQ(m.cpu().gpr[kRsp], kStack);
}

TEST_F(ProtectedMode, AFaultWhilePushingChangesNothing) {
  m.cpu().set_segment(kSs, {.selector = Tables::kFree, .rights = 0x4093, .limit = 0xfff, .base = 0x50000});
  m.cpu().gpr[kRsp] = 8;
  m.cpu().update_mode();
  m.cpu().set_eflags(kIf | kCf);
  m.run({0xcd, 0x30});
  // ESP wraps to FFFFFFFCh at the third push: #SS, whose own pushes fault, and so on.
  EXPECT_EQ(m.cpu().exit, VcpuExit::Shutdown);
  EXPECT_EQ(m.cpu().gpr[kRsp], 8U);
  EXPECT_EQ(m.cpu().eflags(), kIf | kCf | 2U);
  EXPECT_EQ(m.cpu().segment[kCs].selector, 8);
}

TEST_F(ProtectedMode, StiHoldsInterruptsBackForOneInstruction) {
  tables.gate(0x30, Tables::handler(0x30));
  m.interrupt_vector = 0x30;
  m.run({0xfb, 0x40, 0x40, 0xf4});  // sti; inc eax; inc eax
  EXPECT_EQ(tables.stopped_at(), 0x30);
  EXPECT_EQ(m.cpu().gpr[kRax], 1U);
  EXPECT_EQ(tables.stacked(0), kCode + 2);
}

TEST_F(ProtectedMode, MovSsHoldsInterruptsBackForOneInstruction) {
  m.cpu().gpr[kRbx] = Tables::kData0;
  m.interrupt_vector = 0x30;
  m.run({0xfb, 0x8e, 0xd3, 0x40, 0x40, 0xf4});  // sti; mov ss, bx; inc eax; inc eax
  EXPECT_EQ(tables.stopped_at(), 0x30);
  EXPECT_EQ(m.cpu().gpr[kRax], 1U);
  EXPECT_EQ(tables.stacked(0), kCode + 4);
}

TEST_F(ProtectedMode, IretNullsSegmentsOfTheKernel) {
  tables.gate(0x80, Tables::handler(0x80), 0xee);
  // push 23h; push stack; push 2; push 1bh; push target; iret
  m.cpu().set_segment(kFs, {.selector = Tables::kData3, .rights = 0xc0f3, .limit = 0xffffffff, .base = 0});
  m.put_code(0x11000, std::array<std::uint8_t, 2>{0xcd, 0x80});
  m.run({0x6a, 0x23, 0x68, 0, 0, 6, 0, 0x6a, 2, 0x6a, 0x1b, 0x68, 0, 0x10, 1, 0, 0xcf});
  EXPECT_EQ(tables.stopped_at(), 0x80);
  EXPECT_EQ(tables.stacked(0), 0x11002U);
  EXPECT_EQ(tables.stacked(3), 0x60000U);
  EXPECT_EQ(m.cpu().segment[kDs].selector, 0) << "its DPL is 0";
  EXPECT_FALSE(m.cpu().segment[kDs].present());
  EXPECT_EQ(m.cpu().segment[kFs].selector, Tables::kData3);
}

TEST_F(ProtectedMode, IretOpensNmis) {
  m.cpu().nmi_masked = true;
  m.nmi = true;
  m.run({0x9c, 0x0e, 0x68, 0x00, 0x10, 1, 0, 0xcf});  // pushf; push cs; push 11000h; iret
  EXPECT_EQ(tables.stopped_at(), 2);
  EXPECT_EQ(tables.stacked(0), 0x11000U);
  EXPECT_TRUE(m.cpu().nmi_masked);
  EXPECT_EQ(m.nmi_merges, 1);
}

// --- long mode ---

struct LongMode : testing::Test {
  LongMode() : tables((m.long_64(), m)) { tables.stop_at_every_vector(); }
  BareMachine m;
  Tables tables;
};

// #AC whose handler has an odd stack at CPL 3 can never be entered. A kick ends that, and what is left goes on later.
TEST_F(ProtectedMode, AKickEndsADeliveryThatNeverEnds) {
  tables.gate(17, Tables::handler(17), 0xee, Tables::kCode3);
  m.cpu().cr0 |= kCr0Am;
  m.cpu().set_eflags(kAc | 2);
  m.cpu().gpr[kRsp] = kStack + 1;
  tables.user();
  std::atomic<bool> done{false}, settled{false};
  std::thread kicker([&] {
    // Another CPU that waits for this one is not kept waiting, nor does that end the run.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // it is in that delivery by then
    m.cpu().request(kRequestSettle);
    while (m.cpu().requests.load() & kRequestSettle) std::this_thread::yield();
    settled = true;
    for (; !done; std::this_thread::sleep_for(std::chrono::milliseconds(1))) m.cpu().request(kRequestKick);
  });
  EXPECT_EQ(m.run({0xa1, 1, 0, 2, 0}), VcpuExit::Interrupted);  // mov eax, [20001]
  for (int i = 0; i < 1000 && !m.cpu().undelivered; ++i) EXPECT_EQ(run_blocks(m.cpu()), VcpuExit::Interrupted);
  done = true;
  kicker.join();
  EXPECT_TRUE(settled);
  m.cpu().requests.fetch_and(~kRequestKick);
  ASSERT_TRUE(m.cpu().undelivered.has_value());
  X86State s;
  store_state(m.cpu(), s);
  EXPECT_TRUE(s.events.exception_injected);
  EXPECT_EQ(s.events.exception_vector, 17);
  m.cpu().undelivered.reset();
  load_state(m.cpu(), s);
  ASSERT_TRUE(m.cpu().undelivered.has_value());
  m.cpu().gpr[kRsp] = kStack;
  m.cpu().rip = 0x20000;
  m.put<std::uint8_t>(Tables::handler(17), 0x0f);  // ud2
  m.put<std::uint8_t>(Tables::handler(17) + 1, 0x0b);
  tables.gate(6, Tables::handler(6), 0x8e);
  EXPECT_EQ(run_blocks(m.cpu()), VcpuExit::HaltedMasked);
  EXPECT_EQ(tables.stopped_at(), 6);
  EXPECT_EQ(m.get<std::uint32_t>(kStack - 12), 0x20000U) << "#AC came first";
}

TEST_F(LongMode, AlwaysPushesTheStackAndAlignsIt) {
  m.cpu().gpr[kRsp] = kStack - 3;
  m.cpu().set_eflags(kIf);
  m.run({0xcd, 0x30});
  EXPECT_EQ(tables.stopped_at(), 0x30);
  EXPECT_EQ(m.cpu().gpr[kRsp], kStack - 16 - 40);
  EXPECT_EQ(tables.stacked(0), kCode + 2);
  EXPECT_EQ(tables.stacked(1), 8U);
  EXPECT_EQ(tables.stacked(2), kIf | 2U);
  EXPECT_EQ(tables.stacked(3), kStack - 3);
  EXPECT_EQ(tables.stacked(4), 0x10U);
  EXPECT_EQ(m.cpu().segment[kSs].selector, 0x10) << "the same privilege keeps SS";
}

TEST_F(LongMode, FromUserWithErrorCodeAndBack) {
  tables.user();
  m.cpu().gpr[kRbx] = 0x8000000000000000;
  m.run({0x8b, 0x03});  // mov eax, [rbx]: not canonical
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(m.cpu().gpr[kRsp], Tables::kInnerStack - 48);
  EXPECT_EQ(tables.stacked(0), 0U);
  EXPECT_EQ(tables.stacked(1), kCode);
  EXPECT_EQ(tables.stacked(2), Tables::kCode3);
  EXPECT_EQ(tables.stacked(4), kStack);
  EXPECT_EQ(tables.stacked(5), Tables::kData3);
  EXPECT_EQ(m.cpu().segment[kSs].selector, 0) << "a null selector of the new privilege";
  EXPECT_EQ(m.cpu().cpl, 0);
}

TEST_F(LongMode, PageFaultLeavesTheAddressInCr2) {
  tables.user();
  m.run({0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0x40});  // mov rax, [40000000h]
  EXPECT_EQ(tables.stopped_at(), 14);
  EXPECT_EQ(m.cpu().cr2, 0x40000000U);
  EXPECT_EQ(tables.stacked(0), kPfUser);
  EXPECT_EQ(tables.stacked(3), kRf | 2U);
}

TEST_F(LongMode, InterruptStackTable) {
  m.put<std::uint64_t>(Tables::kTss + 0x24 + 8, 0x61008);  // IST2
  tables.gate(0x30, Tables::handler(0x30), 0x8e, Tables::kCode0, 2);
  m.run({0xcd, 0x30});
  EXPECT_EQ(tables.stopped_at(), 0x30);
  EXPECT_EQ(m.cpu().gpr[kRsp], 0x61000U - 40);
  EXPECT_EQ(tables.stacked(3), kStack);
  EXPECT_EQ(m.cpu().segment[kSs].selector, 0x10);
}

TEST_F(LongMode, AnInnerStackThatIsNotCanonicalIsAStackFault) {
  m.put<std::uint64_t>(Tables::kTss + 4, 0x8000000000000000);
  m.put<std::uint64_t>(Tables::kTss + 0x24, 0x61000);  // IST1
  tables.gate(12, Tables::handler(12), 0x8e, Tables::kCode0, 1);
  tables.gate(0x80, Tables::handler(0x80), 0xee);
  tables.user();
  m.run({0xcd, 0x80});
  EXPECT_EQ(tables.stopped_at(), 12);
  EXPECT_EQ(tables.stacked(0), 0U);
  EXPECT_EQ(tables.stacked(1), kCode);
}

TEST_F(LongMode, ABadStackTurnsAPageFaultIntoADoubleFault) {
  m.put<std::uint64_t>(Tables::kTss + 4, 0x40000000);  // not mapped
  m.put<std::uint64_t>(Tables::kTss + 0x24, 0x61000);
  tables.gate(8, Tables::handler(8), 0x8e, Tables::kCode0, 1);
  tables.user();
  m.run({0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0x50});
  EXPECT_EQ(tables.stopped_at(), 8);
  EXPECT_EQ(tables.stacked(0), 0U);
  EXPECT_EQ(tables.stacked(1), kCode);
  EXPECT_EQ(m.cpu().cr2, 0x3ffffff8U) << "of the last page fault";
}

TEST_F(LongMode, GatesMustLeadToLongCode) {
  tables.segment(Tables::kFree, 0xc09b);
  tables.gate(0x30, Tables::handler(0x30), 0x8e, Tables::kFree);
  m.run({0xcd, 0x30});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), Tables::kFree);
}

TEST_F(LongMode, GatesOf16BitsAndTaskGatesDoNotExist) {
  for (const unsigned rights : {0x85U, 0x86U, 0x87U}) {
    m.long_64();
    tables.gate(0x30, Tables::handler(0x30), static_cast<std::uint8_t>(rights));
    m.run({0xcd, 0x30});
    EXPECT_EQ(tables.stopped_at(), 13);
    EXPECT_EQ(tables.stacked(0), 0x30U * 8 + 2);
  }
}

TEST_F(LongMode, IretqReturnsToUserAndKeepsBasesOfNullSelectors) {
  Segment fs = m.cpu().segment[kFs];
  fs.selector = 3;
  fs.base = 0x12345678;
  m.cpu().set_segment(kFs, fs);
  m.put_code(0x11000, std::array<std::uint8_t, 2>{0xcd, 0x80});
  tables.gate(0x80, Tables::handler(0x80), 0xee);
  // push 23h; push 60000h; push 202h; push 1bh; push 11000h; iretq
  m.run({0x6a, 0x23, 0x68, 0, 0, 6, 0, 0x68, 2, 2, 0, 0, 0x6a, 0x1b, 0x68, 0, 0x10, 1, 0, 0x48, 0xcf});
  EXPECT_EQ(tables.stopped_at(), 0x80);
  EXPECT_EQ(tables.stacked(0), 0x11002U);
  EXPECT_EQ(tables.stacked(2), 0x202U);
  EXPECT_EQ(tables.stacked(3), 0x60000U);
  EXPECT_EQ(m.cpu().segment[kFs].selector, 0);
  EXPECT_EQ(m.cpu().segment[kFs].base, 0x12345678U);
}

TEST_F(LongMode, IretqToAnAddressThatIsNotCanonicalFaultsInTheKernel) {
  m.put<std::uint64_t>(kStack - 40, 0x8000000000000000);
  m.put<std::uint64_t>(kStack - 32, Tables::kCode3);
  m.put<std::uint64_t>(kStack - 24, 2);
  m.put<std::uint64_t>(kStack - 16, 0x60000);
  m.put<std::uint64_t>(kStack - 8, Tables::kData3);
  m.cpu().gpr[kRsp] = kStack - 40;
  m.run({0x48, 0xcf});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), 0U);
  EXPECT_EQ(tables.stacked(1), kCode);
  EXPECT_EQ(tables.stacked(2), 8U);
}

TEST_F(LongMode, IretqOfTheKernelMayHaveANullStackSegment) {
  // push 0; push rsp's value; push 2; push 8; push 11000h; iretq
  m.put<std::uint8_t>(0x11000, 0xf4);
  m.run({0x6a, 0, 0x68, 0, 0, 6, 0, 0x6a, 2, 0x6a, 8, 0x68, 0, 0x10, 1, 0, 0x48, 0xcf});
  EXPECT_EQ(m.cpu().rip, 0x11001U);
  EXPECT_EQ(m.cpu().gpr[kRsp], 0x60000U);
  EXPECT_EQ(m.cpu().segment[kSs].selector, 0);
}

TEST_F(LongMode, IretWithNestedTaskFaults) {
  m.cpu().set_eflags(kNt);
  m.run({0x48, 0xcf});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), 0U);
}

TEST_F(LongMode, IretqToCompatibilityMode) {
  tables.segment(Tables::kFree, 0xc0fb);
  m.put_code(0x11000, std::array<std::uint8_t, 4>{0x48, 0x40, 0xcd, 0x80});  // dec eax; inc eax in 32-bit code
  tables.gate(0x80, Tables::handler(0x80), 0xee);
  m.cpu().gpr[kRax] = 5;
  m.run({0x6a, 0x23, 0x68, 0, 0, 6, 0, 0x6a, 2, 0x6a, Tables::kFree | 3, 0x68, 0, 0x10, 1, 0, 0x48, 0xcf});
  EXPECT_EQ(tables.stopped_at(), 0x80);
  EXPECT_EQ(tables.stacked(1), Tables::kFree | 3U);
  EXPECT_EQ(m.cpu().gpr[kRax], 5U);
}

}  // namespace
}  // namespace machina::jit
