#include "accel/jit/xsave.h"

#include <gtest/gtest.h>

#include <numeric>

#include "accel/jit/x87_environment.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

constexpr int kGp = 13;
constexpr std::uint64_t kArea = 0x20000;

class JitXsave : public ::testing::Test {
 protected:
  JitXsave() {
    m.long_64();
    tables.emplace(m);
    tables->stop_at_every_vector();
    Cpu& cpu = m.cpu();
    cpu.gpr[kRbx] = kArea;
    cpu.gpr[kRax] = 7;
    cpu.gpr[kRdx] = 0;
    for (unsigned r = 0; r < 16; ++r)
      std::iota(cpu.vector.ymm[r].begin(), cpu.vector.ymm[r].end(), std::uint8_t(r + 1));
  }
  int run(std::initializer_list<std::uint8_t> code) {
    std::vector<std::uint8_t> bytes(code);
    bytes.push_back(0xf4);
    m.cpu().gpr[kRsp] = BareMachine::kStack;
    m.cpu().update_mode();
    m.run(bytes);
    return tables->stopped_at();
  }
  std::uint64_t xstate_bv() { return m.get<std::uint64_t>(kArea + 512); }
  std::uint64_t xcomp_bv() { return m.get<std::uint64_t>(kArea + 520); }

  BareMachine m;
  std::optional<DescriptorTables> tables;
};

TEST_F(JitXsave, SavesAndRestoresInStandardForm) {
  // fninit; fldpi; xsave64 [rbx]
  EXPECT_EQ(run({0xdb, 0xe3, 0xd9, 0xeb, 0x48, 0x0f, 0xae, 0x23}), -1);
  EXPECT_EQ(xstate_bv(), 7U);
  EXPECT_EQ(m.get<std::uint8_t>(kArea + 4), 0x80);           // R7 is in use
  EXPECT_EQ(m.get<std::uint16_t>(kArea + 32 + 8), 0x4000);   // pi's exponent
  EXPECT_EQ(m.get<std::uint32_t>(kArea + 24), 0x1f80U);      // MXCSR
  EXPECT_EQ(m.get<std::uint8_t>(kArea + 160 + 16 * 5), 6);   // XMM5
  EXPECT_EQ(m.get<std::uint8_t>(kArea + 576 + 16 * 5), 22);  // the upper half of YMM5
  const auto before = m.cpu().vector.ymm;
  // vzeroall; fninit; xrstor64 [rbx]
  EXPECT_EQ(run({0xc5, 0xfc, 0x77, 0xdb, 0xe3, 0x48, 0x0f, 0xae, 0x2b}), -1);
  EXPECT_EQ(m.cpu().vector.ymm, before);
  EXPECT_EQ(m.cpu().x87.image.valid, 0x80);
  EXPECT_EQ(m.cpu().x87.image.st[0][9], 0x40);
}

TEST_F(JitXsave, WhatIsInitialIsNotWrittenByTheOptimizedForm) {
  m.cpu().vector.ymm = {};
  m.put<std::uint8_t>(kArea + 576, 0xaa);
  EXPECT_EQ(run({0xdb, 0xe3, 0x48, 0x0f, 0xae, 0x33}), -1);  // fninit; xsaveopt64
  EXPECT_EQ(xstate_bv() & 6, 0U);
  EXPECT_EQ(m.get<std::uint8_t>(kArea + 576), 0xaa);
  // And XRSTOR makes of such components what they are initially.
  m.cpu().vector.ymm[3].fill(9);
  EXPECT_EQ(run({0x48, 0x0f, 0xae, 0x2b}), -1);
  EXPECT_EQ(m.cpu().vector.ymm[3][0], 0);
  EXPECT_EQ(m.cpu().vector.ymm[3][31], 0);
}

TEST_F(JitXsave, OnlyWhatIsAskedForIsTouched) {
  m.cpu().gpr[kRax] = 4;
  m.put<std::uint64_t>(kArea + 512, 2);
  EXPECT_EQ(run({0x48, 0x0f, 0xae, 0x23}), -1);
  EXPECT_EQ(xstate_bv(), 6U);
  EXPECT_EQ(m.get<std::uint8_t>(kArea + 160), 0);
  EXPECT_EQ(m.get<std::uint8_t>(kArea + 576), 17);
}

