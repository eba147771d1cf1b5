// String instructions that are left in the middle: by a fault, a request, a single step, an end of a segment.

#include <gtest/gtest.h>

#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kRegisters = 0x2000000;  // beyond RAM

/// Memory-mapped registers that ask for an exit at the nth write.
struct WithRegisters : BareMachine {
  void write_physical(std::uint64_t physical, unsigned width, std::uint64_t value) override {
    BareMachine::write_physical(physical, width, value);
    if (++writes == kick_at) cpu().request(kRequestKick);
  }
  unsigned writes = 0, kick_at = 0;
};

TEST(JitString, LongRepetitionsLeaveWhenTheyAreAskedTo) {
  WithRegisters m;
  m.protected_32();
  m.kick_at = 10;
  m.cpu().gpr[kRcx] = 100000;
  m.cpu().gpr[kRdi] = kRegisters;
  EXPECT_EQ(m.run({0xf3, 0xaa, 0x0f, 0x0b}), VcpuExit::Interrupted);  // rep stosb
  EXPECT_EQ(m.cpu().rip, BareMachine::kCode);
  const std::uint64_t done = m.cpu().gpr[kRdi] - kRegisters;
  EXPECT_GE(done, 10U);
  EXPECT_LE(done, 10000U);
  EXPECT_EQ(m.cpu().gpr[kRcx], 100000 - done);
  EXPECT_EQ(m.writes, done);
  EXPECT_EQ(run_blocks(m.cpu()), VcpuExit::Shutdown);
  EXPECT_EQ(m.cpu().gpr[kRcx], 0U);
  EXPECT_EQ(m.writes, 100000U);
}

struct LongString : testing::Test {
  static constexpr std::uint64_t kSource = 0x600000, kTarget = 0x9ff000;  // the page table of the last 2 MiB is ours
  static constexpr std::uint64_t kTable = 0x110000, kDirectory = 0x102000;
  LongString() {
    m.long_64();
    tables = std::make_unique<DescriptorTables>(m);
    tables->stop_at_every_vector();
    for (unsigned i = 0; i < 512; ++i) m.put<std::uint64_t>(kTable + 8 * i, (0xa00000 + i * kPageSize) | 7);
    m.put<std::uint64_t>(kDirectory + 5 * 8, kTable | 7);
    for (unsigned i = 0; i < 0x4000; ++i) m.put<std::uint8_t>(kSource + i, static_cast<std::uint8_t>(i * 7 + i / 256));
  }
  void forbid(unsigned page) { m.put<std::uint64_t>(kTable + 8 * page, 0); }
  void allow(unsigned page) { m.put<std::uint64_t>(kTable + 8 * page, (0xa00000 + page * kPageSize) | 7); }
  BareMachine m;
  std::unique_ptr<DescriptorTables> tables;
};

TEST_F(LongString, AFaultInTheMiddleLeavesWhatIsLeft) {
  forbid(1);
  m.cpu().gpr[kRsi] = kSource + 3;
  m.cpu().gpr[kRdi] = 0x9ffff1;
  m.cpu().gpr[kRcx] = 0x2000;
  m.run({0xf3, 0xa4, 0x0f, 0x0b});  // rep movsb: 15 bytes below the page table's region, 4096 in its first page
  EXPECT_EQ(m.cpu().cr2, 0xa01000U);
  EXPECT_EQ(m.cpu().gpr[kRdi], 0xa01000U);
  EXPECT_EQ(m.cpu().gpr[kRsi], kSource + 3 + 0x100f);
  EXPECT_EQ(m.cpu().gpr[kRcx], 0x2000U - 0x100f);
  allow(1);
  m.cpu().flush_tlb();
  m.cpu().rip = BareMachine::kCode;
  run_blocks(m.cpu());
  EXPECT_EQ(m.cpu().gpr[kRcx], 0U);
  for (unsigned i = 0; i < 0x2000; ++i)
    ASSERT_EQ(m.get<std::uint8_t>(0x9ffff1 + i), m.get<std::uint8_t>(kSource + 3 + i)) << i;
}

TEST_F(LongString, OverlappingCopiesRepeatWhatTheyWrote) {
  for (const unsigned distance : {1U, 2U, 3U, 8U, 100U}) {
    for (unsigned i = 0; i < distance; ++i) m.put<std::uint8_t>(kSource + i, static_cast<std::uint8_t>(i + 1));
    m.cpu().gpr[kRsi] = kSource;
    m.cpu().gpr[kRdi] = kSource + distance;
    m.cpu().gpr[kRcx] = 3000;
    m.run({0xf3, 0xa4, 0x0f, 0x0b});
    for (unsigned i = 0; i < 3000; ++i)
      ASSERT_EQ(m.get<std::uint8_t>(kSource + distance + i), i % distance + 1) << distance << ' ' << i;
  }
}

TEST_F(LongString, CodeThatACopyOverwritesIsDecodedAgain) {
  // mov al, 1; ret - at kTarget, called; then overwritten by mov al, 2; ret
  m.put_code(0x700000, std::array<std::uint8_t, 3>{0xb0, 1, 0xc3});
  m.put_code(kSource, std::array<std::uint8_t, 3>{0xb0, 2, 0xc3});
  m.cpu().gpr[kRsi] = kSource;
  m.cpu().gpr[kRdi] = 0x700000;
  m.cpu().gpr[kRbx] = 0x700000;
  // call rbx; mov dl, al; mov ecx, 3; rep movsb; call rbx; ud2
  m.run({0xff, 0xd3, 0x88, 0xc2, 0xb9, 3, 0, 0, 0, 0xf3, 0xa4, 0xff, 0xd3, 0x0f, 0x0b});
  EXPECT_EQ(m.cpu().gpr[kRdx] & 0xff, 1U);
  EXPECT_EQ(m.cpu().gpr[kRax] & 0xff, 2U);
}

