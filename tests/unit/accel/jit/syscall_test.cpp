#include <gtest/gtest.h>

#include "accel/jit/fault.h"
#include "hw/x86/cpuid.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

// SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS and the bases of FS and GS: SDM vol. 2.

namespace machina::jit {
namespace {

constexpr std::uint64_t kCode = BareMachine::kCode, kStack = BareMachine::kStack;
using Tables = DescriptorTables;

struct Syscall : testing::Test {
  Syscall() : tables((m.long_64(), m)) {
    tables.stop_at_every_vector();
    start();
  }
  void start() {
    m.long_64();
    Cpu& cpu = m.cpu();
    cpu.efer |= kEferSce;
    cpu.msrs.star = std::uint64_t{0x1b} << 48 | std::uint64_t{0x08} << 32;
    cpu.msrs.lstar = 0x11000;
    cpu.msrs.cstar = 0x12000;
    cpu.msrs.fmask = kIf | kDf | kTf;
    cpu.msrs.sysenter_cs = 0x08;
    cpu.msrs.sysenter_eip = 0x13000;
    cpu.msrs.sysenter_esp = 0x60000;
    for (const std::uint64_t at : {0x11000, 0x12000, 0x13000}) m.put<std::uint8_t>(at, 0xf4);
  }
  /// What compatibility mode runs in.
  void compatibility() {
    Segment cs = m.cpu().segment[kCs];
    cs.rights = static_cast<std::uint16_t>((cs.rights & ~0x2000) | 0x4000);
    m.cpu().set_segment(kCs, cs);
    m.cpu().update_mode();
  }
  BareMachine m;
  Tables tables;
};

TEST_F(Syscall, EntersAtLstarWithFlagsInR11) {
  tables.user();
  m.cpu().set_eflags(kIf | kCf | kDf | kZf);
  m.run({0x0f, 0x05});
  EXPECT_EQ(m.cpu().rip, 0x11001U);
  EXPECT_EQ(m.cpu().gpr[kRcx], kCode + 2);
  EXPECT_EQ(m.cpu().gpr[kR11], kIf | kCf | kDf | kZf | 2U);
  EXPECT_EQ(m.cpu().eflags(), kCf | kZf | 2U);
  EXPECT_EQ(m.cpu().cpl, 0);
  EXPECT_EQ(m.cpu().segment[kCs].selector, 0x08);
  EXPECT_EQ(m.cpu().segment[kCs].rights, 0xa09b);
  EXPECT_EQ(m.cpu().segment[kSs].selector, 0x10);
  EXPECT_EQ(m.cpu().segment[kSs].rights, 0xc093);
  EXPECT_EQ(m.cpu().gpr[kRsp], kStack);
}

TEST_F(Syscall, TakesTheSelectorOfTheStackWithItsRpl) {
  m.cpu().msrs.star = std::uint64_t{0x1b} << 48 | std::uint64_t{0x0a} << 32;
  tables.user();
  m.run({0x0f, 0x05});
  EXPECT_EQ(m.cpu().segment[kCs].selector, 0x08);
  EXPECT_EQ(m.cpu().segment[kSs].selector, 0x12);
  EXPECT_EQ(m.cpu().cpl, 0);
}

TEST_F(Syscall, IsUndefinedWithoutItsBitInEfer) {
  m.cpu().efer &= ~kEferSce;
  tables.user();
  m.run({0x0f, 0x05});
  EXPECT_EQ(tables.stopped_at(), 6);
  start();
  m.cpu().efer &= ~kEferSce;
  m.run({0x48, 0x0f, 0x07});
  EXPECT_EQ(tables.stopped_at(), 6);
}

TEST_F(Syscall, OutsideOf64BitCodeItIsAmds) {
  tables.user();
  compatibility();
  m.run({0x0f, 0x05});
  EXPECT_EQ(tables.stopped_at(), 6);
  CpuidTable table;
  table.set({.leaf = 0, .eax = 0xd, .ebx = 0x68747541, .ecx = 0x444d4163, .edx = 0x69746e65});
  m.cpu().cpuid = &table;
  start();
  tables.user();
  compatibility();
  m.run({0x0f, 0x05});
  EXPECT_EQ(m.cpu().rip, 0x12001U);
  EXPECT_TRUE(m.cpu().long_code());
  m.cpu().cpuid = nullptr;
}

TEST_F(Syscall, SysretTo64BitCode) {
  tables.gate(0x80, Tables::handler(0x80), 0xee);
  m.put_code(0x14000, std::array<std::uint8_t, 2>{0xcd, 0x80});
  m.cpu().gpr[kRcx] = 0x14000;
  m.cpu().gpr[kR11] = kIf | kCf | kRf | kVm | 0x28;  // reserved bits and what cannot be set
  m.run({0x48, 0x0f, 0x07});
  EXPECT_EQ(tables.stopped_at(), 0x80);
  EXPECT_EQ(tables.stacked(0), 0x14002U);
  EXPECT_EQ(tables.stacked(1), 0x2bU);
  EXPECT_EQ(tables.stacked(2), kIf | kCf | 2U);
  EXPECT_EQ(tables.stacked(4), 0x23U);
}

TEST_F(Syscall, SysretTo32BitCode) {
  tables.gate(0x80, Tables::handler(0x80), 0xee);
  m.put_code(0x14000, std::array<std::uint8_t, 3>{0x40, 0xcd, 0x80});  // inc eax
  m.cpu().gpr[kRcx] = 0xf00014000;
  m.cpu().gpr[kRax] = 1;
  m.run({0x0f, 0x07});
  EXPECT_EQ(tables.stopped_at(), 0x80);
  EXPECT_EQ(tables.stacked(0), 0x14003U);
  EXPECT_EQ(tables.stacked(1), 0x1bU);
  EXPECT_EQ(m.cpu().gpr[kRax], 2U);
}

TEST_F(Syscall, TrapFlagCountsAsItIsAfterwards) {
  m.cpu().gpr[kRcx] = 0x14000;
  m.cpu().gpr[kR11] = kTf;
  m.run({0x48, 0x0f, 0x07});
  EXPECT_EQ(tables.stopped_at(), 1);
  EXPECT_EQ(tables.stacked(0), 0x14000U);
  EXPECT_EQ(tables.stacked(1), 0x2bU);
  for (const bool masked : {true, false}) {
    start();
    m.cpu().msrs.fmask = masked ? kTf : 0;
    tables.user();
    m.cpu().dr6 = 0xffff0ff0;
    m.cpu().set_eflags(kTf);
    m.cpu().update_mode();
    m.run({0x0f, 0x05});
    if (masked) {
      EXPECT_EQ(m.cpu().rip, 0x11001U);
    } else {
      EXPECT_EQ(tables.stopped_at(), 1);
      EXPECT_EQ(tables.stacked(0), 0x11000U);
    }
  }
}

TEST_F(Syscall, SysretToAnAddressThatIsNotCanonicalFaultsInTheKernel) {
  m.cpu().gpr[kRcx] = 0x8000000000000000;
  m.run({0x48, 0x0f, 0x07});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), 0U);
  EXPECT_EQ(tables.stacked(2), 8U) << "at CPL 0";
  start();
  tables.user();
  m.run({0x48, 0x0f, 0x07});
  EXPECT_EQ(tables.stopped_at(), 13) << "it is the kernel's";
}

