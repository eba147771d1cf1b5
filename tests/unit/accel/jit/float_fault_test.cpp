/// What floating-point instructions raise, which no user program can see: the processor's exceptions, their order and
/// what they leave. SDM vol. 3, 2.5 and 6.15; vol. 1, 8.7 and 11.5.

#include <gtest/gtest.h>

#include "accel/jit/host_float.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

constexpr int kUd = 6, kNm = 7, kGp = 13, kPf = 14, kMf = 16, kXm = 19;
constexpr std::uint64_t kData = 0x20000;

class JitFloatFault : public ::testing::Test {
 protected:
  JitFloatFault() {
    m.long_64();
    tables.emplace(m);
    tables->stop_at_every_vector();
    m.cpu().gpr[kRbx] = kData;
  }
  /// The vector that the code raises; its end is a HLT, which gives -1.
  int run(std::initializer_list<std::uint8_t> code) {
    std::vector<std::uint8_t> bytes(code);
    bytes.push_back(0xf4);
    Cpu& cpu = m.cpu();
    cpu.update_mode();
    cpu.gpr[kRsp] = BareMachine::kStack;
    m.run(bytes);
    return tables->stopped_at();
  }
  /// Where it was raised, from the start of the code.
  std::uint64_t at() const { return tables->stacked(0) - BareMachine::kCode; }
  float single(unsigned reg, unsigned element) {
    float value;
    std::memcpy(&value, m.cpu().vector.ymm[reg].data() + 4 * element, 4);
    return value;
  }
  void set_single(unsigned reg, unsigned element, float value) {
    std::memcpy(m.cpu().vector.ymm[reg].data() + 4 * element, &value, 4);
  }
  void load_all_ones(unsigned reg) { m.cpu().vector.ymm[reg].fill(0xff); }

  BareMachine m;
  std::optional<DescriptorTables> tables;
};

TEST_F(JitFloatFault, TaskSwitchedMakesEveryUnitRaiseNm) {
  m.cpu().cr0 |= kCr0Ts;
  EXPECT_EQ(run({0xd9, 0xe8}), kNm);              // fld1
  EXPECT_EQ(run({0x0f, 0xfc, 0xc1}), kNm);        // paddb mm0, mm1
  EXPECT_EQ(run({0x0f, 0x58, 0xc1}), kNm);        // addps xmm0, xmm1
  EXPECT_EQ(run({0xc5, 0xf4, 0x58, 0xc2}), kNm);  // vaddps ymm0, ymm1, ymm2
  EXPECT_EQ(run({0x0f, 0xae, 0x03}), kNm);        // fxsave [rbx]
  EXPECT_EQ(run({0x0f, 0xae, 0x23}), kNm);        // xsave [rbx]
  EXPECT_EQ(run({0x9b}), kNm);                    // wait: with MP
  m.cpu().cr0 &= ~kCr0Mp;
  EXPECT_EQ(run({0x9b}), -1);
  EXPECT_EQ(run({0x0f, 0x06, 0xd9, 0xe8}), -1);  // clts; fld1: what comes after in the same block works
}

TEST_F(JitFloatFault, EmulationRaisesNmForX87AndUdForTheRest) {
  m.cpu().cr0 |= kCr0Em;
  EXPECT_EQ(run({0xd9, 0xe8}), kNm);
  EXPECT_EQ(run({0x0f, 0xfc, 0xc1}), kUd);
  EXPECT_EQ(run({0x0f, 0x58, 0xc1}), kUd);
  m.cpu().cr0 |= kCr0Ts;
  EXPECT_EQ(run({0x0f, 0x58, 0xc1}), kUd);  // which comes first
}

TEST_F(JitFloatFault, WhatTheSystemHasNotEnabledRaisesUd) {
  m.cpu().cr4 &= ~kCr4Osfxsr;
  EXPECT_EQ(run({0x0f, 0x58, 0xc1}), kUd);
  EXPECT_EQ(run({0x0f, 0xae, 0x13}), kUd);       // ldmxcsr [rbx]
  EXPECT_EQ(run({0x0f, 0xfc, 0xc1}), -1);        // MMX has no such bit
  EXPECT_EQ(run({0xc5, 0xf4, 0x58, 0xc2}), -1);  // nor has AVX
  m.cpu().xcr0 = 3;
  EXPECT_EQ(run({0xc5, 0xf4, 0x58, 0xc2}), kUd);
  m.cpu().xcr0 = 7;
  m.cpu().cr4 &= ~kCr4Osxsave;
  EXPECT_EQ(run({0xc5, 0xf4, 0x58, 0xc2}), kUd);
  EXPECT_EQ(run({0x0f, 0xae, 0x23}), kUd);
}