TEST_F(LongString, ACountOfZeroTouchesNothing) {
  m.cpu().gpr[kRsi] = m.cpu().gpr[kRdi] = 0x7fffffffff000;  // not canonical
  m.cpu().gpr[kRcx] = 0;
  m.cpu().flags.set(kZf | kCf);
  m.run({0xf3, 0xa4, 0xf3, 0xa6, 0xf2, 0xae, 0x0f, 0x0b});
  EXPECT_EQ(m.cpu().gpr[kRsi], 0x7fffffffff000U);
  EXPECT_EQ(m.cpu().flags.eflags(), kZf | kCf);
}

struct RealString : testing::Test {
  RealString() {
    m.cpu().set_segment(kCs, {.selector = 0x1000, .rights = 0x9b, .limit = 0xffff, .base = 0x10000});
    m.cpu().set_segment(kEs, {.selector = 0x3000, .rights = 0x93, .limit = 0xffff, .base = 0x30000});
    m.cpu().gpr[kRsp] = 0x8000;
    m.cpu().update_mode();
    for (unsigned vector = 0; vector < 32; ++vector) {
      m.put<std::uint32_t>(vector * 4, 0x20000000 | vector);  // 2000:vector
      m.put<std::uint8_t>(0x20000 + vector, 0xf4);
    }
  }
  void run(std::initializer_list<std::uint8_t> code) {
    m.put_code(BareMachine::kCode, std::span(code.begin(), code.size()));
    m.cpu().rip = 0;
    run_blocks(m.cpu());
  }
  BareMachine m;
};

TEST_F(RealString, OffsetsWrapAt64KiB) {
  for (unsigned i = 0; i < 0x10000; ++i) m.put<std::uint8_t>(0x40000 + i, static_cast<std::uint8_t>(i >> 4));
  m.cpu().set_segment(kDs, {.selector = 0x4000, .rights = 0x93, .limit = 0xffff, .base = 0x40000});
  m.cpu().update_mode();
  m.cpu().gpr[kRsi] = 0xabcdfff0;
  m.cpu().gpr[kRdi] = 0x100;
  m.cpu().gpr[kRcx] = 0x20;
  run({0xf3, 0xa4, 0xf4});  // rep movsb
  EXPECT_EQ(m.cpu().gpr[kRsi], 0xabcd0010U);
  for (unsigned i = 0; i < 0x20; ++i) EXPECT_EQ(m.get<std::uint8_t>(0x30100 + i), i < 0x10 ? 0xff : 0) << i;
}

TEST_F(RealString, AnElementAcrossTheLimitFaultsWithTheOnesBeforeItDone) {
  m.cpu().gpr[kRsi] = 0;
  m.cpu().gpr[kRdi] = 0xfff9;
  m.cpu().gpr[kRcx] = 8;
  run({0xf3, 0xa5, 0xf4});  // rep movsw: at FFF9, FFFB, FFFD, and FFFF, which is #GP
  EXPECT_EQ(m.cpu().segment[kCs].selector, 0x2000);
  EXPECT_EQ(m.cpu().rip, 14U) << "after the HLT of vector 13";
  EXPECT_EQ(m.get<std::uint16_t>(m.cpu().gpr[kRsp]), 0) << "the instruction itself";
  EXPECT_EQ(m.cpu().gpr[kRdi], 0xffffU);
  EXPECT_EQ(m.cpu().gpr[kRcx], 5U);
}

TEST_F(RealString, SingleStepTrapsAfterEveryElement) {
  // The handler of #DB counts in BX.
  m.put_code(0x20001, std::array<std::uint8_t, 2>{0x43, 0xcf});  // inc bx; iret
  m.cpu().gpr[kRbx] = 0;
  m.cpu().gpr[kRdi] = 0x10;
  m.cpu().gpr[kRcx] = 5;
  m.cpu().set_eflags(kTf);
  m.cpu().update_mode();
  run({0xf3, 0xaa, 0xfa, 0xf4});  // rep stosb; cli; hlt
  EXPECT_EQ(m.cpu().gpr[kRcx] & 0xffff, 0U);
  EXPECT_EQ(m.cpu().gpr[kRdi], 0x15U);
  EXPECT_GE(m.cpu().gpr[kRbx], 6U) << "five elements and the CLI";
}

TEST_F(RealString, AddressesOf32BitsWithTheirPrefix) {
  m.cpu().gpr[kRdi] = 0x20;
  m.cpu().gpr[kRcx] = 0x10003;
  m.cpu().gpr[kRax] = 0x5a;
  run({0x67, 0xf3, 0xaa, 0xf4});  // rep stosb with EDI and ECX: runs into the limit
  EXPECT_EQ(m.cpu().rip, 14U);
  EXPECT_EQ(m.cpu().gpr[kRdi], 0x10000U);
  EXPECT_EQ(m.cpu().gpr[kRcx], 0x23U);
}

}  // namespace
}  // namespace machina::jit
