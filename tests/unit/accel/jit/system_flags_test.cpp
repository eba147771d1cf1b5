#include <gtest/gtest.h>

#include "accel/jit/fault.h"
#include "hw/x86/cpuid.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

// PUSHF, POPF, CLI, STI outside of virtual-8086 mode: SDM vol. 2, tables 3-7, 4-16 and 4-18.

namespace machina::jit {
namespace {

constexpr std::uint64_t kCode = BareMachine::kCode, kStack = BareMachine::kStack;
using Tables = DescriptorTables;

struct SystemFlags : testing::Test {
  SystemFlags() : tables((m.protected_32(), m)) {
    tables.stop_at_every_vector();
    tables.gate(0x80, Tables::handler(0x80), 0xee);
  }
  void start(std::uint32_t flags, bool user, std::uint64_t cr4 = 0) {
    m.protected_32();
    m.cpu().cr4 = cr4;
    if (user) tables.user();
    m.cpu().set_eflags(flags);
    m.cpu().update_mode();
  }
  /// POPF of `popped`, with `before` in force; gives what the handler of INT 80h finds on the stack.
  std::uint32_t popf(std::uint32_t before, std::uint32_t popped, bool user) {
    start(before, user);
    m.put<std::uint32_t>(kStack - 4, popped);
    m.cpu().gpr[kRsp] = kStack - 4;
    m.run({0x9d, 0xcd, 0x80});
    EXPECT_EQ(tables.stopped_at(), 0x80);
    return static_cast<std::uint32_t>(tables.stacked(2));
  }
  BareMachine m;
  Tables tables;
};

TEST_F(SystemFlags, PopfObeysPrivilege) {
  constexpr std::uint32_t kEverything = 0x3fffff & ~kTf;
  constexpr std::uint32_t kForAll = kArithmetic | kDf | kNt | kAc | kId | 2;
  EXPECT_EQ(popf(2, kEverything, false), kForAll | kIf | kIopl);
  EXPECT_EQ(popf(2, kEverything, true), kForAll);
  EXPECT_EQ(popf(kIopl, kEverything & ~kIopl, true), kForAll | kIf | kIopl);
  EXPECT_EQ(popf(kIf, 0, true), kIf | 2U) << "IF stays where it may not be changed";
}

TEST_F(SystemFlags, PopfOf16BitsKeepsTheRest) {
  start(kAc | kId, false);
  m.put<std::uint16_t>(kStack - 2, kCf | kIf);
  m.cpu().gpr[kRsp] = kStack - 2;
  m.run({0x66, 0x9d, 0xcd, 0x80});
  EXPECT_EQ(tables.stacked(2), kAc | kId | kCf | kIf | 2U);
}

TEST_F(SystemFlags, PushfHidesRfAndVm) {
  start(kIf | kIopl | kCf, false);
  m.cpu().system_flags |= kRf;
  m.cpu().update_mode();
  m.run({0x9c, 0x58, 0xf4});
  EXPECT_EQ(m.cpu().gpr[kRax], kIf | kIopl | kCf | 2U);
}

TEST_F(SystemFlags, PopfThatSetsTfTrapsAfterTheNextInstruction) {
  start(2, false);
  m.put<std::uint32_t>(kStack - 4, kTf | 2);
  m.cpu().gpr[kRsp] = kStack - 4;
  m.run({0x9d, 0x90, 0x90, 0xf4});
  EXPECT_EQ(tables.stopped_at(), 1);
  EXPECT_EQ(tables.stacked(0), kCode + 2);
  EXPECT_EQ(m.cpu().dr6 & 0x4000, 0x4000U);
}

TEST_F(SystemFlags, IntLeavesNoTrapBehind) {
  start(kTf | 2, false);
  m.run({0xcd, 0x80});
  EXPECT_EQ(tables.stopped_at(), 0x80);
  EXPECT_EQ(m.cpu().dr6 & 0x4000, 0U);
  EXPECT_EQ(tables.stacked(2), kTf | 2U);
}

TEST_F(SystemFlags, CliAndStiObeyIopl) {
  for (const std::uint8_t code : {std::uint8_t{0xfa}, std::uint8_t{0xfb}}) {
    start(kIf | 2, true);
    m.run({code, 0xcd, 0x80});
    EXPECT_EQ(tables.stopped_at(), 13);
    EXPECT_EQ(tables.stacked(0), 0U);
    start(kIopl | (code == 0xfa ? kIf : 0) | 2, true);
    m.run({code, 0xcd, 0x80});
    EXPECT_EQ(tables.stopped_at(), 0x80);
    EXPECT_EQ(tables.stacked(2), kIopl | (code == 0xfa ? 0 : kIf) | 2U);
  }
}

TEST_F(SystemFlags, ProtectedModeVirtualInterrupts) {
  start(kIf | 2, true, kCr4Pvi);
  m.run({0xfb, 0xcd, 0x80});
  EXPECT_EQ(tables.stacked(2), kIf | kVif | 2U);
  start(kIf | kVif | 2, true, kCr4Pvi);
  m.run({0xfa, 0xcd, 0x80});
  EXPECT_EQ(tables.stacked(2), kIf | 2U);
  start(kIf | kVip | 2, true, kCr4Pvi);
  m.run({0xfb, 0xcd, 0x80});
  EXPECT_EQ(tables.stopped_at(), 13) << "an interrupt is pending";
}

TEST_F(SystemFlags, PopfOpensInterruptsAtOnce) {
  start(2, false);
  m.put<std::uint32_t>(kStack - 4, kIf | 2);
  m.cpu().gpr[kRsp] = kStack - 4;
  m.interrupt_vector = 0x30;
  m.run({0x9d, 0x40, 0xf4});
  EXPECT_EQ(tables.stopped_at(), 0x30);
  EXPECT_EQ(tables.stacked(0), kCode + 1);
}

TEST_F(SystemFlags, MovSsDropsItsSingleStepTrap) {
  start(kTf, false);
  m.cpu().gpr[kRax] = Tables::kData0;
  m.run({0x8e, 0xd0, 0x90, 0x90, 0xf4});  // mov ss, ax; nop; nop
  EXPECT_EQ(tables.stopped_at(), 1);
  EXPECT_EQ(tables.stacked(0), kCode + 3);

  start(kTf, false);
  m.cpu().gpr[kRax] = Tables::kData0;
  m.cpu().dr6 = 0xffff0ff0;
  m.run({0x8e, 0xd0, 0xf1});  // the trap that comes is ICEBP's own
  EXPECT_EQ(tables.stopped_at(), 1);
  EXPECT_EQ(tables.stacked(0), kCode + 3);
  EXPECT_EQ(m.cpu().dr6, 0xffff0ff0U);
}

TEST_F(SystemFlags, InstructionBreakpointsBehindMovSsAreAmds) {
  CpuidTable amd;
  amd.set({.leaf = 0, .eax = 0xd, .ebx = 0x68747541, .ecx = 0x444d4163, .edx = 0x69746e65});
  for (const bool is_amd : {false, true}) {
    start(2, false);
    m.cpu().cpuid = is_amd ? &amd : nullptr;
    m.cpu().gpr[kRax] = Tables::kData0;
    m.cpu().dr[0] = kCode + 2;
    m.cpu().dr7 = 0x402;
    m.cpu().update_mode();
    m.run({0x8e, 0xd0, 0x90, 0xcd, 0x80});  // mov ss, ax; nop; int 80h
    EXPECT_EQ(tables.stopped_at(), is_amd ? 1 : 0x80);
    m.cpu().dr7 = 0x400;
  }
  m.cpu().cpuid = nullptr;
}

TEST_F(SystemFlags, AcOpensUserPagesToTheKernel) {
  m.long_64();
  Tables wide(m);
  wide.stop_at_every_vector();
  m.cpu().cr4 |= kCr4Smap;
  // The tables, the code and the stack are the kernel's: pages of 2 MiB, of which only those from 4 MiB on are open.
  m.put<std::uint64_t>(0x102000, 0x83);
  m.cpu().flush_tlb();
  m.cpu().update_mode();
  // stac; mov al, [400000h]; clac; mov al, [400000h]
  m.run({0x0f, 0x01, 0xcb, 0x8a, 0x04, 0x25, 0, 0, 0x40, 0, 0x0f, 0x01, 0xca, 0x8a, 0x04, 0x25, 0, 0, 0x40, 0});
  EXPECT_EQ(wide.stopped_at(), 14);
  EXPECT_EQ(wide.stacked(0), kPfPresent);
  EXPECT_EQ(wide.stacked(1), kCode + 13);
  m.long_64(3);
  m.run({0x0f, 0x01, 0xcb});
  EXPECT_EQ(wide.stopped_at(), 6);
}

TEST_F(SystemFlags, AShadowHoldsWhileItsInstructionFaults) {
  start(2, false);
  m.interrupt_vector = 0x30;
  m.run({0xfb, 0x0f, 0x0b});  // sti; ud2: the exception comes, and ends the shadow; its gate clears IF
  EXPECT_EQ(tables.stopped_at(), 6);
  EXPECT_EQ(m.cpu().interrupt_shadow, 0);
  EXPECT_EQ(m.interrupt_vector, 0x30);
}

}  // namespace
}  // namespace machina::jit