TEST_F(Syscall, SysenterAndSysexitIn64BitCode) {
  tables.user();
  m.cpu().set_eflags(kIf | kCf);
  m.run({0x0f, 0x34});
  EXPECT_EQ(m.cpu().rip, 0x13001U);
  EXPECT_EQ(m.cpu().gpr[kRsp], 0x60000U);
  EXPECT_EQ(m.cpu().eflags(), kCf | 2U);
  EXPECT_EQ(m.cpu().segment[kSs].selector, 0x10);
  EXPECT_TRUE(m.cpu().long_code());

  start();
  tables.gate(0x80, Tables::handler(0x80), 0xee);
  m.put_code(0x14000, std::array<std::uint8_t, 2>{0xcd, 0x80});
  m.cpu().gpr[kRdx] = 0x14000;
  m.cpu().gpr[kRcx] = 0x50000;
  m.run({0x48, 0x0f, 0x35});
  EXPECT_EQ(tables.stacked(0), 0x14002U);
  EXPECT_EQ(tables.stacked(1), 0x2bU);
  EXPECT_EQ(tables.stacked(3), 0x50000U);
  EXPECT_EQ(tables.stacked(4), 0x33U);
}

TEST_F(Syscall, SysenterIn32BitCode) {
  m.protected_32();
  Tables flat(m);
  flat.stop_at_every_vector();
  flat.gate(0x80, Tables::handler(0x80), 0xee);
  flat.user();
  m.run({0x0f, 0x34});
  EXPECT_EQ(m.cpu().rip, 0x13001U);
  EXPECT_EQ(m.cpu().segment[kCs].rights, 0xc09b);
  m.put_code(0x14000, std::array<std::uint8_t, 2>{0xcd, 0x80});
  m.cpu().gpr[kRdx] = 0x14000;
  m.cpu().gpr[kRcx] = 0x50000;
  m.run({0x0f, 0x35});
  EXPECT_EQ(flat.stopped_at(), 0x80);
  EXPECT_EQ(flat.stacked(1), 0x1bU);
  EXPECT_EQ(flat.stacked(3), 0x50000U);
  EXPECT_EQ(flat.stacked(4), 0x23U);
}