TEST_F(JitFloatFault, UnmaskedSseExceptionKeepsTheDestination) {
  m.cpu().vector.mxcsr = 0x1f80 & ~0x200U;  // ZM
  for (unsigned i = 0; i < 4; ++i) set_single(0, i, 1), set_single(1, i, 2);
  set_single(1, 2, 0);
  EXPECT_EQ(run({0x90, 0x0f, 0x5e, 0xc1}), kXm);  // nop; divps xmm0, xmm1
  EXPECT_EQ(at(), 1U);
  EXPECT_EQ(single(0, 0), 1.0F);
  EXPECT_EQ(m.cpu().vector.mxcsr & 0x3f, 4U);  // ZE alone: no result was computed
  set_single(1, 2, 3);
  EXPECT_EQ(run({0x0f, 0x5e, 0xc1}), -1);
  EXPECT_EQ(single(0, 0), 0.5F);
  EXPECT_EQ(m.cpu().vector.mxcsr & 0x3f, 0x24U);  // and PE, of 1/3
  set_single(1, 2, 0);
  m.cpu().cr4 &= ~kCr4Osxmmexcpt;
  EXPECT_EQ(run({0x0f, 0x5e, 0xc1}), kUd);
}

TEST_F(JitFloatFault, UnmaskedUnderflowIsRaisedEvenWhenTheResultIsExact) {
  set_single(0, 0, 0x1p-100F);
  set_single(1, 0, 0x1p-40F);
  EXPECT_EQ(run({0xf3, 0x0f, 0x59, 0xc1}), -1);  // mulss: 2^-140 is denormal, and exact
  EXPECT_EQ(m.cpu().vector.mxcsr & 0x3f, 0U);
  set_single(0, 0, 0x1p-100F);
  m.cpu().vector.mxcsr = 0x1f80 & ~0x800U;  // UM
  EXPECT_EQ(run({0xf3, 0x0f, 0x59, 0xc1}), kXm);
  EXPECT_EQ(m.cpu().vector.mxcsr & 0x3f, 0x10U);
  EXPECT_EQ(single(0, 0), 0x1p-100F);
}

TEST_F(JitFloatFault, MxcsrKeepsFlagsAndRounding) {
  // ldmxcsr [rbx] (round up); addss xmm0, xmm1; stmxcsr [rbx + 4]
  m.put<std::uint32_t>(kData, 0x5f80);
  set_single(0, 0, 1);
  set_single(1, 0, 0x1p-60F);
  EXPECT_EQ(run({0x0f, 0xae, 0x13, 0xf3, 0x0f, 0x58, 0xc1, 0x0f, 0xae, 0x5b, 0x04}), -1);
  EXPECT_EQ(m.get<std::uint32_t>(kData + 4), 0x5fa0U);
  EXPECT_EQ(single(0, 0), 1 + 0x1p-23F);
  EXPECT_EQ(__builtin_ia32_stmxcsr() & 0xffc0, 0x1f80U);  // the host has its own back
  m.put<std::uint32_t>(kData, 0x11f80);
  EXPECT_EQ(run({0x0f, 0xae, 0x13}), kGp);  // a reserved bit
}

TEST_F(JitFloatFault, X87ExceptionWaitsForTheNextWaitingInstruction) {
  m.put<std::uint16_t>(kData, 0x37b);  // ZM clear
  // fninit; fldcw [rbx]; fld1; fldz; fdivp; fnstsw ax; nop; fld1
  EXPECT_EQ(run({0xdb, 0xe3, 0xd9, 0x2b, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0xdf, 0xe0, 0x90, 0xd9, 0xe8}), kMf);
  EXPECT_EQ(at(), 13U);
  const Cpu& cpu = m.cpu();
  EXPECT_EQ(cpu.gpr[kRax] & 0xffff, 0xb084U);  // B, TOP 6, ES, ZE: nothing was popped
  EXPECT_EQ(cpu.x87.last_ip, BareMachine::kCode + 8);
  EXPECT_EQ(cpu.x87.opcode, 0x6f9);
  EXPECT_EQ(cpu.x87.image.valid, 0xc0);
  EXPECT_EQ(run({0x9b}), kMf);
  EXPECT_EQ(run({0x0f, 0xfc, 0xc1}), kMf);                 // MMX waits, too
  EXPECT_EQ(run({0xdd, 0x14, 0x25, 0, 0, 0, 0x7f}), kMf);  // before the page fault: fst qword [7f000000h]
  EXPECT_EQ(run({0xdb, 0xe2, 0xd9, 0xe8}), -1);            // fnclex; fld1
}

TEST_F(JitFloatFault, X87StoreThatFaultsDoesNotPop) {
  // fninit; fld1; fstp qword [7f000000h]
  EXPECT_EQ(run({0xdb, 0xe3, 0xd9, 0xe8, 0xdd, 0x1c, 0x25, 0, 0, 0, 0x7f}), kPf);
  EXPECT_EQ(m.cpu().x87.image.valid, 0x80);
}