TEST_F(JitXsave, CompactsAndTakesItBack) {
  m.cpu().gpr[kRax] = 6;
  EXPECT_EQ(run({0x48, 0x0f, 0xc7, 0x63, 0x00}), -1);  // xsavec64 [rbx]
  EXPECT_EQ(xcomp_bv(), std::uint64_t{1} << 63 | 6);
  EXPECT_EQ(xstate_bv(), 6U);
  const auto before = m.cpu().vector.ymm;
  EXPECT_EQ(run({0xc5, 0xfc, 0x77, 0x48, 0x0f, 0xc7, 0x1b}), -1);  // vzeroall; xrstors64
  EXPECT_EQ(m.cpu().vector.ymm, before);
}

TEST_F(JitXsave, RefusesHeadersThatAreNotRight) {
  EXPECT_EQ(run({0x48, 0x0f, 0xae, 0x23}), -1);
  const auto restore = [this] { return run({0x48, 0x0f, 0xae, 0x2b}); };
  EXPECT_EQ(restore(), -1);
  m.put<std::uint64_t>(kArea + 512, 8);  // a component that XCR0 does not have
  EXPECT_EQ(restore(), kGp);
  m.put<std::uint64_t>(kArea + 512, 7);
  m.put<std::uint8_t>(kArea + 528, 1);  // reserved: the standard form checks bytes up to 23
  EXPECT_EQ(restore(), kGp);
  m.put<std::uint8_t>(kArea + 528, 0);
  m.put<std::uint32_t>(kArea + 24, 0x10000);  // MXCSR
  EXPECT_EQ(restore(), kGp);
  m.put<std::uint32_t>(kArea + 24, 0x1f80);
  EXPECT_EQ(run({0x48, 0x0f, 0xc7, 0x1b}), kGp);  // XRSTORS wants the compacted form
  m.put<std::uint64_t>(kArea + 520, std::uint64_t{1} << 63 | 3);
  EXPECT_EQ(restore(), kGp);  // XSTATE_BV has what XCOMP_BV has not
  m.put<std::uint64_t>(kArea + 520, std::uint64_t{1} << 63 | 7);
  EXPECT_EQ(restore(), -1);
  EXPECT_EQ(run({0x48, 0x0f, 0xae, 0x63, 0x08}), kGp);  // not at a multiple of 64
}

TEST_F(JitXsave, ChecksTheAreaOfFxrstor) {
  EXPECT_EQ(run({0x48, 0x0f, 0xae, 0x03}), -1);  // fxsave64
  EXPECT_EQ(m.get<std::uint32_t>(kArea + 28), 0xffffU);
  EXPECT_EQ(run({0x48, 0x0f, 0xae, 0x0b}), -1);
  EXPECT_EQ(run({0x48, 0x0f, 0xae, 0x4b, 0x08}), kGp);
  m.put<std::uint32_t>(kArea + 24, 0x20000);
  EXPECT_EQ(run({0x48, 0x0f, 0xae, 0x0b}), kGp);
}

TEST_F(JitXsave, StateGoesOutAndComesBack) {
  Cpu& cpu = m.cpu();
  EXPECT_EQ(run({0xdb, 0xe3, 0xd9, 0xeb, 0xd9, 0xe8}), -1);  // fninit; fldpi; fld1
  cpu.vector.mxcsr = 0x5fa1;
  cpu.pkru = 0x55555554;
  std::vector<std::uint8_t> area, again;
  store_xsave(cpu, area);
  BareMachine other;
  load_xsave(other.cpu(), area);
  EXPECT_EQ(other.cpu().vector.ymm, cpu.vector.ymm);
  EXPECT_EQ(other.cpu().vector.mxcsr, 0x5fa1U);
  EXPECT_EQ(other.cpu().pkru, 0x55555554U);
  EXPECT_EQ(other.cpu().x87.image.status, 0x3000);
  store_xsave(other.cpu(), again);
  EXPECT_EQ(again, area);
  load_xsave(other.cpu(), {});
  EXPECT_EQ(other.cpu().vector.mxcsr, 0x1f80U);
  EXPECT_EQ(other.cpu().x87.image.control, 0x37f);
}