TEST(SyscallOf16BitCode, SysenterAndSysexitAreProtectionFaultsInRealMode) {
  BareMachine m;
  for (const std::uint8_t opcode : {std::uint8_t{0x34}, std::uint8_t{0x35}}) {
    m.real_mode();
    m.cpu().idt = {0, 0x3ff};
    for (unsigned vector = 0; vector < 32; ++vector) {
      m.put<std::uint32_t>(4 * vector, 0x8000 + 16 * vector);
      m.put<std::uint8_t>(0x8000 + 16 * vector, 0xf4);
    }
    m.cpu().msrs.sysenter_cs = 8;
    m.cpu().set_segment(kCs, {.selector = 0, .rights = 0x9b, .limit = 0x1ffff, .base = 0});
    m.run({0x0f, opcode});
    EXPECT_EQ(m.cpu().rip, 0x8000U + 16 * 13 + 1);
  }
}

TEST(SyscallOf16BitCode, SysenterLeavesVirtual8086Mode) {
  BareMachine m;
  m.protected_32();
  Cpu& cpu = m.cpu();
  cpu.msrs.sysenter_cs = 8;
  cpu.msrs.sysenter_eip = 0x13000;
  cpu.msrs.sysenter_esp = 0x60000;
  m.put<std::uint8_t>(0x13000, 0xf4);
  cpu.set_eflags(kVm | kIf | 2);
  for (unsigned i = 0; i < 6; ++i) cpu.set_segment(i, {.selector = 0, .rights = 0xf3, .limit = 0x1ffff, .base = 0});
  cpu.cpl = 3;
  cpu.update_mode();
  m.run({0x0f, 0x34});
  EXPECT_EQ(cpu.rip, 0x13001U);
  EXPECT_EQ(cpu.cpl, 0);
  EXPECT_EQ(cpu.eflags() & (kVm | kIf), 0U);
  EXPECT_EQ(cpu.gpr[kRsp], 0x60000U);
}

TEST_F(Syscall, SysenterWithANullSegmentFaults) {
  m.cpu().msrs.sysenter_cs = 3;
  m.run({0x0f, 0x34});
  EXPECT_EQ(tables.stopped_at(), 13);
  EXPECT_EQ(tables.stacked(0), 0U);
}

TEST_F(Syscall, SwapgsIsTheKernels) {
  Segment gs = m.cpu().segment[kGs];
  gs.base = 0x1111;
  m.cpu().set_segment(kGs, gs);
  m.cpu().msrs.kernel_gs_base = 0x20000;
  m.put<std::uint32_t>(0x20010, 77);
  m.run({0x0f, 0x01, 0xf8, 0x65, 0x8b, 0x04, 0x25, 0x10, 0, 0, 0, 0xf4});  // swapgs; mov eax, gs:[10h]
  EXPECT_EQ(m.cpu().gpr[kRax], 77U);
  EXPECT_EQ(m.cpu().msrs.kernel_gs_base, 0x1111U);
  start();
  tables.user();
  m.run({0x0f, 0x01, 0xf8});
  EXPECT_EQ(tables.stopped_at(), 13);
}

TEST_F(Syscall, BasesOfFsAndGs) {
  m.cpu().gpr[kRbx] = 0xfffffff012345678;
  m.run({0xf3, 0x48, 0x0f, 0xae, 0xd3});  // wrfsbase rbx
  EXPECT_EQ(tables.stopped_at(), 6) << "CR4 does not allow it";
  start();
  m.cpu().cr4 |= kCr4Fsgsbase;
  tables.user();
  // wrfsbase rbx; rdfsbase rax; wrgsbase ebx; rdgsbase rcx; int 80h
  tables.gate(0x80, Tables::handler(0x80), 0xee);
  m.run({0xf3, 0x48, 0x0f, 0xae, 0xd3, 0xf3, 0x48, 0x0f, 0xae, 0xc0, 0xf3,
         0x0f, 0xae, 0xdb, 0xf3, 0x48, 0x0f, 0xae, 0xc9, 0xcd, 0x80});
  EXPECT_EQ(m.cpu().gpr[kRax], 0xfffffff012345678U);
  EXPECT_EQ(m.cpu().gpr[kRcx], 0x12345678U);
  start();
  m.cpu().cr4 |= kCr4Fsgsbase;
  m.cpu().gpr[kRbx] = 0x8000000000000000;
  m.run({0xf3, 0x48, 0x0f, 0xae, 0xd3});
  EXPECT_EQ(tables.stopped_at(), 13);
}

}  // namespace
}  // namespace machina::jit
