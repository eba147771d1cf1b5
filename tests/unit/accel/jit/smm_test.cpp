#include "accel/jit/smm.h"

#include <gtest/gtest.h>

#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kHandler = 0x38000, kSaved = 0x3fe00;

struct JitSmm : testing::Test {
  JitSmm() { m.long_64(); }
  void handler(std::initializer_list<std::uint8_t> code) { m.put_code(kHandler, std::span(code.begin(), code.size())); }
  BareMachine m;
};

// AMD64 APM vol. 2, table 10-1, and SDM vol. 3, table 31-4.
TEST_F(JitSmm, SavesTheStateAndEntersRealMode) {
  handler({0xf4});
  Cpu& c = m.cpu();
  for (unsigned i = 0; i < 16; ++i) c.gpr[i] = 0x1111111100000000 + i;
  c.gdt = {0xffff800000001000, 0x7f};
  c.msrs.star = 5;
  m.smi = true;
  m.run({0x90});
  EXPECT_TRUE(c.smm);
  EXPECT_EQ(c.rip, 0x8001U);
  EXPECT_EQ(c.segment[kCs].selector, 0x3000);
  EXPECT_EQ(c.segment[kCs].base, 0x30000U);
  EXPECT_EQ(c.segment[kDs].limit, 0xffffffffU);
  EXPECT_FALSE(c.protected_mode());
  EXPECT_EQ(c.efer, 0U);
  EXPECT_EQ(c.cr4, 0U);
  EXPECT_TRUE(c.nmi_masked);
  EXPECT_EQ(m.get<std::uint32_t>(kSaved + 0xfc), 0x20064U);
  EXPECT_EQ(m.get<std::uint32_t>(kSaved + 0x100), 0x30000U);
  EXPECT_EQ(m.get<std::uint64_t>(kSaved + 0x1f8), 0x1111111100000000U) << "RAX";
  EXPECT_EQ(m.get<std::uint64_t>(kSaved + 0x1d8), 0x1111111100000004U) << "RSP";
  EXPECT_EQ(m.get<std::uint64_t>(kSaved + 0x180), 0x111111110000000fU) << "R15";
  EXPECT_EQ(m.get<std::uint64_t>(kSaved + 0x178), BareMachine::kCode) << "RIP";
  EXPECT_EQ(m.get<std::uint64_t>(kSaved + 0x68), 0xffff800000001000U) << "GDTR";
  EXPECT_EQ(m.get<std::uint16_t>(kSaved + 0x64), 0x7f);
  EXPECT_EQ(m.get<std::uint64_t>(kSaved + 0xd0), kEferLme | kEferLma);
}

TEST_F(JitSmm, RsmBringsEverythingBack) {
  handler({0x66, 0x31, 0xc0, 0x0f, 0xaa});  // xor eax, eax; rsm
  Cpu& c = m.cpu();
  c.gpr[kRax] = 0x123456789abcdef0;
  c.set_eflags(kIf | kCf | 2);
  const auto cr4 = c.cr4, cr0 = c.cr0, cr3 = c.cr3;
  m.smi = true;
  EXPECT_EQ(m.run({0x48, 0xff, 0xc0, 0xf4}), VcpuExit::Halted);  // inc rax; hlt
  EXPECT_FALSE(c.smm);
  EXPECT_EQ(c.gpr[kRax], 0x123456789abcdef1U);
  EXPECT_EQ(c.rip, BareMachine::kCode + 4);
  EXPECT_TRUE(c.long_code());
  EXPECT_EQ(c.cr4, cr4);
  EXPECT_EQ(c.cr0, cr0);
  EXPECT_EQ(c.cr3, cr3);
  EXPECT_FALSE(c.nmi_masked);
  EXPECT_EQ(m.nmi_merges, 1);
  EXPECT_TRUE(c.system_flags & kIf);
}

TEST_F(JitSmm, TheHandlerRelocatesSmbase) {
  // mov dword [cs:ff00h], 0a0000h; rsm: 16-bit code with a 32-bit operand
  handler({0x2e, 0x66, 0xc7, 0x06, 0x00, 0xff, 0x00, 0x00, 0x0a, 0x00, 0x0f, 0xaa});
  m.put_code(0xa8000, std::initializer_list<std::uint8_t>{0x0f, 0xaa});
  m.smi = true;
  m.run({0xf4});
  EXPECT_EQ(m.cpu().smbase, 0xa0000U);
  m.put<std::uint32_t>(0xafefc, 0);
  m.smi = true;
  m.run({0xf4});
  EXPECT_EQ(m.get<std::uint32_t>(0xafefc), 0x20064U) << "the area is in the new place";
}