TEST_F(JitFloatFault, AlignmentIsCheckedWhereTheManualSaysSo) {
  EXPECT_EQ(run({0x0f, 0x28, 0x43, 0x08}), kGp);        // movaps xmm0, [rbx + 8]
  EXPECT_EQ(run({0x0f, 0x58, 0x43, 0x08}), kGp);        // addps
  EXPECT_EQ(run({0x0f, 0x10, 0x43, 0x08}), -1);         // movups
  EXPECT_EQ(run({0xc5, 0xf8, 0x58, 0x43, 0x08}), -1);   // vaddps xmm
  EXPECT_EQ(run({0xc5, 0xfc, 0x28, 0x43, 0x10}), kGp);  // vmovaps ymm0, [rbx + 16]
  EXPECT_EQ(run({0xc5, 0xfc, 0x28, 0x43, 0x20}), -1);
  EXPECT_EQ(run({0x66, 0x0f, 0x7f, 0x43, 0x01}), kGp);          // movdqa [rbx + 1], xmm0
  EXPECT_EQ(run({0x66, 0x0f, 0x3a, 0x63, 0x43, 0x01, 0}), -1);  // pcmpistri
}

TEST_F(JitFloatFault, VectorsCrossPagesAndFaultAsAWhole) {
  Cpu& cpu = m.cpu();
  for (unsigned i = 0; i < 32; ++i) cpu.vector.ymm[3][i] = static_cast<std::uint8_t>(i + 1);
  cpu.gpr[kRbx] = kData + 0xff0;
  EXPECT_EQ(run({0xc5, 0xfe, 0x7f, 0x1b, 0xc5, 0xfe, 0x6f, 0x23}), -1);  // vmovdqu [rbx], ymm3; vmovdqu ymm4, [rbx]
  EXPECT_EQ(cpu.vector.ymm[4], cpu.vector.ymm[3]);
  EXPECT_EQ(m.get<std::uint8_t>(kData + 0x1000), 17);
  // The last page of RAM: the second half is not there, and the first is not written.
  cpu.gpr[kRbx] = BareMachine::kRamSize - 16;
  EXPECT_EQ(run({0xc5, 0xfe, 0x7f, 0x1b}), kPf);
  EXPECT_EQ(cpu.cr2, BareMachine::kRamSize);
  EXPECT_EQ(m.get<std::uint8_t>(BareMachine::kRamSize - 16), 0);
}

TEST_F(JitFloatFault, MaskedMovesFaultForEnabledElementsOnly) {
  Cpu& cpu = m.cpu();
  cpu.gpr[kRbx] = BareMachine::kRamSize - 16;
  load_all_ones(2);
  std::fill_n(cpu.vector.ymm[2].begin() + 16, 16, std::uint8_t{0x7f});
  m.put<std::uint32_t>(BareMachine::kRamSize - 4, 77);
  EXPECT_EQ(run({0xc4, 0xe2, 0x6d, 0x8c, 0x0b}), -1);  // vpmaskmovd ymm1, ymm2, [rbx]
  EXPECT_EQ(cpu.vector.ymm[1][12], 77);
  EXPECT_EQ(cpu.vector.ymm[1][16], 0);
  cpu.vector.ymm[2][19] = 0x80;
  EXPECT_EQ(run({0xc4, 0xe2, 0x6d, 0x8c, 0x0b}), kPf);
  EXPECT_EQ(run({0xc4, 0xe2, 0x6d, 0x8e, 0x0b}), kPf);  // the store: nothing is written
  EXPECT_EQ(m.get<std::uint32_t>(BareMachine::kRamSize - 4), 77U);
}

TEST_F(JitFloatFault, GatherKeepsWhatItHasWhenItFaults) {
  Cpu& cpu = m.cpu();
  m.put<std::uint32_t>(kData, 11);
  load_all_ones(2);
  cpu.vector.ymm[3].fill(0);
  const std::uint32_t far = 0x7f000000;
  std::memcpy(cpu.vector.ymm[3].data() + 4, &far, 4);
  EXPECT_EQ(run({0xc4, 0xe2, 0x69, 0x90, 0x0c, 0x1b}), kPf);  // vpgatherdd xmm1, [rbx + xmm3], xmm2
  EXPECT_EQ(cpu.vector.ymm[1][0], 11);
  EXPECT_EQ(cpu.vector.ymm[2][3], 0);
  EXPECT_EQ(cpu.vector.ymm[2][7], 0xff);
  EXPECT_EQ(run({0xc4, 0xe2, 0x69, 0x90, 0x0c, 0x0b}), kUd);  // the index is the destination
}

TEST_F(JitFloatFault, ProtectionKeyRegister) {
  Cpu& cpu = m.cpu();
  cpu.gpr[kRcx] = cpu.gpr[kRdx] = 0;
  cpu.gpr[kRax] = 0x54;
  EXPECT_EQ(run({0x0f, 0x01, 0xef}), kUd);  // wrpkru without CR4.PKE
  cpu.cr4 |= kCr4Pke;
  EXPECT_EQ(run({0x0f, 0x01, 0xef, 0x31, 0xc0, 0x0f, 0x01, 0xee}), -1);  // wrpkru; xor eax, eax; rdpkru
  EXPECT_EQ(cpu.gpr[kRax], 0x54U);
  cpu.gpr[kRcx] = 1;
  EXPECT_EQ(run({0x0f, 0x01, 0xee}), kGp);
}

}  // namespace
}  // namespace machina::jit