// SDM vol. 1, figures 8-9 to 8-12. Code at CS 1000h:0, data at DS 2000h.
TEST(JitX87Environment, FormatsOf16BitsAndOfRealMode) {
  BareMachine m;
  Cpu& cpu = m.cpu();
  cpu.x87.image.control = 0x37f;
  cpu.x87.image.status = 0x3800;
  cpu.x87.image.valid = 0x80;
  cpu.x87.image.st[0][9] = 0x3f;
  cpu.x87.image.st[0][7] = 0x80;
  cpu.x87.last_cs = 0x1234;
  cpu.x87.last_ip = 0x5678;
  cpu.x87.last_ds = 0x2345;
  cpu.x87.last_dp = 0x6789;
  cpu.x87.opcode = 0x5c3;
  std::array<std::uint8_t, 28> bytes{};
  const auto half = [&](unsigned i) { return bytes[i] | bytes[i + 1] << 8; };
  put_x87_environment(cpu, {.wide = false, .protected_mode = true}, bytes.data());
  EXPECT_EQ(half(0), 0x37f);
  EXPECT_EQ(half(2), 0x3800);
  EXPECT_EQ(half(4), 0x3fff);
  EXPECT_EQ(half(6), 0x5678);
  EXPECT_EQ(half(8), 0x1234);
  EXPECT_EQ(half(10), 0x6789);
  EXPECT_EQ(half(12), 0x2345);
  put_x87_environment(cpu, {.wide = false, .protected_mode = false}, bytes.data());
  EXPECT_EQ(half(6), 0x79b8);  // 12340h + 5678h = 179B8h
  EXPECT_EQ(half(8), 0x15c3);
  EXPECT_EQ(half(10), 0x9bd9);  // 23450h + 6789h = 29BD9h
  EXPECT_EQ(half(12), 0x2000);
  put_x87_environment(cpu, {.wide = true, .protected_mode = false}, bytes.data());
  EXPECT_EQ(half(12), 0x79b8);
  EXPECT_EQ(half(16), 0x15c3);
  EXPECT_EQ(half(18), 0);
  put_x87_environment(cpu, {.wide = true, .protected_mode = true}, bytes.data());
  EXPECT_EQ(half(8), 0x3fff);
  EXPECT_EQ(half(10), 0xffff);
  EXPECT_EQ(half(16), 0x1234);
  EXPECT_EQ(half(18), 0x5c3);
  BareMachine other;
  take_x87_environment(other.cpu(), {.wide = true, .protected_mode = true}, bytes.data());
  EXPECT_EQ(other.cpu().x87.last_ip, 0x5678U);
  EXPECT_EQ(other.cpu().x87.opcode, 0x5c3);
  EXPECT_EQ(other.cpu().x87.image.valid, 0x80);
}

// Registers are the same ones wherever TOP points: the image is by ST, the tags are by R.
TEST(JitX87Environment, MovingTopMovesNoRegister) {
  BareMachine m;
  Cpu& cpu = m.cpu();
  for (unsigned i = 0; i < 8; ++i) cpu.x87.image.st[i][0] = static_cast<std::uint8_t>(i);
  std::array<std::uint8_t, 28> bytes{};
  put_x87_environment(cpu, {}, bytes.data());
  bytes[5] = 0x10;  // TOP is 2
  take_x87_environment(cpu, {}, bytes.data());
  EXPECT_EQ(cpu.x87.image.st[0][0], 2);
  EXPECT_EQ(cpu.x87.image.st[7][0], 1);
  initialize_x87(cpu);
  EXPECT_EQ(cpu.x87.image.st[0][0], 0);
}

}  // namespace
}  // namespace machina::jit