TEST_F(JitSmm, AHaltedCpuIsHaltedAgain) {
  handler({0x0f, 0xaa});
  EXPECT_EQ(m.run({0xf4, 0x90}), VcpuExit::HaltedMasked);
  m.smi = true;
  EXPECT_EQ(run_blocks(m.cpu()), VcpuExit::HaltedMasked);
  EXPECT_EQ(m.get<std::uint8_t>(kSaved + 0xc9), 1);
  EXPECT_EQ(m.cpu().rip, BareMachine::kCode + 1);
  // The handler may say that it is to go on instead.
  m.put<std::uint8_t>(BareMachine::kCode + 1, 0x90);
  m.put<std::uint8_t>(BareMachine::kCode + 2, 0xf4);
  handler({0x2e, 0xc6, 0x06, 0xc9, 0xfe, 0, 0x0f, 0xaa});  // mov byte [cs:fec9h], 0; rsm
  m.smi = true;
  EXPECT_EQ(run_blocks(m.cpu()), VcpuExit::HaltedMasked);
  EXPECT_EQ(m.cpu().rip, BareMachine::kCode + 3);
}

TEST_F(JitSmm, SmisAndNmisWaitForItsEnd) {
  m.put<std::uint8_t>(BareMachine::kCode, 0xf4);
  handler({0x40, 0x0f, 0xaa});  // inc ax; rsm
  m.cpu().gpr[kRax] = 0;
  m.smi = true;
  enter_smm(m.cpu());
  run_blocks(m.cpu());
  EXPECT_FALSE(m.smi) << "the second was taken once the first had ended";
  EXPECT_FALSE(m.cpu().smm);
}

TEST_F(JitSmm, ImpossibleStatesShutDown) {
  handler({0x2e, 0x66, 0xc7, 0x06, 0x58, 0xff, 0, 0, 0, 0x80, 0x0f, 0xaa});  // CR0 = PG without PE
  m.smi = true;
  EXPECT_EQ(m.run({0xf4}), VcpuExit::Shutdown);
}

TEST_F(JitSmm, ImpossibleModesShutDown) {
  handler({0x2e, 0x66, 0xc7, 0x06, 0x70, 0xff, 2, 0, 2, 0, 0x0f, 0xaa});  // RFLAGS.VM, with EFER.LMA
  m.smi = true;
  EXPECT_EQ(m.run({0xf4}), VcpuExit::Shutdown);
  BareMachine legacy;
  legacy.protected_32();
  legacy.put_code(kHandler, std::array<std::uint8_t, 12>{0x2e, 0x66, 0xc7, 0x06, 0x48, 0xff, 0, 0, 2, 0, 0x0f, 0xaa});
  legacy.smi = true;
  EXPECT_EQ(legacy.run({0xf4}), VcpuExit::Shutdown) << "CR4.PCIDE without EFER.LMA";
}

TEST_F(JitSmm, RsmLoadsWhatRegistersCanHold) {
  handler({0x2e, 0x66, 0xc7, 0x06, 0x58, 0xff, 0x23, 0x00, 0x00, 0x90,  // CR0: bit 28, and no ET
           0x2e, 0x66, 0xc7, 0x06, 0x60, 0xff, 0x00, 0xd0, 0x00, 0x00,  // DR7
           0x2e, 0x66, 0xc7, 0x06, 0x68, 0xff, 0x00, 0x10, 0x00, 0x00,  // DR6
           0x0f, 0xaa});
  m.smi = true;
  EXPECT_EQ(m.run({0xf4}), VcpuExit::HaltedMasked);
  EXPECT_EQ(m.cpu().cr0, 0x80000033U);
  EXPECT_EQ(m.cpu().dr7, 0x400U);
  EXPECT_EQ(m.cpu().dr6, 0xffff0ff0U);
}

TEST_F(JitSmm, RsmOutsideIsUndefined) {
  EXPECT_EQ(m.run({0x0f, 0xaa}), VcpuExit::Shutdown);
  EXPECT_EQ(m.cpu().rip, BareMachine::kCode);
}

}  // namespace
}  // namespace machina::jit
